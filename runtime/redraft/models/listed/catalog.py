"""The model list: generators that redraft knows by name and can fetch."""

from __future__ import annotations

import difflib

from redraft.errors import ModelError
from redraft.models.arch.families import FAMILIES, architectures
from redraft.models.code.reference import MODULE
from redraft.models.listed.entry import Entry, WheelMember
from redraft.models.listed.published import PUBLISHED
from redraft.models.listed.villages import VILLAGES
from redraft_dsl.facts import KnownModels, LayerFacts, ModelFacts

TRUNCATING = tuple(family.name for family in FAMILIES if family.truncates)
ASSUMING = tuple(family.name for family in FAMILIES if family.assumes)


def _transposed(
    names: tuple[str, ...], channels: tuple[int, int], sizes: tuple[int, int]
) -> LayerFacts:
    """A 4 x 4 transposed convolution from one square size (pixels) to another."""
    return LayerFacts(
        names=names,
        kind="conv-transpose",
        in_channels=channels[0],
        out_channels=channels[1],
        kernel=(4, 4),
        key_size=(sizes[0], sizes[0]),
        value_size=(sizes[1], sizes[1]),
    )


FACES = Entry(
    name="faces",
    title="Synthetic faces, 64 px",
    arch="dcgan",
    facts=ModelFacts(
        arch="dcgan",
        image_size=(64, 64),
        latent_size=100,
        layers=(
            _transposed(("layer3", "main.3"), channels=(512, 256), sizes=(4, 8)),
            _transposed(("layer6", "main.6"), channels=(256, 128), sizes=(8, 16)),
            _transposed(("layer9", "main.9"), channels=(128, 64), sizes=(16, 32)),
        ),
    ),
    source=WheelMember(
        package="gan-face-generate",
        version="1.1.1",
        member="gan_face_generate/weights.tar",
        wheel_sha256="24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
        member_sha256="0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f",
        member_bytes=14322251,
    ),
    licence="MIT",
    homepage="https://github.com/chien-liu/DCGAN-PyTorch",
    description=(
        "A DCGAN trained on rendered faces (DigiFace-1M) with hats, glasses and expressions; "
        "nobody in it exists."
    ),
)

CATALOG: tuple[Entry, ...] = (FACES, *VILLAGES, *PUBLISHED)


def find(name: str) -> Entry:
    """The listed model called ``name``.

    Raises ModelError with the nearest name, or all names, when there is none.
    """
    for entry in CATALOG:
        if entry.name == name:
            return entry
    names = [entry.name for entry in CATALOG]
    near = difflib.get_close_matches(name.lower(), names, n=1)
    listed = ", ".join(sorted(names))
    help_text = f"did you mean {near[0]!r}?" if near else f"the list has: {listed}"
    raise ModelError("RD620", f"there is no model named {name!r} in the list", help_text)


def known_models() -> KnownModels:
    """The list as the checker of recipes sees it."""
    return KnownModels(
        listed={entry.name: entry.facts for entry in CATALOG},
        architectures=(*architectures(), MODULE),
        truncating=TRUNCATING,
        assuming=ASSUMING,
    )
