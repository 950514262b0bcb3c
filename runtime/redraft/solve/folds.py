"""The pictures of a goal in folds, and what each fold adds to a normal matrix.

A rule is solved on all pictures of its goal, and on all but each fold of them. Their weights differ
by factors alone, one of what was pasted and one of the rest, so the normal matrix of each of these
problems is a sum of the same few matrices, each of which is made once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from redraft.models.generator import Positions
from redraft.solve.positions import Chosen, spread
from redraft.solve.problem import Problem
from redraft.solve.results import Once

FOLDS = 3
BLOCK_ROWS = 2048
"""Positions whose products are summed at once, in float64 or in the rows' own dtype."""
STRIPES = 8
"""Parts that a large symmetric matrix is formed in, so that little of it is formed twice."""
STRIPE = 256
"""Least columns of a part."""


def dealt(pictures: Sequence[Hashable], folds: int = FOLDS) -> tuple[tuple[int, ...], ...]:
    """The rows of each fold. Rows of one picture are in one fold, so that it is wholly left out.

    Pictures are dealt to folds in turn, so the result does not depend on chance.
    """
    order = {picture: place for place, picture in enumerate(dict.fromkeys(pictures))}
    places = [order[picture] % folds for picture in pictures]
    return tuple(
        tuple(row for row, place in enumerate(places) if place == fold)
        for fold in range(min(folds, len(order)))
    )


@dataclass(frozen=True)
class Group:
    """Some pictures of a goal, and where their matrices are found again.

    Attributes:
        rows: of the goal.
        once: finds a matrix of these pictures, whatever goal they are a part of.

    """

    rows: tuple[int, ...]
    once: Once


@dataclass(frozen=True)
class Split:
    """The pictures of a goal in groups, and what their positions weigh.

    Attributes:
        groups: each picture is in one of them.
        pasted: weight of a position of what was pasted.
        rest: weight of any other.

    """

    groups: tuple[Group, ...]
    pasted: float
    rest: float

    def normal(self, problem: Problem, phase: Positions, number: int) -> Tensor:
        """``A^T diag(w) A`` (n, n) float64 of one set of positions; the unit is a squared key.

        Args:
            problem: whose pictures are split.
            phase: the positions.
            number: of the set among those of the layer.

        """
        size = problem.weight.shape[1] * len(phase.taps)
        found = problem.moment.new_zeros(size, size)
        for group in self.groups if self.rest else ():
            make = partial(_gram_of, problem, phase, group.rows, inside=False)
            found.add_(group.once("normal", number, make), alpha=self.rest)
        # Few positions, wherever much is to be kept: quicker than to find them.
        everything = range(len(problem.goal.inputs))
        found.add_(_gram_of(problem, phase, everything, inside=True), alpha=self.pasted)
        return found.div_(loudness(problem).mean())


def loudness(problem: Problem, rows: Sequence[int] | None = None) -> Tensor:
    """(N,) or (1,) float64, the mean square of each picture's gains before the edit."""
    inputs = problem.goal.inputs
    gains = problem.form.gains(inputs if rows is None else inputs.select(rows), problem.weight)
    return gains.double().square().mean(1)


def gram(rows: Tensor, heavy: Tensor | None = None) -> Tensor:
    """``A^T A`` (n, n) float64 of rows (P, n).

    Stripes of the upper half are summed block by block, then mirrored, all in place: where rows are
    few, making room for matrices takes longer than multiplying.

    Args:
        rows: A, or what ``heavy`` makes A of.
        heavy: (P,) float64 factors of the rows, which are then multiplied in float64, or else in
            their own dtype.

    """
    count = rows.shape[1]
    found = rows.new_zeros(count, count, dtype=torch.float64)
    width = max(STRIPE, -(-count // STRIPES))
    stripes = [slice(start, start + width) for start in range(0, count, width)]
    for first in range(0, len(rows), BLOCK_ROWS):
        some = slice(first, first + BLOCK_ROWS)
        block = rows[some]
        if heavy is not None:
            block = block.to(torch.float64, copy=True).mul_(heavy[some, None])
        for stripe in stripes:
            part, left, right = found[stripe, stripe.start :], block[:, stripe].T, block
            if first == 0 and block.dtype == found.dtype:
                torch.mm(left, right[:, stripe.start :], out=part)
            else:
                part += left @ right[:, stripe.start :]
    for stripe in stripes:
        found[stripe.stop :, stripe] = found[stripe, stripe.stop :].T
    return found


def _gram_of(problem: Problem, phase: Positions, rows: Sequence[int], *, inside: bool) -> Tensor:
    return gram(*_rows_of(problem, phase, rows, inside=inside))


def _rows_of(
    problem: Problem, phase: Positions, rows: Sequence[int], *, inside: bool
) -> tuple[Tensor, Tensor]:
    """What is read inside, or outside, of what was pasted into some pictures.

    Returns:
        (P, n) of the keys' dtype, and (P,) float64 factors that the pictures' gains are.

    """
    goal = problem.goal
    wanted = phase.of(goal.inside[list(rows)]).bool() == inside
    places = tuple(torch.nonzero(picture)[:, 0] for picture in wanted)
    chosen = Chosen(places, wanted[None, :1], wanted.shape[1])
    design = chosen.design([phase], (goal.inputs.keys[row] for row in rows))[0]
    loud = loudness(problem, rows).sqrt()
    loud = loud.expand(len(rows)) if len(loud) == 1 else loud
    return design, spread(loud[None], chosen.counts)[0]
