"""Means over pictures, and how sure they are.

All is over pictures alone: the rule, its contexts and its wish are held fixed, so an interval does
not say what marking other contexts would give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from redraft.judge.chance import DRAWS

CORRELATION = 0.3
"""Least correlation with the wish at which a picture counts as changed."""
RESAMPLES = 1000
NORMAL = 1.959964
"""Standard deviations on each side of a mean that hold 95 % of a normal distribution."""
STUDENT = 2.365
"""The same of Student's distribution with one degree of freedom less than there are draws."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval over pictures."""

    value: float
    low: float
    high: float


def wilson(followed: int, count: int) -> Interval:
    """A share with its 95 % interval (Wilson 1927); 0 to 1 of no pictures at all."""
    if count == 0:
        return Interval(0.0, 0.0, 1.0)
    share, square = followed / count, NORMAL**2 / count
    middle = (share + square / 2) / (1 + square)
    reach = (share * (1 - share) * square + square**2 / 4) ** 0.5 / (1 + square)
    # Of none and of all it is exact; rounding must not move its end.
    low = 0.0 if followed == 0 else middle - reach
    return Interval(share, low, 1.0 if followed == count else middle + reach)


def share_of(correlation: Tensor, counts: NDArray[np.bool_]) -> Interval:
    """The share of the pictures that count whose correlation is above the limit."""
    followed = (correlation > CORRELATION).numpy()[counts]
    return wilson(int(followed.sum()), len(followed))


def null_of(correlation: Tensor, counts: NDArray[np.bool_]) -> Interval:
    """The share of random edits, each judged on every eighth picture.

    The interval is that of the pictures, widened by how much the edits differ among each other
    beyond what their few pictures explain: it is to hold the share of one more random edit.
    """
    whole = share_of(correlation, counts)
    parts = [share_of(correlation[d::DRAWS], counts[d::DRAWS]).value for d in range(DRAWS)]
    sizes = [int(counts[d::DRAWS].sum()) for d in range(DRAWS)]
    shares = [share for share, size in zip(parts, sizes, strict=True) if size]
    if len(shares) < 2:
        return whole
    explained = whole.value * (1 - whole.value) * float(np.mean([1 / s for s in sizes if s]))
    spread = max(0.0, float(np.var(shares, ddof=1)) - explained)
    reach = STUDENT * (spread * (1 + 1 / len(shares))) ** 0.5
    return Interval(whole.value, max(0.0, whole.low - reach), min(1.0, whole.high + reach))


def bootstrap(values: NDArray[np.float64], seed: int) -> Interval:
    """The mean of (N,) values with its interval; equal seeds give equal intervals."""
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile([values[draw].mean() for draw in draws], (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))


def ratio(sums: NDArray[np.float64], counts: NDArray[np.float64], seed: int = 0) -> Interval:
    """What pictures have in all over how many there are of it, with its interval over pictures.

    Args:
        sums: (N,) of each picture.
        counts: (N,), how many are added up in each.
        seed: of the bootstrap.

    Returns:
        NaN where nothing is counted in any of them.

    """
    some = counts > 0
    if not some.any():
        return Interval(float("nan"), float("nan"), float("nan"))
    sums, counts = sums[some], counts[some]
    draws = np.random.default_rng(seed).integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = np.quantile(sums[draws].sum(1) / counts[draws].sum(1), (0.025, 0.975))
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high))
