"""The optimiser of the paper's authors, for any problem: the baseline to compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from redraft.solve.descent import data_term, solution_of
from redraft.solve.problem import Problem, Solution
from redraft.solve.results import Once, anew


@dataclass(frozen=True)
class ProjectedAdam:
    """Adam on the whole weight, pulled back every few steps.

    All of W descends; every ``every`` steps the change is projected onto the directions. The
    loss is the data term alone: ``preserve`` is not part of their objective, and is ignored.
    """

    steps: int = 2001
    rate: float = 0.05
    every: int = 10
    finds_directions: ClassVar[bool] = False

    def __call__(
        self,
        problem: Problem,
        directions: Tensor,
        once: Once = anew,
    ) -> Solution:
        """Solve for the coefficients of ``directions`` (S, C)."""
        start = problem.weight
        basis = directions.to(start)

        def loss(weight: Tensor) -> Tensor:
            # Their loss is a mean over channels and positions; the scale matters to Adam's
            # epsilon alone.
            return data_term(problem, weight) / start.shape[0]

        def project(weight: Tensor) -> Tensor:
            return torch.einsum("ocyx,sc,sd->odyx", weight, basis, basis)

        weight = self.descend(start, loss, project, once)
        coefficients = torch.einsum("ocyx,sc->osyx", weight - start, basis)
        return solution_of(problem, directions, coefficients, weight, self.steps)

    def descend(
        self,
        start: Tensor,
        loss: Callable[[Tensor], Tensor],
        project: Callable[[Tensor], Tensor],
        once: Once = anew,
    ) -> Tensor:
        """The weight (O, C, kh, kw) after all steps; the last one is projected too.

        Args:
            start: the weight before.
            loss: of a weight.
            project: the part of a weight along the directions. Adam's own memory is never
                projected.
            once: says whether to go on.

        """
        fixed = start - project(start)
        weight = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([weight], lr=self.rate)
        for step in range(self.steps):
            once.check()
            optimizer.zero_grad()
            with torch.enable_grad():
                loss(weight).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step % self.every == 0 or step == self.steps - 1:
                with torch.no_grad():
                    weight.copy_(fixed + project(weight))
        return weight.detach()
