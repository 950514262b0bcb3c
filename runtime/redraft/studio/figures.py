"""What is measured of rules, as figures and as the words that report and terminal use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from redraft.edit.artifact import Edit
from redraft.judge.leftout import LeftOut
from redraft.judge.words import strength_words
from redraft.live.answer import Answer
from redraft.memory.placed import PlacedRule
from redraft.plans.record import RuleRecord
from redraft.show.report.sentences import NBSP, shared_keys, verdict, warning_text

Figures = dict[str, dict[str, Any]]
"""By the name of the rule."""


def placed_figures(answer: Answer, edit: Edit) -> Figures:
    """What the matches of each rule found, and the size of its change."""
    placed = answer.placed(0)
    return {
        delta.rule: {"rank": delta.rank, "found": list(_found(placed[delta.rule]))}
        for delta in edit.deltas
        if delta.rule in placed
    }


def _found(rule: PlacedRule) -> Iterator[dict[str, Any]]:
    for example, match in zip(rule.examples, rule.matches, strict=True):
        x0, y0, x1, y1 = example.box()
        for place in match:
            down, across = place.shift
            box = [x0 + across, y0 + down, x1 + across, y1 + down]
            yield {"index": place.index, "score": place.score, "box": box}


def leftout_figures(found: Mapping[str, LeftOut | None]) -> Figures:
    """Gain, side effect and agreement on the contexts that were left out."""
    return {
        name: {}
        if left is None
        else {"gain": left.gain, "side": left.side, "agreement": left.agreement}
        for name, left in found.items()
    }


def record_figures(records: tuple[RuleRecord, ...]) -> Figures:
    """The share of new pictures, with its verdict and its warnings."""
    return {record.name: _record(record) for record in records}


def _record(record: RuleRecord) -> dict[str, Any]:
    said = verdict(record)
    return {
        "share": record.share,
        "interval": record.share_interval,
        "amplitude": record.amplitude,
        "strength": ""
        if record.amplitude is None
        else strength_words(record.judgement, record.amplitude, NBSP),
        "judged": record.judged,
        # A share of the range from -1 to 1.
        "outside": None if record.outside is None else record.outside / 2,
        "badge": said.badge,
        "tone": said.tone,
        "sentence": f"{record.name} {said.rest}",
        "warnings": [
            {"problem": each.problem, "remedy": each.remedy}
            for each in map(warning_text, record.warnings)
        ],
        "interference": {
            name: {"cosine": cosine, "words": shared_keys(cosine)}
            for name, cosine in record.interference.items()
        },
    }
