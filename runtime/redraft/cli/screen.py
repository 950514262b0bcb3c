"""What a terminal gets and a file does not: colour, tables as wide as the window, progress."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import click

from redraft.cli.layout import WHOLE, Column, Fit, Rows, fits, table, tables
from redraft.cli.progress import Reporter, bars_on
from redraft.explain.terminal import error_text, paint
from redraft_dsl.report.terminal import render, visible, wrapped

if TYPE_CHECKING:
    from redraft_dsl.report.diagnostics import Diagnostic
    from redraft_dsl.source import Source

__all__ = ["COLOR_KEY", "OBEYED", "Column", "Reporter", "Screen", "terminal_width"]

COLOR_KEY = "redraft.color"
OBEYED = "its lock was obeyed"
"""What every command says of a recipe whose lock it obeyed."""
UNKNOWN_WIDTH = 80
"""Columns of a terminal that does not say how many it has."""
PLAIN_WIDTH = 160
"""Columns of a table that does not go to a terminal: wide enough for every row of a log."""


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

    @property
    def width(self) -> int | None:
        """Columns of the terminal that results go to; None if it is none: lines are whole then."""
        return terminal_width(sys.stdout)

    @property
    def error_width(self) -> int | None:
        """The same of standard error."""
        return terminal_width(sys.stderr)

    @property
    def table_width(self) -> int:
        """Columns of a table: of the terminal, or what COLUMNS says, or enough for a log."""
        return shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns

    def say(self, text: str) -> None:
        """Print a result, with a line end; on a terminal it is broken between words."""
        self.show(wrapped(text, self.width))

    def show(self, text: str) -> None:
        """Print what has its lines already, or must not be broken."""
        sys.stdout.write(text + "\n")

    def json(self, found: object) -> None:
        """Print plain data as JSON; characters that standard output cannot take are escaped."""
        self.show(json.dumps(found, indent=1, ensure_ascii=not self.unicode))

    def file(self, what: str, path: object, note: str = "") -> None:
        """Print what was done with a file, as in ``written: NAME (2 masks)``."""
        self.say(f"{what}: {visible(str(path))}" + (f" ({note})" if note else ""))

    def written(self, form: str, path: object, note: str = "", **more: object) -> None:
        """Print that a file was written, as text or, where ``form`` is json, with ``more``."""
        if form == "json":
            self.json({"written": str(path), **more})
        else:
            self.file("written", path, note)

    def next(self, *commands: str) -> None:
        """Say on a terminal how to go on; each command has a line of its own, to be copied."""
        if commands and sys.stdout.isatty():
            self.show(
                "\n".join([self.paint("faint", "next:"), *(f"  {each}" for each in commands)])
            )

    def remark(self, text: str) -> None:
        """Print something that is not the result to standard error."""
        sys.stderr.write(wrapped(text, self.error_width) + "\n")

    def paint(self, style: str, text: str) -> str:
        """Text for standard output in a style."""
        return paint(style, text, self.color)

    def heading(self, text: str, *, first: bool = False) -> None:
        """Print a heading, an empty line before it unless nothing was printed yet."""
        self.say(("" if first else "\n") + self.paint("strong", visible(text)))

    def warn(self, text: str) -> None:
        """Print a warning to standard error."""
        self.remark(paint("warning", "warning", self.error_color) + f": {visible(text)}")

    def warn_all(self, texts: Iterable[str]) -> None:
        """Print several warnings."""
        for text in texts:
            self.warn(text)

    def diagnostics(self, found: Iterable[Diagnostic], source: Source) -> None:
        """Print what is wrong with a recipe to standard error."""
        color, width = self.error_color, self.error_width
        sys.stderr.write(render(found, source, color=color, width=width) + "\n")

    def error(self, code: str, message: str, remedy: str | None) -> None:
        """Print an error and its remedy to standard error."""
        sys.stderr.write(error_text(code, message, remedy, self.error_color, self.error_width))

    @property
    def unicode(self) -> bool:
        """Whether standard output takes every character."""
        return (sys.stdout.encoding or "").lower().startswith("utf")

    @property
    def ellipsis(self) -> str:
        """What stands for the rest of a text."""
        return "…" if self.unicode else "..."

    def table(self, columns: Sequence[Column], rows: Rows, fit: Fit = WHOLE) -> None:
        """Print a table; nothing in a cell is read as markup."""
        width, unicode = self.table_width, self.unicode
        self.show(table(columns, rows, width, unicode=unicode, color=self.color, fit=fit))

    def tables(self, columns: Sequence[Column], groups: Mapping[str, Rows], fit: Fit) -> None:
        """Print several tables in one layout, each with its heading, where it has one."""
        width, unicode = self.table_width, self.unicode
        rows = list(groups.values())
        made = tables(columns, rows, width, unicode=unicode, color=self.color, fit=fit)
        for number, (title, text) in enumerate(zip(groups, made, strict=True)):
            if title:
                self.heading(title, first=number == 0)
            self.show(text)

    def fits(self, columns: Sequence[Column], rows: Rows) -> bool:
        """Whether all columns of a table have room side by side."""
        return fits(columns, rows, self.table_width)

    def _colored(self, stream: TextIO) -> bool:
        if self.choice != "auto":
            return self.choice == "always"
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return stream.isatty() and not plain

    def begin(self, what: str) -> None:
        """Say at once, before anything that takes long is loaded, that it is being done."""
        if not quiet():
            self.remark(visible(what))
            sys.stderr.flush()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Say of what is interrupted that nothing is lost."""
        try:
            yield
        except KeyboardInterrupt:
            self.remark("interrupted; the same command goes on from what is finished")
            raise

    @contextmanager
    def progress(self) -> Iterator[Reporter]:
        """Show progress on standard error while the block runs.

        On a terminal these are bars; elsewhere a line for each phase, unless REDRAFT_QUIET is set.
        """
        if not self.lively:
            yield Reporter(None, None if quiet() else self.remark)
            return
        with bars_on(self.error_color) as bars:
            yield Reporter(bars)


def terminal_width(stream: TextIO) -> int | None:
    """Columns of the terminal that a stream goes to; None where it is none."""
    if not stream.isatty():
        return None
    with contextlib.suppress(ValueError):
        if (said := int(os.environ.get("COLUMNS", ""))) > 0:
            return said
    try:
        return os.get_terminal_size(stream.fileno()).columns or UNKNOWN_WIDTH
    except (OSError, ValueError):
        return UNKNOWN_WIDTH


def quiet() -> bool:
    """Whether REDRAFT_QUIET asks for no lines about progress."""
    return os.environ.get("REDRAFT_QUIET", "") not in ("", "0")
