"""``redraft bench settings``: what a user sees when one setting of a rule changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redraft.bench.cases import Case, Row
from redraft.bench.effect import MEASURES, Trial, Variant, Yardstick
from redraft.explain.words import silent
from redraft.runs.watch import Progress
from redraft_dsl.recipe.model import Insert, Place, Preserve, Side

VALUES: Mapping[str, tuple[object, ...]] = {
    "rank": (1, 4, 8, 16),
    "preserve": (0.0, 0.1, 0.3, 1.0, 3.0),
    "side": (2.0, 5.0, 10.0),
    "keep": (0.0, 1.0, 3.0, 10.0),
    "contrast": (0.0, 0.4, 0.8, 1.0),
    "directions": ("context", "svd", "units", "goal"),
    "strength": (0.5, 1.0, 1.5, 2.0),
    "paste": ("one", "four", "each context"),
}
"""The settings that are shown, and the values that each is given while all else stays."""


@dataclass(frozen=True)
class SettingTrial:
    """A rule with one setting changed: which, to what, and what came of it."""

    setting: str
    value: str
    trial: Trial

    @property
    def row(self) -> Row:
        """The figures by name."""
        found = self.trial.row
        shown = {name: found[name] for name in found if name.startswith((*MEASURES, "null"))}
        return {"rule": found["rule"], "setting": self.setting, "value": self.value, **shown}


def bench_settings(case: Case, progress: Progress = silent) -> list[SettingTrial]:
    """Solve a recipe's first rule with one setting changed at a time."""
    yardstick = Yardstick.of(case)
    trials = []
    for number, (setting, values) in enumerate(VALUES.items()):
        progress(f"{setting} of {case.rule.name}", number, len(VALUES))
        for value in values:
            name = f"{value:g}%" if setting == "side" else _word(value)
            solved = yardstick.solved(Variant(name, changed(case.rule, setting, value)))
            trials.append(SettingTrial(setting, name, solved))
    return trials


def changed(rule: Insert, setting: str, value: Any) -> Insert:
    """The rule with one setting changed."""
    marked = tuple(context for context in rule.context if isinstance(context, Place))
    match setting, value:
        case "preserve", weight:
            return rule.model_copy(update={"restraint": Preserve(weight=weight)})
        case "side", percent:
            return rule.model_copy(update={"restraint": Side(percent=percent)})
        case "paste", "one":
            return rule.model_copy(update={"paste": marked[:1]})
        case "paste", "four":
            return rule.model_copy(update={"paste": marked[:4]})
        case _:
            return rule.model_copy(update={setting: value})


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
