"""Which ProgGAN the shapes of some weights make up. No torch: only names and sizes are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from redraft.errors import ModelError
from redraft.models.arch.said import BY_CODE
from redraft_dsl.facts import LayerFacts, ModelFacts

Shapes = Mapping[str, tuple[int, ...]]
Layout = Literal["layers", "features"]
"""``layer1.conv.weight`` with ``output_64x64``, or the older ``features.0.conv.weight``."""

PAPER_WIDTHS: Mapping[int, tuple[int, ...]] = {
    256: (512, 512, 512, 256, 128, 64, 32),
    1024: (512, 512, 512, 512, 256, 128, 64, 32, 16),
}
"""Channels at 4, 8, 16, ... pixels of the generators that the paper's authors publish."""
PAPER_LATENT = 512
_LARGEST = 1024
# Few digits: a file may hold any number, and ``layer01`` is not ``layer1``.
_NAMES = re.compile(r"(layer|features\.)(0|[1-9]\d{0,3})\.(conv\.weight|wscale\.b)")


def layout_of(shapes: Shapes) -> Layout | None:
    """How the names are built, or None for another network's."""
    for name in shapes:
        found = _NAMES.fullmatch(name)
        if found is not None:
            return "layers" if found[1] == "layer" else "features"
    return None


def blocks(shapes: Shapes, layout: Layout) -> tuple[str, ...]:
    """Names of the convolution blocks in their order, then that of the output block.

    Raises:
        ModelError: the shapes are not those of a ProgGAN; says what is missing.

    """
    found = sorted(
        int(match[2])
        for match in map(_NAMES.fullmatch, shapes)
        if match is not None and match[3] == "conv.weight"
    )
    first = 1 if layout == "layers" else 0
    names = tuple(_block(layout, number) for number in range(first, first + len(found)))
    if found != list(range(first, first + len(found))):
        missing = next(number for number in range(first, found[-1]) if number not in found)
        raise not_proggan(f"`{_block(layout, missing)}.conv.weight` is missing")
    if len(names) < 4 or len(names) % 2:
        raise not_proggan(f"it has {len(names)} layers, and a ProgGAN has two per size, 4 or more")
    size = 2 ** (len(names) // 2 + 1)
    if size > _LARGEST:
        raise not_proggan(f"it draws {size} px, and {_LARGEST} px is the largest that is read")
    return (*names, f"output_{size}x{size}" if layout == "layers" else "output")


def facts(shapes: Shapes) -> ModelFacts:
    """Picture size, latent size and layers, read from the shapes of the weights alone.

    Args:
        shapes: tensor name without prefix ("layer1.conv.weight") to shape.

    Raises:
        ModelError: the shapes are not those of a ProgGAN; says what is missing.

    """
    layout = layout_of(shapes)
    if layout is None:
        raise not_proggan("it has no `layer1.conv.weight`")
    names = blocks(shapes, layout)
    _check(shapes, names)
    latent_size = shapes[f"{names[0]}.conv.weight"][1]
    widths = [shapes[f"{name}.conv.weight"][0] for name in names[:-1]]
    return _facts(latent_size, widths, layout)


def facts_for(
    resolution: int, widths: Sequence[int] | None = None, latent_size: int = PAPER_LATENT
) -> ModelFacts:
    """The facts of a ProgGAN of which only the sizes are known.

    Args:
        resolution: of its pictures, in pixels.
        widths: channels at 4, 8, 16, ... pixels, up to the resolution; by default those of the
            generators that the paper's authors publish.
        latent_size: length of its latents.

    """
    found = PAPER_WIDTHS[resolution] if widths is None else tuple(widths)
    if 4 * 2 ** (len(found) - 1) != resolution:
        raise ValueError(f"{len(found)} widths do not reach {resolution} px")
    return _facts(latent_size, [width for width in found for _ in range(2)], "layers")


def _facts(latent_size: int, widths: Sequence[int], layout: Layout) -> ModelFacts:
    """Facts from the output channels of every block but the last."""
    layers = []
    for place in range(1, len(widths)):
        size = 4 * 2 ** (place // 2)
        own = f"layer{place + 1}.conv" if layout == "layers" else f"features.{place}"
        layers.append(
            LayerFacts(
                names=(f"layer{place + 1}", own),
                kind="conv",
                in_channels=widths[place - 1],
                out_channels=widths[place],
                kernel=(3, 3),
                # Maps are enlarged before the convolution, so keys lie on the grid of the values.
                key_size=(size, size),
                value_size=(size, size),
            )
        )
    side = 4 * 2 ** (len(widths) // 2 - 1)
    return ModelFacts(
        arch="proggan", image_size=(side, side), latent_size=latent_size, layers=tuple(layers)
    )


def _check(shapes: Shapes, names: Sequence[str]) -> None:
    before: int | None = None
    for place, name in enumerate(names):
        shape = shapes.get(f"{name}.conv.weight")
        if shape is None:
            raise not_proggan(f"`{name}.conv.weight` is missing")
        kernel = 4 if place == 0 else 1 if name == names[-1] else 3
        if len(shape) != 4 or shape[2:] != (kernel, kernel):
            raise not_proggan(
                f"`{name}.conv.weight` has shape {shape}, and a {kernel} x {kernel} kernel is read"
            )
        if before is not None and shape[1] != before:
            raise not_proggan(
                f"`{name}.conv.weight` takes {shape[1]} channels, and {before} reach it"
            )
        if shapes.get(f"{name}.wscale.b") != (shape[0],):
            raise not_proggan(f"`{name}.wscale.b` of shape ({shape[0]},) is missing")
        before = shape[0]
    if before != 3:
        raise not_proggan(f"it draws {before} colour channels, and 3 are read")
    _check_rest(shapes, names)


def _check_rest(shapes: Shapes, names: Sequence[str]) -> None:
    known = {f"{name}.{part}" for name in names for part in ("conv.weight", "wscale.b")}
    scales = {f"{name}.wscale.scale" for name in names}
    for name, shape in shapes.items():
        if name in scales and shape in ((), (1,)):
            continue
        if name not in known:
            raise not_proggan(f"it has a tensor `{name}` of shape {shape}, which is not read")


def _block(layout: Layout, number: int) -> str:
    return f"layer{number}" if layout == "layers" else f"features.{number}"


def not_proggan(detail: str) -> ModelError:
    """The error for weights that are another network's; ``detail`` says what gives it away."""
    return ModelError(
        "RD626",
        f"these weights are not a ProgGAN generator: {detail}",
        f"give the generator's weights, whole, in one of the namings of docs/formats.md; {BY_CODE}",
    )
