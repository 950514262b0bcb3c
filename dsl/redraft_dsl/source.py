"""Recipe text and places in it: offsets, lines and columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Span(NamedTuple):
    """A half-open range of character offsets into a source text.

    ``source`` is that text where it is another one than the text under examination.
    """

    start: int
    end: int
    source: Source | None = None

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of ``other``."""
        return Span(self.start, other.end, self.source)

    def of(self, source: Source) -> Span:
        """The same place, which is in ``source`` unless it is known to be in another text."""
        return self if self.source else Span(self.start, self.end, source)

    def within(self, source: Source) -> Span:
        """The same place as ``source`` itself sees it when it is examined."""
        return Span(self.start, self.end) if self.source is source else self


NOWHERE = Span(0, 0)
"""The span of what was made and not read."""


class Edit(NamedTuple):
    """A change of a text: what stands at ``span`` becomes ``text``."""

    span: Span
    text: str


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text after edits that do not overlap; of two at one place, the first comes first."""
    parts, at = [], 0
    for edit in sorted(edits, key=lambda each: each.span[:2]):
        parts += [text[at : edit.span.start], edit.text]
        at = edit.span.end
    return "".join([*parts, text[at:]])


class Position(NamedTuple):
    """A place as editors count: line and column both start at 1, columns count characters."""

    line: int
    column: int


@dataclass(frozen=True)
class Source:
    """One recipe text and the name under which it is reported.

    ``text`` uses LF line ends and has no byte order mark; ``decode`` sees to that.
    """

    path: str
    text: str

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """Offset of the first character of every line."""
        starts = [0]
        at = self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return tuple(starts)

    def position(self, offset: int) -> Position:
        """Line and column of an offset; offsets outside the text are moved to its ends."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self.line_starts, offset)
        return Position(line, offset - self.line_starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """The text of a line (from 1), without its line end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end]


def normalise(text: str) -> str:
    """Drop a byte order mark and turn CRLF and lone CR into LF."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
