"""How files name the tensors of a StyleGAN2 generator. No torch: only names are made here.

Three ways of naming are read. *rosinality* is that of the well-known PyTorch port; *authors* is
the sequential form in which the authors of "Rewriting a Deep Generative Model" cut it up, and
*authors-fused* the same without the convolutions set apart; *stylegan2-ada* is that of the
vendor's PyTorch release. All hold the same network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Layout = Literal["rosinality", "authors", "authors-fused", "stylegan2-ada"]
MEAN = "latent_avg"
"""What the mean of the inner latents is called where no module of the file has it."""


@dataclass(frozen=True)
class StyleNames:
    """The affine map from inner latents to the scale of each input channel."""

    weight: str
    bias: str


@dataclass(frozen=True)
class LayerNames:
    """One styled convolution and what follows it.

    Attributes:
        number: the paper's number of the layer; 2 is the first convolution, at 4 px.
        alias: what the file calls the layer.
        size: side of its values, pixels.
        up: whether it doubles the side.
        weight: convolution.
        style: where the scale of its input channels comes from.
        strength: of the noise.
        noise: the noise map.
        bias: before the activation.
        kernel: the blur that follows the transposed convolution; None without.

    """

    number: int
    alias: str
    size: int
    up: bool
    weight: str
    style: StyleNames
    strength: str
    noise: str
    bias: str
    kernel: str | None

    @property
    def after_keys(self) -> tuple[str, ...]:
        """What comes after the keys."""
        more = (self.strength, self.noise, self.bias)
        return (self.weight, *more) if self.kernel is None else (self.weight, *more, self.kernel)

    @property
    def before_keys(self) -> tuple[str, ...]:
        """What scales the keys."""
        return (self.style.weight, self.style.bias)


@dataclass(frozen=True)
class ColourNames:
    """What draws colours from the values of one size, and the kernel that enlarges the last ones.

    ``kernel`` is None at 4 px, where there is nothing to enlarge.
    """

    size: int
    weight: str
    style: StyleNames
    bias: str
    kernel: str | None


@dataclass(frozen=True)
class Names:
    """Every tensor of a generator, by what it is for.

    Attributes:
        layout: whose names these are.
        mapping: (weight, bias) of each layer of the mapping network.
        mean: mean of the inner latents; may be missing in the file.
        constant: the learned input at 4 px.
        layers: styled convolutions, in order.
        colours: one for each size, in order.
        spare: tensors that the file must have and that nothing is computed with.
        opening: rows and columns of the constant; 4 x 4 where pictures are square.

    """

    layout: Layout
    mapping: tuple[tuple[str, str], ...]
    mean: str
    constant: str
    layers: tuple[LayerNames, ...]
    colours: tuple[ColourNames, ...]
    spare: tuple[str, ...] = ()
    opening: tuple[int, int] = (4, 4)

    def map_of(self, size: int) -> tuple[int, int]:
        """Rows and columns of the maps that have ``size`` pixels a side where they are square."""
        return self.opening[0] * size // 4, self.opening[1] * size // 4

    @property
    def vendor(self) -> bool:
        """Whether weights are neither scaled by their fan-in nor have a leading axis of 1."""
        return self.layout == "stylegan2-ada"

    @property
    def kernels(self) -> tuple[str, ...]:
        """All blur kernels that are computed with."""
        found = [layer.kernel for layer in self.layers] + [rgb.kernel for rgb in self.colours]
        return tuple(name for name in found if name is not None)

    @property
    def noises(self) -> tuple[str, ...]:
        """All noise maps, in order of the layers."""
        return tuple(layer.noise for layer in self.layers)

    @property
    def fixed(self) -> frozenset[str]:
        """Tensors that training does not learn."""
        return frozenset({*self.kernels, *self.noises, *self.spare, self.mean})


def names_of(layout: Layout, depth: int, size: int) -> Names:
    """The names of a generator with ``depth`` mapping layers that draws ``size`` pixels a side."""
    sizes = tuple(_sizes(size))
    match layout:
        case "rosinality":
            return _rosinality(depth, sizes)
        case "authors" | "authors-fused":
            return _authors(layout, depth, sizes)
        case "stylegan2-ada":
            return _vendor(depth, sizes)


def _sizes(size: int) -> Iterator[int]:
    side = 4
    while side <= size:
        yield side
        side *= 2


def _numbered(sizes: tuple[int, ...]) -> list[tuple[int, int, bool]]:
    """(number, size, up) of every layer: one at 4 px, then two at each size."""
    pairs = [(size, up) for size in sizes for up in (True, False)][1:]
    return [(number, size, up) for number, (size, up) in enumerate(pairs, 2)]


def _rosinality(depth: int, sizes: tuple[int, ...]) -> Names:
    roots = ["to_rgb1", *(f"to_rgbs.{place}" for place in range(len(sizes) - 1))]
    return Names(
        layout="rosinality",
        mapping=_port_mapping(depth),
        mean=MEAN,
        constant="input.input",
        layers=tuple(
            _port_layer(
                number,
                size,
                root="conv1" if number == 2 else f"convs.{number - 3}",
                convolution="conv",
                holder="conv",
                up=up,
            )
            for number, size, up in _numbered(sizes)
        ),
        colours=tuple(
            _port_colours(root, size, f"{root}.upsample.kernel")
            for root, size in zip(roots, sizes, strict=True)
        ),
    )


def _authors(layout: Layout, depth: int, sizes: tuple[int, ...]) -> Names:
    return Names(
        layout=layout,
        mapping=_port_mapping(depth),
        mean="latents.latent_avg",
        constant="input.input",
        layers=tuple(
            _port_layer(
                number,
                size,
                root="layer2.conv" if number == 2 else f"layer{number}.sconv",
                convolution="mconv",
                holder="mconv.dconv" if layout == "authors" else "mconv",
                up=up,
            )
            for number, size, up in _numbered(sizes)
        ),
        colours=tuple(
            _port_colours(f"to_rgb{place}.rgb", size, f"up_rgb{place - 1}.kernel")
            for place, size in enumerate(sizes, 1)
        ),
    )


def _port_layer(
    number: int, size: int, *, root: str, convolution: str, holder: str, up: bool
) -> LayerNames:
    """A layer of the port or of the authors: what its convolution, and its weight, lie in."""
    return LayerNames(
        number=number,
        alias=root,
        size=size,
        up=up,
        weight=f"{root}.{holder}.weight",
        style=_style(f"{root}.{convolution}.modulation"),
        strength=f"{root}.noise.weight",
        noise=f"noises.noise_{number - 2}",
        bias=f"{root}.activate.bias",
        kernel=f"{root}.{convolution}.blur.kernel" if up else None,
    )


def _vendor(depth: int, sizes: tuple[int, ...]) -> Names:
    layers = []
    for number, size, up in _numbered(sizes):
        root = f"synthesis.b{size}.conv{0 if up else 1}"
        layers.append(
            LayerNames(
                number=number,
                alias=root,
                size=size,
                up=up,
                weight=f"{root}.weight",
                style=_style(f"{root}.affine"),
                strength=f"{root}.noise_strength",
                noise=f"{root}.noise_const",
                bias=f"{root}.bias",
                kernel=f"{root}.resample_filter" if up else None,
            )
        )
    colours = tuple(
        ColourNames(
            size=size,
            weight=f"synthesis.b{size}.torgb.weight",
            style=_style(f"synthesis.b{size}.torgb.affine"),
            bias=f"synthesis.b{size}.torgb.bias",
            kernel=None if size == 4 else f"synthesis.b{size}.resample_filter",
        )
        for size in sizes
    )
    idle = [f"{layer.alias}.resample_filter" for layer in layers if not layer.up]
    return Names(
        layout="stylegan2-ada",
        mapping=tuple((f"mapping.fc{i}.weight", f"mapping.fc{i}.bias") for i in range(depth)),
        mean="mapping.w_avg",
        constant="synthesis.b4.const",
        layers=tuple(layers),
        colours=colours,
        spare=("synthesis.b4.resample_filter", *idle),
    )


def _style(root: str) -> StyleNames:
    return StyleNames(f"{root}.weight", f"{root}.bias")


def _port_mapping(depth: int) -> tuple[tuple[str, str], ...]:
    """``style.0`` is the normalisation of latents, which has no weights."""
    return tuple((f"style.{i}.weight", f"style.{i}.bias") for i in range(1, depth + 1))


def _port_colours(root: str, size: int, kernel: str) -> ColourNames:
    return ColourNames(
        size=size,
        weight=f"{root}.conv.weight",
        style=_style(f"{root}.conv.modulation"),
        bias=f"{root}.bias",
        kernel=None if size == 4 else kernel,
    )
