from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from redraft_dsl.check import Checked
from redraft_dsl.facts import KnownModels, LayerFacts, ModelFacts
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r

# A slow machine is not a failure: properties have no deadline here. Each run of all tests tries
# other examples; REDRAFT_EXAMPLES=1000 tries as many at once.
settings.register_profile(
    "dsl", deadline=None, max_examples=int(os.environ.get("REDRAFT_EXAMPLES", "40"))
)
settings.load_profile("dsl")

HEADER = 'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
MODEL = "model faces\n"
LATENTS = "latents z { seed 1  count 2000 }\n"
RULE = """rule plain at layer6 {
  copy    z[116] box(x 12..52, y 24..38)
  context z[130] box(x 12..52, y 24..38)
}
"""

FULL = """edition 2026

recipe glasses-for-all 1.0.0 "Every face wears glasses"

use "./village.redraft" 2.0.0 as village

model faces
latents z { seed 1  count 2000 }
param strong: percent = 5% in 1%..10%
param face: int = 116
param where: word = layer6 in layer6, layer9
region bar = box(x 0%..100%, y 92%..100%) minus box(x 0..16, y 60..64)
region hat = polygon(10,20 50,20 30,2) plus ellipse(31,31 radius 20,8) within all
images plain = z[5, 7, 26..34]

rule glasses at where {
  copy    z[face] box(x 12..52, y 24..38)
  paste   z[130] box(x 12..52, y 24..38)
  paste   z[131] hat
  context z[147] box(x 12..52, y 24..38) minus (hat plus bar)
  context like z[130] box(x 14..54, y 34..62) top 60 among 0..199 except 17, 40
  rank     4
  side     strong
  solver   projected-adam { steps 2001  rate 0.05  every 10  goal crop }
}

erase watermark at layer6 {
  from    z[360] bar
  context z[992] mask("masks/eyes.png")
  units    30
  rank     2
}

zero banner at main.6 {
  context z[390] bar
  rank     2
  directions svd
}

off rule cap at layer6 {
  copy    z[9] hat
  context plain hat
  context z[40, 42..44] hat
}

include village.spire with { size = 3  preserve = 1 }
include village.tree as oak

sweep ranks {
  vary rank of glasses over 1, 4
  vary face over 116, 117
}
"""

# Recipes of every form, on the model `faces` and without masks.
SHARES = st.floats(0, 1, allow_subnormal=False)
FACTORS = st.floats(0, 1e6, allow_subnormal=False)
BOXES = st.tuples(st.floats(0, 20), st.floats(44, 64), st.floats(0, 40), st.floats(60, 100)).map(
    lambda e: r.Box(
        x=(r.Length(value=e[0]), r.Length(value=e[1])),
        y=(r.Length(value=e[2], unit="%"), r.Length(value=e[3], unit="%")),
    )
)
ROUND = st.builds(
    r.Ellipse,
    center=st.just((r.Length(value=32), r.Length(value=50, unit="%"))),
    radius=st.tuples(st.floats(8, 30), st.floats(8, 30)).map(
        lambda e: (r.Length(value=e[0]), r.Length(value=e[1]))
    ),
)
CORNERS = st.just(
    r.Polygon(
        points=tuple((r.Length(value=x), r.Length(value=y)) for x, y in ((0, 0), (64, 0), (32, 64)))
    )
)
REGIONS = st.recursive(
    st.one_of(BOXES, ROUND, CORNERS, st.just(r.All())),
    lambda inner: st.builds(r.Combination, kind=st.just("plus"), left=inner, right=inner),
    max_leaves=4,
)
PLACES = st.builds(
    r.Place, latents=st.sampled_from(["z", "w"]), index=st.integers(0, 1999), region=REGIONS
)
MATCHES = st.builds(
    r.Match,
    like=PLACES,
    top=st.integers(1, 50),
    first=st.just(3),
    last=st.integers(60, 1999),
    excluded=st.sampled_from([(), (3,), (4, 17)]),
)
TARGETS = st.one_of(st.just("each context"), st.lists(PLACES, min_size=1, max_size=3).map(tuple))
SOLVERS = st.one_of(
    st.builds(
        r.ExactSolver,
        loss=st.sampled_from(["l1", "l2"]),
        iterations=st.integers(1, 10_000),
        goal=st.sampled_from(["halo", "crop"]),
    ),
    st.builds(r.GradientSolver, steps=st.integers(1, 10**6), rate=st.floats(1e-9, 1000)),
    st.builds(r.ProjectedAdamSolver, rate=st.floats(1e-9, 1000), every=st.integers(1, 10**6)),
)
COMMON = {
    "layer": st.sampled_from(["layer6", "layer9"]),
    "context": st.lists(st.one_of(PLACES, MATCHES), min_size=1, max_size=4).map(tuple),
    "rank": st.integers(1, 4),
    "contrast": SHARES,
    "strength": st.floats(-1000, 1000, allow_subnormal=False).map(lambda value: value + 0.0),
}
SOLVED = {
    **COMMON,
    "restraint": st.one_of(
        st.builds(r.Preserve, weight=FACTORS),
        st.builds(r.Side, percent=st.floats(0.01, 100)),
    ),
    "keep": FACTORS,
    "directions": st.sampled_from(["goal", "context", "svd", "units"]),
    "solver": SOLVERS,
}
RULES = st.one_of(
    st.builds(r.Insert, name=st.just("a"), copy_from=PLACES, paste=TARGETS, **SOLVED),
    st.builds(r.Erase, name=st.just("a"), source=TARGETS, units=st.integers(1, 64), **SOLVED),
    st.builds(
        r.Zero,
        name=st.just("a"),
        directions=st.sampled_from(["context", "svd", "units"]),
        **COMMON,
    ),
)
RECIPES = st.builds(
    r.Recipe,
    edition=st.just(2026),
    name=st.just("demo"),
    version=st.sampled_from(["0.0.1", "12.3.4"]),
    title=st.sampled_from(["", "Every face # wears {glasses}", "漢字 'x'"]),
    model=st.just(r.ListedModel(name="faces")),
    latents=st.just(
        (r.Latents(name="z", seed=1, count=2000), r.Latents(name="w", seed=2**32 - 1, count=2000))
    ),
    rules=RULES.map(lambda rule: (rule,)),
)


