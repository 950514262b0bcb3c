"""A sweep as a page: a row for each cell, the same pictures in each, the figures beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup
from torch import Tensor

from redraft.explain.words import percent
from redraft.judge.verdict import Verdict
from redraft.judge.words import headline
from redraft.plans.run_files import REPORT
from redraft.show.pictures import Tile
from redraft.show.report.figures import Figure, data_url, figures
from redraft.show.report.render import page_style, templates_of
from redraft.sweep.best import Best
from redraft.sweep.cells import names_of
from redraft.sweep.summary import CellRecord, RuleFigures, SweepRecord

SIDE = 128
"""Pictures are no larger than this many pixels: there are many of them."""


@dataclass(frozen=True)
class RuleLine:
    """One rule of a cell: its name, what is seen of it, its verdict and its figures as texts."""

    name: str
    seen: str
    verdict: Verdict
    share: str
    amplitude: str
    outside: str


@dataclass(frozen=True)
class Row:
    """One cell: its values, its pictures as data URLs, and what came of it."""

    cell: CellRecord
    values: tuple[tuple[str, str], ...]
    pictures: tuple[str, ...]
    rules: tuple[RuleLine, ...]
    report: str
    best: bool


def render(
    record: SweepRecord,
    pictures: Sequence[Sequence[Tensor]],
    copied: Tile | None,
    best: Best | None,
) -> str:
    """The page as HTML text, which needs nothing else.

    Args:
        record: of the sweep.
        pictures: the originals, and then those of each cell that did not fail, (3, H, W) in
            -1..1; cells beyond these have none.
        copied: what the first rule copies, with its outline; None where nothing is copied.
        best: the cell to begin with, and why.

    """
    names = names_of(record.axes)
    originals = pictures[0] if pictures else ()
    found: list[Figure] = list(figures([copied] if copied else []))
    return (
        templates_of("redraft.sweep")
        .get_template("gallery.html")
        .render(
            record=record,
            axes=[names[target] for target in record.axes],
            rows=_rows(record, pictures[1:], best),
            originals=[data_url(each, SIDE) for each in originals],
            labels=[f"picture {index}" for index in record.shown],
            copied=found[0] if found else None,
            best=best,
            css=Markup(page_style()),
            own=Markup(_text("gallery.css")),
        )
    )


def _rows(
    record: SweepRecord, pictures: Sequence[Sequence[Tensor]], best: Best | None
) -> list[Row]:
    names, drawn = names_of(record.axes), iter(pictures)
    return [
        Row(
            cell,
            tuple((names[target], value) for target, value in cell.values.items()),
            tuple(data_url(each, SIDE) for each in (next(drawn, ()) if cell.error is None else ())),
            tuple(map(_line, cell.rules)),
            f"{cell.folder}/{REPORT}",
            best is not None and best.number == cell.number,
        )
        for cell in record.cells
    ]


def _line(rule: RuleFigures) -> RuleLine:
    found = rule.judgement
    return RuleLine(
        rule.name,
        headline(found, rule.share, rule.amplitude, space="\N{NO-BREAK SPACE}"),
        found,
        "-" if rule.share is None else percent(rule.share, "\N{NO-BREAK SPACE}"),
        "-" if rule.amplitude is None else f"{rule.amplitude:.2f}",
        "-" if rule.outside is None else f"{rule.outside:.3f}",
    )


def _text(name: str) -> str:
    return (resources.files("redraft.sweep") / "templates" / name).read_text(encoding="utf-8")
