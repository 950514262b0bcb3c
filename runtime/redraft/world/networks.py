"""The two generators while they are trained, and their weights in the form of the files.

The tensors are those that :mod:`redraft.models.arch` reads: a StyleGAN2 under the names of the
well-known port, a ProgGAN under those of the paper's authors. Only the mapping network of the first
is held at its effective size while it is trained; its file holds it divided by the rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from redraft.models.arch.proggan_shapes import blocks
from redraft.models.arch.stylegan2.form import ACTIVATION_GAIN, EPSILON, SLOPE, enlarge
from redraft.models.arch.stylegan2.generator import MAPPING_RATE
from redraft.models.arch.stylegan2.layouts import ColourNames, LayerNames, names_of
from redraft.models.listed.villages import PROGGAN_WIDTHS, STYLE_DEPTH, STYLE_WIDTHS
from redraft.world.code import code_size, hinges
from redraft.world.scene import LATENT_SIZE

SIDE = 64
Tensors = dict[str, Tensor]
MAPPING_WIDTHS = (320, 384)
"""Of the hidden layers of the mapping network; the last layer is as wide as a code."""


class Network(Protocol):
    """A generator in training."""

    tensors: Tensors
    """What is trained and goes into the file, by name."""
    helpers: Tensors
    """What is trained beside it and is left behind."""
    code_rate: float
    """Adam's rate while the first layers are fitted to the code."""
    early_share: float
    """The rate of the first layers afterwards, over that of the others."""

    def early(self) -> list[str]:
        """Names of the tensors that are fitted to the code first."""

    def coded(self, latents: Tensor) -> Tensor:
        """(N, code size), the code as the first layers give it."""

    def pictures(self, latents: Tensor, side: int) -> Tensor:
        """(N, 3, side, side), not clamped; below 64 px what the lower layers show so far."""

    def file_tensors(self) -> Tensors:
        """The generator's tensors in float32 as a file holds them."""

    def from_file(self, weights: Mapping[str, Tensor]) -> Tensors:
        """What is trained, from what :meth:`file_tensors` gave, in float32."""


