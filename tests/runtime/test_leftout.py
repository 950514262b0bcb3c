"""Left-out gain: whether a rule follows on pictures that it was not solved for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from redraft.judge.leftout import (
    Fold,
    FoldSolver,
    LeftOut,
    left_out,
    left_out_scores,
    reached,
)
from redraft.judge.scores import PictureScores
from redraft.judge.wish import draw_goal
from redraft.models.arch.dcgan import DCGAN
from redraft.models.generator import LayerInputs
from redraft.solve import goals
from redraft.solve.directions import goal_directions
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem, Solution, edited_weight

ProblemMaker = Callable[..., Problem]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def learnable(make_problem: ProblemMaker, count: int = 6) -> Problem:
    """A channel of the keys marks where the rule belongs; the goal adds a fixed value there."""
    problem = make_problem(linear=True, loss="l2", preserve=1e-6)
    size = 4
    keys = 0.3 * noise(count, 24, size, size)
    keys[:, 0] = 0.0
    keys[:, 0, 1:3, 1:3] = 1.0
    inputs = LayerInputs(keys)
    change = torch.zeros_like(problem.weight)
    change[:, 0, 1:3, 1:3] = noise(16, 2, 2, seed=3)
    before = problem.form.response(inputs, problem.weight)
    values = problem.form.response(inputs, problem.weight + change)
    inside = (values != before).any(1).double()
    goal = replace(problem.goal, inputs=inputs, before=before, values=values, alpha=inside,
                   inside=inside)  # fmt: skip
    rows = keys.permute(0, 2, 3, 1).reshape(-1, 24)
    return replace(problem, goal=goal, weights=goals.importance(goal, 1.0),
                   moment=rows.T @ rows / len(rows))  # fmt: skip


def part_of(problem: Problem, rows: tuple[int, ...]) -> Problem:
    return problem.select(rows, 1.0)


def solver(problem: Problem) -> FoldSolver:
    return lambda rows: solve(part_of(problem, rows))


def solve(problem: Problem) -> Solution:
    return ExactSolver(40, 0.0)(problem, goal_directions(problem, 1, 1e-6))


def test_a_rule_that_can_be_learned_exactly_is_reached_and_disturbs_nothing(
    make_problem: ProblemMaker,
) -> None:
    # So many pictures that the keys of two thirds of them leave no freedom.
    problem = learnable(make_problem, 15)
    found = left_out(problem, solver(problem))
    assert found is not None
    assert found.gain == pytest.approx(1.0, abs=1e-2)
    assert found.side < 1e-2
    assert found.per_picture == pytest.approx([1.0] * 15, abs=2e-2)
    assert found.gain_spread < 1e-2


def test_a_goal_without_a_rule_in_it_is_not_reached(make_problem: ProblemMaker) -> None:
    problem = learnable(make_problem)
    random = torch.where(problem.goal.inside[:, None] > 0,
                         noise(*problem.goal.values.shape, seed=8), 0.0)  # fmt: skip
    problem = replace(problem, goal=replace(problem.goal, values=problem.goal.before + random))
    found = left_out(problem, solver(problem))
    assert found is not None
    assert found.gain < 0.3


def test_the_copied_picture_alone_in_a_fold_is_asked_for_nothing(
    make_problem: ProblemMaker,
) -> None:
    problem = learnable(make_problem, 3)
    values = problem.goal.values.clone()
    values[0] = problem.goal.before[0]
    problem = replace(problem, goal=replace(problem.goal, values=values))
    found = left_out(problem, solver(problem))
    assert found is not None
    assert found.per_picture[0] == 0
    assert found.gain == pytest.approx(sum(found.per_picture[1:]) / 2)
    assert found.side < 10


def test_too_few_pictures_give_no_estimate(make_problem: ProblemMaker) -> None:
    for count in (1, 2):
        problem = learnable(make_problem, count)
        assert left_out(problem, solver(problem)) is None
    problem = learnable(make_problem, 3)
    assert left_out(problem, solver(problem)) is not None


@pytest.mark.parametrize("count", [3, 4, 7])
def test_no_picture_is_judged_by_a_rule_that_saw_it(make_problem: ProblemMaker, count: int) -> None:
    problem = learnable(make_problem, count)
    seen: list[tuple[int, ...]] = []

    def watch(rows: tuple[int, ...]) -> Solution:
        part = part_of(problem, rows)
        assert torch.equal(part.goal.inputs.keys, problem.goal.inputs.keys[list(rows)])
        inside = part.weights[part.goal.inside > 0]
        assert float(inside.sum()) == pytest.approx(1.0), "weights are divided anew"
        seen.append(rows)
        return solve(part)

    found = left_out(problem, watch)
    assert found is not None
    assert len(found.per_picture) == count
    held = [set(range(count)) - set(rows) for rows in seen]
    assert len(held) == 3
    assert sorted(row for fold in held for row in fold) == list(range(count))


def test_it_repeats(make_problem: ProblemMaker) -> None:
    problem = learnable(make_problem)
    assert left_out(problem, solver(problem)) == left_out(problem, solver(problem))


def test_gain_and_side_by_hand(make_problem: ProblemMaker) -> None:
    problem = learnable(make_problem)
    goal = problem.goal
    nothing = reached(problem, goal, problem.weight)
    assert (nothing.gain, nothing.side) == (0.0, 0.0)
    change = noise(*problem.weight.shape, seed=5) * 0.1
    values = problem.form.response(goal.inputs, problem.weight + change)
    found = reached(problem, goal, problem.weight + change)
    moved, wanted = values - goal.before, goal.values - goal.before
    assert found.gain == pytest.approx(float((moved * wanted).sum() / wanted.square().sum()))
    inside = goal.inside[:, None].expand_as(moved) > 0
    side = moved[~inside].abs().mean() / wanted[inside].abs().mean()
    assert found.side == pytest.approx(float(side))
    by_hand = (moved * wanted).sum((1, 2, 3)) / wanted.square().sum((1, 2, 3))
    assert torch.allclose(found.per_picture, by_hand)


def test_a_picture_that_asks_for_nothing_counts_for_nothing(make_problem: ProblemMaker) -> None:
    problem = learnable(make_problem)
    goal = problem.goal
    values = goal.values.clone()
    values[2] = goal.before[2]
    weight = problem.weight + 0.1 * noise(*problem.weight.shape, seed=5)
    found = reached(problem, replace(goal, values=values), weight)
    rest = [0, 1, 3, 4, 5]
    assert float(found.per_picture[2]) == 0.0
    assert found.gain == pytest.approx(reached(problem, goal.select(rest), weight).gain)


def scored(correlations: list[float]) -> PictureScores:
    values = torch.tensor(correlations, dtype=torch.float64)
    return PictureScores(values, values, values, torch.ones(len(values), dtype=torch.bool))


def test_agreement_is_the_mean_correlation_of_the_folds() -> None:
    found = LeftOut(0.1, 0.2, 0.0, 0.0, (0.1, 0.1, 0.1))
    assert found.agreement is None
    agreeing = found.agreeing([scored([0.2, 0.4]), scored([0.5]), scored([0.4, 0.8])])
    assert agreeing.agreement == pytest.approx((0.3 + 0.5 + 0.6) / 3)
    assert agreeing.agreement_spread > 0
    assert (agreeing.gain, agreeing.side) == (found.gain, found.side)


@pytest.mark.parametrize(("strength", "agreement"), [(1.0, 1.0), (0.2, 1.0), (-1.0, -1.0)])
def test_left_out_pictures_agree_by_direction_and_not_by_size(
    make_generator: Callable[..., DCGAN], strength: float, agreement: float
) -> None:
    # Behind the last layer there is only tanh, and so small a change keeps its direction.
    generator, layer = make_generator(dtype=torch.float64), "layer9"
    inputs = generator.inputs(noise(6, 10), [layer])[layer]
    form = generator.form(layer)
    basis = torch.linalg.qr(noise(form.weight.shape[1], 1, seed=2))[0].T
    coefficients = 1e-4 * noise(form.weight.shape[0], 1, *form.weight.shape[2:], seed=3)
    before = form.activate(form.response(inputs, form.weight))
    aim = edited_weight(form.weight, coefficients, basis)
    inside = torch.ones(6, *before.shape[2:], dtype=torch.float64)
    goal = goals.Goal(inputs, before, form.activate(form.response(inputs, aim)), inside, inside)
    drawn = draw_goal(generator, layer, goal, torch.ones(6, 64, 64))
    part = Solution(basis, strength * coefficients, 1.0, 0.5, 1)
    folds = [Fold(tuple(range(first, 6, 3)), part) for first in range(3)]
    parts = left_out_scores(generator, layer, goal, drawn, folds, own=True)
    assert [len(each.correlation) for each in parts] == [2, 2, 2]
    for each in parts:
        assert torch.allclose(each.correlation, torch.full_like(each.correlation, agreement),
                              atol=1e-3)  # fmt: skip
        assert torch.allclose(each.amplitude, torch.full_like(each.amplitude, strength), atol=1e-2)
