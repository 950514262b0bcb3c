"""Weighted ridge regression of many channels on one shared design."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.memory.moments import Whitening
from redraft.solve.problem import not_finite
from redraft.solve.results import Once

DENSE_WORK = 5e10
"""Multiplications in a normal matrix that float64 is spent on (about a second on two cores)."""
MOST_WORK = 6e11
"""The same beyond which positions are thinned (about 5 s of float32 on two cores)."""
MOST_ELEMENTS = 1 << 27
"""Elements of a design beyond which positions are thinned (512 MiB of float32)."""
FACTOR_WORK = 1e10
"""The same for its factorisation, where there are more unknowns than positions."""
STRIPES = 8
"""Parts that a large symmetric matrix is formed in, so that little of it is formed twice."""
BLOCK_ROWS = 4096
"""Positions whose products are summed in the design's own dtype; beyond that in float64."""


@dataclass(frozen=True, eq=False)
class Ridge:
    """``min_X sum_p w_p |A_p x_o - t_op|^2 + ridge x_o (M kron I) x_o`` for every channel o.

    There are n = C T unknowns, ``c * T + t`` for tap t of key channel c. A small problem is solved
    in float64, in the units of the keys. A large one is solved for keys that are whitened, where
    the second term is a multiple of the identity: its matrix is so well conditioned that the
    keys' own dtype serves for all of it. That matrix has a row for each unknown or for each
    position, whichever are fewer.

    Attributes:
        share: (P,), w.
        target: (O, P), t.
        unfold: gives A (P, n) of the pictures' keys (C, h, w), or of what is made of these.
        keys: (N, C, h, w).
        whitening: M (C, C) float64 and its roots.
        taps: T.
        ridge: its weight.

    """

    share: Tensor
    target: Tensor
    unfold: Callable[[Iterable[Tensor]], Tensor]
    keys: Tensor
    whitening: Whitening
    taps: int
    ridge: float

    def solve(self, once: Once, number: int) -> Tensor:
        """(O, n) float64.

        Args:
            once: finds the normal matrix (``normal``, of a large problem ``whitened normal``) and
                its factorisation (``factor``), or makes them.
            number: of this problem among those of the layer.

        """
        if is_large(len(self.share), self.keys.shape[1] * self.taps):
            return self._whitened(once, number)
        design = self.unfold(self.keys).double()
        weighted = design * self.share.double()[:, None]
        same = torch.eye(self.taps, dtype=torch.float64, device=design.device)

        def factor() -> Tensor:
            normal = once("normal", number, lambda: weighted.T @ design)
            return _factorised(normal + self.ridge * torch.kron(self.whitening.moment, same))

        lower = once("factor", number, factor)
        return torch.cholesky_solve(weighted.T @ self.target.double().T, lower).T

    def _whitened(self, once: Once, number: int) -> Tensor:
        back = self.whitening.inverse_root
        whiten, heavy = back.to(self.keys), self.share.sqrt()
        whitened = (torch.einsum("dc,chw->dhw", whiten, picture) for picture in self.keys)
        rows = self.unfold(whitened).mul_(heavy[:, None])
        wanted = self.target * heavy
        few = len(rows) < rows.shape[1]

        def factor() -> Tensor:
            normal = once("whitened normal", number, lambda: gram(rows.T if few else rows))
            return _factorised(_lifted(normal, self.ridge).to(rows))

        lower = once("factor", number, factor)
        if few:
            solved = torch.cholesky_solve(wanted.T, lower).T @ rows
        else:
            used = (wanted != 0).any(0)
            solved = torch.cholesky_solve(rows[used].T @ wanted[:, used].T, lower).T
        by_key = solved.double().reshape(len(solved), len(back), self.taps)
        return torch.einsum("oct,cd->odt", by_key, back).reshape(len(solved), -1)


def positions_for(unknowns: int) -> int:
    """How many positions a problem of so many unknowns is worth."""
    worth = min(int(MOST_WORK / unknowns**2), MOST_ELEMENTS // unknowns)
    return max(2 * unknowns, worth)


def is_large(positions: int, unknowns: int) -> bool:
    """Whether forming or factorising the matrix in float64 would take seconds."""
    if positions < unknowns:
        return positions * unknowns**2 + unknowns**3 / 3 > FACTOR_WORK
    return positions * unknowns**2 > DENSE_WORK


def gram(rows: Tensor) -> Tensor:
    """``A^T A`` (n, n) float64 of rows (P, n): upper stripes, block by block, then mirrored."""
    count = rows.shape[1]
    found = torch.zeros(count, count, dtype=torch.float64, device=rows.device)
    width = -(-count // STRIPES)
    for first in range(0, len(rows), BLOCK_ROWS):
        block = rows[first : first + BLOCK_ROWS]
        for start in range(0, count, width):
            stripe = slice(start, start + width)
            found[stripe, start:] += block[:, stripe].T @ block[:, start:]
    return found.triu() + found.triu(1).T


def _lifted(matrix: Tensor, by: float) -> Tensor:
    lifted = matrix.clone()
    lifted.diagonal().add_(by)
    return lifted


def _factorised(normal: Tensor) -> Tensor:
    """Cholesky, lifted off its null space by a diagonal at the level of float64 rounding."""
    lift = 1e-10 * normal.diagonal().mean().clamp_min(1e-300)
    factor, failed = torch.linalg.cholesky_ex(
        normal + lift * torch.eye(normal.shape[0], dtype=normal.dtype, device=normal.device)
    )
    if int(failed) and not bool(torch.isfinite(normal).all()):
        raise not_finite()
    if int(failed):
        raise RunError(
            "RD509",
            "the keys of the goal are too alike to find directions in",
            "add contexts, or use `directions context`",
        )
    found: Tensor = factor
    return found
