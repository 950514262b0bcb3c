"""ProgGAN: pixel norm, convolution with a fixed gain and a bias, leaky ReLU; nearest up-sampling.

Karras, Aila, Laine, Lehtinen, "Progressive Growing of GANs for Improved Quality, Stability, and
Variation", ICLR 2018, in the form in which the authors of the rewriting paper publish it. Sizes
are read from the shapes of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from redraft.models.arch.plain import PlainForm, put
from redraft.models.arch.proggan_shapes import Layout, blocks, facts
from redraft.models.checkpoint.refusals import known_layer
from redraft.models.generator import Axes, LayerInputs, Phase
from redraft_dsl.facts import ModelFacts

__all__ = ["ConvolutionForm", "ProgGAN", "build", "facts", "plain_phases"]

_EPSILON = 1e-8
_SLOPE = 0.2


@dataclass(frozen=True)
class ConvolutionForm(PlainForm):
    """A plain convolution with an odd kernel; ``scale`` is the gain, ``offset`` the bias."""

    negative_slope: float = _SLOPE

    def convolve(self, keys: Tensor, weight: Tensor) -> Tensor:
        """(N, O, h, w) of keys (N, C, h, w) and a weight (O, C, k, k)."""
        return functional.conv2d(keys, weight, padding=weight.shape[-1] // 2)


class _Scale(nn.Module):
    """The bias of a block, and its gain where the file has one."""

    def __init__(self, channels: int, stored: tuple[int, ...] | None) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.zeros(channels))
        self.scale = None if stored is None else nn.Parameter(torch.zeros(stored))


class Block(nn.Module):
    """Pixel norm, nearest up-sampling where the resolution changes, convolution, gain and bias.

    Args:
        shape: of the convolution's weight.
        doubles: whether the maps are enlarged first.
        padding: of the convolution.
        gain: the factor of the convolution is this over the square root of C.
        stored: shape of the tensor of the file that is the factor instead, if there is one.

    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        doubles: bool,
        padding: int,
        gain: float,
        stored: tuple[int, ...] | None,
    ) -> None:
        super().__init__()
        channels_out, channels_in, kernel, _ = shape
        # The weights come from the file, so none need be drawn.
        self.conv: nn.Conv2d = nn.utils.skip_init(  # type: ignore[no-untyped-call]
            nn.Conv2d, channels_in, channels_out, kernel, padding=padding, bias=False
        )
        self.wscale = _Scale(channels_out, stored)
        self.doubles = doubles
        self._factor = gain / math.sqrt(channels_in)

    @property
    def factor(self) -> Tensor:
        """(), what multiplies the convolution."""
        stored = self.wscale.scale
        return self.wscale.b.new_tensor(self._factor) if stored is None else stored.reshape(())

    def keys(self, maps: Tensor) -> Tensor:
        """What enters the convolution."""
        mean_square = maps.square().mean(1, keepdim=True)
        normed = maps / torch.sqrt(mean_square + _EPSILON)
        return functional.interpolate(normed, scale_factor=2) if self.doubles else normed

    def forward(self, maps: Tensor) -> Tensor:
        """Pre-activations."""
        raw: Tensor = self.conv(self.keys(maps))
        return raw * self.factor + self.wscale.b[:, None, None]


