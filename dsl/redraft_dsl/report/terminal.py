"""Diagnostics for people: the source line, a caret under the place, and the remedy."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.source import Source, Span

WIDTH = 100
"""Columns of source text that are shown; a longer line is cut around the caret."""

_TAB = "    "
_RESET = "\x1b[0m"
_STYLES = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "note": "\x1b[1;36m",
    "gutter": "\x1b[1;34m",
    "strong": "\x1b[1m",
}


class Cell(NamedTuple):
    """One character as it is shown, and the columns it takes."""

    text: str
    width: int


class Snippet(NamedTuple):
    """A source line ready to print, and where the caret goes below it."""

    line: str
    indent: int
    length: int


def render(diagnostics: Iterable[Diagnostic], source: Source, *, color: bool = False) -> str:
    """All diagnostics as text, an empty line between two, with a line end after the last.

    ANSI colours only if asked for. Control characters of the source are shown as escapes, so
    the text can go to a terminal whatever the recipe holds.
    """
    painter = _Painter(color)
    return "\n".join(_one(diagnostic, source, painter) for diagnostic in diagnostics)


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """``2 errors, 1 warning``, or ``no problems``."""
    errors = sum(1 for diagnostic in diagnostics if diagnostic.is_error)
    counts = ((errors, "error"), (len(diagnostics) - errors, "warning"))
    said = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n]
    return ", ".join(said) or "no problems"


class _Painter:
    """Puts colour around text, or leaves it as it is."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def __call__(self, style: str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if self.color and text else text


def _one(diagnostic: Diagnostic, source: Source, paint: _Painter) -> str:
    head = paint(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
    lines = [head + paint("strong", f": {visible(diagnostic.message)}")]
    digits = _gutter_width(diagnostic, source)
    bar = " " * digits + " " + paint("gutter", "|")
    if diagnostic.span is None:
        lines.append(f"{' ' * digits}{paint('gutter', '-->')} {visible(source.path)}")
    else:
        lines += _place(
            diagnostic.span, diagnostic.label, source, digits, "^", diagnostic.severity, paint
        )
    if diagnostic.help:
        if diagnostic.span is not None:
            lines.append(bar)
        lines.append(_remark("help", diagnostic.help, digits, paint))
    for note in diagnostic.notes:
        if note.span is None:
            lines.append(_remark("note", note.message, digits, paint))
        else:
            lines.append(paint("note", "note") + f": {visible(note.message)}")
            place = note.span.source or source
            lines += _place(note.span, "", place, digits, "-", "note", paint)
    return "".join(line.rstrip() + "\n" for line in lines)


def _remark(kind: str, text: str, digits: int, paint: _Painter) -> str:
    return f"{' ' * digits} {paint('gutter', '=')} {paint('strong', kind)}: {visible(text)}"


def _gutter_width(diagnostic: Diagnostic, source: Source) -> int:
    spans = [diagnostic.span, Span(0, 0), *(note.span for note in diagnostic.notes)]
    lines = ((span.source or source).position(span.start).line for span in spans if span)
    return max(len(str(line)) for line in lines)


def _place(
    span: Span, label: str, source: Source, digits: int, mark: str, style: str, paint: _Painter
) -> Iterator[str]:
    line, column = source.position(span.start)
    bar = " " * digits + " " + paint("gutter", "|")
    yield f"{' ' * digits}{paint('gutter', '-->')} {visible(source.path)}:{line}:{column}"
    yield bar
    snippet = _snippet(span, source)
    yield f"{paint('gutter', f'{line:>{digits}} |')} {snippet.line}"
    pointer = mark * snippet.length + (f" {visible(label)}" if label else "")
    yield f"{bar} {' ' * snippet.indent}{paint(style, pointer)}"


def _snippet(span: Span, source: Source) -> Snippet:
    """The first line of a span, cut to ``WIDTH`` columns around it if it is longer."""
    position = source.position(span.start)
    text = source.line(position.line)
    start = position.column - 1
    stop = min(max(start + span.end - span.start, start + 1), max(len(text), start + 1))
    # Nothing further away than WIDTH characters can be shown, so nothing further is looked at.
    first = max(0, start - WIDTH)
    cells = [cell(character) for character in text[first : start + 2 * WIDTH]]
    start, stop = start - first, min(stop - first, start - first + 2 * WIDTH)
    before = sum(c.width for c in cells[:start])
    length = max(sum(c.width for c in cells[start:stop]), 1)
    total = sum(c.width for c in cells)
    if first == 0 and total <= WIDTH:
        return Snippet("".join(c.text for c in cells), before, length)
    return _cut(cells, start, length, first > 0)


def _cut(cells: list[Cell], start: int, length: int, more: bool) -> Snippet:
    left = start
    room = max(WIDTH // 3, WIDTH - length - 20) if length < WIDTH else WIDTH // 5
    shown = 0
    while left > 0 and shown + cells[left - 1].width <= min(room, WIDTH // 2):
        left -= 1
        shown += cells[left].width
    head = "…" if left > 0 or more else ""
    used, right = len(head) + shown, start
    while right < len(cells) and used + cells[right].width < WIDTH:
        used += cells[right].width
        right += 1
    tail = "…" if right < len(cells) else ""
    indent = len(head) + shown
    line = head + "".join(c.text for c in cells[left:right]) + tail
    return Snippet(line, indent, max(min(length, used - indent), 1))


def cell(character: str) -> Cell:
    """A character as it is shown: tabs as spaces, what cannot be seen as an escape."""
    if " " <= character <= "~":
        return Cell(character, 1)
    if character == "\t":
        return Cell(_TAB, len(_TAB))
    category = unicodedata.category(character)
    if category[0] == "C" or category in ("Zl", "Zp"):
        escape = f"\\u{{{ord(character):x}}}"
        return Cell(escape, len(escape))
    if category in ("Mn", "Me"):
        return Cell(character, 0)
    return Cell(character, 2 if unicodedata.east_asian_width(character) in "WF" else 1)


def visible(text: str) -> str:
    """Text on one line in which nothing can move the cursor or change colours."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(cell(character).text for character in text)
