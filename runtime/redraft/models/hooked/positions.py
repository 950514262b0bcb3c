"""Which keys the outputs of a layer read, for layers of any stride, padding and size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from redraft.models.arch.plain import Pair, Window
from redraft.models.generator import Phase, Positions, Reaches, transposed_phases

Pad = tuple[int, int, int, int]
"""Columns before and behind, rows before and behind."""


@dataclass(frozen=True)
class Padded:
    """The positions of a convolution whose keys are padded before it sees them.

    Attributes:
        window: over the padded keys.
        pad: how many are added.
        mode: as of ``torch.nn.functional.pad``.

    """

    window: Window
    pad: Pad
    mode: str

    @property
    def taps(self) -> tuple[Pair, ...]:
        """(ky, kx) kernel coordinates, row by row."""
        return self.window.taps

    @property
    def reach(self) -> Reaches | None:
        """Not given: what lies at a border is read twice."""
        return None

    def padded(self, maps: Tensor) -> Tensor:
        """(N, S, h, w) maps with their border."""
        return functional.pad(maps, self.pad, self.mode)

    def of(self, maps: Tensor) -> Tensor:
        """All positions of (..., H, W) maps, as (..., P)."""
        return maps.flatten(-2)

    def unfold(self, maps: Tensor) -> Tensor:
        """The design matrix (N * P, S * T) of (N, S, h, w) key maps."""
        return self.window.unfold(self.padded(maps))


@dataclass(frozen=True)
class Scattered:
    """Outputs (row + stride i, column + stride j) of a transposed convolution of any shape.

    Attributes:
        first: (row, column) of the first of them.
        stride: (rows, columns) between them.
        counts: how many there are along rows and columns.
        along: for rows and for columns, (tap, shift of the key that it reads) pairs.

    """

    first: Pair
    stride: Pair
    counts: Pair
    along: tuple[tuple[Pair, ...], tuple[Pair, ...]]

    @property
    def taps(self) -> tuple[Pair, ...]:
        """(ky, kx) kernel coordinates, row by row."""
        return tuple((ky, kx) for ky, _ in self.along[0] for kx, _ in self.along[1])

    @property
    def reach(self) -> Reaches | None:
        """Not given: a window of the keys gives another number of outputs."""
        return None

    def of(self, maps: Tensor) -> Tensor:
        """These positions of (..., H, W) maps, as (..., P)."""
        rows, columns = self.first
        part = maps[..., rows :: self.stride[0], columns :: self.stride[1]]
        return part.reshape(*maps.shape[:-2], -1)

    def unfold(self, maps: Tensor) -> Tensor:
        """The design matrix (N * P, S * T) of (N, S, h, w) key maps."""
        before, behind = [], []
        for axis in (0, 1):
            shifts = [shift for _, shift in self.along[axis]]
            size = maps.shape[2 + axis]
            before.append(max(0, -min(shifts)))
            behind.append(max(0, self.counts[axis] + max(shifts) - size))
        padded = functional.pad(maps, (before[1], behind[1], before[0], behind[0]))
        columns = []
        for _, dy in self.along[0]:
            for _, dx in self.along[1]:
                top, left = before[0] + dy, before[1] + dx
                columns.append(
                    padded[:, :, top : top + self.counts[0], left : left + self.counts[1]]
                )
        stacked = torch.stack(columns, 2).permute(0, 3, 4, 1, 2)
        return stacked.reshape(-1, maps.shape[1] * len(columns))


def scattered(
    kernel: Pair, stride: Pair, padding: Pair, keys: Pair, values: Pair
) -> tuple[Positions, ...] | None:  # fmt: skip
    """The independent positions of a transposed convolution; None where they are not alike.

    Output row y receives tap ky from key row i when ``y = stride * i - padding + ky``.
    """
    if any(value % step for value, step in zip(values, stride, strict=True)):
        return None
    square = all(len(set(pair)) == 1 for pair in (kernel, stride, padding))
    even = all(
        value == step * key for value, step, key in zip(values, stride, keys, strict=True)
    )  # fmt: skip
    if square and even:
        phases: tuple[Phase, ...] = transposed_phases(kernel[0], stride[0], padding[0])
        return phases if all(phase.taps for phase in phases) else None
    counts = (values[0] // stride[0], values[1] // stride[1])
    found = []
    for row in range(stride[0]):
        for column in range(stride[1]):
            along = (
                _along(row, kernel[0], stride[0], padding[0]),
                _along(column, kernel[1], stride[1], padding[1]),
            )
            if not along[0] or not along[1]:
                return None
            found.append(Scattered((row, column), stride, counts, along))
    return tuple(found)


def _along(first: int, kernel: int, stride: int, padding: int) -> tuple[Pair, ...]:
    """(tap, key shift) pairs that reach output ``first`` of a stride, along one axis."""
    taps = [tap for tap in range(kernel) if (first + padding - tap) % stride == 0]
    return tuple((tap, (first + padding - tap) // stride) for tap in taps)
