"""What the channels of a layer are held to: wanted values, their weights, and what to preserve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from redraft.models.generator import Positions
from redraft.solve.exact.products import Normal
from redraft.solve.positions import Chosen
from redraft.solve.problem import Loss, Problem

DEAD_SLOPE = 0.02
"""Slope given to a ReLU below 0 while solving, so that dead positions still pull."""


@dataclass(frozen=True)
class Fit:
    """The objective of O channels at F sets of P positions each, n = S T unknowns a channel.

    Attributes:
        target: (F, O, P), values wanted.
        share: (F, 1, P), each position's share in the loss.
        slope: (F, O, P) or (1, 1, 1), slope of the activation below 0; for a ReLU DEAD_SLOPE, but 0
            where the value is wanted at 0, since any pre-activation below 0 will do there.
        size: (O,), see :attr:`redraft.solve.problem.Problem.size`.
        penalty: (n, n), with its factor for each channel in ``restraint``.
        restraint: (O,).
        loss: "l1" or "l2".

    """

    target: Tensor
    share: Tensor
    slope: Tensor
    size: Tensor
    penalty: Tensor
    restraint: Tensor
    loss: Loss

    @classmethod
    def build(
        cls, problem: Problem, phases: Sequence[Positions], chosen: Chosen, moment: Tensor
    ) -> Fit:
        """The objective at the chosen positions; ``moment`` (S, S) is that of the directions."""
        taps = torch.eye(len(phases[0].taps), dtype=moment.dtype, device=moment.device)
        target = chosen.by_channel(phases, problem.goal.values)
        below = problem.form.negative_slope
        return cls(
            target=target,
            share=chosen.share,
            slope=target.new_full((1, 1, 1), below)
            if below
            else (target > 0).to(target) * DEAD_SLOPE,
            size=problem.size,
            penalty=torch.kron(moment, taps).to(target.dtype),
            restraint=problem.restraint,
            loss=problem.loss,
        )

    def objective(self, unknowns: Tensor, response: Tensor) -> tuple[Tensor, Tensor]:
        """Objective (F, O) and differences (F, O, P) where unknowns give these pre-activations."""
        difference = torch.where(response > 0, response, self.slope * response) - self.target
        if self.loss == "l1":
            data = (difference.abs() * self.share).sum(2)
        else:
            data = (difference.square() * self.share).sum(2) / self.size
        remembered = ((unknowns @ self.penalty) * unknowns).sum(2)
        return data + self.restraint * remembered, difference

    def slopes(self, response: Tensor, difference: Tensor, *, across: bool) -> Tensor:
        """(F, O, P) slope of the values by the pre-activations.

        ``across`` takes, where a position is dead and its goal is not, the slope of the chord from
        here to the goal. The derivative there says almost nothing of what lies beyond the kink,
        and its steps overshoot by far.
        """
        below = self.slope
        if across:
            chord = -difference / (self.target - response).clamp_min(1e-30)
            below = torch.where(self.target > 0, chord, below)
        return torch.where(response > 0, 1.0, below)

    def curvature(self, difference: Tensor, floor: Tensor) -> Tensor:
        """(F, O, P) weights that make the squared difference stand for the loss."""
        if self.loss == "l1":
            return self.share / torch.maximum(difference.abs(), floor[:, :, None])
        return (2 * self.share / self.size[:, None]).expand_as(difference)

    def channels(self, some: slice) -> Fit:
        """The same for some of the channels."""
        return replace(
            self,
            target=self.target[:, some],
            slope=self.slope if self.slope.shape[1] == 1 else self.slope[:, some],
            size=self.size[some],
            restraint=self.restraint[some],
        )

    def add_penalty(self, normal: Normal, gradient: Tensor, unknowns: Tensor) -> None:
        """Add the second term to normal matrices (F, O, n, n) and gradients (F, O, n), in place."""
        gradient += 2 * self.restraint[:, None] * (unknowns @ self.penalty)
        normal.add(2 * self.restraint, self.penalty)
