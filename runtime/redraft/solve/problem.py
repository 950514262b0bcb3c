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

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.models.generator import LayerForm, LayerInputs
from redraft.solve.delta import Delta
from redraft.solve.goals import Goal, importance
from redraft.solve.results import Once, anew
from redraft.solve.windows import focus

Loss = Literal["l1", "l2"]
PRESERVE_UNIT = 5 / 3
"""What ``preserve 1`` weighs."""
SIZE_FLOOR = 0.05
"""A channel's size is at least this share of the mean size, so that idle channels stay idle."""
PROTECTION = 30.0
"""What the protected values weigh, where what was pasted weighs 1."""
HELD_ELEMENTS = 1 << 22
"""Most pre-activations that are kept for all who ask (16 MiB of float32)."""
PART_ELEMENTS = 1 << 25
"""Most values that are computed at once (128 MiB of float32), or else those of one picture."""


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

    @cached_property
    def size(self) -> Tensor:
        """(O,), each channel's weighted mean absolute difference before the edit, floored."""
        goal = self.goal
        size = sum(
            torch.einsum(
                "nohw,nhw->o", (goal.values[rows] - goal.before[rows]).abs(), self.weights[rows]
            )
            for rows in parts(goal)
        )
        assert isinstance(size, Tensor)
        return size.clamp_min(SIZE_FLOOR * float(size.mean())).clamp_min(1e-12)

    @cached_property
    def scale(self) -> Tensor:
        """(O,), each channel's gain before the edit: root mean square over the pictures."""
        gains = self.form.gains(self.goal.inputs, self.weight)
        return gains[0] if len(gains) == 1 else gains.square().mean(0).sqrt()

    @cached_property
    def held_responses(self) -> Tensor | None:
        """(N, O, H, W), what :func:`responses` gives; None where that would be large to keep."""
        if self.goal.values.numel() > HELD_ELEMENTS:
            return None
        return torch.cat(list(_responses(self)))

    @property
    def restraint(self) -> Tensor:
        """(O,), the factor of each channel's second term."""
        return PRESERVE_UNIT * self.preserve * self.scale.square() / self.size

    def restrained(self, preserve: float, loss: Loss) -> Problem:
        """The same problem with another ``preserve`` and loss."""
        other = replace(self, preserve=preserve, loss=loss)
        # They depend on neither, and take a pass over the whole goal.
        vars(other).update(size=self.size, scale=self.scale, held_responses=self.held_responses)
        return other

    def focused(self) -> Problem:
        """The same problem without the positions that neither count nor are read by any that do.

        Its sums may differ in their last digits, as a convolution of another size may.
        """
        goal, weights = focus(self.form, self.goal, self.weights)
        return self if goal is self.goal else replace(self, goal=goal, weights=weights)

    def select(self, rows: Sequence[int], keep: float) -> Problem:
        """The same rule on some of the pictures only, weights divided anew."""
        goal = self.goal.select(rows)
        return replace(self, goal=goal, weights=importance(goal, keep))


def protecting(problem: Problem, inputs: LayerInputs, coverage: Tensor) -> Problem:
    """The same problem, with more pictures in which some values are to stay as they are.

    As terms of the objective they measure better than as keys of the moment: a rule that is as
    still there is stronger elsewhere (method: protected values).

    Args:
        problem: on whole pictures.
        inputs: for N pictures.
        coverage: (N, H, W), what of their values is protected.

    """
    goal, weights = problem.goal, problem.weights
    before = problem.form.activate(problem.form.response(inputs, problem.weight))
    cover = coverage.to(weights)
    nothing = torch.zeros_like(cover)
    carried = goal.inputs.carried
    joined = LayerInputs(
        torch.cat([goal.inputs.keys, inputs.keys]),
        {name: torch.cat([value, inputs.carried[name]]) for name, value in carried.items()},
    )
    return replace(
        problem,
        goal=Goal(
            joined,
            torch.cat([goal.before, before]),
            torch.cat([goal.values, before]),
            torch.cat([goal.alpha, nothing.to(goal.alpha)]),
            torch.cat([goal.inside, nothing.to(goal.inside)]),
        ),
        weights=torch.cat([weights, PROTECTION * cover / cover.sum().clamp_min(1e-12)]),
    )


@dataclass(frozen=True)
class Solution:
    """A solved rule: ``weight + coefficients . directions`` is the edited weight.

    Attributes:
        directions: (S, C), orthonormal rows.
        coefficients: (O, S, kh, kw).
        loss_before: data term before, summed over channels and divided by their number.
        loss_after: the same after.
        iterations: steps taken.
        converged: whether it stopped because little was left to gain, and not for want of steps.

    """

    directions: Tensor
    coefficients: Tensor
    loss_before: float
    loss_after: float
    iterations: int
    converged: bool = False

    def delta(self, rule: str, layer: str) -> Delta:
        """The solution as the change that ``rule`` makes to ``layer``, float32."""
        return Delta(rule, layer, self.directions.float(), self.coefficients.float())


