"""The exact solver: one small problem for each output channel and each phase of the layer.

The response to Lambda is linear in the projections ``D k`` and every output channel stands alone
(see :class:`redraft.models.adapter.LayerForm`), so instead of thousands of gradient steps on the
whole weight, all channels are solved at once: Gauss-Newton steps on a re-weighted least squares
problem, each accepted or damped channel by channel (Levenberg-Marquardt).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.models.adapter import Positions
from redraft.solve.problem import (
    SIZE_FLOOR,
    Problem,
    Solution,
    data_loss,
    edited_weight,
    projected_moment,
)

DEAD_SLOPE = 0.02
"""Slope given to a ReLU below 0 while solving, so that dead positions still pull."""
WEIGHT_FLOOR = 1e-3
"""Absolute differences below this share of the channel's first mean are weighted alike (L1)."""
ANNEALING = 0.3
"""By how much that share falls in each step, from 1, until it reaches the floor."""
CHORDS = 6
"""First steps in which dead positions are led across the kink of the activation (L1)."""
BLOCK_ELEMENTS = 1 << 26
"""Most elements of the table of products that is held at once (256 MiB of float32)."""


@dataclass(frozen=True)
class ExactSolver:
    """Solve each channel exactly.

    Args:
        iterations: most re-weighted steps.
        tolerance: stop when a step lowers the objective, summed over channels, by less than this
            share of what all steps have lowered it by.

    """

    iterations: int = 20
    tolerance: float = 5e-3

    def __call__(self, problem: Problem, directions: Tensor) -> Solution:
        """Solve for the coefficients of ``directions`` (S, C)."""
        weight = problem.weight
        inputs = problem.goal.inputs
        maps = torch.einsum("sc,nchw->nshw", directions.to(weight), inputs.keys)
        moment = projected_moment(problem, directions)
        response = problem.form.response(inputs, weight)
        channels, rank = weight.shape[0], directions.shape[0]
        coefficients = weight.new_zeros(channels, rank, *weight.shape[2:])
        steps = 0
        for phases in _alike(problem.form.phases):
            group = _Group.build(problem, phases, maps, response, moment)
            solved, taken = _minimise(group, self.iterations, self.tolerance)
            steps = max(steps, taken)
            for phase, unknowns in zip(phases, solved, strict=True):
                by_tap = unknowns.reshape(channels, rank, len(phase.taps))
                for tap, (ky, kx) in enumerate(phase.taps):
                    coefficients[:, :, ky, kx] = by_tap[:, :, tap]
        after = data_loss(problem, edited_weight(weight, coefficients, directions))
        if not bool(torch.isfinite(coefficients).all()) or after != after:
            raise RunError(
                "RD510",
                "the solver met NaN or infinite numbers",
                "the keys or the goal are not finite; check the model and the regions",
            )
        return Solution(directions, coefficients, data_loss(problem, weight), after, steps)


def _alike(phases: Iterable[Positions]) -> list[tuple[Positions, ...]]:
    """Phases with equally many taps together, since those can be solved in one batch."""
    groups: dict[int, list[Positions]] = {}
    for phase in phases:
        groups.setdefault(len(phase.taps), []).append(phase)
    return [tuple(group) for group in groups.values()]


