"""Left-out gain: whether a rule follows on contexts that it was not solved for.

Past the paper. Solve on two thirds of the pictures and look at the rest: how much of the goal is
reached there, and how much changes elsewhere. Needs no labels and no further pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from redraft.judge.scores import PictureScores, score_pictures
from redraft.judge.wish import GoalPictures
from redraft.models.batches import at_once, draw_values
from redraft.models.generator import Generator, LayerForm, LayerInputs
from redraft.solve.folds import dealt
from redraft.solve.goals import Goal
from redraft.solve.problem import Problem, Solution, edited_weight

FoldSolver = Callable[[tuple[int, ...]], Solution]
"""Directions and coefficients for some of the pictures of a problem."""
LEAST = 3
"""Fewer pictures than this cannot be split."""
ASKED = 1e-9
"""Folds of which less than this part of what others are asked for is asked are not averaged."""


@dataclass(frozen=True)
class Fold:
    """A solution for a part of the pictures, and the rows ``held`` that it never saw."""

    held: tuple[int, ...]
    solution: Solution


@dataclass(frozen=True)
class LeftOut:
    """What a rule does to the pictures that were left out.

    Attributes:
        gain: mean share of the goal that is reached: <change, goal> / <goal, goal>.
        side: mean absolute change elsewhere over the mean absolute change the goal asks for.
        gain_spread: standard deviation of gain over folds.
        side_spread: standard deviation of side over folds.
        per_picture: gain of each picture, in the order of the problem's pictures.
        folds: what was solved; none where the pictures were judged by the whole rule.
        agreement: mean correlation of the change of the pictures with what was wished, see
            :func:`left_out_scores`; None where there are no folds.
        agreement_spread: standard deviation of agreement over folds.
        amplitude: how strongly the pictures change as is wished, as unseen pictures are judged;
            None where there are no folds.
        pixel_agreement: as agreement, with the wish in pixels; None where there is no such wish.
        pixel_amplitude: how strongly the pictures change as that wish asks; None likewise.

    """

    gain: float
    side: float
    gain_spread: float
    side_spread: float
    per_picture: tuple[float, ...]
    folds: tuple[Fold, ...] = field(default=(), compare=False, repr=False)
    agreement: float | None = None
    agreement_spread: float = 0.0
    amplitude: float | None = None
    pixel_agreement: float | None = None
    pixel_amplitude: float | None = None

    def agreeing(self, scores: Sequence[PictureScores]) -> LeftOut:
        """The same with the scores of every fold's pictures."""
        means = torch.stack([each.correlation.mean() for each in scores])
        return replace(
            self,
            agreement=float(means.mean()),
            agreement_spread=float(means.std(correction=0)),
            amplitude=_mean([each.amplitude for each in scores]),
            pixel_agreement=_mean([each.pixels for each in scores]),
            pixel_amplitude=_mean([each.pixel_amplitude for each in scores]),
        )


def _mean(parts: Sequence[Tensor | None]) -> float | None:
    """Mean over folds of the means of their pictures; None where one is not known."""
    known = [part.mean() for part in parts if part is not None]
    return float(torch.stack(known).mean()) if known and len(known) == len(parts) else None


def left_out(
    problem: Problem,
    solve: FoldSolver,
    pictures: Sequence[Hashable] | None = None,
    least: int = LEAST,
) -> LeftOut | None:
    """Solve without each fold of the pictures, and measure on that fold.

    Args:
        problem: the rule on all its pictures.
        solve: solves the rule on the pictures that are not left out.
        pictures: which picture each row of the problem is; by default all are different.
        least: fewest pictures.

    Returns:
        None when there are fewer pictures.

    """
    count = len(problem.goal.inputs)
    pictures = range(count) if pictures is None else pictures
    if len(set(pictures)) < least:
        return None
    per_picture = torch.zeros(count, dtype=torch.float64)
    measured, solved = [], []
    for held in map(list, dealt(pictures)):
        rest = [row for row in range(count) if row not in held]
        solution = solve(tuple(rest))
        weight = edited_weight(problem.weight, solution.coefficients, solution.directions)
        found = reached(problem, problem.goal.select(held), weight)
        per_picture[held] = found.per_picture.cpu()
        solved.append(Fold(tuple(held), solution))
        measured.append(found)
    most = max(found.asked for found in measured)
    # Of a fold that holds only the picture which was copied from nothing is asked.
    asking = [found for found in measured if found.asked > ASKED * most] or measured
    gains = torch.tensor([found.gain for found in asking])
    sides = torch.tensor([found.side for found in asking])
    return LeftOut(
        gain=float(gains.mean()),
        side=float(sides.mean()),
        gain_spread=float(gains.std(correction=0)),
        side_spread=float(sides.std(correction=0)),
        per_picture=tuple(per_picture.tolist()),
        folds=tuple(solved),
    )


