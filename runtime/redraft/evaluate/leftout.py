"""Left-out gain: whether a rule follows on contexts that it was not solved for.

Past the paper. Solve on two thirds of the pictures and look at the rest: how much of the goal is
reached there, and how much changes elsewhere. Needs no labels and no further pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.goals import Goal
from redraft.solve.problem import Problem, Solution, edited_weight

FoldSolver = Callable[[Problem, tuple[int, ...]], Solution]
"""Directions and coefficients for a part of a problem, given with the rows it consists of."""
FOLDS = 3
LEAST = 3
"""Fewer pictures than this cannot be split."""


@dataclass(frozen=True)
class LeftOut:
    """What a rule does to the pictures that were left out.

    Attributes:
        gain: mean share of the goal that is reached: <change, goal> / <goal, goal>.
        side: mean absolute change elsewhere over the mean absolute change the goal asks for.
        gain_spread: standard deviation of gain over folds.
        side_spread: standard deviation of side over folds.
        per_picture: gain of each picture, in the order of the problem's pictures.

    """

    gain: float
    side: float
    gain_spread: float
    side_spread: float
    per_picture: tuple[float, ...]


def left_out(
    problem: Problem, keep: float, solve: FoldSolver, folds: int = FOLDS
) -> LeftOut | None:
    """Solve without each fold of the pictures, and measure on that fold.

    Pictures are dealt to folds in turn, so the result does not depend on chance.

    Args:
        problem: the rule on all its pictures.
        keep: as in the recipe, to weigh the pictures of a fold.
        solve: solves a part of the problem; is told which rows it has.
        folds: how many parts.

    Returns:
        None when there are fewer than three pictures.

    """
    count = len(problem.goal.inputs)
    if count < LEAST:
        return None
    per_picture = torch.zeros(count, dtype=torch.float64)
    gains, sides = [], []
    for fold in range(folds):
        held = list(range(fold, count, folds))
        rest = [row for row in range(count) if row % folds != fold]
        solution = solve(problem.select(rest, keep), tuple(rest))
        weight = edited_weight(problem.weight, solution.coefficients, solution.directions)
        found = reached(problem, problem.goal.select(held), weight)
        per_picture[held] = found.per_picture.cpu()
        gains.append(found.gain)
        sides.append(found.side)
    return LeftOut(
        gain=float(torch.tensor(gains).mean()),
        side=float(torch.tensor(sides).mean()),
        gain_spread=float(torch.tensor(gains).std(correction=0)),
        side_spread=float(torch.tensor(sides).std(correction=0)),
        per_picture=tuple(per_picture.tolist()),
    )


@dataclass(frozen=True)
class Reached:
    """How far a weight gets on some pictures; ``per_picture`` (N,) is 0 where no change is asked.

    ``gain`` weighs the pictures by how much their goal asks, so that one which already looks like
    its goal counts for nothing.
    """

    gain: float
    side: float
    per_picture: Tensor


def reached(problem: Problem, goal: Goal, weight: Tensor) -> Reached:
    """Gain and side effect of a weight on the pictures of a goal."""
    form = problem.form
    values = form.activate(form.response(goal.inputs, weight))
    change = (values - goal.before).double()
    wanted = (goal.values - goal.before).double()
    along = (change * wanted).sum((1, 2, 3))
    asked = wanted.square().sum((1, 2, 3))
    least = 0.05 * float(asked.mean())
    inside = goal.inside.double()[:, None]
    size = (wanted.abs() * inside).sum() / (inside.sum() * wanted.shape[1]).clamp_min(1e-12)
    beyond = 1 - inside
    moved = (change.abs() * beyond).sum() / (beyond.sum() * change.shape[1]).clamp_min(1e-12)
    return Reached(
        gain=float(along.sum() / asked.sum().clamp_min(1e-12)),
        side=float(moved / size.clamp_min(1e-12)),
        per_picture=torch.where(asked > least, along / asked.clamp_min(1e-12), 0.0),
    )
