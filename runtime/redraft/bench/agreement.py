"""Figures of left-out pictures beside those of unseen ones, and how well they agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redraft.bench.ranking import RankRow, rank_row
from redraft.bench.scatter import Panel, Point


@dataclass(frozen=True)
class PairRow:
    """One rule at one layer: three figures of left-out pictures, three of unseen ones.

    Attributes:
        rule: the recipe's file name.
        layer: where it was solved.
        gain: left-out gain, as a run reports it.
        gain_spread: its standard deviation over folds.
        side: left-out side effect, as a run reports it.
        side_spread: its standard deviation over folds.
        left_share: share of the left-out pictures that change as wished.
        left_correlation: their mean correlation with the wish.
        left_amplitude: their mean amplitude.
        share: of unseen pictures that change as wished.
        share_interval: 95 %, by bootstrap over pictures.
        amplitude: mean over unseen pictures.
        outside: mean over unseen pictures.

    """

    rule: str
    layer: str
    gain: float
    gain_spread: float
    side: float
    side_spread: float
    left_share: float
    left_correlation: float
    left_amplitude: float
    share: float
    share_interval: tuple[float, float]
    amplitude: float
    outside: float


@dataclass(frozen=True)
class SideRow:
    """The left-out side effects of one preserve, over some pairs.

    Attributes:
        layers: which layers the pairs lie at.
        pairs: how many.
        least: smallest side effect.
        most: largest side effect.
        most_by_least: their ratio.
        from_center: largest factor between a pair and the geometric centre of the two.

    """

    layers: str
    pairs: int
    least: float
    most: float
    most_by_least: float
    from_center: float


@dataclass(frozen=True)
class ChosenRow:
    """What ``side`` chose for one rule, and what it came to on unseen pictures."""

    rule: str
    layer: str
    wanted: float
    preserve: float
    left_side: float
    unseen_side: float
    unseen_by_wanted: float


def rank_rows(pairs: Sequence[PairRow]) -> Iterator[RankRow]:
    """How well figures of left-out pictures order the pairs as those of unseen ones do."""
    compared = (
        ("gain", "share"),
        ("left_share", "share"),
        ("left_correlation", "share"),
        ("gain", "amplitude"),
        ("left_amplitude", "amplitude"),
    )
    for statistic, against in compared:
        first, second = ([float(getattr(row, name)) for row in pairs] for name in
                         (statistic, against))  # fmt: skip
        yield rank_row(statistic.replace("_", " "), against, first, second)


def side_rows(pairs: Sequence[PairRow]) -> Iterator[SideRow]:
    """The range of the side effects: at each layer, and over all of them."""
    layers = list(dict.fromkeys(row.layer for row in pairs))
    for group in [*([layer] for layer in layers if len(layers) > 1), layers]:
        sides = [row.side for row in pairs if row.layer in group]
        ratio = max(sides) / max(min(sides), 1e-12)
        yield SideRow(", ".join(group), len(sides), min(sides), max(sides), ratio, ratio**0.5)


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
