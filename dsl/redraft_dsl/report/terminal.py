"""Diagnostics for people: the source line, a caret under the place, and the remedy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.source import Source, Span

WIDTH = 100
"""Columns of source text that are shown; a longer line is cut around the caret."""

HANG = 2
"""Columns before the second and every further line of what was one line."""

LEAST = 20
"""Columns of source text that are shown however narrow the terminal is."""

_TAB = "    "
_STYLE = re.compile("\x1b\\[[0-9;]*m")
_WORD = re.compile(" *[^ ]+")
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


def render(
    diagnostics: Iterable[Diagnostic],
    source: Source,
    *,
    color: bool = False,
    width: int | None = None,
) -> str:
    """All diagnostics as text, an empty line between two, with a line end after the last.

    With a ``width`` no line is longer, but for words that are: sentences are broken between words,
    and a source line is cut around its caret.

    ANSI colours only if asked for. Control characters of the source are shown as escapes, so
    the text can go to a terminal whatever the recipe holds.
    """
    painter = _Painter(color)
    return "\n".join(_one(diagnostic, source, painter, width) for diagnostic in diagnostics)


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


def _one(diagnostic: Diagnostic, source: Source, paint: _Painter, width: int | None) -> str:
    head = paint(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
    lines = [head + paint("strong", f": {visible(diagnostic.message)}")]
    digits = _gutter_width(diagnostic, source)
    bar = " " * digits + " " + paint("gutter", "|")
    if diagnostic.span is None:
        lines.append(f"{' ' * digits}{paint('gutter', '-->')} {visible(source.path)}")
    else:
        lines += _place(
            *(diagnostic.span, diagnostic.label, source, digits, "^", diagnostic.severity),
            *(paint, width),
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
            lines += _place(note.span, "", place, digits, "-", "note", paint, width)
    hangs = (digits + 3 if part.startswith(" ") else HANG for part in lines)
    folded = (wrapped(line, width, hang) for line, hang in zip(lines, hangs, strict=True))
    return "".join(line.rstrip() + "\n" for line in folded)


def _remark(kind: str, text: str, digits: int, paint: _Painter) -> str:
    return f"{' ' * digits} {paint('gutter', '=')} {paint('strong', kind)}: {visible(text)}"


def _gutter_width(diagnostic: Diagnostic, source: Source) -> int:
    spans = [diagnostic.span, Span(0, 0), *(note.span for note in diagnostic.notes)]
    lines = ((span.source or source).position(span.start).line for span in spans if span)
    return max(len(str(line)) for line in lines)


def _place(
    span: Span,
    label: str,
    source: Source,
    digits: int,
    mark: str,
    style: str,
    paint: _Painter,
    width: int | None,
) -> Iterator[str]:
    line, column = source.position(span.start)
    bar = " " * digits + " " + paint("gutter", "|")
    yield f"{' ' * digits}{paint('gutter', '-->')} {visible(source.path)}:{line}:{column}"
    yield bar
    room = WIDTH if width is None else min(WIDTH, max(width - digits - 3, LEAST))
    snippet = _snippet(span, source, room)
    yield f"{paint('gutter', f'{line:>{digits}} |')} {snippet.line}"
    marks = mark * snippet.length
    if not label or snippet.indent + len(marks) + 1 + columns_of(visible(label)) <= room:
        pointer = marks + (f" {visible(label)}" if label else "")
        yield f"{bar} {' ' * snippet.indent}{paint(style, pointer)}"
        return
    yield f"{bar} {' ' * snippet.indent}{paint(style, marks)}"
    for part in wrapped(visible(label), room, 0).split("\n"):
        yield f"{bar} {paint(style, part)}"


def _snippet(span: Span, source: Source, room: int) -> Snippet:
    """The first line of a span, cut to ``room`` columns around it if it is longer."""
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
    if first == 0 and total <= room:
        return Snippet("".join(c.text for c in cells), before, length)
    return _cut(cells, start, length, first > 0, room)


def _cut(cells: list[Cell], start: int, length: int, more: bool, room: int) -> Snippet:
    left = start
    ahead = max(room // 3, room - length - 20) if length < room else room // 5
    shown = 0
    while left > 0 and shown + cells[left - 1].width <= min(ahead, room // 2):
        left -= 1
        shown += cells[left].width
    head = "…" if left > 0 or more else ""
    used, right = len(head) + shown, start
    while right < len(cells) and used + cells[right].width < room:
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


def columns_of(text: str) -> int:
    """Columns that a line takes; colour takes none."""
    plain = _STYLE.sub("", text)
    return len(plain) if plain.isascii() else sum(cell(character).width for character in plain)


def wrapped(text: str, width: int | None, hang: int = HANG) -> str:
    """Every line of a text broken between words, its further parts indented by ``hang`` more.

    A word that is longer than ``width`` has a line of its own. Without a width all stays as it is.
    """
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _parts(line, width, hang))


def _parts(line: str, width: int, hang: int) -> list[str]:
    if columns_of(line) <= width:
        return [line]
    margin = " " * (len(line) - len(line.lstrip(" ")) + hang)
    done, current = [], ""
    for word in _WORD.findall(line):
        if current.strip() and columns_of(current + word) > width:
            done.append(current)
            current = margin + word.lstrip(" ")
        else:
            current += word
    return [*done, current]


def visible(text: str) -> str:
    """Text on one line in which nothing can move the cursor or change colours."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(cell(character).text for character in text)
