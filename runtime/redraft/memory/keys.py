"""Where a rule lives: key directions from the context regions.

Bau et al. 2020, section 3.3 and the authors' code: keys inside the context are whitened by the
layer's second moment, and their leading directions span the subspace that an edit may touch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from redraft.errors import RunError
from redraft.memory.moments import Whitening, key_rows
from redraft.models.batches import at_once
from redraft.models.generator import LayerInputs


@dataclass(frozen=True)
class ContextKeys:
    """The keys inside the context regions.

    Attributes:
        rows: (n, C) float64, the keys where the coverage is above 0.
        weights: (n,) float64, their coverage in 0..1.

    """

    rows: Tensor
    weights: Tensor


def context_keys(inputs: LayerInputs, coverage: Tensor) -> ContextKeys:
    """Collect the keys inside the regions.

    Args:
        inputs: the layer's inputs for the context pictures, N of them.
        coverage: (N, h, w) in 0..1 at the keys' resolution.

    """
    weights = coverage.to(inputs.keys.device, torch.float64).reshape(-1)
    inside = weights > 0
    if not bool(inside.any()):
        raise RunError(
            "RD503",
            "the context regions hold no key of the layer",
            "draw them larger, or choose a layer with a finer grid",
        )
    return ContextKeys(key_rows(inputs.keys)[inside].double(), weights[inside])


def elsewhere_moment(inputs: LayerInputs, coverage: Tensor, margin: int = 1) -> Tensor:
    """Second moment (C, C) float64 of the keys outside the slightly grown context regions.

    This is what the user's masks say about where the rule does not belong. Where the grown
    regions leave no key at all, the margin is given up; where the regions cover everything, the
    keys are weighted by what is not covered, and the result may be zero.

    Args:
        inputs: the layer's inputs for the context pictures, N of them.
        coverage: (N, h, w) in 0..1 at the keys' resolution.
        margin: positions by which each region is grown.

    """
    covered = coverage.to(inputs.keys.device, torch.float64)
    for reach in range(margin, -1, -1):
        outside = (grow(covered, reach) <= 0).double().reshape(-1)
        if bool(outside.any()):
            break
    else:
        outside = (1 - covered).reshape(-1)
    rows, total = key_rows(inputs.keys), outside.sum().clamp_min(1e-12)
    size = at_once(rows.shape[1])
    parts = zip(torch.split(rows, size), torch.split(outside, size), strict=True)
    sums = [_weighed(part.double(), weights) for part, weights in parts]
    return torch.stack(sums).sum(0) / total if len(sums) > 1 else sums[0] / total


def _weighed(rows: Tensor, weights: Tensor) -> Tensor:
    """(C, C), the sum of weighted outer products of rows (n, C)."""
    return (rows * weights[:, None]).T @ rows


def grow(coverage: Tensor, reach: int) -> Tensor:
    """(N, h, w) coverage, each place raised to the largest within ``reach`` positions."""
    size = 2 * reach + 1
    # Along one axis after the other: a square of 205, as of 1024 px, takes sixty times longer.
    down = functional.max_pool2d(coverage[:, None], (size, 1), stride=1, padding=(reach, 0))
    return functional.max_pool2d(down, (1, size), stride=1, padding=(0, reach))[:, 0]


def mix_moments(everywhere: Tensor, elsewhere: Tensor, contrast: float) -> Tensor:
    """``(1 - contrast) C + contrast C_elsewhere``: what whitening and preserve go by.

    With contrast 0 it is the paper's C, bit for bit.
    """
    if contrast == 0:
        return everywhere
    return (1 - contrast) * everywhere + contrast * elsewhere


def whitened_directions(keys: ContextKeys, whitening: Whitening, rank: int) -> Tensor:
    """The authors' ``zca``: leading directions of the whitened keys, mapped back.

    ``C^-1/2 k`` weighted by coverage; its top right singular vectors; times ``C^-1/2``; made
    orthonormal; signs agree with the mean. For one key and rank 1 this is ``C^-1 k`` normalised,
    the paper's update direction.

    Returns:
        (rank, C) float64, orthonormal rows.

    """
    whiten = whitening.inverse_root
    rows = (keys.rows @ whiten) * keys.weights[:, None]
    directions = _leading(rows, rank) @ whiten
    return _agree(orthonormal(directions), rows.sum(0))


def svd_directions(keys: ContextKeys, whitening: Whitening, rank: int) -> Tensor:
    """The authors' ``svd``: leading directions of ``C^-1 k``, keys weighted by coverage."""
    rows = _inverted(keys, whitening)
    directions = orthonormal(_leading(rows, rank))
    mean = rows.mean(0)
    sign = torch.where(directions[:1] @ mean < 0, -1.0, 1.0)
    return torch.cat([directions[:1] * sign[:, None], directions[1:]])