class ProgGAN:
    """A ProgGAN as a :class:`redraft.models.generator.Generator`.

    Args:
        module: holds a :class:`Block` under each of the names.
        names: of the blocks in their order, the output block last.
        facts: as :func:`facts` reads them from the module's shapes.

    """

    def __init__(self, module: nn.Module, names: Sequence[str], facts: ModelFacts) -> None:
        self.module = module.eval().requires_grad_(False)
        self.facts = facts
        self._names = tuple(names)

    @property
    def assumed(self) -> tuple[str, ...]:
        """Nothing: the file holds all that is needed."""
        return ()

    def weight_name(self, layer: str) -> str:
        """The name of the layer's weight in the file it came from, without any prefix."""
        return f"{self._names[self._place(layer)]}.conv.weight"

    def weight_axes(self, layer: str) -> Axes:  # noqa: ARG002
        """Plain convolutions keep their output channels first."""
        return "OI"

    def state(self) -> dict[str, Tensor]:
        """The present weights under the names of the file."""
        return self.module.state_dict()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back the weights of :meth:`state`, bit for bit."""
        self.module.load_state_dict(state)

    def form(self, layer: str) -> ConvolutionForm:
        """The per-channel structure of a layer, reading the module's present weight."""
        block = self._block(self._place(layer))
        return ConvolutionForm(
            weight=block.conv.weight.clone(),
            scale=block.factor.expand(block.conv.out_channels),
            offset=block.wscale.b,
            phases=plain_phases(block.conv.kernel_size[0]),
        )

    def set_weight(self, layer: str, weight: Tensor) -> None:
        """Write ``weight`` (O, C, kh, kw) into the module, bit for bit."""
        with torch.no_grad():
            self._block(self._place(layer)).conv.weight.copy_(weight)

    def inputs(self, latents: Tensor, layers: Sequence[str]) -> dict[str, LayerInputs]:
        """What enters each of the layers, in one pass that stops at the last of them."""
        requested = {self._place(layer): layer for layer in layers}
        found: dict[str, LayerInputs] = {}
        maps = latents[:, :, None, None]
        with torch.no_grad():
            for place in range(max(requested) + 1):
                if place in requested:
                    found[requested[place]] = LayerInputs(self._block(place).keys(maps))
                if place < max(requested):
                    maps = self._values(place, maps)
        return {layer: found[layer] for layer in layers}

    def pictures(self, layer: str, values: Tensor, inputs: LayerInputs) -> Tensor:  # noqa: ARG002
        """Pictures (N, 3, H, W) in -1..1 from the values that leave ``layer``."""
        return self._rest(self._place(layer) + 1, values)

    def sample(self, latents: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 of latents (N, latent_size)."""
        return self._rest(0, latents[:, :, None, None])

    def _rest(self, first: int, maps: Tensor) -> Tensor:
        for place in range(first, len(self._names) - 1):
            maps = self._values(place, maps)
        return functional.hardtanh(self._block(len(self._names) - 1)(maps))

    def _values(self, place: int, maps: Tensor) -> Tensor:
        return functional.leaky_relu(self._block(place)(maps), _SLOPE)

    def _block(self, place: int) -> Block:
        return cast(Block, self.module.get_submodule(self._names[place]))

    def _place(self, layer: str) -> int:
        return int(known_layer(self.facts, layer).name.removeprefix("layer")) - 1


def plain_phases(kernel: int) -> tuple[Phase, ...]:
    """The one phase of a convolution with an odd kernel that keeps the size of its maps.

    Output row y receives tap ky from key row ``y + ky - kernel // 2``.
    """
    taps = tuple((ky, kx) for ky in range(kernel) for kx in range(kernel))
    shifts = tuple((ky - kernel // 2, kx - kernel // 2) for ky, kx in taps)
    return (Phase(0, 0, 1, taps, shifts),)


def build(
    state: Mapping[str, Tensor],
    layout: str = "layers",
    truncation: float = 1.0,  # noqa: ARG001
) -> ProgGAN:
    """A ProgGAN that holds copies of the tensors of ``state`` (names without prefix).

    There is nothing to truncate.

    Args:
        state: tensors by name.
        layout: as :data:`redraft.models.arch.proggan_shapes.Layout`.
        truncation: not used.

    Raises:
        ModelError: the tensors are not those of a ProgGAN.

    """
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    found = facts(shapes)
    names = blocks(shapes, cast(Layout, layout))
    module = nn.Module()
    for place, block in enumerate(_blocks(shapes, names)):
        put(module, names[place], block)
    module.load_state_dict(dict(state))
    return ProgGAN(module, names, found)


def _blocks(shapes: Mapping[str, tuple[int, ...]], names: Sequence[str]) -> Iterator[Block]:
    last = len(names) - 1
    for place, name in enumerate(names):
        shape = shapes[f"{name}.conv.weight"]
        kernel = shape[-1]
        yield Block(
            shape,
            doubles=place >= 2 and place % 2 == 0 and place != last,
            padding=3 if place == 0 else kernel // 2,
            gain=1.0 if place == last else math.sqrt(2) / kernel,
            stored=shapes.get(f"{name}.wscale.scale"),
        )
