"""StyleGAN in the namings of two ports: rosinality's and lernapparat's. No torch.

Karras, Laine, Aila, "A Style-Based Generator Architecture for Generative Adversarial Networks",
CVPR 2019. Its layers are plain convolutions; noise, leaky ReLU, instance norm and a style follow.
From 128 px on, up-sampling is one operation with its convolution, whose weight is a sum of shifts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from redraft.errors import ModelError
from redraft.models.arch.said import BY_CODE
from redraft_dsl.facts import LayerFacts, ModelFacts

Shapes = Mapping[str, tuple[int, ...]]
Layout = Literal["style-based-gan-pytorch", "lernapparat"]
FUSED_FROM = 128
MOST_BLOCKS, MOST_DEPTH = 9, 64


@dataclass(frozen=True)
class Map:
    """A linear map or a convolution: where its tensors lie, and what they are multiplied by.

    Attributes:
        path: of the module.
        weight: what it calls its weight.
        scale: of the weight.
        bias_scale: of the bias.
        fused: whether it up-samples by its weight.

    """

    path: str
    weight: str
    scale: float
    bias_scale: float = 1.0
    fused: bool = False

    @property
    def name(self) -> str:
        """Of the weight's tensor."""
        return f"{self.path}.{self.weight}"


@dataclass(frozen=True)
class Half:
    """Noise, activation, norm and style, behind a convolution or the constant.

    Attributes:
        convolution: None behind the constant.
        noise: the tensor of noise strengths.
        noise_scale: what they are multiplied by.
        style: the map from inner latents to gains and shifts.
        blurred: whether the convolution up-samples, and a blur follows it.
        side: in pixels.

    """

    convolution: Map | None
    noise: str
    noise_scale: float
    style: Map
    blurred: bool
    side: int


@dataclass(frozen=True)
class Named:
    """A StyleGAN as a file names it.

    Attributes:
        layout: the port.
        mapping: linear maps from latents to inner latents.
        constant: its tensor.
        constant_bias: the bias that is added to it, where there is one.
        halves: two for each size.
        colours: makes the picture.
        unused: tensors that are held and not computed with.
        one_more: whether gains are held less 1.

    """

    layout: Layout
    mapping: tuple[Map, ...]
    constant: str
    constant_bias: str | None
    halves: tuple[Half, ...]
    colours: Map
    unused: tuple[str, ...]
    one_more: bool


def read(shapes: Shapes) -> Named | None:
    """The StyleGAN that shapes make up; None for other networks.

    Raises:
        ModelError: it is one, and damaged.

    """
    if "generator.progression.0.conv1.input" in shapes:
        named = _rosinality(shapes)
    elif "g_synthesis.blocks.4x4.const" in shapes:
        named = _lernapparat(shapes)
    else:
        return None
    needed = set(names(named))
    for name in needed:
        if name not in shapes:
            raise not_stylegan(f"`{name}` is missing")
    for name in shapes:
        if name not in needed and name not in named.unused:
            raise not_stylegan(f"it has no place for `{name}`")
    return named


def names(named: Named) -> Iterator[str]:
    """Every tensor that is computed with."""
    yield named.constant
    if named.constant_bias is not None:
        yield named.constant_bias
    for each in maps(named):
        yield from (each.name, f"{each.path}.bias")
    for half in named.halves:
        yield half.noise


def maps(named: Named) -> Iterator[Map]:
    """Every map, in the order in which they run."""
    yield from named.mapping
    for half in named.halves:
        if half.convolution is not None:
            yield half.convolution
        yield half.style
    yield named.colours


def facts(named: Named, shapes: Shapes) -> ModelFacts:
    """Picture size, latent size and layers."""
    side = named.halves[-1].side
    layers = [_linear(each, shapes) for each in named.mapping]
    for half in named.halves:
        if half.convolution is not None and not half.convolution.fused:
            layers.append(_convolution(half.convolution, shapes, half.side))
        layers.append(_linear(half.style, shapes))
    latent = shapes[named.mapping[0].name][1]
    return ModelFacts(
        arch="stylegan", image_size=(side, side), latent_size=latent, layers=tuple(layers)
    )


def not_stylegan(detail: str) -> ModelError:
    """The error for weights that do not make up the generator; ``detail`` says why not."""
    return ModelError(
        "RD626",
        f"these weights are not a StyleGAN generator: {detail}",
        f"give the weights of its generator, mapping network included; {BY_CODE}",
    )


ASSUMED = ("noise maps drawn with seed 1", "trained up to its largest pictures")


def _linear(each: Map, shapes: Shapes) -> LayerFacts:
    out, into = shapes[each.name]
    return _layer(each.path, "linear", (out, into), 1, 1)


def _convolution(each: Map, shapes: Shapes, side: int) -> LayerFacts:
    out, into, kernel, _ = shapes[each.name]
    return _layer(each.path, "conv", (out, into), kernel, side)