@dataclass(frozen=True)
class _Group:
    """All channels of F phases that have T taps each: P positions and n = S T unknowns.

    Attributes:
        design: (F, P, n).
        response: (F, O, P), pre-activations before the edit.
        target: (F, O, P), values wanted.
        share: (F, 1, P), each position's share in the loss.
        scale: (O, 1).
        slope: (F, O, P), slope of the activation below 0; for a ReLU DEAD_SLOPE, but 0 where the
            value is wanted at 0, since any pre-activation below 0 will do there.
        size: (O,), see :attr:`Problem.size`.
        penalty: (n, n), with its factor for each channel in ``restraint``.
        restraint: (O,).
        loss: "l1" or "l2".

    """

    design: Tensor
    response: Tensor
    target: Tensor
    share: Tensor
    scale: Tensor
    slope: Tensor
    size: Tensor
    penalty: Tensor
    restraint: Tensor
    loss: str

    @classmethod
    def build(
        cls,
        problem: Problem,
        phases: Sequence[Positions],
        maps: Tensor,
        response: Tensor,
        moment: Tensor,
    ) -> _Group:
        share = torch.stack([phase.of(problem.weights).reshape(-1) for phase in phases])
        used = (share > 0).any(0)
        taps = torch.eye(len(phases[0].taps), dtype=moment.dtype, device=moment.device)
        scale = problem.scale
        slope = problem.form.negative_slope

        def positions(values: Tensor) -> Tensor:
            return torch.stack([_by_channel(phase.of(values))[:, used] for phase in phases])

        target = positions(problem.goal.values)
        return cls(
            design=torch.stack([phase.unfold(maps)[used] for phase in phases]),
            response=positions(response),
            target=target,
            share=share[:, None, used],
            scale=scale[:, None],
            slope=torch.full_like(target, slope) if slope else (target > 0).to(target) * DEAD_SLOPE,
            size=problem.size,
            penalty=torch.kron(moment, taps).to(maps.dtype),
            restraint=problem.restraint,
            loss=problem.loss,
        )

    def slopes(self, response: Tensor, difference: Tensor, *, across: bool) -> Tensor:
        """(F, O, P) slope of the values by ``A lambda``.

        ``across`` takes, where a position is dead and its goal is not, the slope of the chord from
        here to the goal. The derivative there says almost nothing of what lies beyond the kink,
        and its steps overshoot by far.
        """
        below = self.slope
        if across:
            chord = -difference / (self.target - response).clamp_min(1e-30)
            below = torch.where(self.target > 0, chord, below)
        return torch.where(response > 0, 1.0, below) * self.scale

    def evaluate(self, unknowns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Objective (F, O), pre-activations and differences (F, O, P) at (F, O, n) unknowns."""
        response = self.response + self.scale * (unknowns @ self.design.transpose(1, 2))
        difference = torch.where(response > 0, response, self.slope * response) - self.target
        if self.loss == "l1":
            data = (difference.abs() * self.share).sum(2)
        else:
            data = (difference.square() * self.share).sum(2) / self.size
        remembered = ((unknowns @ self.penalty) * unknowns).sum(2)
        return data + self.restraint * remembered, response, difference

    def curvature(self, difference: Tensor, floor: Tensor) -> Tensor:
        """(F, O, P) weights that make the squared difference stand for the loss."""
        if self.loss == "l1":
            return self.share / torch.maximum(difference.abs(), floor[:, :, None])
        return (2 * self.share / self.size[:, None]).expand_as(difference)


def _by_channel(maps: Tensor) -> Tensor:
    """(N, O, P) as (O, N * P)."""
    return maps.permute(1, 0, 2).reshape(maps.shape[1], -1)


def _minimise(group: _Group, iterations: int, tolerance: float) -> tuple[Tensor, int]:
    """Levenberg-Marquardt on re-weighted least squares, all phases and channels at once.

    Returns:
        (F, O, n) unknowns, and how many steps were taken.

    """
    unknowns = group.response.new_zeros(*group.response.shape[:2], group.design.shape[2])
    best, response, difference = group.evaluate(unknowns)
    start = float(best.sum())
    # A phase may have no position that counts.
    mean = (difference.abs() * group.share).sum(2) / group.share.sum(2).clamp_min(1e-30)
    # Relative to all channels where one has next to nothing to do: no absolute size may matter.
    floor = WEIGHT_FLOOR * mean.clamp_min(SIZE_FLOOR * float(mean.mean())).clamp_min(1e-30)
    damping = torch.full_like(best, 1e-4)
    products = _Products(group.design)
    # L1 is not what the first steps work on, so what they gain says nothing of what is left.
    least = CHORDS if group.loss == "l1" else 0
    taken = 0
    while taken < iterations:
        taken += 1
        slopes = group.slopes(response, difference, across=taken <= least)
        # From least squares to L1 step by step: a low floor at once would fix the first residuals.
        annealed = torch.maximum(floor, mean * ANNEALING**taken)
        curvature = group.curvature(difference, annealed)
        gradient = (curvature * slopes * difference) @ group.design
        gradient += 2 * group.restraint[:, None] * (unknowns @ group.penalty)
        normal = products.weighted(curvature * slopes.square())
        normal += 2 * group.restraint[:, None, None] * group.penalty
        trial = unknowns - _damped_step(normal, gradient, damping)
        value, trial_response, trial_difference = group.evaluate(trial)
        better = value < best
        gain = float(torch.where(better, best - value, 0.0).sum())
        best = torch.where(better, value, best)
        chosen = better[:, :, None]
        unknowns = torch.where(chosen, trial, unknowns)
        response = torch.where(chosen, trial_response, response)
        difference = torch.where(chosen, trial_difference, difference)
        damping = torch.where(better, damping * 0.2, (damping * 8).clamp_min(1e-3))
        settled = gain < tolerance * (start - float(best.sum()))
        if taken > least and bool(better.any()) and settled:
            break
    return unknowns, taken


class _Products:
    """``A^T diag(w_o) A`` for every channel, as one matrix product for each phase.

    The products of all pairs of columns of A are the same for all channels, so they are formed
    once, (F, P, n (n + 1) / 2), and each step is one multiplication by the channels' weights.
    Too many to hold are formed block by block instead.
    """

    def __init__(self, design: Tensor) -> None:
        self._design = design
        n = design.shape[2]
        self._upper = torch.triu_indices(n, n, device=design.device)
        place = torch.empty(n, n, dtype=torch.long, device=design.device)
        place[self._upper[0], self._upper[1]] = torch.arange(
            self._upper.shape[1], device=design.device
        )
        self._place = torch.maximum(place.triu(), place.triu().T).reshape(-1)
        self._block = max(1, BLOCK_ELEMENTS // (self._upper.shape[1] * design.shape[0]))
        held = design.shape[1] <= self._block
        self._held = self._pairs(slice(None)) if held else None

    def weighted(self, weights: Tensor) -> Tensor:
        """(F, O, n, n) for weights (F, O, P)."""
        if self._held is not None:
            upper = weights @ self._held
        else:
            upper = weights.new_zeros(*weights.shape[:2], self._upper.shape[1])
            for first in range(0, self._design.shape[1], self._block):
                rows = slice(first, first + self._block)
                upper += weights[:, :, rows] @ self._pairs(rows)
        n = self._design.shape[2]
        return upper[:, :, self._place].reshape(*weights.shape[:2], n, n)

    def _pairs(self, rows: slice) -> Tensor:
        part = self._design[:, rows]
        return part[:, :, self._upper[0]] * part[:, :, self._upper[1]]


def _damped_step(normal: Tensor, gradient: Tensor, damping: Tensor) -> Tensor:
    """Solve ``(H + damping diag(H)) x = g`` for every channel, in float64.

    A floor on the diagonal keeps dead channels and repeated columns solvable.
    """
    precise = normal.double()
    diagonal = precise.diagonal(dim1=-2, dim2=-1)
    floor = 1e-9 * diagonal.amax(-1, keepdim=True) + 1e-18
    diagonal += damping.double()[..., None] * diagonal + floor
    factor, failed = torch.linalg.cholesky_ex(precise)
    step = torch.cholesky_solve(gradient.double()[..., None], factor)[..., 0]
    # A channel whose factorisation failed stays put; its damping is raised for the next step.
    return torch.where(failed[..., None] == 0, step, 0.0).to(gradient.dtype)
