"""Levenberg-Marquardt on re-weighted least squares, for all channels of a layer at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from redraft.memory.threads import Each, side_by_side
from redraft.solve.exact.fit import Fit, Place
from redraft.solve.exact.products import Normal, places_in_half

CHORDS = 6
"""First steps in which dead positions are led across the kink of the activation (L1)."""
KEPT_WELL, KEPT_BADLY = 0.95, 0.7
"""Shares of what a step promised: above the first the next is damped less, below the other more."""
EASED, TIGHTENED = 0.3, 4.0
"""What the damping is multiplied by then; between the two it stays."""
FIRST_DAMPING = 1e-3
"""Of each channel's first step, as a share of the diagonal."""
REJECTED, LEAST_REJECTED = 8.0, 1e-2
"""What the damping is multiplied by where a step was rejected, and the least that it is then."""
FEW = 20
"""Iterations, of which no fewer count when what is left to gain is estimated."""
STEP_ELEMENTS = 1 << 18
"""Elements of normal matrices that are factorised at once (2 MiB of float64)."""


class Group(Protocol):
    """O channels of F sets of positions, each with n unknowns: what the search needs of them."""

    def channels(self, some: slice) -> Group:
        """The same for some of the channels."""
        ...

    def response(self, unknowns: Tensor) -> Tensor:
        """Pre-activations (F, O, P) at (F, O, n) unknowns."""
        ...

    def equations(
        self,
        unknowns: Tensor,
        response: Tensor,
        difference: Tensor,
        slopes: Tensor,
        curvature: Tensor,
    ) -> tuple[Normal, Tensor]:
        """Gauss-Newton matrices (F, O, n, n) and gradients (F, O, n) of the data term.

        Args:
            unknowns: (F, O, n), where they are wanted.
            response: pre-activations there.
            difference: (F, O, P), values there minus values wanted.
            slopes: (F, O, P), of the values by the pre-activations.
            curvature: (F, O, P), weights of the squared differences.

        """
        ...


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        unknowns: (F, O, n).
        steps: how many were taken.
        converged: whether it stopped because little was left to gain, and not for want of steps.

    """

    unknowns: Tensor
    steps: int
    converged: bool


def minimise(
    group: Group,
    fit: Fit,
    start: Tensor | None,
    iterations: int,
    tolerance: float,
    check: Callable[[], None],
) -> Searched:
    """Search all sets of positions and all channels at once, each step taken channel by channel.

    Args:
        group: what is searched.
        fit: what its channels are held to.
        start: (F, O, n) unknowns to begin at; by default 0, the weight as it is.
        iterations: most steps.
        tolerance: as of :class:`redraft.solve.exact.solver.ExactSolver`.
        check: called before each step, see :class:`redraft.solve.results.Once`.

    """
    each, easing = side_by_side(fit.target.device), fit.eased_steps if start is None else 0
    if start is None:
        start = fit.target.new_zeros(*fit.target.shape[:2], len(fit.penalty))
    place = fit.place(start, group.response(start))
    first, floors = float(place.value(fit.restraint).sum()), fit.floors(place.difference)
    damping = torch.full_like(place.data, FIRST_DAMPING)
    # Neither L1 nor the restraint asked for is what the first steps work on, so what they gain
    # says nothing of what is left.
    chords = CHORDS if fit.loss == "l1" else 0
    for taken in range(1, iterations + 1):
        check()
        eased = fit.eased(taken) if taken <= easing else fit
        normal, gradient = _equations(group, eased, place, floors(taken), across=taken <= chords)
        step = damped_step(normal, gradient, damping, each)
        tried = place.unknowns - step
        trial = fit.place(tried, group.response(tried))
        gain = place.value(eased.restraint) - trial.value(eased.restraint)
        # A step to the minimum of a parabola gains half of its length times the slope.
        promised = (step * gradient).sum(2) / 2
        damping = _next_damping(damping, gain, promised)
        place = place.or_else(trial, gain > 0)
        # What a rejected step promised is still there to be gained.
        left = float(torch.where(gain > 0, gain, promised).sum())
        gained = first - float(place.value(fit.restraint).sum())
        if taken > max(chords, easing) and left * max(iterations, FEW) <= tolerance * gained:
            return Searched(place.unknowns, taken, converged=True)
    return Searched(place.unknowns, iterations, converged=False)


def _equations(
    group: Group, fit: Fit, place: Place, floor: Tensor, *, across: bool
) -> tuple[Normal, Tensor]:
    """The matrices and gradients of the whole objective; see :class:`Fit` for the last two."""
    slopes = fit.slopes(place.response, place.difference, across=across)
    curvature = fit.curvature(place.difference, floor)
    normal, gradient = group.equations(
        place.unknowns, place.response, place.difference, slopes, curvature
    )
    fit.add_penalty(normal, gradient, place.unknowns)
    return normal, gradient


def _next_damping(damping: Tensor, gain: Tensor, promised: Tensor) -> Tensor:
    """(F, O) damping of the next step, from what this one gave of what its model promised.

    A step that gave much less crossed kinks of the activation, and the next is to be shorter
    although this one is taken: waiting until one fails would waste every third.
    """
    given = gain / promised.clamp_min(1e-30)
    factor = torch.where(given > KEPT_WELL, EASED, torch.where(given > KEPT_BADLY, 1.0, TIGHTENED))
    return torch.where(gain > 0, damping * factor, (damping * REJECTED).clamp_min(LEAST_REJECTED))


def damped_step(normal: Normal, gradient: Tensor, damping: Tensor, each: Each = map) -> Tensor:
    """Solve ``(H + damping diag(H)) x = g`` for every channel, in float64.

    A floor on the diagonal keeps dead channels and repeated columns solvable.

    Args:
        normal: (F, O, n, n), H.
        gradient: (F, O, n), g.
        damping: (F, O).
        each: ``map``, or what does the same on several threads.

    """
    # So few at a time that they stay in the processor's cache.
    at_once = max(1, STEP_ELEMENTS // gradient.shape[2] ** 2)
    solve = partial(_damped_step, places_in_half(normal.size, gradient.device))
    parts = each(
        solve,
        normal.parts(at_once),
        torch.split(gradient.flatten(0, 1), at_once),
        torch.split(damping.flatten(), at_once),
    )
    return torch.cat(list(parts)).reshape(gradient.shape)


def _damped_step(place: Tensor, normal: Normal, gradient: Tensor, damping: Tensor) -> Tensor:
    """For some of the channels: (K, n, n), (K, n) and (K,)."""
    precise = normal.unfolded(place)
    diagonal = precise.diagonal(dim1=-2, dim2=-1)
    floor = 1e-9 * diagonal.amax(-1, keepdim=True) + 1e-18
    diagonal += damping.double()[..., None] * diagonal + floor
    factor, failed = torch.linalg.cholesky_ex(precise)
    step = torch.cholesky_solve(gradient.double()[..., None], factor)[..., 0]
    # A channel whose factorisation failed stays put; its damping is raised for the next step.
    return torch.where(failed[..., None] == 0, step, 0.0).to(gradient.dtype)