def mean_direction(keys: ContextKeys, whitening: Whitening) -> Tensor:
    """The authors' ``mean``: the mean of ``C^-1 k``, normalised. (1, C) float64."""
    return functional.normalize(_inverted(keys, whitening).mean(0, keepdim=True), dim=1)


def directions_of(method: str, keys: ContextKeys, whitening: Whitening, rank: int) -> Tensor:
    """Directions by a method's name: ``svd``, ``mean`` or ``context``; (rank, C), or one row."""
    match method:
        case "svd":
            return svd_directions(keys, whitening, rank)
        case "mean":
            return mean_direction(keys, whitening)
        case _:
            return whitened_directions(keys, whitening, rank)


def unit_directions(keys: ContextKeys, population: Tensor, rank: int) -> Tensor:
    """The channels whose activations are most unusual inside the regions (GAN dissection).

    The score of a channel is the coverage-weighted mean of ``-log(1 - quantile)`` of its
    activations; quantiles are counted over ``population``. Of equal activations it is the middle
    one's, so a channel that is always 0, as after a ReLU, is not unusual anywhere.

    Args:
        keys: keys inside the regions.
        population: (n, C) keys of many positions, any float dtype.
        rank: how many channels.

    Returns:
        (rank, C) float64, one 1 in each row.

    """
    ordered = population.double().T.contiguous().sort(1).values
    rows = keys.rows.T.contiguous()
    first, last = (torch.searchsorted(ordered, rows, right=end) for end in (False, True))
    surprise = -torch.log1p(-(first + last).double() / 2 / (ordered.shape[1] + 1))
    scores = (surprise * keys.weights).sum(1) / keys.weights.sum()
    chosen = scores.sort(descending=True, stable=True).indices[:rank]
    directions = torch.zeros(rank, keys.rows.shape[1], dtype=torch.float64, device=scores.device)
    directions[torch.arange(rank), chosen] = 1.0
    return directions


def unusual_units(keys: ContextKeys, moment: Tensor, count: int) -> Tensor:
    """The ``count`` channels with the largest mean of ``k^2 / E[k^2]`` inside the regions.

    The authors' choice of units to silence in an erase. Returns (count,) channel numbers.
    """
    scale = moment.diagonal().clamp_min(1e-12)
    scores = (keys.weights[:, None] * keys.rows.square() / scale).sum(0) / keys.weights.sum()
    return scores.sort(descending=True, stable=True).indices[:count]


def _inverted(keys: ContextKeys, whitening: Whitening) -> Tensor:
    whiten = whitening.inverse_root
    return (keys.rows * keys.weights[:, None]) @ whiten @ whiten


def _leading(rows: Tensor, rank: int) -> Tensor:
    """The top right singular vectors of (n, C) rows, (rank, C)."""
    right: Tensor = torch.linalg.svd(rows, full_matrices=False)[2]
    if right.shape[0] < rank:
        raise RunError(
            "RD504",
            f"rank {rank} needs {rank} context positions, and there are {right.shape[0]}",
            "add contexts, draw them larger, or lower `rank`",
        )
    return right[:rank]


def orthonormal(directions: Tensor) -> Tensor:
    """Orthonormal rows (S, C) with the span of rows (S, C)."""
    found: Tensor = torch.linalg.qr(directions.T)[0]
    return found.T.contiguous()


def _agree(directions: Tensor, mean: Tensor) -> Tensor:
    """Flip every direction that points against ``mean``; singular vectors have no sign."""
    signs = torch.where(directions @ mean < 0, -1.0, 1.0).to(directions)
    return directions * signs[:, None]
