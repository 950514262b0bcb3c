"""What redraft needs to know of a generator: where it can be cut, and what one layer computes.

A *layer* here is the paper's: a convolution with everything that follows it up to the place
where values are read. Keys enter it, values leave it, and the rest of the network only has to be
run, never understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from redraft_dsl.facts import ModelFacts

Axes = Literal["OI", "IO", "1OI", "linear", "grid"]
"""How a weight lies in its file: (O, C, kh, kw), (C, O, kh, kw), (1, O, C, kh, kw), (O, C), or
(O * kh * kw, C) where a linear map gives a grid of kh x kw positions."""


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


Span = tuple[int, int]
"""Rows or columns from the first to the last, half-open."""


@dataclass(frozen=True)
class Reach:
    """Which keys the values of a layer read, along one axis.

    Value y reads keys ``down * (y // up) + low`` to ``down * (y // up) + high``; outside of the
    picture keys are 0. n keys give ``up * ((n - lost - 1) // down + 1)`` values.
    """

    up: int
    down: int
    low: int
    high: int
    lost: int = 0

    def keys(self, values: Span, count: int) -> Span:
        """The keys of ``count`` that a layer must be given to compute some values."""
        first = self.down * (values[0] // self.up) + self.low
        last = self.down * ((values[1] - 1) // self.up) + self.high + 1
        # A whole step of the values, so that the crop's own values fall on those of the whole.
        start = min(max(first, 0), count - 1) // self.down * self.down
        return start, min(max(last, start + 1), count)

    def values(self, keys: Span) -> Span:
        """The values that a layer computes from a crop of its keys, right or not at its ends."""
        first = self.up * (keys[0] // self.down)
        return first, first + self.up * ((keys[1] - keys[0] - self.lost - 1) // self.down + 1)


Reaches = tuple[Reach, Reach]
"""Along rows and along columns."""


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

    @property
    def reach(self) -> Reaches:
        """What these values read; see :attr:`Positions.reach`."""
        rows, columns = zip(*self.shifts, strict=True)
        return (
            Reach(self.stride, 1, min(rows), max(rows)),
            Reach(self.stride, 1, min(columns), max(columns)),
        )

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


class Positions(Protocol):
    """Output positions of a layer that share one set of kernel taps, and what the taps read there.

    Sets of positions share no tap, so they are separate problems.
    """

    @property
    def taps(self) -> tuple[tuple[int, int], ...]:
        """(ky, kx) kernel coordinates, T of them."""
        ...

    @property
    def reach(self) -> Reaches | None:
        """Which keys these values read; None where that is not known.

        Where it is known for all positions of a layer, the layer can be run on a window of its
        pictures (see :mod:`redraft.solve.windows`).
        """
        ...

    def of(self, maps: Tensor) -> Tensor:
        """These positions of (..., H, W) maps, as (..., P)."""
        ...

    def unfold(self, maps: Tensor) -> Tensor:
        """The design matrix (N * P, S * T) of (N, S, h, w) key maps or their projections."""
        ...


@dataclass(frozen=True)
class Demodulation:
    """How the gain of each picture and channel depends on the coefficients.

    ``gain(l) = factor * (constant + 2 linear . l + l^T quadratic l) ** -1/2``, where ``l`` are the
    S * T coefficients of one output channel, in the order of :meth:`Positions.unfold`
    (StyleGAN2's weight demodulation; method: writing it).

    Attributes:
        factor: what multiplies every gain.
        constant: (N, O), with the epsilon in it.
        linear: (N, O, S * T).
        quadratic: (N, S * T, S * T), the same for all output channels.

    """

    factor: float
    constant: Tensor
    linear: Tensor
    quadratic: Tensor


class LayerForm(Protocol):
    """The per-channel structure of one layer: all that a solver knows of an architecture.

    With weight W (O, C, kh, kw) and keys K the layer computes, channel by channel,
    ``values = activation(gain * (W * K) + shift)``; pre-activations are its *response*. After
    ``W + Lambda D`` the convolution of channel o at a set of positions is that of W plus
    ``A lambda_o`` with ``A = positions.unfold(D K)`` the same for all channels (method: the
    constrained insert). The gain is each channel's own; in a modulated layer also each picture's,
    and there it depends on the weight.
    """

    @property
    def weight(self) -> Tensor:
        """(O, C, kh, kw), the present weight, whatever its layout in the module."""
        ...

    @property
    def negative_slope(self) -> float:
        """Slope of the activation below 0: 0 for ReLU, 0.2 for StyleGAN's leaky ReLU."""
        ...

    @property
    def phases(self) -> tuple[Positions, ...]:
        """The independent position sets of the layer."""
        ...

    def gains(self, inputs: LayerInputs, weight: Tensor) -> Tensor:
        """(N, O), or (1, O) where pictures do not differ: what multiplies the convolution."""
        ...

    def shift(self, inputs: LayerInputs) -> Tensor:
        """What is added after the gain, broadcasting against (N, O, H, W)."""
        ...

    def demodulation(
        self, inputs: LayerInputs, weight: Tensor, directions: Tensor
    ) -> Demodulation | None:
        """How the gains depend on the coefficients of ``directions`` (S, C); None: they don't."""
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

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the file does not hold and was filled in, as clauses for a run's record."""
        ...

    def weight_name(self, layer: str) -> str:
        """The name of the layer's weight in the file it came from, without any prefix."""
        ...

    def weight_axes(self, layer: str) -> Axes:
        """How that weight lies in the file."""
        ...

    def form(self, layer: str) -> LayerForm:
        """The per-channel structure of a layer, reading the module's present weight."""
        ...

    def state(self) -> dict[str, Tensor]:
        """The present weights under the names, and in the shapes, of the file they came from."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back the weights of :meth:`state`, bit for bit."""
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
        """Pictures (N, 3, H, W) in -1..1 of latents (N, latent_size).

        The shipped architectures let gradients pass to latents and to weights that require them;
        a module's own weights do not.
        """
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


def rectified(response: Tensor, negative_slope: float) -> Tensor:
    """What a ReLU of some slope below 0 makes of pre-activations; 1 stands for no activation."""
    if negative_slope == 1:
        return response
    if negative_slope == 0:
        return functional.relu(response)
    return functional.leaky_relu(response, negative_slope)