class Solver(Protocol):
    """What every solver is, and every method of other people: a problem in, a solution out."""

    finds_directions: ClassVar[bool]
    """Whether it finds directions of its own; it is then given none, (0, C)."""

    def __call__(self, problem: Problem, directions: Tensor, once: Once = anew) -> Solution:
        """Solve for the coefficients of ``directions`` (S, C).

        Args:
            problem: what to solve.
            directions: where the change may be.
            once: makes what depends on neither ``preserve`` nor the loss nor the values wanted, or
                finds it made.

        """
        ...


def edited_weight(weight: Tensor, coefficients: Tensor, directions: Tensor) -> Tensor:
    """``W + Lambda D`` (O, C, kh, kw) in the weight's dtype, for use inside a solver."""
    change = torch.einsum("osyx,sc->ocyx", coefficients.double(), directions.double())
    return (weight.double() + change).to(weight.dtype)


def data_loss(problem: Problem, weight: Tensor) -> float:
    """The data term for any weight (O, C, kh, kw), in the layer's own activation.

    Mean over channels, so that ``l1`` with keep 0 is the L1 distance of the authors' code.
    """
    form, inputs = problem.form, problem.goal.inputs
    return _loss_of(
        problem, lambda rows: form.activate(form.response(pictures_of(inputs, rows), weight))
    )


def loss_before(problem: Problem) -> float:
    """The data term of the unedited weight, from the values that the goal holds."""
    return _loss_of(problem, lambda rows: problem.goal.before[rows])


def _loss_of(problem: Problem, values: Callable[[slice], Tensor]) -> float:
    per_channel = torch.zeros_like(problem.size)
    for rows in parts(problem.goal):
        difference = (values(rows) - problem.goal.values[rows]).abs()
        if problem.loss == "l2":
            difference = difference.square() / problem.size[:, None, None]
        per_channel += torch.einsum("nohw,nhw->o", difference, problem.weights[rows])
    return float(per_channel.mean())


def wanted_response(values: Tensor, response: Tensor, negative_slope: float) -> Tensor:
    """Pre-activations that give ``values``; of several that do, the one nearest to ``response``."""
    if negative_slope > 0:
        return torch.where(values > 0, values, values / negative_slope)
    return torch.where(values > 0, values, response.clamp_max(0.0))


def responses(problem: Problem) -> Iterable[Tensor]:
    """Pre-activations (O, H, W) of the unedited layer, picture by picture.

    Where the activation can be inverted they come from the goal's own values, since running a
    large layer once more costs as much as several steps of a solver.
    """
    held = problem.held_responses
    return chain.from_iterable(_responses(problem)) if held is None else held


def _responses(problem: Problem) -> Iterator[Tensor]:
    """The same, (n, O, H, W) for as many pictures as may be computed at once."""
    form, goal = problem.form, problem.goal
    for rows in parts(goal):
        before = goal.before[rows]
        if form.negative_slope > 0:
            yield wanted_response(before, before, form.negative_slope)
        else:
            yield form.response(pictures_of(goal.inputs, rows), problem.weight)


def shifts(problem: Problem) -> Iterator[Tensor]:
    """What is added after the gain, (O, H, W) picture by picture."""
    for number, values in enumerate(problem.goal.values):
        one = pictures_of(problem.goal.inputs, slice(number, number + 1))
        shift = problem.form.shift(one)
        yield shift.reshape(shift.shape[-3:]).expand_as(values)


def parts(goal: Goal) -> Iterator[slice]:
    """The goal's pictures, as many at a time as may be computed at once."""
    count = len(goal.inputs)
    step = max(1, PART_ELEMENTS * count // max(1, goal.values.numel()))
    if step >= count:
        yield slice(None)
    else:
        for first in range(0, count, step):
            yield slice(first, first + step)


def pictures_of(inputs: LayerInputs, rows: slice) -> LayerInputs:
    """The inputs of some pictures, without a copy."""
    return LayerInputs(
        inputs.keys[rows], {name: value[rows] for name, value in inputs.carried.items()}
    )


def projected_moment(problem: Problem, directions: Tensor) -> Tensor:
    """``D M D^T`` (S, S) float64: how much of what the layer remembers each direction carries."""
    rows = directions.double()
    return rows @ problem.moment.to(rows.device) @ rows.T


def not_finite() -> RunError:
    """The error for keys or goals that hold NaN or infinity."""
    return RunError(
        "RD510",
        "the solver met NaN or infinite numbers",
        "the keys or the goal are not finite; check the model and the regions",
    )
