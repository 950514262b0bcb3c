"""Rank correlation with a bootstrap interval: whether one figure orders things as another does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000


@dataclass(frozen=True)
class RankRow:
    """Spearman's correlation of two figures over some pairs of rule and layer.

    ``interval`` is 95 %, by bootstrap over the pairs.
    """

    statistic: str
    against: str
    pairs: int
    spearman: float
    interval: tuple[float, float]


def rank_row(
    statistic: str, against: str, first: Sequence[float], second: Sequence[float], seed: int = 0
) -> RankRow:
    """Spearman's correlation of two figures, seeded so that it repeats.

    A drawn sample in which one figure is the same throughout says nothing, and is passed over.
    """
    table = np.array([first, second], dtype=np.float64)
    draws = np.random.default_rng(seed).integers(0, table.shape[1], (RESAMPLES, table.shape[1]))
    found = [each for draw in draws if (each := spearman(*table[:, draw])) is not None]
    low, high = np.quantile(found, (0.025, 0.975)) if found else (-1.0, 1.0)
    return RankRow(
        statistic, against, table.shape[1], spearman(*table) or 0.0, (float(low), float(high))
    )


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Correlation of the ranks; None where one of the two is the same throughout."""
    a, b = (_ranks(values) - (len(values) - 1) / 2 for values in (first, second))
    length = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / length if length > 0 else None


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = last - (counts + 1) / 2
    return means[place]