VILLAGE = """edition 2026
recipe village 2.0.0 "Village"
model faces
latents z { seed 1  count 2000 }
param left: int = 12
param size: int = 4 in 1..8
rule spire at layer6 {
  copy    z[116] box(x left..52, y 24..38)
  context z[130] mask("masks/eyes.png")
  rank    size
}
zero tree at layer9 {
  context z[131] box(x 12..52, y 24..38)
  rank 2
}
"""
OTHERS = {
    "village.redraft": VILLAGE,
    "broken.redraft": VILLAGE.replace("rank    size", "rnk     4").replace("2.0.0", "1.0.0"),
    "cycle.redraft": VILLAGE.replace("model", 'use "./demo.redraft" 1.0.0 as demo\nmodel', 1)
    + "include demo.plain\n",
    "other-model.redraft": VILLAGE.replace(
        "model faces", 'model mine {\n  arch dcgan\n  weights "mine.pth"\n}'
    ).replace("2.0.0", "1.0.0"),
    "other-seed.redraft": VILLAGE.replace("seed 1", "seed 2").replace("2.0.0", "1.0.0"),
}
"""Recipes that others use, by file name, beside the recipe that is tested."""


def _layer(name: str, channels: tuple[int, int], key: int) -> LayerFacts:
    return LayerFacts(
        names=(f"layer{name}", f"main.{name}"),
        kind="conv-transpose",
        in_channels=channels[0],
        out_channels=channels[1],
        kernel=(4, 4),
        key_size=(key, key),
        value_size=(2 * key, 2 * key),
    )


@pytest.fixture(scope="session")
def models() -> KnownModels:
    layers = (
        _layer("3", (512, 256), 4),
        _layer("6", (256, 128), 8),
        _layer("9", (128, 64), 16),
    )
    faces = ModelFacts(arch="dcgan", image_size=(64, 64), latent_size=100, layers=layers)
    return KnownModels(
        listed={"faces": faces}, architectures=("dcgan", "village"), truncating=("village",)
    )


@pytest.fixture(scope="session")
def full() -> str:
    """A valid recipe that uses every construct of the language."""
    return FULL


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe's folder with good and bad masks in it."""
    root = tmp_path_factory.mktemp("recipes")
    masks = root / "edits" / "masks"
    masks.mkdir(parents=True)
    eyes = Image.new("L", (64, 64))
    eyes.paste(255, (12, 24, 52, 38))
    eyes.save(masks / "eyes.png")
    eyes.resize((128, 128), Image.Resampling.NEAREST).save(masks / "double.png")
    Image.new("L", (64, 32), 255).save(masks / "wide.png")
    Image.new("L", (64, 64), 0).save(masks / "black.png")
    faint = Image.new("L", (64, 64), 0)
    faint.paste(120, (12, 24, 52, 38))
    faint.save(masks / "faint.png")
    (masks / "notes.txt").write_text("no picture")
    (masks / "cut.png").write_bytes((masks / "eyes.png").read_bytes()[:-30])
    (masks / "huge.png").write_bytes(_claims_to_be(60_000, 60_000))
    for name, text in OTHERS.items():
        (root / "edits" / name).write_text(text, encoding="utf-8")
    eyes.save(root / "outside.png")
    (masks / "link.png").symlink_to(root / "outside.png")
    return root / "edits"


def _claims_to_be(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header announces an enormous picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture(scope="session")
def complete() -> Callable[[str], str]:
    """Turns a part of a recipe into a whole one, so that examples can be short.

    A text that begins with an edition or a recipe line is taken as it is.
    """

    def complete_text(text: str) -> str:
        if re.match(r"\s*(#[^\n]*\n\s*)*(edition|recipe)\b", text):
            return text
        has = set(re.findall(r"^\w+", text, re.M))
        model = "" if "model" in has else MODEL
        latents = "" if "latents" in has else LATENTS
        rule = "" if has & {"rule", "erase", "zero", "include"} else RULE
        return HEADER + model + latents + text + rule

    return complete_text


@pytest.fixture
def check_text(
    models: KnownModels, folder: Path, complete: Callable[[str], str]
) -> Callable[[str], Checked]:
    """Checks a recipe text, or a part of one, in the folder with the masks."""

    def run(text: str) -> Checked:
        return loads(complete(text), models, folder=folder, path="demo.redraft")

    return run


@pytest.fixture(scope="session")
def any_recipe() -> st.SearchStrategy[r.Recipe]:
    """Checked recipes of every form, on the model `faces` and without masks."""
    return RECIPES
