"""``A^T diag(w) A`` for many weights ``w``: what every normal matrix is made of."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK_ELEMENTS = 1 << 26
"""Most elements of the table of products that is held at once (256 MiB of float32)."""


def most_held(sets: int, unknowns: int) -> int:
    """The positions, in each of some sets, whose products are held all at once."""
    return max(1, BLOCK_ELEMENTS // (sets * unknowns * (unknowns + 1) // 2))


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
        self._upper = torch.triu_indices(n, n, device=design.device)
        place = torch.empty(n, n, dtype=torch.long, device=design.device)
        place[self._upper[0], self._upper[1]] = torch.arange(
            self._upper.shape[1], device=design.device
        )
        self._place = torch.maximum(place.triu(), place.triu().T).reshape(-1)
        self._block = most_held(design.shape[0], n)
        held = design.shape[1] <= self._block
        self._held = self._pairs(slice(None)) if held else None

    def weighted(self, weights: Tensor) -> Tensor:
        """(F, O, n, n) for weights (F, O, P)."""
        if self._held is not None:
            upper = weights @ self._held
        else:
            upper = weights.new_zeros(*weights.shape[:2], self._upper.shape[1])
            for first in range(0, self._design.shape[1], self._block):
                rows = slice(first, first + self._block)
                upper += weights[:, :, rows] @ self._pairs(rows)
        n = self._design.shape[2]
        # Gathered rather than indexed: several times as fast.
        places = self._place.expand(*upper.shape[:2], -1)
        return upper.gather(2, places).reshape(*upper.shape[:2], n, n)

    def _pairs(self, rows: slice) -> Tensor:
        part = self._design[:, rows]
        return part[:, :, self._upper[0]] * part[:, :, self._upper[1]]
