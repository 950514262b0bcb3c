"""What the channels of a layer are held to: wanted values, their weights, and what to preserve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from redraft.models.generator import Positions
from redraft.solve.exact.products import Normal
from redraft.solve.positions import Chosen
from redraft.solve.problem import SIZE_FLOOR, Loss, Problem

DEAD_SLOPE = 0.02
"""Slope given to a ReLU below 0 while solving, so that dead positions still pull."""


WEIGHT_FLOOR = 1e-3
"""Absolute differences below this share of the channel's first mean are weighted alike (L1)."""
ANNEALING = 0.3
"""By how much that share falls in each step, from 1, until it reaches the floor."""
EASING = 0.1
"""By how much the restraint of the first steps falls, until it reaches what is asked for."""
FIRST_PRESERVE = 0.3
"""The ``preserve`` from which the restraint of the first steps falls."""
MOST_EASED = 4
"""Steps after which nothing but what is asked for holds a search back."""


@dataclass(frozen=True)
class Place:
    """Where a search is.

    Attributes:
        unknowns: (F, O, n).
        response: (F, O, P), pre-activations there.
        difference: (F, O, P), values there minus values wanted.
        data: (F, O), the first term of the objective.
        remembered: (F, O), the second without its factor.

    """

    unknowns: Tensor
    response: Tensor
    difference: Tensor
    data: Tensor
    remembered: Tensor

    def value(self, restraint: Tensor) -> Tensor:
        """(F, O), the objective with a factor (O,) of its second term."""
        return self.data + restraint * self.remembered

    def or_else(self, other: Place, better: Tensor) -> Place:
        """Another place for the channels (F, O) where that is better, this one for the rest."""
        if bool(better.all()):
            return other
        chosen = better[:, :, None]
        return Place(
            torch.where(chosen, other.unknowns, self.unknowns),
            torch.where(chosen, other.response, self.response),
            torch.where(chosen, other.difference, self.difference),
            torch.where(better, other.data, self.data),
            torch.where(better, other.remembered, self.remembered),
        )


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
        first: (O,), the least that the first step is held to in its place.
        loss: "l1" or "l2".

    """

    target: Tensor
    share: Tensor
    slope: Tensor
    size: Tensor
    penalty: Tensor
    restraint: Tensor
    first: Tensor
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
            first=problem.restrained(FIRST_PRESERVE, problem.loss).restraint,
            loss=problem.loss,
        )

    @cached_property
    def eased_steps(self) -> int:
        """How many of the first steps are held to more than their restraint."""
        return next(
            (
                taken
                for taken in range(MOST_EASED)
                if not (self.first * EASING**taken > self.restraint).any()
            ),
            MOST_EASED,
        )

    def eased(self, taken: int) -> Fit:
        """The objective of the step ``taken``, counted from 1: the first are held to more.

        A search that is held back by little goes far in its first steps, and ends in a valley that
        it would not have chosen. So it is led down from where the restraint is that of
        ``preserve 0.3``.
        """
        return replace(self, restraint=torch.maximum(self.restraint, self.first * EASING**taken))

    def floors(self, difference: Tensor) -> Callable[[int], Tensor]:
        """The differences (F, O) below which all weigh alike in a step (L1), from those at first.

        From least squares to L1 step by step: a low floor at once would fix the first residuals.
        """
        # A set of positions may have none that counts.
        mean = (difference.abs() * self.share).sum(2) / self.share.sum(2).clamp_min(1e-30)
        # Relative to all channels where one has next to nothing to do: no absolute size may matter.
        floor = WEIGHT_FLOOR * mean.clamp_min(SIZE_FLOOR * float(mean.mean())).clamp_min(1e-30)
        return lambda taken: torch.maximum(floor, mean * ANNEALING**taken)

    @cached_property
    def _is_alive(self) -> Tensor:
        """(F, O, P), whether the value is wanted above 0."""
        return self.target > 0

    @cached_property
    def _is_steep(self) -> bool:
        """Whether the activation is steeper below 0 than above."""
        return self.slope.numel() == 1 and float(self.slope) > 1

    def place(self, unknowns: Tensor, response: Tensor) -> Place:
        """Where unknowns (F, O, n) give these pre-activations (F, O, P)."""
        below = self.slope * response
        if self._is_steep:
            difference = torch.where(response > 0, response, below) - self.target
        else:  # the larger of the two is the one on its side of 0, and found more quickly
            difference = torch.maximum(response, below).sub_(self.target)
        if self.loss == "l1":
            data = difference.abs().mul_(self.share).sum(2)
        else:
            data = difference.square().mul_(self.share).sum(2) / self.size
        remembered = ((unknowns @ self.penalty) * unknowns).sum(2)
        return Place(unknowns, response, difference, data, remembered)

    def slopes(self, response: Tensor, difference: Tensor, *, across: bool) -> Tensor:
        """(F, O, P) slope of the values by the pre-activations.

        ``across`` takes, where a position is dead and its goal is not, the slope of the chord from
        here to the goal. The derivative there says almost nothing of what lies beyond the kink,
        and its steps overshoot by far.
        """
        below = self.slope
        if across:
            chord = (response - self.target).clamp_max_(-1e-30)
            torch.div(difference, chord, out=chord)
            below = torch.where(self._is_alive, chord, below)
        return torch.where(response > 0, 1.0, below)

    def curvature(self, difference: Tensor, floor: Tensor) -> Tensor:
        """(F, O, P) weights that make the squared difference stand for the loss."""
        if self.loss == "l1":
            floored = difference.abs()
            torch.maximum(floored, floor[:, :, None], out=floored)
            return torch.div(self.share, floored, out=floored)
        return (2 * self.share / self.size[:, None]).expand_as(difference)

    def channels(self, some: slice) -> Fit:
        """The same for some of the channels."""
        return replace(
            self,
            target=self.target[:, some],
            slope=self.slope if self.slope.shape[1] == 1 else self.slope[:, some],
            size=self.size[some],
            restraint=self.restraint[some],
            first=self.first[some],
        )

    def add_penalty(self, normal: Normal, gradient: Tensor, unknowns: Tensor) -> None:
        """Add the second term to normal matrices (F, O, n, n) and gradients (F, O, n), in place."""
        gradient += 2 * self.restraint[:, None] * (unknowns @ self.penalty)
        normal.add(2 * self.restraint, self.penalty)
