"""What a layer remembers: the second moment of its keys, streamed over many latents.

``C = E[k k^T]`` over all positions of N pictures (Bau et al. 2020, section 3.3; uncentred).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.memory.threads import on_one_core
from redraft.models.generator import Generator

BATCH = 100
BLOCK_POSITIONS = 4096
"""Positions of a large map whose products are summed in the keys' dtype; beyond, in float64."""
STRIPES = 4
"""Parts that the products of large maps are formed in, so that few of them are formed twice."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """A moment M and its roots, from one eigendecomposition.

    Eigenvalues below ``floor`` times the largest are raised to it, so that dead channels and
    small samples give large but finite weights. Both roots have the same floor, so they are
    inverse to each other.

    Attributes:
        moment: (C, C) float64, symmetric positive semidefinite.
        floor: see above.

    """

    moment: Tensor
    floor: float = 1e-6

    @cached_property
    def root(self) -> Tensor:
        """``M^1/2`` (C, C)."""
        values, vectors = self._eigen
        return (vectors * values.sqrt()) @ vectors.T

    @cached_property
    def inverse_root(self) -> Tensor:
        """``M^-1/2`` (C, C)."""
        values, vectors = self._eigen
        return (vectors * values.rsqrt()) @ vectors.T

    @cached_property
    def _eigen(self) -> tuple[Tensor, Tensor]:
        values: Tensor
        vectors: Tensor
        values, vectors = on_one_core(torch.linalg.eigh, self.moment)
        return values.clamp_min(values[-1].clamp_min(1e-300) * self.floor), vectors


@dataclass(frozen=True)
class Moment:
    """A second moment: ``matrix`` (C, C) float64, and how many keys it is the mean over."""

    matrix: Tensor
    keys: int

    @cached_property
    def whitening(self) -> Whitening:
        """The matrix with its roots."""
        return Whitening(self.matrix)


@dataclass(frozen=True)
class Products:
    """What a batch of so many latents adds: (C, C) float64 and the number of keys, by layer."""

    latents: int
    sums: dict[str, Tensor]
    keys: dict[str, int]


def second_moments(
    generator: Generator,
    batches: Iterable[Tensor],
    layers: Sequence[str],
    progress: Callable[[int], None] | None = None,
) -> dict[str, Moment]:
    """Second moments of several layers in one pass over the latents.

    Memory does not grow with the number of latents. Products are taken in the keys' own
    dtype, sums over batches (of large maps, over pictures too) in float64.

    Args:
        generator: run only up to the last of the layers.
        batches: latents (n, latent_size) on the generator's device.
        layers: canonical names.
        progress: called with the number of latents of each finished batch.

    Raises:
        RunError: a key is not finite, or there are no latents.

    """
    return summed(map(partial(products, generator, layers), batches), layers, progress)


def products(generator: Generator, layers: Sequence[str], latents: Tensor) -> Products:
    """What the keys of one batch of latents (n, latent_size) add to the moments."""
    found = {layer: each.keys for layer, each in generator.inputs(latents, layers).items()}
    return Products(
        len(latents),
        # On two cores the sums would have other bits.
        {layer: on_one_core(outer_sum, keys) for layer, keys in found.items()},
        {layer: keys[:, 0].numel() for layer, keys in found.items()},
    )


def summed(
    parts: Iterable[Products],
    layers: Sequence[str],
    progress: Callable[[int], None] | None = None,
) -> dict[str, Moment]:
    """The moments of what batches add, summed in the order of the batches.

    So the bits do not depend on where each of the batches was computed. Raises as
    :func:`second_moments`.
    """
    sums: dict[str, Tensor] = {}
    counts = dict.fromkeys(layers, 0)
    for part in parts:
        for layer, product in part.sums.items():
            sums[layer] = sums[layer].add_(product) if layer in sums else product
            counts[layer] += part.keys[layer]
        if progress is not None:
            progress(part.latents)
    for layer in layers:
        if layer not in sums:
            raise RunError("RD501", "statistics need at least one latent", "raise `count`")
        if not bool(torch.isfinite(sums[layer]).all()):
            raise RunError(
                "RD502",
                f"the keys of {layer} hold NaN or infinite numbers",
                "the model's weights are damaged, or the latents are far outside its range",
            )
    return {layer: Moment(sums[layer] / counts[layer], counts[layer]) for layer in sums}


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
