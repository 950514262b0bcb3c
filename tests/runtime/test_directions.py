"""Directions from the goal: reduced-rank regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from redraft.errors import RunError
from redraft.memory.moments import Whitening
from redraft.models.arch.dcgan import DCGAN
from redraft.solve import goals
from redraft.solve.directions import RIDGE, Spectrum, goal_directions, unconstrained_change
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem, edited_weight, wanted_response

ProblemMaker = Callable[..., Problem]
GeneratorMaker = Callable[..., DCGAN]


def dense_change(problem: Problem, ridge: float) -> Tensor:
    """The ridge solution over the whole kernel, from the convolution of every unit weight."""
    weight, inputs = problem.weight, problem.goal.inputs
    out, into, high, wide = weight.shape
    units = torch.eye(into * high * wide, dtype=torch.float64).reshape(-1, into, high, wide)
    maps = functional.conv_transpose2d(inputs.keys, units.transpose(0, 1), stride=2, padding=1)
    design = maps.permute(0, 2, 3, 1).reshape(-1, len(units))
    present = problem.form.response(inputs, weight)
    values = problem.goal.values
    slope = problem.form.negative_slope
    if slope == 0:
        wanted = torch.where(values > 0, values, torch.minimum(present, torch.zeros(())))
    else:
        wanted = torch.where(values > 0, values, values / slope)
    target = (wanted - present).permute(0, 2, 3, 1).reshape(-1, out)
    shares = problem.weights.reshape(-1, 1)
    taps = torch.eye(high * wide, dtype=torch.float64)
    normal = design.T @ (shares * design) + ridge * torch.kron(problem.moment, taps)
    solved = torch.linalg.solve(normal, design.T @ (shares * target))
    return solved.T.reshape(weight.shape)


def dense_directions(problem: Problem, rank: int) -> Tensor:
    change = dense_change(problem, RIDGE)
    values, vectors = torch.linalg.eigh(problem.moment)
    values = values.clamp_min(1e-6 * values[-1])
    root = (vectors * values.sqrt()) @ vectors.T
    rows = change.permute(0, 2, 3, 1).reshape(-1, change.shape[1]) @ root
    _, leading = torch.linalg.eigh(rows.T @ rows)
    mapped = torch.linalg.solve(root, leading[:, -rank:])
    return torch.linalg.qr(mapped)[0].T


def span(directions: Tensor) -> Tensor:
    """The projector onto the rows' span, which no sign or order changes."""
    return directions.T @ torch.linalg.solve(directions @ directions.T, directions)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_the_unconstrained_change_solves_the_dense_ridge_problem(
    make_problem: ProblemMaker, linear: bool, keep: float
) -> None:
    problem = make_problem(linear=linear, keep=keep)
    found = unconstrained_change(problem, Whitening(problem.moment), RIDGE)
    wanted = dense_change(problem, RIDGE)
    assert (found - wanted).norm() < 1e-6 * wanted.norm()


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_goal_directions_are_the_dense_reduced_rank_solution(
    make_problem: ProblemMaker, rank: int
) -> None:
    problem = make_problem()
    found = goal_directions(problem, rank)
    assert torch.allclose(found @ found.T, torch.eye(rank).double(), atol=1e-10)
    assert torch.allclose(span(found), span(dense_directions(problem, rank)), atol=1e-6)


def test_a_low_rank_change_gives_back_its_own_directions(make_problem: ProblemMaker) -> None:
    problem = make_problem()
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(2, 24, dtype=torch.float64, generator=generator)
    coefficients = torch.randn(16, 2, 4, 4, dtype=torch.float64, generator=generator)
    change = torch.einsum("osyx,sc->ocyx", coefficients, rows)
    whitening = Whitening(problem.moment)
    spectrum = Spectrum.of(change, whitening)
    assert torch.allclose(span(spectrum.leading(2, whitening)), span(rows), atol=1e-8)
    with pytest.raises(RunError, match="more directions than the goal has"):
        spectrum.leading(3, whitening)


