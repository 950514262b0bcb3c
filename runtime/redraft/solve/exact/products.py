"""``A^T diag(w) A`` for many weights ``w``: what every normal matrix is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

BLOCK_ELEMENTS = 1 << 26
"""Most elements of the table of products that is held at once (256 MiB of float32)."""

LINE = 16
"""The table's rows are a multiple of so many elements: a quarter faster to multiply by."""


def most_held(sets: int, unknowns: int) -> int:
    """The positions, in each of some sets, whose products are held all at once."""
    return max(1, BLOCK_ELEMENTS // (sets * unknowns * (unknowns + 1) // 2))


@dataclass(frozen=True)
class Normal:
    """Symmetric matrices (F, O, n, n), held as half of each, and unfolded a few at a time.

    Whole and in float64 they would have to be fetched from memory for every step of a search that
    does little with each number.

    Attributes:
        upper: (F, O, n (n + 1) / 2 or a few more), row by row from the diagonal on.
        size: n.
        left: (F, O, N, n) or None; ``sum_i left_i right_i^T + right_i left_i^T`` is added.
        right: (F, O, N, n) or None.

    """

    upper: Tensor
    size: int
    left: Tensor | None = None
    right: Tensor | None = None

    def add(self, factor: Tensor, matrix: Tensor) -> None:
        """Add ``factor`` (O,) times a symmetric matrix (n, n) to the matrix of each channel."""
        rows, columns = torch.triu_indices(*matrix.shape, device=matrix.device)
        self.upper[..., : len(rows)].addcmul_(factor[:, None], matrix[rows, columns])

    def parts(self, most: int) -> Iterator[Normal]:
        """The matrices of all sets and channels in turn, at most ``most`` at a time, as one set."""
        halves = torch.split(self.upper.flatten(0, 1), most)
        if self.left is None or self.right is None:
            yield from (Normal(half[None], self.size) for half in halves)
            return
        lefts = torch.split(self.left.flatten(0, 1), most)
        rights = torch.split(self.right.flatten(0, 1), most)
        for half, left, right in zip(halves, lefts, rights, strict=True):
            yield Normal(half[None], self.size, left[None], right[None])

    def unfolded(self, place: Tensor) -> Tensor:
        """(F * O, n, n) float64; ``place`` as of :func:`places_in_half`."""
        whole = self.upper.flatten(0, 1).index_select(1, place).double()
        whole = whole.view(-1, self.size, self.size)
        if self.left is not None and self.right is not None:
            left = self.left.flatten(0, 1).double()
            right = self.right.flatten(0, 1).double()
            whole.baddbmm_(right.transpose(1, 2), left)
            whole.baddbmm_(left.transpose(1, 2), right)
        return whole


def places_in_half(size: int, device: torch.device) -> Tensor:
    """(n * n,), where each element of a symmetric matrix is in its half."""
    rows, columns = torch.triu_indices(size, size, device=device)
    place = torch.empty(size, size, dtype=torch.long, device=device)
    place[rows, columns] = place[columns, rows] = torch.arange(len(rows), device=device)
    return place.flatten()


class Products:
    """``A^T diag(w_o) A`` for every channel, as one matrix product for each set of positions.

    The products of all pairs of columns of A are the same for all channels, so they are formed
    once, (F, P, n (n + 1) / 2), and each step is one multiplication by the channels' weights.
    Too many to hold are formed block by block instead.

    Args:
        design: (F, P, n).

    """

    def __init__(self, design: Tensor) -> None:
        self._design = design
        n = design.shape[2]
        upper = torch.triu_indices(n, n, device=design.device)
        # Any pair will do for the columns that only fill a line of memory: none is looked at.
        self._upper = functional.pad(upper, (0, -upper.shape[1] % LINE))
        self._block = most_held(design.shape[0], n)
        held = design.shape[1] <= self._block
        self._held = self._pairs(slice(None)) if held else None

    def weighted(self, weights: Tensor) -> Normal:
        """(F, O, n, n) for weights (F, O, P)."""
        if self._held is not None:
            return Normal(weights @ self._held, self._design.shape[2])
        upper = weights.new_zeros(*weights.shape[:2], self._upper.shape[1])
        for first in range(0, self._design.shape[1], self._block):
            rows = slice(first, first + self._block)
            upper += weights[:, :, rows] @ self._pairs(rows)
        return Normal(upper, self._design.shape[2])

    def _pairs(self, rows: slice) -> Tensor:
        part = self._design[:, rows]
        # Column by column into their place: to gather the two factors first takes twice as long.
        pairs = part.new_empty(*part.shape[:2], self._upper.shape[1])
        first, n = 0, part.shape[2]
        for column in range(n):
            torch.mul(
                part[:, :, column, None],
                part[:, :, column:],
                out=pairs[:, :, first : first + n - column],
            )
            first += n - column
        pairs[:, :, first:] = 0.0
        return pairs
