"""Numbers for the report's small drawings, in the units of their view boxes."""

from __future__ import annotations

from dataclasses import dataclass

from redraft.explain import words
from redraft.plans.record import RuleRecord

WIDTH = 200.0
"""Width of a bar's view box."""
HEIGHT = 60.0
"""Height of the view box of the singular values."""
PITCH = 14.0


@dataclass(frozen=True)
class Bar:
    """A figure with its interval, on a scale from 0 to ``most``.

    ``length``, ``low`` and ``high`` are in view-box units (0..WIDTH); ``shown``, ``shown_low`` and
    ``shown_high`` are the figures as text.
    """

    name: str
    shown: str
    shown_low: str
    shown_high: str
    most: str
    length: float
    low: float
    high: float
    meaning: str


@dataclass(frozen=True)
class Spectrum:
    """Singular values as bars: (x, y, height, text) of each; how many hold nine tenths."""

    bars: tuple[tuple[float, float, float, str], ...]
    width: float
    enough: int


def measure_bars(record: RuleRecord) -> tuple[Bar, ...]:
    """Share, amplitude and outside of a rule; none where nothing was measured."""
    bars = []
    if record.share is not None:
        meaning = (
            "The part of unseen pictures that changed in the way the goal asks for "
            "(correlation above 0.3 inside the region)."
        )
        bars.append(_bar("Share", record.share, record.share_interval, 1.0, meaning, True))
    if record.amplitude is not None:
        meaning = (
            "How far they changed, on average: at 1 a picture changes as strongly as the goal "
            "changes the contexts."
        )
        bars.append(_bar("Amplitude", record.amplitude, record.amplitude_interval, 1.0, meaning))
    if record.outside is not None:
        meaning = (
            "How much the rest of the picture moved: mean absolute change outside the grown "
            "region, where pictures run from -1 to 1. Less is better."
        )
        bars.append(_bar("Outside", record.outside, record.outside_interval, 0.1, meaning))
    return tuple(bars)


def spectrum(values: tuple[float, ...]) -> Spectrum | None:
    """The bars of some singular values, largest first; None where there are none above 0."""
    most = max(values, default=0.0)
    if most <= 0:
        return None
    bars = tuple(
        (place * PITCH, HEIGHT - HEIGHT * value / most, HEIGHT * value / most, f"{value:.3g}")
        for place, value in enumerate(values)
    )
    total, sum_so_far, enough = sum(value**2 for value in values), 0.0, 0
    while sum_so_far < 0.9 * total:
        sum_so_far += values[enough] ** 2
        enough += 1
    return Spectrum(bars, len(values) * PITCH, enough)


def percent(value: float) -> str:
    """A share as per cent that no line is broken in."""
    return words.percent(value, "\N{NO-BREAK SPACE}")


def left_out_bars(record: RuleRecord) -> tuple[Bar, ...]:
    """Left-out agreement and gain of a rule, with their spread; none where they are unknown."""
    found = record.left_out
    if found is None:
        return ()
    bars = []
    if found.agreement is not None:
        meaning = (
            "How well the change of contexts that were left out agrees with what was asked for: "
            "the estimate before any new picture is drawn."
        )
        bars.append(_spread("Left-out agreement", found.agreement, found.agreement_spread, meaning))
    meaning = (
        f"Solved on a part of the contexts, the rule reached {percent(found.gain)} of its goal on "
        f"those left out, and moved their other values by {percent(found.side)} of what the goal "
        "asks for inside."
    )
    return (*bars, _spread("Left-out gain", found.gain, found.gain_spread, meaning))


def _spread(name: str, value: float, spread: float, meaning: str) -> Bar:
    return _bar(name, value, (value - spread, value + spread), 1.0, meaning)


def _bar(
    name: str,
    value: float,
    interval: tuple[float, float] | None,
    scale: float,
    meaning: str,
    share: bool = False,
) -> Bar:
    low, high = interval or (value, value)
    most = max(scale, high)
    text = percent if share else lambda figure: f"{figure:.{2 if scale == 1.0 else 3}f}"
    return Bar(
        name=name,
        shown=text(value),
        shown_low=text(low),
        shown_high=text(high),
        most=text(most),
        length=_along(value, most),
        low=_along(low, most),
        high=_along(high, most),
        meaning=meaning,
    )


def _along(value: float, most: float) -> float:
    return round(WIDTH * min(max(value / most, 0.0), 1.0), 2)
