"""What a layer remembers: the second moment of its keys, streamed over many latents.

``C = E[k k^T]`` over all positions of N pictures (Bau et al. 2020, section 3.3; uncentred).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.models.generator import Generator
from redraft.runs.processes import ALONE, Ranks

ESTIMATOR = "uncentred-second-moment-v2"
BATCH = 100
BLOCK_POSITIONS = 4096
"""Positions of a large map whose products are summed in the keys' dtype; beyond, in float64."""
STRIPES = 4
"""Parts that the products of large maps are formed in, so that few of them are formed twice."""


@dataclass(frozen=True)
class Moment:
    """A second moment: ``matrix`` (C, C) float64, and how many keys it is the mean over."""

    matrix: Tensor
    keys: int


def second_moments(
    generator: Generator,
    batches: Iterable[Tensor],
    layers: Sequence[str],
    progress: Callable[[int], None] | None = None,
    ranks: Ranks = ALONE,
) -> dict[str, Moment]:
    """Second moments of several layers in one pass over the latents.

    Memory does not grow with the number of latents. Products are taken in the keys' own
    dtype, sums over batches (of large maps, over pictures too) in float64. The batches are added
    up in their order, however many processes compute them, so the bits do not depend on that.

    Args:
        generator: run only up to the last of the layers.
        batches: latents (n, latent_size) on the generator's device.
        layers: canonical names.
        progress: called with the number of latents of each finished batch, in the first process.
        ranks: the processes to deal the batches out to; all of them get the moments.

    Raises:
        RunError: a key is not finite, or there are no latents.

    """
    sums: dict[str, Tensor] = {}
    counts = dict.fromkeys(layers, 0)
    for part in ranks.in_order(batches, partial(_part, generator, layers)):
        for layer, product in part.products.items():
            sums[layer] = sums[layer].add_(product) if layer in sums else product
            counts[layer] += part.keys[layer]
        if progress is not None:
            progress(part.latents)
    moments = ranks.from_first(
        lambda: {layer: Moment(sums[layer] / counts[layer], counts[layer]) for layer in sums}
    )
    _check(moments, layers)
    return moments


@dataclass(frozen=True)
class _Part:
    """What a batch of so many latents adds: (C, C) float64 and the number of keys, by layer."""

    latents: int
    products: dict[str, Tensor]
    keys: dict[str, int]


def _part(generator: Generator, layers: Sequence[str], latents: Tensor) -> _Part:
    found = {layer: each.keys for layer, each in generator.inputs(latents, layers).items()}
    return _Part(
        len(latents),
        {layer: outer_sum(keys) for layer, keys in found.items()},
        {layer: keys[:, 0].numel() for layer, keys in found.items()},
    )


def key_rows(keys: Tensor) -> Tensor:
    """(N, C, h, w) keys as (N * h * w, C) rows."""
    return keys.permute(0, 2, 3, 1).reshape(-1, keys.shape[1])


def outer_sum(keys: Tensor) -> Tensor:
    """(C, C) float64, the sum of ``k k^T`` over all positions of keys (N, C, h, w).

    Small maps are laid out anew and multiplied all at once. Larger ones are multiplied picture by
    picture as they lie in memory, in upper stripes that are mirrored afterwards.
    """
    channels, positions = keys.shape[1], keys.shape[2] * keys.shape[3]
    if positions < channels:
        rows = key_rows(keys)
        return (rows.T @ rows).double()
    found = torch.zeros(channels, channels, dtype=torch.float64, device=keys.device)
    width = -(-channels // STRIPES)
    for block in torch.split(keys.flatten(2), BLOCK_POSITIONS, 2):
        for start in range(0, channels, width):
            stripe = slice(start, start + width)
            products = block[:, stripe] @ block[:, start:].transpose(1, 2)
            found[stripe, start:] += products.sum(0, dtype=torch.float64)
    return found.triu() + found.triu(1).T


def _check(moments: dict[str, Moment], layers: Sequence[str]) -> None:
    for layer in layers:
        if layer not in moments:
            raise RunError("RD501", "statistics need at least one latent", "raise `count`")
        if not bool(torch.isfinite(moments[layer].matrix).all()):
            raise RunError(
                "RD502",
                f"the keys of {layer} hold NaN or infinite numbers",
                "the model's weights are damaged, or the latents are far outside its range",
            )


def inverse_root(matrix: Tensor, relative_floor: float = 1e-6) -> Tensor:
    """``M^-1/2`` of a symmetric positive semidefinite (C, C) float64 matrix.

    Eigenvalues below ``relative_floor`` times the largest are raised to it, so that dead channels
    and small samples give large but finite weights.
    """
    values, vectors = _floored_eigen(matrix, relative_floor)
    return (vectors * values.rsqrt()) @ vectors.T


def root(matrix: Tensor, relative_floor: float = 1e-6) -> Tensor:
    """``M^1/2``, with the same floor as :func:`inverse_root`, so that the two are inverse."""
    values, vectors = _floored_eigen(matrix, relative_floor)
    return (vectors * values.sqrt()) @ vectors.T


def _floored_eigen(matrix: Tensor, relative_floor: float) -> tuple[Tensor, Tensor]:
    values: Tensor
    vectors: Tensor
    values, vectors = torch.linalg.eigh(matrix)
    return values.clamp_min(values[-1].clamp_min(1e-300) * relative_floor), vectors