def first_layer(width: int, dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Effective weights (width, 28) and biases (width,): hinges, then random units."""
    weights, biases = (torch.from_numpy(each) for each in hinges())
    more = width - len(weights)
    extra = torch.randn(more, LATENT_SIZE, generator=dice) / math.sqrt(LATENT_SIZE) * 1.5
    return (
        torch.cat([weights, extra]),
        torch.cat([biases, 0.5 * torch.randn(more, generator=dice)]),
    )


def normed(maps: Tensor) -> Tensor:
    """Maps (N, C, ...) with a mean square of 1 over C."""
    return maps * (maps.square().mean(1, keepdim=True) + EPSILON).rsqrt()


class Style:
    """A StyleGAN2 in training."""

    code_rate, early_share = 1e-3, 0.05

    def __init__(self, dice: torch.Generator) -> None:
        self.names = names_of("rosinality", STYLE_DEPTH, SIDE)
        self.tensors: Tensors = {}
        self.helpers: Tensors = {}
        self.kernel = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0])] * 2) / 16
        self._draw_mapping(dice)
        inner, width = code_size(), STYLE_WIDTHS[4]
        self.tensors["input.input"] = torch.randn(1, width, 4, 4, generator=dice)
        for layer in self.names.layers:
            out = STYLE_WIDTHS[layer.size]
            self.tensors[layer.weight] = torch.randn(1, out, width, 3, 3, generator=dice)
            self.tensors[layer.style.weight] = torch.randn(width, inner, generator=dice)
            self.tensors[layer.style.bias] = torch.ones(width)
            self.tensors[layer.bias] = torch.zeros(out)
            width = out
        for colour in self.names.colours:
            width = STYLE_WIDTHS[colour.size]
            self.tensors[colour.weight] = torch.randn(1, 3, width, 1, 1, generator=dice)
            self.tensors[colour.style.weight] = torch.randn(width, inner, generator=dice)
            self.tensors[colour.style.bias] = torch.ones(width)
            self.tensors[colour.bias] = torch.zeros(1, 3, 1, 1)

    def _draw_mapping(self, dice: torch.Generator) -> None:
        widths = (*MAPPING_WIDTHS, code_size())
        before = LATENT_SIZE
        for place, ((weight, bias), width) in enumerate(
            zip(self.names.mapping, widths, strict=True)
        ):
            if place == 0:
                self.tensors[weight], self.tensors[bias] = first_layer(width, dice)
            else:
                drawn = torch.randn(width, before, generator=dice)
                self.tensors[weight] = drawn / math.sqrt(before)
                self.tensors[bias] = torch.zeros(width)
            before = width

    def early(self) -> list[str]:
        """The mapping network."""
        return [name for pair in self.names.mapping for name in pair]

    def coded(self, latents: Tensor) -> Tensor:
        """(N, code size), inner latents."""
        inner = normed(latents)
        for weight, bias in self.names.mapping:
            inner = functional.linear(inner, self.tensors[weight], self.tensors[bias])
            inner = functional.leaky_relu(inner, SLOPE) * ACTIVATION_GAIN
        return inner

    def pictures(self, latents: Tensor, side: int = SIDE) -> Tensor:
        """(N, 3, side, side), not clamped; below 64 px what the lower layers show so far."""
        inner = self.coded(latents)
        maps = self.tensors["input.input"].expand(len(latents), -1, -1, -1)
        colours = None
        for layer in self.names.layers:
            if layer.size > side:
                break
            maps = self._layer(layer, maps, inner)
            if not layer.up:
                step = next(each for each in self.names.colours if each.size == layer.size)
                colours = self._colours(step, maps, inner, colours)
        assert colours is not None
        return colours

    def _style(self, names: object, inner: Tensor) -> Tensor:
        weight, bias = self.tensors[names.weight], self.tensors[names.bias]  # type: ignore[attr-defined]
        return functional.linear(inner, weight / math.sqrt(weight.shape[1]), bias)

    def _layer(self, names: LayerNames, maps: Tensor, inner: Tensor) -> Tensor:
        weight = self.tensors[names.weight][0]
        scale = 1 / math.sqrt(weight[0].numel())
        style = self._style(names.style, inner)
        keys = maps * style[:, :, None, None].to(maps.dtype)
        energy = (scale * style.float()).square()
        with torch.autocast("cpu", enabled=False):
            gains = (energy @ weight.square().sum((2, 3)).T + EPSILON).rsqrt() * (
                scale * ACTIVATION_GAIN
            )
        if names.up:
            grown = functional.conv_transpose2d(keys, weight.transpose(0, 1), stride=2)
            raw = blur_separable(grown)
        else:
            raw = functional.conv2d(keys, weight, padding=1)
        bias = self.tensors[names.bias] * ACTIVATION_GAIN
        shifted = torch.addcmul(
            bias[:, None, None].to(raw.dtype), raw, gains[:, :, None, None].to(raw.dtype)
        )
        return functional.leaky_relu(shifted, SLOPE)

    def _colours(
        self, names: ColourNames, maps: Tensor, inner: Tensor, before: Tensor | None
    ) -> Tensor:
        weight = self.tensors[names.weight].reshape(1, 3, -1)
        scale = self._style(names.style, inner) / math.sqrt(maps.shape[1])
        rows = torch.matmul(weight * scale[:, None], maps.flatten(2))
        drawn = rows.reshape(-1, 3, *maps.shape[2:]).float() + self.tensors[names.bias]
        return drawn if before is None else drawn + enlarge(before, self.kernel, padding=1)

    def file_tensors(self) -> Tensors:
        """The generator's tensors in float32 as a file holds them."""
        found = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
        for weight, bias in self.names.mapping:
            found[weight] *= math.sqrt(found[weight].shape[1]) / MAPPING_RATE
            found[bias] /= MAPPING_RATE
        for layer in self.names.layers:
            found[layer.strength] = torch.zeros(1)
            found[layer.noise] = torch.zeros(1, 1, layer.size, layer.size)
        for kernel in self.names.kernels:
            found[kernel] = self.kernel.clone()
        return found

    def from_file(self, weights: Mapping[str, Tensor]) -> Tensors:
        """What is trained, from what :meth:`file_tensors` gave, in float32."""
        found = {name: weights[name].float() for name in self.tensors}
        for weight, bias in self.names.mapping:
            found[weight] *= MAPPING_RATE / math.sqrt(found[weight].shape[1])
            found[bias] *= MAPPING_RATE
        return found


def blur_separable(maps: Tensor) -> Tensor:
    """The blur of the kernel 1 3 3 1 times 4, a border of one 0 around the maps."""
    maps = functional.pad(maps, (1, 1, 1, 1))
    outer, inner = 0.25, 0.75
    rows = (maps[:, :, :-3] + maps[:, :, 3:]) * outer + (
        maps[:, :, 1:-2] + maps[:, :, 2:-1]
    ) * inner
    return (rows[..., :-3] + rows[..., 3:]) * outer + (rows[..., 1:-2] + rows[..., 2:-1]) * inner


class ProgGAN:
    """A ProgGAN in training. Its first two layers hold the code, at each of 4 x 4 places."""

    code_rate, early_share = 5e-3, 0.5

    def __init__(self, dice: torch.Generator) -> None:
        self.tensors: Tensors = {}
        widths = [width for width in PROGGAN_WIDTHS.values() for _ in range(2)]
        before = LATENT_SIZE
        for place, width in enumerate(widths):
            kernel = 4 if place == 0 else 3
            name = f"layer{place + 1}"
            weight = torch.randn(width, before, kernel, kernel, generator=dice)
            self.tensors[f"{name}.conv.weight"] = weight
            self.tensors[f"{name}.wscale.b"] = torch.zeros(width)
            before = width
        name = f"output_{SIDE}x{SIDE}"
        self.tensors[f"{name}.conv.weight"] = 0.5 * torch.randn(3, before, 1, 1, generator=dice)
        self.tensors[f"{name}.wscale.b"] = torch.zeros(3)
        shapes = {key: tuple(tensor.shape) for key, tensor in self.tensors.items()}
        self.names = blocks(shapes, "layers")
        first, bias = first_layer(widths[0], dice)
        weight = self.tensors["layer1.conv.weight"]
        weight *= 0.02 / self._factor(0)
        weight += first[:, :, None, None] / self._factor(0)
        self.tensors["layer1.wscale.b"] = bias
        second = self.tensors["layer2.conv.weight"]
        # The middle tap carries the code; the others start small and bring the neighbours in.
        middle = second[:, :, 1, 1].clone() * 3
        second *= 0.3
        second[:, :, 1, 1] = middle
        self.helpers = {
            "code.weight": torch.randn(code_size(), widths[1], generator=dice)
            / math.sqrt(widths[1]),
            "code.bias": torch.zeros(code_size()),
        }
        for size in (16, 32):
            drawn = torch.randn(3, PROGGAN_WIDTHS[size], 1, 1, generator=dice)
            self.helpers[f"{size}.weight"] = 0.5 * drawn / math.sqrt(PROGGAN_WIDTHS[size])
            self.helpers[f"{size}.bias"] = torch.zeros(3)

    def early(self) -> list[str]:
        """The first two layers."""
        return [f"layer{n}.{part}" for n in (1, 2) for part in ("conv.weight", "wscale.b")]

    def coded(self, latents: Tensor) -> Tensor:
        """(N, code size), read linearly from the second layer, each layer taken as one tap.

        The taps of the first layer start alike; of the second the middle one counts alone. So this
        costs a sixteenth of the convolutions.
        """
        first = self.tensors["layer1.conv.weight"].mean((2, 3)) * self._factor(0)
        rows = functional.linear(normed(latents), first, self.tensors["layer1.wscale.b"])
        second = self.tensors["layer2.conv.weight"][:, :, 1, 1] * self._factor(1)
        rows = normed(functional.leaky_relu(rows, SLOPE))
        rows = functional.linear(rows, second, self.tensors["layer2.wscale.b"])
        rows = functional.leaky_relu(rows, SLOPE)
        return functional.linear(rows, self.helpers["code.weight"], self.helpers["code.bias"])

    def pictures(self, latents: Tensor, side: int = SIDE) -> Tensor:
        """(N, 3, side, side), not clamped; below 64 px what a helping output layer shows."""
        maps = latents[:, :, None, None]
        last = len(self.names) - 1
        for place in range(last):
            if 4 * 2 ** (place // 2) > side:
                weight, bias = self.helpers[f"{side}.weight"], self.helpers[f"{side}.bias"]
                return functional.conv2d(normed(maps), weight, bias).float()
            maps = functional.leaky_relu(self._block(place, maps), SLOPE)
        return self._block(last, maps).float()

    def _factor(self, place: int) -> float:
        weight = self.tensors[f"{self.names[place]}.conv.weight"]
        gain = 1.0 if place == len(self.names) - 1 else math.sqrt(2) / weight.shape[-1]
        return gain / math.sqrt(weight.shape[1])

    def _block(self, place: int, maps: Tensor) -> Tensor:
        weight = self.tensors[f"{self.names[place]}.conv.weight"]
        bias = self.tensors[f"{self.names[place]}.wscale.b"]
        keys = normed(maps)
        last = place == len(self.names) - 1
        if place >= 2 and place % 2 == 0 and not last:
            keys = functional.interpolate(keys, scale_factor=2)
        padding = 3 if place == 0 else weight.shape[-1] // 2
        return functional.conv2d(keys, weight * self._factor(place), bias, padding=padding)

    def file_tensors(self) -> Tensors:
        """The generator's tensors in float32 as a file holds them."""
        return {name: tensor.detach().clone() for name, tensor in self.tensors.items()}

    def from_file(self, weights: Mapping[str, Tensor]) -> Tensors:
        """What is trained, from what :meth:`file_tensors` gave, in float32."""
        return {name: weights[name].float() for name in self.tensors}


SHAPES: Mapping[str, type[Style] | type[ProgGAN]] = {"village": Style, "village-proggan": ProgGAN}
"""The generators by the names of the models."""
