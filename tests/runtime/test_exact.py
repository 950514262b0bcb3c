"""The exact solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from redraft.errors import RunError
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.solve import goals
from redraft.solve.descent import GradientSolver
from redraft.solve.directions import goal_directions
from redraft.solve.exact import levenberg, products
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem, edited_weight

ProblemMaker = Callable[..., Problem]
THOROUGH = ExactSolver(iterations=60, tolerance=0.0)


def directions(rank: int, channels: int = 24, seed: int = 0) -> Tensor:
    rows = torch.randn(channels, rank, dtype=torch.float64,
                       generator=torch.Generator().manual_seed(seed))  # fmt: skip
    return torch.linalg.qr(rows)[0].T.contiguous()


def dense_ridge(problem: Problem, basis: Tensor) -> Tensor:
    """The normal equations over every coefficient of every channel at once.

    The columns of the design are what the layer answers to each unit coefficient, so nothing is
    assumed of phases or of channels that stand alone.
    """
    weight, inputs = problem.weight, problem.goal.inputs
    out, _, high, wide = weight.shape
    shape = (out, len(basis), high, wide)
    present = problem.form.response(inputs, weight)
    columns = []
    for unit in torch.eye(out * len(basis) * high * wide, dtype=torch.float64):
        changed = weight + torch.einsum("osyx,sc->ocyx", unit.reshape(shape), basis)
        columns.append((problem.form.response(inputs, changed) - present).reshape(-1))
    design = torch.stack(columns, 1)
    share = (problem.weights[:, None] / problem.size[:, None, None]).expand_as(present).reshape(-1)
    wanted = (problem.goal.values - present).reshape(-1)
    restraint = problem.restraint
    moment = basis @ problem.moment @ basis.T
    taps = torch.eye(high * wide, dtype=torch.float64)
    penalty = torch.kron(torch.diag(restraint), torch.kron(moment, taps))
    normal = design.T @ (share[:, None] * design) + penalty
    return torch.linalg.solve(normal, design.T @ (share * wanted)).reshape(shape)


@pytest.mark.parametrize(("preserve", "keep"), [(0.3, 1.0), (2.0, 0.0), (0.02, 5.0)])
def test_a_linear_layer_gives_the_dense_ridge_solution(
    make_problem: ProblemMaker, preserve: float, keep: float
) -> None:
    problem = make_problem(linear=True, loss="l2", preserve=preserve, keep=keep)
    basis = directions(2)
    found = THOROUGH(problem, basis).coefficients
    wanted = dense_ridge(problem, basis)
    assert (found - wanted).norm() < 1e-6 * wanted.norm()


def test_the_default_iterations_come_close_to_the_dense_solution(
    make_problem: ProblemMaker,
) -> None:
    problem = make_problem(linear=True, loss="l2", dtype=torch.float32)
    basis = directions(2)
    double = make_problem(linear=True, loss="l2")
    wanted = dense_ridge(double, basis)
    found = ExactSolver()(problem, basis).coefficients.double()
    assert (found - wanted).norm() < 1e-2 * wanted.norm()


def test_the_second_term_grows_with_the_goal_and_goes_by_the_layers_own_units(
    make_problem: ProblemMaker,
) -> None:
    problem = make_problem(preserve=0.5)
    assert (problem.restraint > 0).all()
    assert not replace(problem, preserve=0.0).restraint.any()
    doubled = replace(problem, preserve=1.0).restraint
    assert torch.allclose(doubled, 2 * problem.restraint)
    goal, form = problem.goal, problem.form
    further = replace(goal, values=goal.before + 4 * (goal.values - goal.before))
    # An edit four times as large costs 16 times as much before, and 4 times after the division.
    assert torch.allclose(replace(problem, goal=further).restraint, problem.restraint / 4)
    louder = replace(form, scale=3 * form.scale)  # type: ignore[type-var]
    assert torch.allclose(replace(problem, form=louder).restraint, 9 * problem.restraint)


def test_no_small_change_of_the_answer_is_better(make_problem: ProblemMaker) -> None:
    problem = make_problem(linear=True, loss="l1", preserve=0.1)
    basis = directions(2)
    found = ExactSolver(200, 0.0)(problem, basis).coefficients
    least = objective(problem, basis, found)
    source = torch.Generator().manual_seed(1)
    for size in (1e-3, 1e-2, 1e-1):
        for _ in range(20):
            other = found + size * torch.randn(found.shape, dtype=torch.float64, generator=source)
            assert objective(problem, basis, other) > least * (1 - 1e-4)


def objective(problem: Problem, basis: Tensor, coefficients: Tensor) -> float:
    values = problem.form.activate(
        problem.form.response(
            problem.goal.inputs, edited_weight(problem.weight, coefficients, basis)
        )
    )
    distance = (values - problem.goal.values).abs()
    data = torch.einsum("nohw,nhw->", distance, problem.weights)
    moment = basis @ problem.moment @ basis.T
    kept = torch.einsum("osyx,st,otyx->o", coefficients, moment, coefficients)
    return float(data + (problem.restraint * kept).sum())


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("rank", "steps", "rate"), [(3, 2001, 0.005), (1, 500, 0.002)])
def test_it_goes_below_the_authors_many_steps(
    make_problem: ProblemMaker, rank: int, steps: int, rate: float
) -> None:
    problem = make_problem(preserve=0.0, keep=0.0, count=1, dtype=torch.float32)
    basis = goal_directions(problem, rank)
    theirs = ProjectedAdam(steps, rate, 10)(problem, basis)
    assert theirs.loss_after < 0.9 * theirs.loss_before, "a baseline that works"
    assert ExactSolver()(problem, basis).loss_after <= theirs.loss_after


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("preserve", "keep"), [(0.0, 0.0), (0.3, 1.0)])
def test_it_goes_below_gradient_descent(
    make_problem: ProblemMaker, preserve: float, keep: float
) -> None:
    problem = make_problem(preserve=preserve, keep=keep, dtype=torch.float32)
    basis = goal_directions(problem, 3)
    found = ExactSolver()(problem, basis)
    other = GradientSolver(500, 0.02)(problem, basis)
    assert objective_of(problem, found.coefficients, basis) <= objective_of(
        problem, other.coefficients, basis
    )


def objective_of(problem: Problem, coefficients: Tensor, basis: Tensor) -> float:
    precise = replace(problem, moment=problem.moment.float())
    return objective(precise, basis.float(), coefficients)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 40),
    rank=st.integers(1, 4),
    preserve=st.sampled_from([0.0, 0.1, 1.0, 30.0]),
    keep=st.sampled_from([0.0, 1.0, 10.0]),
    loss=st.sampled_from(["l1", "l2"]),
    iterations=st.integers(1, 20),
)
def test_it_is_never_worse_than_the_start(
    make_problem: ProblemMaker,
    seed: int,
    rank: int,
    preserve: float,
    keep: float,
    loss: str,
    iterations: int,
) -> None:
    problem = make_problem(
        seed=seed, preserve=preserve, keep=keep, loss=loss, dtype=torch.float32, count=2
    )
    found = ExactSolver(iterations)(problem, directions(rank, seed=seed))
    assert found.loss_after <= found.loss_before * (1 + 1e-6)
    assert 1 <= found.iterations <= iterations


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_more_preserve_moves_less_and_fits_less(make_problem: ProblemMaker, loss: str) -> None:
    found = [
        ExactSolver()(make_problem(preserve=preserve, loss=loss), directions(2))
        for preserve in (0.0, 0.3, 3.0, 30.0)
    ]
    norms = [float(solution.coefficients.norm()) for solution in found]
    losses = [solution.loss_after for solution in found]
    assert norms == sorted(norms, reverse=True)
    assert losses == sorted(losses)


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_products_formed_in_blocks_are_the_same(
    make_problem: ProblemMaker, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    problem, basis = make_problem(loss=loss), directions(3)
    whole = ExactSolver(8)(problem, basis).coefficients
    monkeypatch.setattr(products, "BLOCK_ELEMENTS", 3000)
    parts = ExactSolver(8)(problem, basis).coefficients
    assert (parts - whole).norm() < 1e-6 * whole.norm()
    monkeypatch.setattr(products, "BLOCK_ELEMENTS", 1)
    single = ExactSolver(8)(problem, basis).coefficients
    assert (single - whole).norm() < 1e-6 * whole.norm()


def test_dead_channels_and_repeated_directions_do_not_break_it(make_problem: ProblemMaker) -> None:
    problem = make_problem(silent=(0, 1, 2, 3), preserve=0.0, dtype=torch.float32)
    basis = torch.zeros(4, 24, dtype=torch.float64)
    basis[0, 0] = basis[1, 2] = 1.0  # along silent channels: nothing can be done with them
    basis[2] = basis[3] = directions(1)[0]
    found = ExactSolver()(problem, basis)
    assert torch.isfinite(found.coefficients).all()
    assert found.loss_after < found.loss_before
    alone = ExactSolver()(problem, basis[2:3])
    assert found.loss_after == pytest.approx(alone.loss_after, rel=2e-2)


def test_output_channels_that_are_dead_stay_finite(make_problem: ProblemMaker) -> None:
    problem = make_problem(dtype=torch.float32)
    form = problem.form
    offset = form.offset.clone()  # type: ignore[attr-defined]
    offset[[1, 4]] = -1e3
    form = replace(form, offset=offset)  # type: ignore[type-var]
    inputs = problem.goal.inputs
    before = form.activate(form.response(inputs, problem.weight))
    assert not before[:, 1].any()
    values = problem.goal.values.clone()
    values[:, 1] = 0.0
    problem = replace(problem, form=form, goal=replace(problem.goal, before=before, values=values))
    found = ExactSolver()(problem, directions(2))
    assert torch.isfinite(found.coefficients).all()
    assert found.loss_after <= found.loss_before


@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_a_goal_of_one_row_leaves_the_other_phases_alone(
    make_problem: ProblemMaker, keep: float
) -> None:
    problem = make_problem(count=2, keep=keep)
    goal = problem.goal
    row = torch.zeros_like(goal.alpha)
    row[:, 3] = 1.0
    values = torch.where(row[:, None] > 0, goal.values + 1.0, goal.before)
    goal = replace(goal, values=values, alpha=row, inside=row)
    problem = replace(problem, goal=goal, weights=goals.importance(goal, keep))
    found = ExactSolver()(problem, directions(2))
    assert torch.isfinite(found.coefficients).all()
    assert found.loss_after < found.loss_before
    if keep == 0:
        # Output row 3 reads kernel rows 0 and 2 only.
        assert not found.coefficients[:, :, [1, 3]].any()
        assert found.coefficients[:, :, [0, 2]].any()


@pytest.mark.parametrize("linear", [False, True])
def test_a_goal_that_is_reached_already_changes_nothing(
    make_problem: ProblemMaker, linear: bool
) -> None:
    problem = make_problem(linear=linear)
    problem = replace(problem, goal=replace(problem.goal, values=problem.goal.before))
    found = ExactSolver()(problem, directions(2))
    assert not found.coefficients.any()
    assert found.loss_after == found.loss_before == 0.0


def test_it_repeats_bit_for_bit(make_problem: ProblemMaker) -> None:
    found = [
        ExactSolver()(make_problem(dtype=torch.float32), directions(3)).coefficients
        for _ in range(2)
    ]
    assert torch.equal(found[0], found[1])


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_any_number_of_threads_gives_the_same_bits(
    make_problem: ProblemMaker,
    threads: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A few channels at a time, so that there is something to share out.
    monkeypatch.setattr(levenberg, "STEP_ELEMENTS", 3 * 8**2)
    problem = make_problem(loss="l1")
    found = []
    for count in (1, 2, 3):
        threads(count)
        found.append(ExactSolver()(problem, directions(2)).coefficients)
        assert torch.get_num_threads() == count
        assert in_a_new_thread(torch.get_num_threads) == count
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def in_a_new_thread(ask: Callable[[], int]) -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def test_the_order_of_pictures_matters_no_more_than_rounding(make_problem: ProblemMaker) -> None:
    problem = make_problem(count=5)
    found = ExactSolver(10)(problem, directions(3)).coefficients
    mixed = ExactSolver(10)(problem.select([3, 0, 4, 2, 1], 1.0), directions(3)).coefficients
    assert (found - mixed).norm() < 1e-6 * found.norm()


def test_pictures_given_twice_count_as_once(make_problem: ProblemMaker) -> None:
    problem = make_problem(count=3)
    found = ExactSolver(10)(problem, directions(2)).coefficients
    twice = ExactSolver(10)(problem.select([0, 1, 2, 0, 1, 2], 1.0), directions(2)).coefficients
    assert (found - twice).norm() < 1e-6 * found.norm()


def test_keys_that_are_no_numbers_are_refused(make_problem: ProblemMaker) -> None:
    problem = make_problem()
    problem.goal.inputs.keys[0, 0, 0, 0] = float("nan")
    with pytest.raises(RunError) as caught:
        ExactSolver()(problem, directions(2))
    assert caught.value.code == "RD510"
    assert caught.value.help