def _layer(path: str, kind: str, channels: tuple[int, int], kernel: int, side: int) -> LayerFacts:
    return LayerFacts(
        names=(path,),
        kind=kind,
        in_channels=channels[1],
        out_channels=channels[0],
        kernel=(kernel, kernel),
        key_size=(side, side),
        value_size=(side, side),
    )


def _count(shapes: Shapes, pattern: str, most: int) -> int:
    return next((n for n in range(most) if pattern.format(n) not in shapes), most)


def _scaled(shapes: Shapes, path: str, weight: str, gain: float, times: float = 1.0) -> Map:
    shape = shapes.get(f"{path}.{weight}")
    if shape is None or len(shape) not in (2, 4):
        raise not_stylegan(f"`{path}.{weight}` is missing")
    taps = shape[2] * shape[3] if len(shape) == 4 else 1
    return Map(path, weight, times * gain / sqrt(shape[1] * taps), times)


def _rosinality(shapes: Shapes) -> Named:
    blocks = _count(shapes, "generator.progression.{}.conv2.conv.weight_orig", MOST_BLOCKS)
    depth = _count_of(shapes, r"style\.(\d+)\.linear\.weight_orig")
    gain, orig = sqrt(2), "weight_orig"
    halves: list[Half] = []
    for place in range(blocks):
        root, side = f"generator.progression.{place}", 4 << place
        convolution: Map | None = None
        if place and f"{root}.conv1.1.conv.{orig}" in shapes:
            convolution = _scaled(shapes, f"{root}.conv1.1.conv", orig, gain)
        elif place:
            convolution = _fused(shapes, f"{root}.conv1.0")
        own = _scaled(shapes, f"{root}.conv2.conv", orig, gain)
        for number, each in ((1, convolution), (2, own)):
            style = _scaled(shapes, f"{root}.adain{number}.style.linear", orig, gain)
            noise = f"{root}.noise{number}.{orig}"
            width = shapes.get(noise, (1, 1))[1]
            halves.append(
                Half(each, noise, sqrt(2 / width), style, number == 1 and place > 0, side)
            )
    blurs = (name for name in shapes if re.fullmatch(r".*\.conv1\.[12]\.weight(_flip)?", name))
    unused = [
        *(name for name in blurs if len(shapes[name]) == 4 and shapes[name][1] == 1),
        *(name for name in shapes if name.startswith("generator.to_rgb.")),
    ]
    colours = _scaled(shapes, f"generator.to_rgb.{blocks - 1}.conv", orig, gain)
    return Named(
        "style-based-gan-pytorch",
        tuple(_scaled(shapes, f"style.{number}.linear", orig, gain) for number in depth),
        "generator.progression.0.conv1.input",
        None,
        tuple(halves),
        colours,
        tuple(unused),
        one_more=False,
    )


def _fused(shapes: Shapes, path: str) -> Map:
    """An up-sampling convolution of rosinality's port: (I, O, k, k), summed shifts over 4."""
    shape = shapes.get(f"{path}.weight")
    if shape is None or len(shape) != 4:
        raise not_stylegan(f"`{path}.weight` is missing")
    return Map(path, "weight", sqrt(2 / (shape[0] * shape[2] * shape[3])) / 4, fused=True)


def _count_of(shapes: Shapes, pattern: str) -> list[int]:
    found = (re.fullmatch(pattern, name) for name in shapes)
    numbers = sorted(int(each[1][:4]) for each in found if each)
    if not 1 <= len(numbers) <= MOST_DEPTH:
        raise not_stylegan(f"its mapping network has {len(numbers)} layers")
    return numbers


def _lernapparat(shapes: Shapes) -> Named:
    depth = _count_of(shapes, r"g_mapping\.dense(\d+)\.weight")
    gain = sqrt(2)
    mapping = [_scaled(shapes, f"g_mapping.dense{n}", "weight", gain, 0.01) for n in depth]
    halves: list[Half] = []
    for place in range(MOST_BLOCKS):
        side = 4 << place
        root = f"g_synthesis.blocks.{side}x{side}"
        if not any(name.startswith(root + ".") for name in shapes):
            break
        first: Map | None = None
        second = _scaled(shapes, f"{root}.{'conv1' if place else 'conv'}", "weight", gain)
        if place:
            found = _scaled(shapes, f"{root}.conv0_up", "weight", gain)
            first = Map(*(found.path, found.weight, found.scale), fused=side >= FUSED_FROM)
        for number, each in ((1, first), (2, second)):
            style = _scaled(shapes, f"{root}.epi{number}.style_mod.lin", "weight", 1.0)
            noise = f"{root}.epi{number}.top_epi.noise.weight"
            halves.append(Half(each, noise, 1.0, style, number == 1 and place > 0, side))
    unused = [name for name in shapes if name.endswith(".intermediate.kernel")]
    return Named(
        "lernapparat",
        tuple(mapping),
        "g_synthesis.blocks.4x4.const",
        "g_synthesis.blocks.4x4.bias",
        tuple(halves),
        _scaled(shapes, "g_synthesis.torgb", "weight", 1.0),
        (*unused, "truncation.avg_latent"),
        one_more=True,
    )