def left_out_scores(
    generator: Generator,
    layer: str,
    goal: Goal,
    drawn: GoalPictures,
    folds: Sequence[Fold],
    *,
    own: bool = False,
) -> list[PictureScores]:
    """How the left-out pictures change, by the measures that unseen pictures are judged by.

    The wish of a fold is that of the pictures it was solved on, so a left-out picture has no part
    in what it is compared with.

    Args:
        generator: the network before the rule.
        layer: the rule's layer.
        goal: of the rule, on all its N pictures.
        drawn: the pictures of the goal.
        folds: of :func:`left_out`.
        own: compare each picture with its own goal, as it is done for a removal.

    Returns:
        The scores of each fold's pictures.

    """
    form = generator.form(layer)
    parts = []
    for fold in folds:
        wish = drawn.select([row for row in range(len(goal.inputs)) if row not in fold.held]).wish()
        held, pictures = goal.select(fold.held), drawn.select(fold.held)
        weight = edited_weight(form.weight, fold.solution.coefficients, fold.solution.directions)
        values = form.activate(form.response(held.inputs, weight))
        after = draw_values(generator, layer, values, held.inputs)
        wanted = pictures.wanted if own else None
        parts.append(score_pictures(pictures.present, after, wish, wanted, pictures.spots))
    return parts


@dataclass(frozen=True)
class Reached:
    """How far a weight gets on some pictures; ``per_picture`` (N,) is 0 where no change is asked.

    ``gain`` weighs the pictures by how much their goal asks, so that one which already looks like
    its goal counts for nothing. ``asked`` is the squared change that a picture's goal asks for, in
    the mean; where it is 0 there is neither gain nor side effect, and both are 0.
    """

    gain: float
    side: float
    per_picture: Tensor
    asked: float


def reached(problem: Problem, goal: Goal, weight: Tensor) -> Reached:
    """Gain and side effect of a weight on the pictures of a goal."""
    rows = torch.split(torch.arange(len(goal.inputs)), at_once(goal.values[0].numel()))
    sums = [
        _sums(problem, goal if len(rows) == 1 else goal.select(part.tolist()), weight)
        for part in rows
    ]
    along = torch.cat([part.along for part in sums])
    asked = torch.cat([part.asked for part in sums])
    least = 0.05 * float(asked.mean())
    inside, channels = goal.inside.double()[:, None], goal.values.shape[1]
    size = sum(part.size for part in sums) / (inside.sum() * channels).clamp_min(1e-12)
    moved = sum(part.moved for part in sums) / ((1 - inside).sum() * channels).clamp_min(1e-12)
    return Reached(
        gain=float(along.sum() / asked.sum().clamp_min(1e-12)),
        side=float(moved / size) if size > 0 else 0.0,
        per_picture=torch.where(asked > least, along / asked.clamp_min(1e-12), 0.0),
        asked=float(asked.mean()),
    )


@dataclass(frozen=True)
class _Sums:
    """What some pictures add: per picture (n,) float64, and over all of them.

    Attributes:
        along: <change, goal>.
        asked: <goal, goal>.
        size: absolute change that the goal asks for inside the boxes of what was put there.
        moved: absolute change outside of them.

    """

    along: Tensor
    asked: Tensor
    size: Tensor
    moved: Tensor


def _sums(problem: Problem, goal: Goal, weight: Tensor) -> _Sums:
    form = problem.form
    values = form.activate(form.response(goal.inputs, weight))
    change = (values - goal.before).double()
    wanted = (goal.values - goal.before).double()
    inside = goal.inside.double()[:, None]
    return _Sums(
        along=(change * wanted).sum((1, 2, 3)),
        asked=wanted.square().sum((1, 2, 3)),
        size=(wanted.abs() * inside).sum(),
        moved=(change.abs() * (1 - inside)).sum(),
    )


@torch.no_grad()
def protected_change(
    form: LayerForm, weight: Tensor, goal: Goal, inputs: LayerInputs, coverage: Tensor
) -> float:
    """Mean absolute change of protected values, over that which the goal asks for where it is set.

    The unit is that of the left-out side effect (:class:`LeftOut`): 0 where nothing
    moves, 1 where a value moves as far as a value that was pasted is asked to.

    Args:
        form: the layer before the rule.
        weight: (O, C, kh, kw), the edited weight.
        goal: of the rule, on all its pictures.
        inputs: what enters the layer for N protected pictures.
        coverage: (N, H, W), the protected part of each picture's values.

    """
    before = form.activate(form.response(inputs, form.weight))
    change = (form.activate(form.response(inputs, weight)) - before).abs().double()
    asked = (goal.values - goal.before).abs().double()
    size = _mean_in(asked, goal.inside)
    return float(_mean_in(change, coverage) / size) if size > 0 else 0.0


def _mean_in(values: Tensor, coverage: Tensor) -> Tensor:
    """Of (N, O, H, W) values, by coverage (N, H, W)."""
    weights = coverage.to(values)[:, None]
    return (values * weights).sum() / (weights.sum() * values.shape[1]).clamp_min(1e-12)
