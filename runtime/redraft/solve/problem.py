"""The constrained insert as data: what every solver is given, and the one objective.

minimise over Lambda (O, S, kh, kw), channel by channel:

    sum_p w_p rho(f_o(p; W + Lambda D) - V*_o(p))
      + 5/3 preserve * scale_o^2 / size_o * sum_taps  lambda_o (D M D^T) lambda_o^T

The first term is the paper's objective (section 3.3, equation 15); the second is the disturbance
of what else the layer remembers, which the paper's derivation has and the authors' code drops.
``size_o`` is the channel's mean change asked for, so that both terms grow alike with the goal and
the same ``preserve`` costs the same at every layer (past the paper). The factor 5/3 sets its unit:
at .3, the default, the second term counts half, and about a twentieth of the change that is asked
for shows elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from redraft.goals import Goal, importance
from redraft.models.adapter import LayerForm

Loss = Literal["l1", "l2"]
PRESERVE_UNIT = 5 / 3
"""What ``preserve 1`` weighs."""
SIZE_FLOOR = 0.05
"""A channel's size is at least this share of the mean size, so that idle channels stay idle."""


@dataclass(frozen=True)
class Problem:
    """One rule at one layer, before directions are chosen.

    Attributes:
        form: the layer's per-channel structure.
        weight: (O, C, kh, kw), the layer's present weight.
        goal: pictures, their values now and the values wanted.
        weights: (N, H, W), each position's share in the loss.
        moment: (C, C) float64, the second moment that preserve goes by.
        preserve: weight of the second term; 0 gives the paper authors' objective.
        loss: "l1" is the mean absolute difference, "l2" the mean square over the channel's size.

    """

    form: LayerForm
    weight: Tensor
    goal: Goal
    weights: Tensor
    moment: Tensor
    preserve: float
    loss: Loss = "l1"

    @property
    def size(self) -> Tensor:
        """(O,), each channel's weighted mean absolute difference before the edit, floored."""
        change = (self.goal.values - self.goal.before).abs()
        size = torch.einsum("nohw,nhw->o", change, self.weights)
        return size.clamp_min(SIZE_FLOOR * float(size.mean())).clamp_min(1e-12)

    @property
    def scale(self) -> Tensor:
        """(O,), each channel's gain before the edit: root mean square over the pictures."""
        gains = self.form.gains(self.goal.inputs, self.weight)
        return gains[0] if len(gains) == 1 else gains.square().mean(0).sqrt()

    @property
    def restraint(self) -> Tensor:
        """(O,), the factor of each channel's second term."""
        return PRESERVE_UNIT * self.preserve * self.scale.square() / self.size

    def with_preserve(self, preserve: float) -> Problem:
        """The same problem with another ``preserve``."""
        return replace(self, preserve=preserve)

    def select(self, rows: list[int], keep: float) -> Problem:
        """The same rule on some of the pictures only, weights divided anew."""
        goal = self.goal.select(rows)
        return replace(self, goal=goal, weights=importance(goal, keep))


@dataclass(frozen=True)
class Solution:
    """A solved rule: ``weight + coefficients . directions`` is the edited weight.

    Attributes:
        directions: (S, C), orthonormal rows.
        coefficients: (O, S, kh, kw).
        loss_before: data term before, summed over channels and divided by their number.
        loss_after: the same after.
        iterations: steps taken.

    """

    directions: Tensor
    coefficients: Tensor
    loss_before: float
    loss_after: float
    iterations: int


class Solver(Protocol):
    """What every solver is: a problem and directions in, coefficients out."""

    def __call__(self, problem: Problem, directions: Tensor) -> Solution:
        """Solve for the coefficients of ``directions`` (S, C)."""
        ...


def edited_weight(weight: Tensor, coefficients: Tensor, directions: Tensor) -> Tensor:
    """``W + Lambda D`` (O, C, kh, kw) in the weight's dtype, for use inside a solver."""
    change = torch.einsum("osyx,sc->ocyx", coefficients.double(), directions.double())
    return (weight.double() + change).to(weight.dtype)


def data_loss(problem: Problem, weight: Tensor) -> float:
    """The data term for any weight (O, C, kh, kw), in the layer's own activation.

    Mean over channels, so that ``l1`` with keep 0 is the L1 distance of the authors' code.
    """
    values = problem.form.activate(problem.form.response(problem.goal.inputs, weight))
    difference = (values - problem.goal.values).abs()
    if problem.loss == "l2":
        difference = difference.square() / problem.size[:, None, None]
    per_channel = torch.einsum("nohw,nhw->o", difference, problem.weights)
    return float(per_channel.mean())


def projected_moment(problem: Problem, directions: Tensor) -> Tensor:
    """``D M D^T`` (S, S) float64: how much of what the layer remembers each direction carries."""
    rows = directions.double()
    return rows @ problem.moment.to(rows.device) @ rows.T