def test_a_goal_that_asks_for_nothing_is_refused(make_problem: ProblemMaker) -> None:
    problem = make_problem(linear=True)
    same = replace(problem.goal, values=problem.form.response(problem.goal.inputs, problem.weight))
    with pytest.raises(RunError, match="more directions than the goal has") as caught:
        goal_directions(replace(problem, goal=same), 1)
    assert caught.value.help


def test_keys_that_are_no_numbers_are_refused(make_problem: ProblemMaker) -> None:
    problem = make_problem()
    problem.goal.inputs.keys[0, 0, 0, 0] = float("nan")
    with pytest.raises(RunError, match="NaN") as caught:
        goal_directions(problem, 1)
    assert caught.value.help


def test_a_moment_that_is_none_is_refused(make_problem: ProblemMaker) -> None:
    problem = make_problem()
    with pytest.raises(RunError, match="too alike") as caught:
        goal_directions(replace(problem, moment=-1e6 * problem.moment), 1)
    assert caught.value.help


def test_dead_channels_and_one_picture_give_finite_directions(make_problem: ProblemMaker) -> None:
    problem = make_problem(count=1, silent=(0, 5, 6, 7))
    found = goal_directions(problem, 4)
    assert torch.isfinite(found).all()
    assert torch.allclose(found @ found.T, torch.eye(4).double(), atol=1e-9)


def test_the_order_of_pictures_is_irrelevant(make_problem: ProblemMaker) -> None:
    problem = make_problem(count=5)
    mixed = problem.select([3, 0, 4, 2, 1], 1.0)
    first, other = goal_directions(problem, 4), goal_directions(mixed, 4)
    assert torch.allclose(span(first), span(other), atol=1e-8)


@pytest.mark.parametrize(
    ("value", "present", "slope", "wanted"),
    [
        (2.0, -1.0, 0.0, 2.0),
        (0.0, -1.0, 0.0, -1.0),  # already silent: nothing to do
        (0.0, 3.0, 0.0, 0.0),
        (2.0, -1.0, 0.2, 2.0),
        (-0.4, 3.0, 0.2, -2.0),
    ],
)
def test_the_wanted_response_gives_the_value_and_is_the_nearest_one(
    value: float, present: float, slope: float, wanted: float
) -> None:
    found = wanted_response(torch.tensor([value]), torch.tensor([present]), slope)
    assert found.item() == pytest.approx(wanted)


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("factor", [1e-3, 50.0])
def test_a_layer_in_other_units_gets_the_same_edit(
    make_generator: GeneratorMaker, factor: float, loss: str
) -> None:
    """Batch norm times a constant, the next layer divided by it: the same network, same edit."""
    plain, scaled = make_generator(2, torch.float64), make_generator(2, torch.float64)
    scaled.module[4].weight.mul_(factor)
    scaled.module[4].bias.mul_(factor)
    scaled.module[6].weight.div_(factor)
    rows = torch.randn(5, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(plain.sample(rows), scaled.sample(rows), atol=1e-12)
    edited = [_edited_pictures(generator, rows, loss) for generator in (plain, scaled)]
    moved = float((edited[0] - plain.sample(rows)).abs().max())
    assert moved > 1e-2
    assert float((edited[0] - edited[1]).abs().max()) < 2e-3 * moved


def _edited_pictures(generator: DCGAN, rows: Tensor, loss: str) -> Tensor:
    inputs = generator.inputs(rows, ["layer3"])["layer3"]
    form = generator.form("layer3")
    values = form.activate(form.response(inputs, form.weight))
    cover = torch.zeros(8, 8, dtype=torch.float64)
    cover[2:5, 3:7] = 1.0
    patch = goals.cut(values[4], cover)
    goal = goals.paste(form, inputs.select(range(4)), form.weight, patch, [cover] * 4)
    keys = inputs.keys.permute(0, 2, 3, 1).reshape(-1, 24)
    problem = Problem(form, form.weight, goal, goals.importance(goal, 1.0),
                      keys.T @ keys / len(keys), 0.3, loss)  # type: ignore[arg-type]  # fmt: skip
    solution = ExactSolver()(problem, goal_directions(problem, 3))
    weight = edited_weight(form.weight, solution.coefficients, solution.directions)
    return generator.pictures("layer3", form.activate(form.response(inputs, weight)), inputs)
