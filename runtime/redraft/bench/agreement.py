"""Figures of left-out pictures beside those of unseen ones, and how well they agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redraft.bench.cases import Row
from redraft.show.scatter import Panel, Point

RESAMPLES = 2000
COMPARED = (
    ("gain", "share"),
    ("left_share", "share"),
    ("left_correlation", "share"),
    ("gain", "amplitude"),
    ("left_amplitude", "amplitude"),
)
"""Figures of left-out pictures, and those of unseen pictures that they should go with."""


def rank_rows(pairs: Sequence[Row]) -> Iterator[Row]:
    """How well figures of left-out pictures order the pairs as those of unseen ones do."""
    for statistic, against in COMPARED:
        first, second = ([float(row[name]) for row in pairs] for name in (statistic, against))
        yield rank_row(statistic.replace("_", " "), against, first, second)


def rank_row(
    statistic: str, against: str, first: Sequence[float], second: Sequence[float], seed: int = 0
) -> Row:
    """Spearman's correlation of two figures, with a 95 % interval by bootstrap over the pairs.

    It is seeded, so that it repeats. A drawn sample in which one figure is the same throughout
    says nothing, and is left out.
    """
    table = np.array([first, second], dtype=np.float64)
    draws = np.random.default_rng(seed).integers(0, table.shape[1], (RESAMPLES, table.shape[1]))
    found = [each for draw in draws if (each := spearman(*table[:, draw])) is not None]
    low, high = np.quantile(found, (0.025, 0.975)) if found else (-1.0, 1.0)
    return {
        "statistic": statistic,
        "against": against,
        "pairs": table.shape[1],
        "spearman": spearman(*table) or 0.0,
        "interval": (float(low), float(high)),
    }


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


def side_rows(pairs: Sequence[Row]) -> Iterator[Row]:
    """The range of the left-out side effects: at each layer, and over all of them.

    ``from_center`` is the largest factor between a pair and the geometric centre of the range.
    """
    layers = list(dict.fromkeys(row["layer"] for row in pairs))
    for group in [*([layer] for layer in layers if len(layers) > 1), layers]:
        sides = [row["side"] for row in pairs if row["layer"] in group]
        ratio = max(sides) / max(min(sides), 1e-12)
        yield {
            "layers": ", ".join(group),
            "pairs": len(sides),
            "least": min(sides),
            "most": max(sides),
            "most_by_least": ratio,
            "from_center": ratio**0.5,
        }


def panels(found: dict[str, Any]) -> tuple[Panel, ...]:
    """What ``bench_leftout`` found, to be drawn: two figures of left-out pictures against share."""
    return tuple(
        Panel(
            title,
            f"{title} of left-out pictures",
            "share of unseen pictures",
            tuple(
                Point(row[name], row["share"], row["rule"], row["layer"]) for row in found["pairs"]
            ),
        )
        for name, title in (("gain", "gain"), ("left_correlation", "correlation"))
    )
