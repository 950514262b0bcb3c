"""ProgGANs in the two namings of other ports: pro_gan_pytorch and pytorch_GAN_zoo. No torch.

Both scale their weights while they run. The first begins with a transposed convolution and does not
norm between its first two layers; the second begins with a linear map and scales biases as well.
Both take latents of one length, so a latent is normed before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from redraft.models.arch.proggan_shapes import not_proggan
from redraft_dsl.facts import LayerFacts, ModelFacts

Shapes = Mapping[str, tuple[int, ...]]
MOST_SCALES = 9
_KERNELS = {"linear": 1, "transposed": 4, "conv": 3, "colours": 1}


@dataclass(frozen=True)
class Block:
    """One layer of weights.

    Attributes:
        path: in the file.
        kind: what it is; ``colours`` makes the picture.
        shape: of its weight in the file.
        up: whether what enters it is made twice as large.
        normed: whether pixel norm follows its activation.
        side: of what leaves it, in pixels.

    """

    path: str
    kind: Literal["linear", "transposed", "conv", "colours"]
    shape: tuple[int, ...]
    up: bool
    normed: bool
    side: int

    @property
    def channels(self) -> tuple[int, int]:
        """(out, in)."""
        if self.kind == "transposed":
            return self.shape[1], self.shape[0]
        return self.shape[0] // (16 if self.kind == "linear" else 1), self.shape[1]

    @property
    def scale(self) -> float:
        """What its weight is multiplied by."""
        taps = 1 if self.kind in ("linear", "transposed") else self.shape[2] * self.shape[3]
        return sqrt(2 / (self.channels[1] * taps))


@dataclass(frozen=True)
class Named:
    """A ProgGAN as a file names it.

    Attributes:
        layout: the port.
        blocks: in the order in which they run, the colours last.
        unused: makers of smaller pictures.
        scaled_bias: whether biases are scaled as weights are.

    """

    layout: Literal["pro_gan_pytorch", "pytorch_GAN_zoo"]
    blocks: tuple[Block, ...]
    unused: tuple[Block, ...]
    scaled_bias: bool


def read(shapes: Shapes) -> Named | None:
    """The ProgGAN that shapes make up in one of the two namings; None for others.

    Raises:
        ModelError: it is one, and damaged.

    """
    found = _zoo(shapes) or _port(shapes)
    if found is None:
        return None
    _check(shapes, found)
    return found


def facts(named: Named) -> ModelFacts:
    """Picture size, latent size and layers."""
    first, side = named.blocks[0], named.blocks[-1].side
    return ModelFacts(
        arch="proggan",
        image_size=(side, side),
        latent_size=first.channels[1],
        # A linear map to a grid whose weight is scaled is no layer.
        layers=tuple(_layer(each) for each in named.blocks[:-1] if each.kind != "linear"),
    )


ASSUMED = ("latents normed before they are used", "trained up to its largest pictures")


def _layer(block: Block) -> LayerFacts:
    out, into = block.channels
    kernel = _KERNELS[block.kind]
    keys = block.side if block.kind == "conv" else 1
    return LayerFacts(
        names=(block.path,),
        kind="conv-transpose" if block.kind == "transposed" else "conv",
        in_channels=into,
        out_channels=out,
        kernel=(kernel, kernel),
        key_size=(keys, keys),
        value_size=(block.side, block.side),
    )


def _port(shapes: Shapes) -> Named | None:
    if "rgb_converters.0.weight" not in shapes:
        return None
    start = "initial_block" if "initial_block.conv_1.weight" in shapes else "layers.0"
    count = _count(shapes, "rgb_converters.{}.weight")
    first = 0 if start == "initial_block" else 1
    groups = [start, *(f"layers.{first + number}" for number in range(count - 1))]
    blocks: list[Block] = []
    for place, group in enumerate(groups):
        for half in (1, 2):
            path = f"{group}.conv_{half}"
            opening = place == 0 and half == 1
            kind: Literal["transposed", "conv"] = "transposed" if opening else "conv"
            up = place > 0 and half == 1
            shape = _shape(shapes, f"{path}.weight")
            blocks.append(Block(path, kind, shape, up, not opening, 4 << place))
    return _with_colours(shapes, "pro_gan_pytorch", blocks, "rgb_converters.{}", count)


def _zoo(shapes: Shapes) -> Named | None:
    if not any(name in shapes for name in ("formatLayer.weight", "formatLayer.module.weight")):
        return None
    inner = ".module" if "formatLayer.module.weight" in shapes else ""
    colours = "toRGBLayers.{}" + inner
    count = _count(shapes, colours + ".weight")
    paths = [
        (f"formatLayer{inner}", 0),
        (f"groupScale0.0{inner}", 0),
        *(
            (f"scaleLayers.{scale}.{half}{inner}", scale + 1)
            for scale in range(count - 1)
            for half in (0, 1)
        ),
    ]
    blocks = []
    for number, (path, place) in enumerate(paths):
        kind: Literal["linear", "conv"] = "conv" if number else "linear"
        up = place > 0 and number % 2 == 0
        shape = _shape(shapes, f"{path}.weight")
        blocks.append(Block(path, kind, shape, up, True, 4 << place))
    return _with_colours(shapes, "pytorch_GAN_zoo", blocks, colours, count)


def _with_colours(
    shapes: Shapes,
    layout: Literal["pro_gan_pytorch", "pytorch_GAN_zoo"],
    blocks: Sequence[Block],
    colours: str,
    count: int,
) -> Named:
    makers = [
        Block(path, "colours", _shape(shapes, f"{path}.weight"), False, False, 4 << place)
        for place, path in enumerate(colours.format(number) for number in range(count))
    ]
    zoo = layout == "pytorch_GAN_zoo"
    return Named(layout, (*blocks, makers[-1]), tuple(makers[:-1]), scaled_bias=zoo)


def _count(shapes: Shapes, pattern: str) -> int:
    count = next(n for n in range(MOST_SCALES + 1) if pattern.format(n) not in shapes)
    if not count >= 2:
        raise not_proggan(f"it has {count} sizes of pictures, and 2 to {MOST_SCALES} are read")
    return count


def _shape(shapes: Shapes, name: str) -> tuple[int, ...]:
    shape = shapes.get(name)
    if shape is None or len(shape) not in (2, 4):
        raise not_proggan(f"`{name}` is missing")
    return shape


def _names(named: Named) -> Iterator[str]:
    for block in (*named.blocks, *named.unused):
        yield from (f"{block.path}.weight", f"{block.path}.bias")


def _check(shapes: Shapes, named: Named) -> None:
    expected = set(_names(named))
    for name in shapes:
        if name not in expected:
            raise not_proggan(f"it has no place for `{name}`")
    before: int | None = None
    for block in named.blocks:
        kernel = _KERNELS[block.kind]
        whole = block.shape[2:] == ((kernel, kernel) if block.kind != "linear" else ())
        if not whole or (block.kind == "linear" and block.shape[0] % 16):
            raise not_proggan(f"`{block.path}.weight` has shape {block.shape}")
        out, into = block.channels
        if before is not None and into != before:
            raise not_proggan(f"`{block.path}` takes {into} channels, and {before} reach it")
        bias = (16 * out if block.kind == "linear" else out,)
        if shapes.get(f"{block.path}.bias") != bias:
            raise not_proggan(f"`{block.path}.bias` of shape {bias} is missing")
        before = out
    if before not in (1, 3, 4):
        raise not_proggan(f"it draws {before} colour channels, and 1, 3 or 4 are read")
