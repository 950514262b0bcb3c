"""Directions from the goal: reduced-rank regression (past the paper).

The paper takes D from the context alone. What the weight ought to do with the goal says more: the
ridge problem without a rank constraint has one small normal matrix for all output channels, and
the leading right singular vectors of its solution, measured in the metric of what the layer
remembers, are the directions that a low-rank edit needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.memory.keys import orthonormal
from redraft.memory.moments import Whitening
from redraft.memory.threads import on_one_core, side_by_side
from redraft.models.generator import Positions
from redraft.solve.folds import Split, loudness
from redraft.solve.positions import choose, spread
from redraft.solve.problem import Problem, responses, wanted_response
from redraft.solve.results import Once, anew
from redraft.solve.ridge import Ridge, positions_for

SMALL = 1 << 24
"""Numbers in a design or a normal matrix, up to which several are made side by side."""
RIDGE = 4.0
"""Weight of the second moment in the unconstrained problem."""


@dataclass(frozen=True)
class Spectrum:
    """The key directions of a weight change, in the metric of what the layer remembers.

    Attributes:
        values: (K,) float64 singular values of ``X M^1/2``, X as (O * kh * kw, C); largest first.
        right: (K, C) float64, its right singular vectors.

    """

    values: Tensor
    right: Tensor

    @classmethod
    def of(cls, change: Tensor, whitening: Whitening) -> Spectrum:
        """The spectrum of a change (O, C, kh, kw) float64; ``whitening`` is that of M."""
        rows = change.permute(0, 2, 3, 1).reshape(-1, change.shape[1]) @ whitening.root

        def spectrum(rows: Tensor) -> tuple[Tensor, Tensor]:
            # Of many rows only their triangle matters to the singular vectors on the right.
            triangle = torch.linalg.qr(rows, mode="r").R
            _, values, right = torch.linalg.svd(triangle, full_matrices=False)
            return values, right

        return cls(*on_one_core(spectrum, rows))

    def leading(self, rank: int, whitening: Whitening) -> Tensor:
        """The ``rank`` directions that matter most, mapped back by ``M^-1/2``.

        Returns:
            (rank, C) float64, orthonormal rows.

        Raises:
            RunError: fewer directions than ``rank`` carry anything.

        """
        carrying = int((self.values > 1e-12 * self.values[0].clamp_min(1e-300)).sum())
        if carrying < rank:
            raise RunError(
                "RD508",
                f"rank {rank} asks for more directions than the goal has ({carrying})",
                "lower `rank`, add contexts, or use `directions context`",
            )
        return orthonormal(self.right[:rank] @ whitening.inverse_root)


def goal_directions(
    problem: Problem, rank: int, ridge: float = RIDGE, split: Split | None = None
) -> Tensor:
    """The ``rank`` directions of the unconstrained solution that matter most.

    Solves, for each phase, ``min_X sum_p w_p (A x_o - t_o)^2 + ridge x_o (M kron I) x_o`` with A
    the unfolded keys and t the change of pre-activation that would reach the goal; then takes the
    top right singular vectors of ``X M^1/2`` over all channels and taps, maps them back by
    ``M^-1/2`` and makes them orthonormal.

    Returns:
        (rank, C) float64, orthonormal rows.

    Raises:
        RunError: fewer directions than ``rank`` carry anything.

    """
    whitening = Whitening(problem.moment.to(problem.weight.device))
    change = unconstrained_change(problem, whitening, ridge, split=split)
    return Spectrum.of(change, whitening).leading(rank, whitening)


def unconstrained_change(
    problem: Problem,
    whitening: Whitening,
    ridge: float = RIDGE,
    once: Once = anew,
    split: Split | None = None,
) -> Tensor:
    """The ridge solution without a rank constraint, times the layer's scale.

    Where pictures have gains of their own, it is the convolution that is sought: targets are
    divided by each picture's gain, and pictures weigh by the mean square of their channels' gains,
    as they do in the loss. Gains are taken as they are before the edit. Of a very large problem's
    positions those that keep their values are thinned (see
    :func:`redraft.solve.positions.choose`).

    Args:
        problem: what is asked for; ``preserve`` and the loss do not matter.
        whitening: of its moment.
        ridge: weight of the second moment.
        once: finds normal matrices and their factorisations, or makes them.
        split: the pictures in groups; the matrices of a small problem are then sums over these.

    Returns:
        (O, C, kh, kw) float64, the change of pre-activation for each unit of key.

    """
    weight = problem.weight
    channels, keys, height, width = weight.shape
    # Laid out as it is written here, and read by Spectrum.
    change = weight.new_zeros(channels, height, width, keys, dtype=torch.float64)
    phases = problem.form.phases
    # Several sets of positions read them; for a single one they need not be held.
    held = None if len(phases) == 1 else _missing(problem)
    if isinstance(held, Iterator):
        held = list(held)

    def solve(number: int) -> Tensor:
        missing = _missing(problem) if held is None else held
        asked = _ridge_at(problem, phases[number], missing, whitening, ridge)
        if split is not None and not asked.large:
            asked = replace(asked, normal=partial(split.normal, problem, phases[number], number))
        return asked.solve(once, number)

    unknowns = keys * max(len(phase.taps) for phase in phases)
    apart = side_by_side(weight.device) if _is_small(problem, unknowns) else map
    for phase, solved in zip(phases, apart(solve, range(len(phases))), strict=True):
        by_tap = solved.reshape(channels, keys, len(phase.taps))
        for tap, (ky, kx) in enumerate(phase.taps):
            change[:, ky, kx] = by_tap[:, :, tap]
    return change.permute(0, 3, 1, 2)


def _is_small(problem: Problem, unknowns: int) -> bool:
    """Whether several sets of positions may be in memory at once, each on one core."""
    positions = problem.weights.numel() // len(problem.form.phases)
    return unknowns * max(unknowns, positions) <= SMALL


def _ridge_at(
    problem: Problem,
    phase: Positions,
    missing: Iterable[Tensor],
    whitening: Whitening,
    ridge: float,
) -> Ridge:
    """The problem of one set of positions."""
    taps = len(phase.taps)
    chosen = choose([phase], problem, positions_for(problem.weight.shape[1] * taps))
    share = chosen.share[0, 0]
    target = chosen.by_channel([phase], missing)[0]
    gains = problem.form.gains(problem.goal.inputs, problem.weight)
    if len(gains) > 1:
        target = target * spread((problem.scale / gains).T, chosen.counts)
        loud = loudness(problem)
        share = share.double() * spread((loud / loud.mean())[None], chosen.counts)[0]

    def unfold(maps: Iterable[Tensor], some: Tensor | None) -> Tensor:
        return (chosen if some is None else chosen.where(some)).design([phase], maps)[0]

    return Ridge(share, target, unfold, problem.goal.inputs.keys, whitening, taps, ridge)


def _missing(problem: Problem) -> Iterable[Tensor]:
    """What pre-activations lack, (O, H, W) picture by picture."""
    values, now, slope = problem.goal.values, responses(problem), problem.form.negative_slope
    if isinstance(now, Tensor):
        return wanted_response(values, now, slope).sub_(now)
    return (wanted_response(*each, slope) - each[1] for each in zip(values, now, strict=True))
