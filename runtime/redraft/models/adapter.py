"""What redraft needs to know of a generator: where it can be cut, and what one layer computes.

A *layer* here is the paper's: a convolution with everything that follows it up to the place
where values are read. Keys enter it, values leave it, and the rest of the network only has to be
run, never understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from redraft_dsl.facts import ModelFacts


@dataclass(frozen=True)
class LayerInputs:
    """What enters a layer for N pictures: keys, and what else the layer or the rest needs.

    Attributes:
        keys: (N, C, h, w).
        carried: further tensors by name, each with N first (styles, skip pictures); often empty.

    """

    keys: Tensor
    carried: Mapping[str, Tensor] = field(default_factory=dict)

    def select(self, rows: Tensor | Sequence[int]) -> LayerInputs:
        """The inputs of some of the pictures."""
        index = torch.as_tensor(rows, device=self.keys.device)
        return LayerInputs(
            self.keys[index], {name: value[index] for name, value in self.carried.items()}
        )

    def __len__(self) -> int:
        return int(self.keys.shape[0])


@dataclass(frozen=True)
class Phase:
    """Output positions that share one set of kernel taps.

    A layer that strides its output by s computes output (s*i + row, s*j + column) from the keys
    at (i + dy, j + dx), one for each tap. Phases share no tap, so they are separate problems.

    Attributes:
        row: first output row of the phase.
        column: first output column of the phase.
        stride: step between the output positions of the phase.
        taps: (ky, kx) kernel coordinates, T of them.
        shifts: (dy, dx) of the key that each tap reads, T of them.

    """

    row: int
    column: int
    stride: int
    taps: tuple[tuple[int, int], ...]
    shifts: tuple[tuple[int, int], ...]

    def of(self, maps: Tensor) -> Tensor:
        """The phase's positions of (..., H, W) maps, as (..., P)."""
        part = maps[..., self.row :: self.stride, self.column :: self.stride]
        return part.reshape(*maps.shape[:-2], -1)

    def unfold(self, maps: Tensor) -> Tensor:
        """The design matrix: what each tap reads at each position.

        Args:
            maps: (N, S, h, w) key maps or their projections.

        Returns:
            (N * P, S * T), positions picture by picture and row by row; unknown ``s * T + t``
            is tap t of map s.

        """
        height, width = maps.shape[-2:]
        reach = max(max(abs(dy), abs(dx)) for dy, dx in self.shifts)
        padded = functional.pad(maps, (reach, reach, reach, reach))
        columns = [
            padded[:, :, reach + dy : reach + dy + height, reach + dx : reach + dx + width]
            for dy, dx in self.shifts
        ]
        stacked = torch.stack(columns, 2).permute(0, 3, 4, 1, 2)
        return stacked.reshape(-1, maps.shape[1] * len(self.shifts))


class LayerForm(Protocol):
    """The per-channel structure of one layer: all that a solver knows of an architecture.

    With weight W (O, C, kh, kw) and keys K the layer computes, channel by channel,
    ``values = activation(scale * (W * K) + shift)``. After ``W + Lambda D`` the pre-activation of
    channel o at the positions of a phase is ``response + scale_o * (A lambda_o)`` with
    ``A = phase.unfold(D K)`` the same for all channels (method: the constrained insert).
    """

    @property
    def weight(self) -> Tensor:
        """(O, C, kh, kw), the present weight, whatever its layout in the module."""
        ...

    @property
    def scale(self) -> Tensor:
        """(O,), what multiplies the convolution before the activation."""
        ...

    @property
    def negative_slope(self) -> float:
        """Slope of the activation below 0: 0 for ReLU, 0.2 for StyleGAN's leaky ReLU."""
        ...

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The independent position sets of the layer."""
        ...

    def response(self, inputs: LayerInputs, weight: Tensor) -> Tensor:
        """Pre-activations (N, O, H, W) for ``weight`` (O, C, kh, kw)."""
        ...

    def activate(self, response: Tensor) -> Tensor:
        """Values (N, O, H, W) from pre-activations."""
        ...


class Generator(Protocol):
    """A generator that can be cut at its layers.

    ``module`` is the user's own module; its parameters are the weights that are edited.
    """

    @property
    def module(self) -> nn.Module:
        """The network, in evaluation mode."""
        ...

    @property
    def facts(self) -> ModelFacts:
        """Picture size, latent size and editable layers."""
        ...

    def weight_name(self, layer: str) -> str:
        """The name of the layer's convolution weight in ``module.state_dict()``."""
        ...

    def upstream(self, layer: str) -> tuple[str, ...]:
        """Names in ``module.state_dict()`` of every tensor that the layer's keys depend on."""
        ...

    def form(self, layer: str) -> LayerForm:
        """The per-channel structure of a layer, reading the module's present weight."""
        ...

    def set_weight(self, layer: str, weight: Tensor) -> None:
        """Write ``weight`` (O, C, kh, kw) into the module, bit for bit."""
        ...

    def inputs(self, latents: Tensor, layers: Sequence[str]) -> dict[str, LayerInputs]:
        """What enters each of the layers, in one pass that stops at the last of them.

        Args:
            latents: (N, latent_size), float32.
            layers: canonical names.

        """
        ...

    def pictures(self, layer: str, values: Tensor, inputs: LayerInputs) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 from the values that leave ``layer``."""
        ...

    def sample(self, latents: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 of latents (N, latent_size)."""
        ...


def transposed_phases(kernel: int, stride: int, padding: int) -> tuple[Phase, ...]:
    """Phases of a square transposed convolution.

    Output row y receives tap ky from key row i when ``y = stride * i - padding + ky``.
    """
    along = [_taps_along(first, kernel, stride, padding) for first in range(stride)]
    return tuple(
        Phase(
            row,
            column,
            stride,
            tuple((ky, kx) for ky, _ in along[row] for kx, _ in along[column]),
            tuple((dy, dx) for _, dy in along[row] for _, dx in along[column]),
        )
        for row in range(stride)
        for column in range(stride)
    )


def _taps_along(first: int, kernel: int, stride: int, padding: int) -> list[tuple[int, int]]:
    """(tap, key shift) pairs that reach output ``first`` of a stride, along one axis."""
    taps = [tap for tap in range(kernel) if (first + padding - tap) % stride == 0]
    return [(tap, (first + padding - tap) // stride) for tap in taps]
