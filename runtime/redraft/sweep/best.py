"""Which cell of a sweep to begin with, and why. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redraft.explain.words import percent
from redraft.judge.verdict import Tone
from redraft.sweep.summary import CellRecord

NEAR = 0.05
"""Shares that differ by no more than this count as equal: their intervals overlap."""
DEAR = 0.15
"""Cells that do less by no more than this part for what they change elsewhere count as equal.

More strength always costs a little more than it gives; by that alone the faintest would win.
"""


@dataclass(frozen=True)
class Best:
    """The number of a cell, and why it is the one to begin with, in a sentence."""

    number: int
    reason: str


@dataclass(frozen=True)
class _Figures:
    number: int
    share: float
    amplitude: float
    ratio: float
    tone: Tone


def best_of(cells: Sequence[CellRecord]) -> Best | None:
    """The strongest of the cells that take effect widely and change little elsewhere for it.

    Of several rules in a cell the one that does worst counts. None where nothing was measured, or
    every cell is too faint to see.
    """
    measured = [found for found in map(_figures, cells) if found is not None]
    known = [found for found in measured if found.tone not in ("poor", "unknown")]
    if not known:
        return None
    most = max(each.share for each in known)
    near = [each for each in known if each.share >= most - NEAR]
    cheap = max(each.ratio for each in near) * (1 - DEAR)
    chosen = max((each for each in near if each.ratio >= cheap), key=lambda each: each.amplitude)
    reason = f"it takes effect on {percent(chosen.share)} of new pictures"
    if percent(chosen.share) != percent(most):
        reason += f", within {100 * NEAR:.0f} points as widely as any ({percent(most)})"
    if max(each.share for each in measured) > most:
        reason += "; cells with more are too faint, do no more than chance, or are not known"
    if len(known) > 1:
        reason += "; it is the strongest of those that change least elsewhere for what they do"
        reason += f" (amplitude {chosen.amplitude:.2f}, {chosen.ratio:.0f} times outside)"
    return Best(chosen.number, reason)


def _figures(cell: CellRecord) -> _Figures | None:
    found = []
    for rule in cell.rules:
        if rule.share is None or rule.amplitude is None or rule.outside is None:
            return None
        ratio = rule.amplitude / max(rule.outside, 1e-9)
        tone = rule.judgement.tone
        found.append(_Figures(cell.number, rule.share, rule.amplitude, ratio, tone))
    if not found:
        return None
    tones = [each.tone for each in found]
    worst: Tone = next((each for each in ("poor", "unknown") if each in tones), tones[0])
    share, ratio = min(each.share for each in found), min(each.ratio for each in found)
    amplitude = min(each.amplitude for each in found)
    return _Figures(cell.number, share, amplitude, ratio, worst)
