"""Places as editors count them, and places as the language counts them.

An editor counts lines and code units of the text as it has it; the language counts characters of
the text with LF line ends and without a byte order mark. Lines are the same in both.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from lsprotocol import types

from redraft_dsl.source import Source, Span, normalise

_LINE_END = re.compile(r"\r\n|\r|\n")
_MARK = "\ufeff"


@dataclass(frozen=True)
class Text:
    """One state of a document.

    ``raw`` is what the editor has; ``encoding`` is the unit that columns are counted in.
    """

    raw: str
    path: str = "<text>"
    encoding: str = types.PositionEncodingKind.Utf16.value

    @cached_property
    def source(self) -> Source:
        """The text as the language sees it."""
        return Source(self.path, normalise(self.raw))

    def position(self, offset: int) -> types.Position:
        """An offset into ``source``, for the editor; one outside goes to the nearer end."""
        line, column = self.source.position(offset)
        start = self.source.line_starts[line - 1]
        before = self.source.text[start : start + column - 1]
        if line == 1 and self.raw.startswith(_MARK):
            before = _MARK + before
        return types.Position(line - 1, units(before, self.encoding))

    def range(self, span: Span) -> types.Range:
        """A span of ``source``, for the editor."""
        return types.Range(self.position(span.start), self.position(span.end))

    def offset(self, position: types.Position) -> int:
        """An editor's position as an offset into ``source``.

        A column beyond the end of its line means that end, and a line beyond the last one the end
        of the text, as the protocol says.
        """
        starts = self.source.line_starts
        if position.line >= len(starts):
            return len(self.source.text)
        line = self.source.line(position.line + 1)
        marked = position.line == 0 and self.raw.startswith(_MARK)
        found = characters(_MARK + line if marked else line, position.character, self.encoding)
        return starts[position.line] + max(found - marked, 0)

    def span(self, area: types.Range) -> Span:
        """An editor's range as a span of ``source``; a range that runs backwards is turned."""
        first, second = sorted((self.offset(area.start), self.offset(area.end)))
        return Span(first, second)

    def changed(self, change: types.TextDocumentContentChangeEvent) -> Text:
        """The text after one change of the editor."""
        if isinstance(change, types.TextDocumentContentChangeWholeDocument):
            return Text(change.text, self.path, self.encoding)
        start, end = sorted((self._raw(change.range.start), self._raw(change.range.end)))
        return Text(self.raw[:start] + change.text + self.raw[end:], self.path, self.encoding)

    @cached_property
    def _lines(self) -> tuple[tuple[int, int], ...]:
        """Where each line of ``raw`` starts, and where it ends without its line end."""
        ends = list(_LINE_END.finditer(self.raw))
        starts = [0, *(match.end() for match in ends)]
        return tuple(zip(starts, [*(match.start() for match in ends), len(self.raw)], strict=True))

    def _raw(self, position: types.Position) -> int:
        """An editor's position as an offset into ``raw``."""
        if position.line >= len(self._lines):
            return len(self.raw)
        start, end = self._lines[position.line]
        return start + characters(self.raw[start:end], position.character, self.encoding)


def units(text: str, encoding: str) -> int:
    """How many code units a text has."""
    if text.isascii() or encoding == types.PositionEncodingKind.Utf32.value:
        return len(text)
    if encoding == types.PositionEncodingKind.Utf8.value:
        return len(text.encode("utf-8", errors="surrogatepass"))
    return len(text) + sum(character > "\uffff" for character in text)


def characters(line: str, count: int, encoding: str) -> int:
    """How many characters the first ``count`` code units of a line are.

    A count that ends inside a character stops before it.
    """
    if line.isascii() or encoding == types.PositionEncodingKind.Utf32.value:
        return min(count, len(line))
    ends = []
    total = 0
    for character in line:
        total += units(character, encoding)
        ends.append(total)
    return bisect_right(ends, count)
