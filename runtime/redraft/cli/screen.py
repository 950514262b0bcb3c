"""What a terminal gets and a file does not: colour, tables as wide as the window, progress."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import click

from redraft.explain.terminal import paint
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

COLOR_KEY = "redraft.color"
PLAIN_WIDTH = 160
"""Columns of a table that does not go to a terminal: wide enough for every row of a log."""


@dataclass(frozen=True)
class Column:
    """One column of a table; numbers go to the right."""

    title: str
    right: bool = False


@dataclass(frozen=True)
class Screen:
    """Where results and remarks go. ``choice`` is what ``--color`` says."""

    choice: str

    @staticmethod
    def current() -> Screen:
        """The screen of the command that is running."""
        return Screen.of(click.get_current_context())

    @staticmethod
    def of(context: click.Context) -> Screen:
        """The screen of a command."""
        return Screen(context.meta.get(COLOR_KEY, "auto"))

    @property
    def color(self) -> bool:
        """Whether results are coloured."""
        return self._colored(sys.stdout)

    @property
    def error_color(self) -> bool:
        """Whether remarks on standard error are coloured."""
        return self._colored(sys.stderr)

    @property
    def lively(self) -> bool:
        """Whether progress can be drawn."""
        return sys.stderr.isatty() and self.error_color

    def say(self, text: str) -> None:
        """Print a result, with a line end."""
        sys.stdout.write(text + "\n")

    def json(self, found: object) -> None:
        """Print plain data as JSON; characters that standard output cannot take are escaped."""
        plain = not (sys.stdout.encoding or "").lower().startswith("utf")
        self.say(json.dumps(found, indent=1, ensure_ascii=plain))

    def file(self, what: str, path: object, note: str = "") -> None:
        """Print what was done with a file, as in ``written: NAME (2 masks)``."""
        self.say(f"{what}: {visible(str(path))}" + (f" ({note})" if note else ""))

    def remark(self, text: str) -> None:
        """Print something that is not the result to standard error."""
        sys.stderr.write(text + "\n")

    def paint(self, style: str, text: str) -> str:
        """Text for standard output in a style."""
        return paint(style, text, self.color)

    def heading(self, text: str) -> None:
        """Print a heading, an empty line before it."""
        self.say("\n" + self.paint("strong", visible(text)))

    def warn(self, text: str) -> None:
        """Print a warning to standard error."""
        self.remark(paint("warning", "warning", self.error_color) + f": {visible(text)}")

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; nothing in a cell is read as markup."""
        self.say(self._table(columns, rows))

    def _table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
        import io

        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        grid = Table(
            box=box.SIMPLE_HEAD if unicode else box.ASCII2,
            header_style="bold",
            show_edge=False,
            pad_edge=False,
        )
        for column in columns:
            grid.add_column(
                Text(column.title), justify="right" if column.right else "left", overflow="fold"
            )
        for row in rows:
            grid.add_row(*(Text(visible(cell)) for cell in row))
        file = io.StringIO()
        console = Console(
            file=file,
            width=shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns,
            force_terminal=self.color,
            color_system="standard" if self.color else None,
            no_color=not self.color,
            legacy_windows=False,
            _environ={},
        )
        console.print(grid)
        return "\n".join(line.rstrip() for line in file.getvalue().splitlines())

    def _colored(self, stream: TextIO) -> bool:
        if self.choice != "auto":
            return self.choice == "always"
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return stream.isatty() and not plain

    @contextmanager
    def progress(self) -> Iterator[Reporter]:
        """Draw progress on standard error while the block runs, if that is a terminal."""
        if not self.lively:
            yield Reporter(None)
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        console = Console(stderr=True, no_color=not self.error_color)
        text = TextColumn("{task.description}", markup=False)
        with Progress(
            text, BarColumn(), TaskProgressColumn(), Elapsed(), console=console, transient=True
        ) as bars:
            yield Reporter(bars)


class Reporter:
    """Turns the progress that the runtime reports into bars, one for each thing it does."""

    def __init__(self, bars: RichProgress | None) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def step(self, what: str, done: int, total: int) -> None:
        """As ``redraft.runs.watch.Progress``."""
        self._show(what, done, total)

    def overall(self, what: str, done: int, total: int) -> None:
        """One bar for a long task; ``what`` says what of it is being done, and changes."""
        if self._bars is not None:
            self._show("", done, total)
            text = visible(what) if what else "done"
            self._bars.update(self._tasks[""], description=f"{done} of {total} done; {text}")

    def download(self, stage: str, done: int | None, total: int | None) -> None:
        """As ``redraft.models.listed.download.Progress``."""
        names = {"download": "fetching the model", "verify": "checking the model's hash"}
        self._show(names.get(stage, "unpacking the model"), done, total)

    def _show(self, what: str, done: int | None, total: int | None) -> None:
        if self._bars is None:
            return
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(visible(what), total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)
