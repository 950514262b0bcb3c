"""Solvers by gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.solve.descent import GradientSolver
from redraft.solve.directions import goal_directions
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem, data_loss, edited_weight

ProblemMaker = Callable[..., Problem]
pytestmark = pytest.mark.usefixtures("one_thread")


def directions(rank: int, seed: int = 0) -> Tensor:
    rows = torch.randn(24, rank, dtype=torch.float64,
                       generator=torch.Generator().manual_seed(seed))  # fmt: skip
    return torch.linalg.qr(rows)[0].T.contiguous()


@pytest.mark.parametrize("every", [1, 10, 1000])
@pytest.mark.parametrize("rank", [1, 3])
def test_the_authors_change_lies_in_the_span_of_the_directions(
    make_problem: ProblemMaker, rank: int, every: int
) -> None:
    problem = make_problem()
    basis = directions(rank)
    found = ProjectedAdam(35, 0.01, every)(problem, basis)
    # The loss is that of the weight which descended; it is reached again from the low-rank
    # change alone, so nothing of the change lay outside the span.
    weight = edited_weight(problem.weight, found.coefficients, basis)
    assert data_loss(problem, weight) == pytest.approx(found.loss_after, rel=1e-9)
    change = (weight - problem.weight).permute(0, 2, 3, 1).reshape(-1, 24)
    assert float((change - change @ basis.T @ basis).norm()) < 1e-12 * float(change.norm())
    assert int(torch.linalg.matrix_rank(change)) == rank


def test_the_authors_descend_and_ignore_preserve(make_problem: ProblemMaker) -> None:
    problems = [make_problem(preserve=preserve, keep=0.0) for preserve in (0.0, 5.0)]
    basis = goal_directions(problems[0], 2)
    found = [ProjectedAdam(200, 0.002, 10)(problem, basis) for problem in problems]
    assert found[0].loss_after < 0.95 * found[0].loss_before
    assert torch.equal(found[0].coefficients, found[1].coefficients)


def test_descent_on_the_coefficients_comes_to_the_exact_solution(
    make_problem: ProblemMaker,
) -> None:
    problem = make_problem(linear=True, loss="l2")
    basis = directions(2)
    descended = GradientSolver(500, 0.01)(problem, basis).coefficients
    solved = ExactSolver(60, 0.0)(problem, basis).coefficients
    assert (descended - solved).norm() < 1e-3 * solved.norm()


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("rate", [0.003, 0.3, 50.0])
def test_descent_gives_the_best_step_that_it_saw(
    make_problem: ProblemMaker, rate: float, loss: str
) -> None:
    problem = make_problem(loss=loss, preserve=0.0)
    basis = goal_directions(problem, 2)
    # The steps of a short descent are the first ones of a longer one, so more never are worse.
    after = [GradientSolver(steps, rate)(problem, basis).loss_after for steps in range(0, 40, 3)]
    assert after[0] == pytest.approx(data_loss(problem, problem.weight))
    for earlier, later in pairwise(after):
        assert later <= earlier * (1 + 1e-12)
    assert rate != 0.003 or after[-1] < after[0]


def test_descent_obeys_preserve(make_problem: ProblemMaker) -> None:
    problems = [make_problem(preserve=preserve, keep=0.2) for preserve in (0.0, 0.3, 2.0)]
    basis = goal_directions(problems[0], 2)
    norms = [float(GradientSolver(150, 0.003)(p, basis).coefficients.norm()) for p in problems]
    assert norms[0] > norms[1] > norms[2]


@pytest.mark.parametrize("solver", [GradientSolver(30, 0.003), ProjectedAdam(30)])
def test_they_repeat_bit_for_bit_and_leave_the_weight_alone(
    make_problem: ProblemMaker, solver: GradientSolver | ProjectedAdam
) -> None:
    problem = make_problem(dtype=torch.float32, keep=0.2)
    basis = goal_directions(problem, 2)
    before = problem.weight.clone()
    with torch.no_grad():  # as inside a run
        found = [solver(problem, basis).coefficients for _ in range(2)]
    assert torch.equal(found[0], found[1])
    assert found[0].any()
    assert not found[0].requires_grad
    assert torch.equal(problem.weight, before)


@pytest.mark.parametrize("solver", [GradientSolver(20, 1e30), ProjectedAdam(20, 1e30)])
def test_a_descent_that_runs_away_is_told(
    make_problem: ProblemMaker, solver: GradientSolver | ProjectedAdam
) -> None:
    problem = make_problem(dtype=torch.float32, loss="l2")
    with pytest.raises(RunError, match="diverged") as caught:
        solver(problem, directions(2))
    assert "rate" in str(caught.value.help)
