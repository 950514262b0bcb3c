"""Weighted ridge regression of many channels on one shared design."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from redraft.errors import RunError
from redraft.memory.moments import Whitening
from redraft.solve.folds import gram
from redraft.solve.problem import not_finite
from redraft.solve.results import Once

DENSE_WORK = 5e10
"""Multiplications in a normal matrix that float64 is spent on (about a second on two cores)."""
MOST_WORK = 6e11
"""The same beyond which positions are thinned (about 5 s of float32 on two cores)."""
MOST_ELEMENTS = 1 << 27
"""Elements of a design beyond which positions are thinned (512 MiB of float32)."""
APART = 8
"""Rows and columns that are added to a matrix before it is factorised."""
FACTOR_WORK = 1e10
"""The same for its factorisation, where there are more unknowns than positions."""

Unfold = Callable[[Iterable[Tensor], Tensor | None], Tensor]
"""Pictures' keys, and which positions (P,) are wanted (None for all): their rows."""


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
        unfold: gives the rows of A that are not to be left out of the pictures' keys (C, h, w), or
            of what is made of these; all (P, n) where nothing is said of them.
        keys: (N, C, h, w).
        whitening: M (C, C) float64 and its roots.
        taps: T.
        ridge: its weight.
        normal: gives A^T diag(w) A (n, n) float64 of a small problem where it is known otherwise.

    """

    share: Tensor
    target: Tensor
    unfold: Unfold
    keys: Tensor
    whitening: Whitening
    taps: int
    ridge: float
    normal: Callable[[], Tensor] | None = None

    @property
    def large(self) -> bool:
        """Whether it is solved as a large problem."""
        return is_large(len(self.share), self.keys.shape[1] * self.taps)

    def solve(self, once: Once, number: int) -> Tensor:
        """(O, n) float64.

        Args:
            once: finds the normal matrix (``normal``, of a large problem ``whitened normal``) and
                its factorisation (``factor``), or makes them.
            number: of this problem among those of the layer.

        """
        if self.large:
            return self._whitened(once, number)
        every = self.unfold(self.keys, None) if self.normal is None else None

        def factor() -> Tensor:
            room = _with_room(self._normal(once, number, every))
            for tap in range(self.taps):  # the second term couples no two taps
                places = slice(tap, len(room) - APART, self.taps)
                room[places, places] += self.ridge * self.whitening.moment
            return _factorised(room)

        lower = once("factor", number, factor)
        used = (self.target != 0).any(0)
        few = self.unfold(self.keys, used) if every is None else every[used]
        rows = few.double().mul_(self.share[used].double()[:, None])
        return _solved(lower, rows.T @ self.target[:, used].double().T).T

    def _normal(self, once: Once, number: int, rows: Tensor | None) -> Tensor:
        if self.normal is not None:
            return self.normal()
        assert rows is not None
        return once("normal", number, partial(gram, rows, self.share.double().sqrt()))

    def _whitened(self, once: Once, number: int) -> Tensor:
        back = self.whitening.inverse_root
        whiten, heavy = back.to(self.keys), self.share.sqrt().to(self.keys)
        whitened = (torch.einsum("dc,chw->dhw", whiten, picture) for picture in self.keys)
        rows = self.unfold(whitened, None).mul_(heavy[:, None])
        wanted = self.target * heavy
        few = len(rows) < rows.shape[1]

        def factor() -> Tensor:
            normal = once("whitened normal", number, lambda: gram(rows.T if few else rows))
            lifted = normal.clone()
            lifted.diagonal().add_(self.ridge)
            return _factorised(_with_room(lifted.to(rows)))

        lower = once("factor", number, factor)
        if few:
            solved = _solved(lower, wanted.T).T @ rows
        else:
            used = (wanted != 0).any(0)
            solved = _solved(lower, rows[used].T @ wanted[:, used].T).T
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


def _with_room(normal: Tensor) -> Tensor:
    """A copy with an identity in the corner.

    Rows that lie a power of two apart fall into one set of the processor's cache, where LAPACK
    takes three times as long; it keeps them apart.
    """
    count = len(normal)
    room = normal.new_empty(count + APART, count + APART)
    room[:count, :count] = normal
    room[:count, count:] = 0.0
    room[count:] = 0.0
    room.diagonal()[count:] = 1.0
    return room


def _factorised(room: Tensor) -> Tensor:
    """Cholesky, lifted off its null space, in place, at the level of float64 rounding."""
    normal = room[:-APART, :-APART]
    normal.diagonal().add_(1e-10 * normal.diagonal().mean().clamp_min(1e-300))
    factor, failed = torch.linalg.cholesky_ex(room)
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


def _solved(lower: Tensor, wanted: Tensor) -> Tensor:
    """(n, O) for what is wanted (n, O) and a factor of :func:`_factorised`."""
    padded = functional.pad(wanted, (0, 0, 0, APART))
    return torch.cholesky_solve(padded, lower)[: len(wanted)]
