"""Weighted ridge regression of many channels on one shared design."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.memory.moments import inverse_root
from redraft.solve.problem import not_finite

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


@dataclass(frozen=True)
class Ridge:
    """``min_X sum_p w_p |A_p x_o - t_op|^2 + ridge x_o (M kron I) x_o`` for every channel o.

    Attributes:
        share: (P,), w.
        target: (O, P), t.
        moment: (C, C) float64, M.
        taps: T; there are n = C T unknowns, ``c * T + t`` for tap t of key channel c.
        ridge: its weight.

    """

    share: Tensor
    target: Tensor
    moment: Tensor
    taps: int
    ridge: float

    def dense(self, design: Tensor) -> Tensor:
        """(O, n) float64, from a design (P, n): one normal matrix and its factorisation."""
        design = design.double()
        weighted = design * self.share.double()[:, None]
        same = torch.eye(self.taps, dtype=torch.float64, device=design.device)
        normal = weighted.T @ design + self.ridge * torch.kron(self.moment, same)
        return _solve(normal, weighted.T @ self.target.double().T).T

    def whitened(self, design: Tensor) -> Tensor:
        """(O, n) float64, from a design (P, n) of *whitened* keys ``M^-1/2 k``; overwrites it.

        In these units the second term is a multiple of the identity, so the matrix is so well
        conditioned that the design's own dtype serves for all of it. The matrix has a row for each
        unknown or for each position, whichever are fewer.
        """
        heavy = self.share.sqrt()
        rows = design.mul_(heavy[:, None])
        wanted = self.target * heavy
        if len(rows) < rows.shape[1]:
            inner = _lifted(gram(rows.T), self.ridge)
            solved = _solve(inner.to(rows), wanted.T).T @ rows
        else:
            inner = _lifted(gram(rows), self.ridge)
            used = (wanted != 0).any(0)
            solved = _solve(inner.to(rows), rows[used].T @ wanted[:, used].T).T
        by_key = solved.double().reshape(len(solved), len(self.moment), self.taps)
        back = inverse_root(self.moment)
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
    matrix.diagonal().add_(by)
    return matrix


def _solve(normal: Tensor, right: Tensor) -> Tensor:
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
    return torch.cholesky_solve(right, factor)
