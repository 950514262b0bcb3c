"""What a report is made from: the record of a run, its recipe's text, and pictures."""

from __future__ import annotations

from dataclasses import dataclass

from redraft.plans.record import RuleRecord, RunRecord
from redraft.show.pictures import Tile
from redraft.show.report.places import MODEL, RUN
from redraft.show.sheets import Band

BAND_CONTEXTS = 11
"""Contexts on a before-and-after sheet, for each rule."""


@dataclass(frozen=True)
class RuleView:
    """One rule with its pictures.

    Attributes:
        record: its results.
        copy: what is drawn, with its outline; None where nothing is copied.
        contexts: in the order of the record, with outlines, and the goal where it is set there.
        protected: what the rule must leave alone, with outlines.
        unseen: pictures that no rule saw, before and after this rule; a typical one first.
        least: those of all that were judged which it takes effect on least, likewise.
        best_matches: found places with their heat maps, best first.

    """

    record: RuleRecord
    copy: Tile | None = None
    contexts: tuple[Tile, ...] = ()
    protected: tuple[Tile, ...] = ()
    unseen: tuple[Tile, ...] = ()
    least: tuple[Tile, ...] = ()
    best_matches: tuple[Tile, ...] = ()


@dataclass(frozen=True)
class ReportData:
    """A whole run.

    Attributes:
        record: what ``run.json`` holds.
        recipe_text: the recipe as its author wrote it.
        rules: in the order in which they ran.
        whole: unseen pictures, the base network against the one with every rule applied.
        run_folder: how the run's folder is named in commands to repeat it.
        model: how the unedited model is named in them.
        code: how the code that makes it is named in them; None where it needs none.

    """

    record: RunRecord
    recipe_text: str
    rules: tuple[RuleView, ...]
    whole: tuple[Tile, ...] = ()
    run_folder: str = RUN
    model: str = MODEL
    code: str | None = None

    def bands(self) -> tuple[Band, ...]:
        """The bands of the run's before-and-after sheet: each rule's contexts, then the unseen."""
        bands = []
        for view in self.rules:
            copied = () if view.copy is None else (view.copy,)
            title = f"{view.record.name} at {view.record.layer}: "
            title += "copy source and contexts" if copied else "contexts"
            bands.append(Band(title, copied + view.contexts[:BAND_CONTEXTS]))
        unseen = "New pictures"
        if self.whole:
            bands.append(Band(f"{unseen}, all rules applied", self.whole))
        else:
            bands += [Band(f"{unseen}: {v.record.name}", v.unseen) for v in self.rules]
        return tuple(bands)
