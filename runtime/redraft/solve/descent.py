"""A solver that descends by gradient, for any layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.solve.problem import Problem, Solution, data_loss, projected_moment
from redraft.solve.results import Once, anew


@dataclass(frozen=True)
class GradientSolver:
    """Adam on the coefficients alone.

    Needs nothing of a layer but that it can be run and differentiated, so it serves layers whose
    closed form is not known. The layer's own activation is used, without the exact solver's slope
    for dead positions. The best of all steps is taken, and the unchanged weight is the first of
    them: Adam's steps are not sure to improve, and the last one may be worse than any.
    """

    steps: int = 500
    rate: float = 0.05
    finds_directions: ClassVar[bool] = False

    def __call__(
        self,
        problem: Problem,
        directions: Tensor,
        once: Once = anew,
    ) -> Solution:
        """Solve for the coefficients of ``directions`` (S, C)."""
        # With keep 0 little of the pictures counts, and they are run hundreds of times.
        problem = problem.focused()
        weight = problem.weight
        shape = (weight.shape[0], directions.shape[0], *weight.shape[2:])
        coefficients = weight.new_zeros(shape).requires_grad_()
        basis = directions.to(weight)
        moment = projected_moment(problem, directions).to(weight)
        restraint = problem.restraint

        def objective() -> Tensor:
            edited = weight_of(weight, coefficients, basis)
            remembered = torch.einsum("osyx,st,otyx->o", coefficients, moment, coefficients)
            return data_term(problem, edited) + (restraint * remembered).sum()

        optimizer = torch.optim.Adam([coefficients], lr=self.rate)
        found, lowest = coefficients.detach().clone(), math.inf
        for step in range(self.steps + 1):
            once.check()
            optimizer.zero_grad()
            with torch.enable_grad():
                loss = objective()
            value = float(loss.detach())
            if not math.isfinite(value):
                raise diverged()
            if value < lowest:
                found, lowest = coefficients.detach().clone(), value
            if step < self.steps:
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return solution_of(problem, directions, found, weight_of(weight, found, basis), self.steps)


def weight_of(weight: Tensor, coefficients: Tensor, basis: Tensor) -> Tensor:
    """``W + Lambda D``."""
    return weight + torch.einsum("osyx,sc->ocyx", coefficients, basis)


def data_term(problem: Problem, weight: Tensor) -> Tensor:
    """Sum over channels of the data term, differentiable."""
    response = problem.form.response(problem.goal.inputs, weight)
    difference = problem.form.activate(response) - problem.goal.values
    if problem.loss == "l2":
        per_position = difference.square() / problem.size[:, None, None]
    else:
        per_position = difference.abs()
    return torch.einsum("nohw,nhw->", per_position, problem.weights)


def solution_of(
    problem: Problem, directions: Tensor, coefficients: Tensor, edited: Tensor, steps: int
) -> Solution:
    """The solution of a descent; raises if its numbers have run away."""
    after = data_loss(problem, edited)
    if not bool(torch.isfinite(coefficients).all()) or after != after:
        raise diverged()
    return Solution(directions, coefficients, data_loss(problem, problem.weight), after, steps)


def diverged() -> RunError:
    """The error for a descent whose numbers have run away."""
    return RunError(
        "RD511",
        "the descent diverged: its loss is no longer a number",
        "lower `rate`, or use `solver exact`",
    )
