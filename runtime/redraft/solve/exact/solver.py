"""The exact solver: one small problem for each output channel and each phase of the layer.

The response to Lambda is linear in the projections ``D k`` and every output channel stands alone
(see :class:`redraft.models.generator.LayerForm`), so instead of thousands of gradient steps on the
whole weight, all channels are solved at once: Gauss-Newton steps on a re-weighted least squares
problem, each accepted or damped channel by channel (Levenberg-Marquardt).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from redraft.models.generator import Positions
from redraft.solve.exact.demodulated import DemodulatedGroup, convolution
from redraft.solve.exact.fit import Fit
from redraft.solve.exact.levenberg import Group, Searched, minimise
from redraft.solve.exact.products import Normal, Products, most_held
from redraft.solve.positions import Chosen, Thinned, choose, spread
from redraft.solve.problem import (
    Problem,
    Solution,
    data_loss,
    edited_weight,
    loss_before,
    not_finite,
    projected_moment,
    responses,
    shifts,
)
from redraft.solve.results import Once, anew

MOST_POSITIONS = 1 << 17
"""More positions than this are thinned where nothing was put."""
STATE_ELEMENTS = 1 << 22
"""Most pre-activations that are searched at once (16 MiB of float32), or else one channel's."""
MATRIX_WORK = 2e10
"""Multiplications in one step's normal matrices, above which they are summed over fewer positions.

Gradients and objectives are not: what is found is the same, by a step or two more.
"""
MATRIX_POSITIONS = 64
"""Least positions in such a sum, for each unknown."""


