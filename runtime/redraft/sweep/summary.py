"""What a sweep leaves in ``sweep.json``, and the same as a table."""

from __future__ import annotations

from collections.abc import Sequence

from redraft.judge.verdict import Verdict
from redraft.plans.record import Frozen, LeftOutRecord, Measured, RuleRecord, RunRecord, verdict_of
from redraft.show.numbers import NONE, left_out, losses, measures
from redraft.sweep.cells import Cell, names_of

SWEEP_FORMAT = "redraft-sweep-1"
RIGHT = ("share", "amplitude", "outside", "left-out gain / side", "agreement", "loss", "seconds")
"""Titles of the columns with figures."""


class CellFailure(Frozen):
    """Why a cell failed."""

    code: str
    message: str
    help: str | None


class RuleFigures(Measured):
    """One rule's figures in one cell, as its run's record has them (see redraft.plans.record)."""

    name: str
    layer: str
    rank: int
    preserve: float
    share: float | None
    share_interval: tuple[float, float] | None
    amplitude: float | None
    amplitude_interval: tuple[float, float] | None
    outside: float | None
    outside_interval: tuple[float, float] | None
    left_out: LeftOutRecord | None
    loss_before: float
    loss_after: float
    solve_seconds: float
    null_interval: tuple[float, float] | None = None
    elsewhere: float | None = None
    misaimed: bool = False

    @property
    def judgement(self) -> Verdict:
        """The verdict that comes of these figures."""
        return verdict_of(self)


class CellRecord(Frozen):
    """One cell: its values, where its run lies, and what came of it.

    ``before`` says that it was finished before this sweep and was not run again. A cell that
    failed has an ``error`` and no rules. ``seconds`` is the wall time of its run.
    """

    number: int
    values: dict[str, str]
    folder: str
    before: bool
    seconds: float
    rules: tuple[RuleFigures, ...]
    error: CellFailure | None = None


class SweepRecord(Frozen):
    """The whole sweep.

    ``axes`` has what is varied and over which values. ``shown`` are the images on the sheet.
    ``lock`` is the sha256 of the lock beside the recipe, if it was obeyed, and ``searched`` names
    the rules that searched all the same, since the sweep varies what they search.
    """

    format: str = SWEEP_FORMAT
    recipe: str
    version: str
    title: str
    sweep: str
    axes: dict[str, tuple[str, ...]]
    given: dict[str, str]
    model: str
    evaluated_on: str
    evaluated_count: int
    lock: str | None = None
    searched: tuple[str, ...] = ()
    processes: int
    cells: tuple[CellRecord, ...]
    shown: tuple[int, ...]
    seconds: float

    @property
    def failed(self) -> tuple[CellRecord, ...]:
        """The cells without a result."""
        return tuple(cell for cell in self.cells if cell.error is not None)


def finished_cell(cell: Cell, record: RunRecord, *, before: bool) -> CellRecord:
    """The record of a cell whose run is there."""
    return CellRecord(
        number=cell.number,
        values=dict(cell.values),
        folder=cell.folder,
        before=before,
        seconds=record.seconds,
        rules=tuple(map(_figures, record.rules)),
    )


def failed_cell(cell: Cell, failure: CellFailure, seconds: float) -> CellRecord:
    """The record of a cell that failed."""
    return CellRecord(
        number=cell.number,
        values=dict(cell.values),
        folder=cell.folder,
        before=False,
        seconds=seconds,
        rules=(),
        error=failure,
    )


def _figures(rule: RuleRecord) -> RuleFigures:
    return RuleFigures(**{name: getattr(rule, name) for name in RuleFigures.model_fields})


def table(record: SweepRecord) -> tuple[list[str], list[list[str]]]:
    """Titles and rows: one row for each rule of each cell."""
    names = names_of(record.axes)
    rules = {rule.name for cell in record.cells for rule in cell.rules}
    several = ["rule"] if len(rules) > 1 else []
    titles = ["cell", *(names[target] for target in record.axes), *several, *RIGHT]
    rows = []
    for cell in record.cells:
        own = [str(cell.number), *cell.values.values()]
        if cell.error is not None:
            blank = [NONE] * (len(several) + len(RIGHT) - 1)
            rows.append([*own, f"failed: {cell.error.code}", *blank])
        for rule in cell.rules:
            rows.append([*own, *([rule.name] if several else []), *_row(rule)])
    return titles, rows


def markdown(record: SweepRecord, picture: str | None) -> str:
    """The table as a page, with the picture and a link to every cell's report."""
    titles, rows = table(record)
    lines = [
        f"# {record.recipe} {record.version}: {record.sweep}",
        "",
        record.title,
        "",
        _line(titles),
        "|---" * len(titles) + "|",
        *map(_line, rows),
        "",
    ]
    if picture is not None:
        lines += [f"![the same pictures after every cell's edit]({picture})", ""]
    for cell in record.cells:
        if cell.error is None:
            lines.append(f"- [cell {cell.number}]({cell.folder}/report.html)")
        else:
            lines.append(f"- cell {cell.number} failed: {_plain(cell.error.message)}")
    return "\n".join(lines) + "\n"


def _row(rule: RuleFigures) -> list[str]:
    agreement = None if rule.left_out is None else rule.left_out.agreement
    return [
        *measures(rule),
        left_out(rule.left_out),
        NONE if agreement is None else f"{agreement:.2f}",
        losses(rule.loss_before, rule.loss_after),
        f"{rule.solve_seconds:.1f}",
    ]


def _line(words: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, words))} |"


def _plain(text: str) -> str:
    """Text that means nothing else in a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
