"""Simpler ways to fit one layer to an example: without the rank, without the penalty, without fit.

- :class:`Unranked`: every weight of the layer is free. It is what fine-tuning one layer does.
- :class:`ProjectedGradient`: descent whose every step is pulled back onto the directions.
- :class:`Ablation`: units are switched off, and nothing is fitted (Bau et al., "GAN Dissection",
  ICLR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from redraft.memory.keys import context_keys, unusual_units
from redraft.solve.descent import data_term, solution_of
from redraft.solve.problem import Problem, Solution, data_loss, loss_before
from redraft.solve.results import Once, anew


@dataclass(frozen=True)
class Unranked:
    """Adam on the whole weight of the layer, for the data term alone.

    Its solution has a direction for each channel of the keys.
    """

    steps: int = 200
    rate: float = 1e-3
    finds_directions: ClassVar[bool] = True

    def __call__(
        self,
        problem: Problem,
        directions: Tensor,  # noqa: ARG002
        once: Once = anew,
    ) -> Solution:
        """The change of every weight; ``directions`` are not used."""
        start = problem.weight
        weight = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([weight], lr=self.rate)
        for _ in range(self.steps):
            once.check()
            optimizer.zero_grad()
            with torch.enable_grad():
                (data_term(problem, weight) / len(start)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        found = weight.detach()
        every = torch.eye(start.shape[1], dtype=start.dtype, device=start.device)
        coefficients = torch.einsum("ocyx,sc->osyx", found - start, every)
        return solution_of(problem, every, coefficients, found, self.steps)


@dataclass(frozen=True)
class ProjectedGradient:
    """Gradient descent with momentum; each step is projected onto the directions.

    The rate is in units of the weight's norm over the first gradient's, so that one rate serves
    layers of any size.
    """

    steps: int = 200
    rate: float = 1e-3
    momentum: float = 0.9
    finds_directions: ClassVar[bool] = False

    def __call__(self, problem: Problem, directions: Tensor, once: Once = anew) -> Solution:
        """Solve for the coefficients of ``directions`` (S, C)."""
        start, basis = problem.weight, directions.to(problem.weight)
        coefficients = start.new_zeros(len(start), len(basis), *start.shape[2:])
        velocity, unit = torch.zeros_like(coefficients), None
        for _ in range(self.steps):
            once.check()
            free = coefficients.clone().requires_grad_()
            with torch.enable_grad():
                weight = start + torch.einsum("osyx,sc->ocyx", free, basis)
                (data_term(problem, weight) / len(start)).backward()  # type: ignore[no-untyped-call]
            assert free.grad is not None
            if unit is None:
                unit = torch.linalg.vector_norm(start) / torch.linalg.vector_norm(
                    free.grad
                ).clamp_min(1e-30)
            velocity = self.momentum * velocity - self.rate * unit * free.grad
            coefficients = coefficients + velocity
        weight = start + torch.einsum("osyx,sc->ocyx", coefficients, basis)
        return solution_of(problem, directions, coefficients, weight, self.steps)


@dataclass(frozen=True)
class Ablation:
    """The units that are most unusual in the contexts are switched off everywhere.

    Attributes:
        units: how many.
        coverage: (N, h, w) of the contexts at the keys' resolution, in the problem's pictures.

    """

    units: int
    coverage: Tensor
    finds_directions: ClassVar[bool] = True

    def __call__(
        self,
        problem: Problem,
        directions: Tensor,  # noqa: ARG002
        once: Once = anew,  # noqa: ARG002
    ) -> Solution:
        """The change that makes the layer blind to the units; ``directions`` are not used."""
        start = problem.weight
        inside = context_keys(problem.goal.inputs, self.coverage)
        units = unusual_units(inside, problem.moment, self.units)
        found = torch.zeros(len(units), start.shape[1], dtype=start.dtype, device=start.device)
        found[torch.arange(len(units)), units] = 1.0
        weight = start.clone()
        weight[:, units] = 0.0
        coefficients = -start[:, units].clone()
        return Solution(
            found, coefficients, loss_before(problem), data_loss(problem, weight), 0, True
        )
