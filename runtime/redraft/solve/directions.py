"""Directions from the goal: reduced-rank regression (past the paper).

The paper takes D from the context alone. What the weight ought to do with the goal says more: the
ridge problem without a rank constraint has one small normal matrix for all output channels, and
the leading right singular vectors of its solution, measured in the metric of what the layer
remembers, are the directions that a low-rank edit needs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.solve.problem import Problem
from redraft.statistics import inverse_root, root

RIDGE = 4.0
"""Weight of the second moment in the unconstrained problem."""


def goal_directions(problem: Problem, rank: int, ridge: float = RIDGE) -> Tensor:
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
    return reduced_rank(unconstrained_change(problem, ridge), problem.moment, rank)


def reduced_rank(change: Tensor, moment: Tensor, rank: int) -> Tensor:
    """The leading ``rank`` key directions of a weight change, in the metric of ``moment``.

    Args:
        change: (O, C, kh, kw) float64.
        moment: (C, C) float64.
        rank: how many.

    """
    rows = change.permute(0, 2, 3, 1).reshape(-1, change.shape[1])
    _, values, right = torch.linalg.svd(rows @ root(moment), full_matrices=False)
    carrying = int((values > 1e-12 * values[0].clamp_min(1e-300)).sum())
    if carrying < rank:
        raise RunError(
            "RD508",
            f"rank {rank} asks for more directions than the goal has ({carrying})",
            "lower `rank`, add contexts, or use `directions context`",
        )
    mapped: Tensor = right[:rank] @ inverse_root(moment)
    orthonormal: Tensor = torch.linalg.qr(mapped.T)[0]
    return orthonormal.T.contiguous()


def unconstrained_change(problem: Problem, ridge: float = RIDGE) -> Tensor:
    """The ridge solution without a rank constraint, times the layer's scale.

    Returns:
        (O, C, kh, kw) float64, the change of pre-activation for each unit of key.

    """
    form, weight, goal = problem.form, problem.weight, problem.goal
    response = form.response(goal.inputs, weight)
    wanted = wanted_response(goal.values, response, form.negative_slope) - response
    change = torch.zeros(weight.shape, dtype=torch.float64, device=weight.device)
    moment = problem.moment.to(weight.device)
    for phase in form.phases:
        share = phase.of(problem.weights).reshape(-1)
        used = share > 0
        design = phase.unfold(goal.inputs.keys)[used].double()
        target = phase.of(wanted).permute(1, 0, 2).reshape(weight.shape[0], -1)[:, used].double()
        weighted = design * share[used].double()[:, None]
        taps = torch.eye(len(phase.taps), dtype=torch.float64, device=weight.device)
        normal = weighted.T @ design + ridge * torch.kron(moment, taps)
        solved = _solve(normal, weighted.T @ target.T)
        by_tap = solved.T.reshape(weight.shape[0], weight.shape[1], len(phase.taps))
        for tap, (ky, kx) in enumerate(phase.taps):
            change[:, :, ky, kx] = by_tap[:, :, tap]
    return change


def wanted_response(values: Tensor, response: Tensor, negative_slope: float) -> Tensor:
    """Pre-activations that give ``values``; of several that do, the one nearest to ``response``."""
    if negative_slope > 0:
        return torch.where(values > 0, values, values / negative_slope)
    return torch.where(values > 0, values, response.clamp_max(0.0))


def _solve(normal: Tensor, right: Tensor) -> Tensor:
    """Cholesky, lifted off its null space by a diagonal at the level of float64 rounding."""
    lift = 1e-10 * normal.diagonal().mean().clamp_min(1e-300)
    factor, failed = torch.linalg.cholesky_ex(
        normal + lift * torch.eye(normal.shape[0], dtype=normal.dtype, device=normal.device)
    )
    if int(failed):
        raise RunError(
            "RD509",
            "the keys of the goal are too alike to find directions in",
            "add contexts, or use `directions context`",
        )
    return torch.cholesky_solve(right, factor)