@dataclass(frozen=True)
class ExactSolver:
    """Solve each channel exactly.

    Args:
        iterations: most re-weighted steps.
        tolerance: stop when ``iterations`` more steps (20 at least) like the last would lower the
            objective, summed over channels, by less than this share of what all steps have lowered
            it by. A channel whose step was rejected counts with what that step promised.

    """

    iterations: int = 20
    tolerance: float = 0.1
    finds_directions: ClassVar[bool] = False

    def __call__(self, problem: Problem, directions: Tensor, once: Once = anew) -> Solution:
        """Solve for the coefficients of ``directions`` (S, C); ``once`` finds each ``design``."""
        weight = problem.weight
        coefficients, steps, converged = self.search(problem, directions, once)
        after = data_loss(problem, edited_weight(weight, coefficients, directions))
        if not bool(torch.isfinite(coefficients).all()) or after != after:
            raise not_finite()
        return Solution(directions, coefficients, loss_before(problem), after, steps, converged)

    def search(
        self,
        problem: Problem,
        directions: Tensor,
        once: Once = anew,
        start: Tensor | None = None,
    ) -> tuple[Tensor, int, bool]:
        """The coefficients (O, S, kh, kw) of some directions, steps taken, and if it converged.

        Args:
            problem: what is asked for.
            directions: (S, C).
            once: finds each ``design``.
            start: (O, S, kh, kw), coefficients to begin at; by default 0.

        """
        weight = problem.weight
        channels, rank = weight.shape[0], directions.shape[0]
        coefficients = weight.new_zeros(channels, rank, *weight.shape[2:])
        moment = projected_moment(problem, directions)
        steps, converged = 0, True
        for number, phases in enumerate(alike(problem.form.phases)):
            design = once("design", number, partial(design_of, problem, phases, directions))
            fit = Fit.build(problem, phases, design.chosen, moment)
            begin = None if start is None else _by_phase(start, phases)
            found = self._minimise(design.group, fit, begin, once.check)
            steps, converged = max(steps, found.steps), converged and found.converged
            for phase, unknowns in zip(phases, found.unknowns, strict=True):
                by_tap = unknowns.reshape(channels, rank, len(phase.taps))
                for tap, (ky, kx) in enumerate(phase.taps):
                    coefficients[:, :, ky, kx] = by_tap[:, :, tap]
        return coefficients, steps, converged

    def _minimise(
        self, group: Group, fit: Fit, start: Tensor | None, check: Callable[[], None]
    ) -> Searched:
        """Search for all channels, some at a time if there are many."""
        sets, channels, positions = fit.target.shape
        at_once = max(1, STATE_ELEMENTS // max(1, sets * positions))
        parts = [slice(first, first + at_once) for first in range(0, channels, at_once)]
        search = partial(
            minimise, iterations=self.iterations, tolerance=self.tolerance, check=check
        )
        found = [
            search(
                group.channels(some), fit.channels(some), None if start is None else start[:, some]
            )
            for some in parts
        ]
        return Searched(
            torch.cat([part.unknowns for part in found], 1),
            max(part.steps for part in found),
            all(part.converged for part in found),
        )


def _by_phase(coefficients: Tensor, phases: Sequence[Positions]) -> Tensor:
    """(F, O, S T) unknowns of some phases from coefficients (O, S, kh, kw)."""
    taps = [[coefficients[:, :, ky, kx] for ky, kx in phase.taps] for phase in phases]
    return torch.stack([torch.stack(each, 2).flatten(1) for each in taps])


@dataclass(frozen=True)
class Design:
    """What some phases give for coefficients, whatever is wanted of them.

    Attributes:
        chosen: which of their positions count.
        group: the channels there, as one search.

    """

    chosen: Chosen
    group: Group


def alike(phases: Iterable[Positions]) -> list[tuple[Positions, ...]]:
    """Phases with equally many taps together, since those can be solved in one batch."""
    groups: dict[int, list[Positions]] = {}
    for phase in phases:
        groups.setdefault(len(phase.taps), []).append(phase)
    return [tuple(group) for group in groups.values()]


def design_of(problem: Problem, phases: Sequence[Positions], directions: Tensor) -> Design:
    """The channels of some phases with equally many taps.

    It depends on the pictures, their weights and the directions, and on nothing else of a problem.
    """
    form, inputs = problem.form, problem.goal.inputs
    chosen = choose(phases, problem, MOST_POSITIONS)
    maps = torch.einsum("sc,nchw->nshw", directions.to(problem.weight), inputs.keys)
    design = chosen.design(phases, maps)
    before = chosen.by_channel(phases, responses(problem))
    sets, _, unknowns = design.shape
    affordable = int(MATRIX_WORK / (len(problem.weight) * sets * unknowns**2))
    most = min(affordable, most_held(sets, unknowns))
    thinned = Thinned.of_counts(chosen.counts, max(most, MATRIX_POSITIONS * unknowns))
    products = Products(design[:, :: thinned.stride])
    demodulation = form.demodulation(inputs, problem.weight, directions.to(problem.weight))
    if demodulation is None:
        gains = form.gains(inputs, problem.weight)
        scale = _spread_gains(gains, chosen)
        return Design(chosen, _PlainGroup(design, before, scale, thinned, products))
    shift = chosen.by_channel(phases, shifts(problem))
    group = DemodulatedGroup(
        counts=chosen.counts,
        design=design,
        base=convolution(before, shift, demodulation, chosen.counts),
        shift=shift,
        demodulation=demodulation,
        thinned=thinned,
        products=products,
    )
    return Design(chosen, group)


def _spread_gains(gains: Tensor, chosen: Chosen) -> Tensor:
    """(1, O) or (N, O) gains as (O, 1), or (O, P) where pictures differ."""
    return gains.T if len(gains) == 1 else spread(gains.T, chosen.counts)


@dataclass(frozen=True)
class _PlainGroup:
    """All channels of F phases that have T taps each: P positions and n = S T unknowns.

    Attributes:
        design: (F, P, n).
        before: (F, O, P), pre-activations before the edit.
        scale: (O, 1), or (O, P) where pictures have gains of their own.
        thinned: which positions the normal matrices are summed over.
        products: of the design's columns there.

    """

    design: Tensor
    before: Tensor
    scale: Tensor
    thinned: Thinned
    products: Products

    def channels(self, some: slice) -> _PlainGroup:
        """The same for some of the channels."""
        return replace(
            self,
            before=self.before[:, some],
            scale=self.scale[some],
        )

    def response(self, unknowns: Tensor) -> Tensor:
        """Pre-activations (F, O, P) at (F, O, n) unknowns."""
        change = unknowns @ self.design.transpose(1, 2)
        return change.mul_(self.scale).add_(self.before)

    def equations(
        self,
        unknowns: Tensor,  # noqa: ARG002
        response: Tensor,  # noqa: ARG002
        difference: Tensor,
        slopes: Tensor,
        curvature: Tensor,
    ) -> tuple[Normal, Tensor]:
        """See :meth:`redraft.solve.levenberg.Group.equations`."""
        slopes = slopes * self.scale
        gradient = (curvature * slopes).mul_(difference) @ self.design
        weights = self.thinned.of(slopes).square().mul_(self.thinned.weights(curvature))
        return self.products.weighted(weights), gradient
