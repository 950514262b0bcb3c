"""Progress: bars on a terminal, a line for each phase elsewhere. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

STATISTICS, MEASURING = "statistics of ", ": measuring on new pictures"
"""How the phases begin and end that count pictures."""
RULE = "rule "
"""How the phase begins that holds others: its count says how many rules are done."""
BARS = ((100, 40), (80, 24), (0, 10))
"""From how many columns on a bar has how many."""


@contextmanager
def bars_on(color: bool) -> Iterator[RichProgress]:
    """Bars on standard error; only their text is broken where there is too little room."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.table import Column

    console = Console(stderr=True, no_color=not color)
    wide = next(columns for least, columns in BARS if console.width >= least)
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column()),
        BarColumn(wide, table_column=Column(no_wrap=True, min_width=wide)),
        TextColumn("{task.fields[share]}", table_column=Column(no_wrap=True, min_width=5)),
        Elapsed(table_column=Column(no_wrap=True, min_width=7)),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield bars


class Reporter:
    """Turns the progress that the runtime reports into a bar for what is being done now.

    What is over is taken away, for the runtime says of few things that they are done.
    """

    def __init__(self, bars: RichProgress | None, say: Callable[[str], None] | None = None) -> None:
        self._bars = bars
        self._say = say
        self._said: set[str] = set()
        self._tasks: dict[str, TaskID] = {}

    def step(self, what: str, done: int, total: int) -> None:
        """As ``redraft.runs.watch.Progress``."""
        if what.startswith(RULE) and total > 1:
            self._line(f"{what}: {done + 1} of {total}")
            self._draw(RULE, f"{what}, {done + 1} of {total}", done, total)
            return
        if what.startswith(STATISTICS):
            self._line(f"{what}: {total} pictures")
        elif what.endswith(MEASURING):
            self._line(what.removesuffix("new pictures") + f"{total} new pictures")
        else:
            self._line(what)
        # Of one thing there is nothing to count until it is done.
        self._draw(what, what, done, total if total > 1 else None)

    def overall(self, what: str, done: int, total: int) -> None:
        """One bar for a long task; ``what`` says what of it is being done, and changes."""
        if done < total:
            self._line(f"{done} of {total} done; {what.partition(':')[0]}")
        self._draw("", f"{done} of {total} done" + (f"; {what}" if what else ""), done, total)

    def download(self, stage: str, done: int | None, total: int | None) -> None:
        """As ``redraft.models.listed.download.Progress``."""
        names = {"download": "fetching the model", "verify": "checking the model's hash"}
        what = names.get(stage, "unpacking the model")
        self._line(f"{what}: {total / 1e6:.1f} MB" if total else what)
        self._draw(what, what, done or 0, total)

    def _line(self, text: str) -> None:
        if self._say is not None and text not in self._said:
            self._said.add(text)
            self._say(visible(text))

    def _draw(self, key: str, text: str, done: int, total: int | None) -> None:
        if self._bars is None:
            return
        self._take_away(key)
        share = f"{100 * done / total:3.0f} %" if total else ""
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task("", total=total, completed=done, share=share)
        task, words = self._tasks[key], visible(text)
        self._bars.update(task, description=words, completed=done, total=total, share=share)

    def _take_away(self, key: str) -> None:
        """End every task but that of ``key`` and, for a part of a rule, the count of rules."""
        if self._bars is None:
            return
        within = ":" in key
        for other in [*self._tasks]:
            if other != key and not (other == RULE and within):
                self._bars.remove_task(self._tasks.pop(other))
