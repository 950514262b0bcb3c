"""Where the grammar stops: what stands around the place, and what could have stood there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from redraft_dsl.language.words import LINES, OPERATORS, SHAPES, STATEMENTS
from redraft_dsl.report.diagnostics import Diagnostic, alternatives, error
from redraft_dsl.source import Span

_TOKEN = re.compile(
    r"""(?P<space>[ \t\n]+)|(?P<comment>\#[^\n]*)|(?P<string>"[^"\n]*")
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+\-]?\d+)?%?)|(?P<word>[^\W\d][\w\-]*)
    |(?P<dots>\.\.)|(?P<open>[{(\[])|(?P<close>[})\]])|(?P<other>.)""",
    re.X | re.S,
)
TOP = frozenset(word.upper() for word in STATEMENTS)
ITEM = frozenset(word.upper() for word in LINES)
JOIN = frozenset(word.upper() for word in OPERATORS)


@dataclass(frozen=True)
class Piece:
    """One token as a reader sees it."""

    kind: str
    text: str
    span: Span


@dataclass(frozen=True)
class Slip:
    """A place where the grammar stops: the text, the offset, and the terminals it would take."""

    source: str
    at: int
    accepts: frozenset[str]

    @cached_property
    def before(self) -> tuple[Piece, ...]:
        """The tokens in front of the place, without comments."""
        return tuple(tokens(self.source, 0, self.at))

    @cached_property
    def found(self) -> Piece | None:
        """The token at the place; None at the end of the text."""
        return next(tokens(self.source, self.at, len(self.source)), None)

    @property
    def last(self) -> Piece | None:
        """The token just before the place."""
        return self.before[-1] if self.before else None

    @property
    def statement(self) -> str:
        """The keyword of the statement that the place is in, or nothing."""
        words = (piece.text for piece in reversed(self.before) if piece.kind == "word")
        return next((text for text in words if text in STATEMENTS), "")

    @property
    def word(self) -> str:
        """The word at the place, or nothing."""
        return self.found.text if self.found and self.found.kind == "word" else ""

    @cached_property
    def unclosed(self) -> Piece | None:
        """The innermost brace, bracket or parenthesis that is open at the place."""
        stack: list[Piece] = []
        for piece in self.before:
            if piece.kind == "open":
                stack.append(piece)
            elif piece.kind == "close" and stack:
                stack.pop()
        return stack[-1] if stack else None


def tokens(source: str, start: int, end: int) -> Iterator[Piece]:
    """The tokens of a stretch of text, without space and comments."""
    at = start
    while at < end:
        match = _TOKEN.match(source, at, end)
        assert match is not None  # the last alternative takes any character
        at = match.end()
        kind = match.lastgroup or "other"
        if kind not in ("space", "comment"):
            yield Piece(kind, match[0], Span(*match.span()))


def general_error(slip: Slip, help: str | None = None) -> Diagnostic:  # noqa: A002
    """``expected X after Y, found Z``."""
    wanted = expected(slip)
    after = f" after `{tail(slip.before)}`" if slip.before else ""
    if slip.found is None:
        end = len(slip.source.rstrip())
        found, span = "the end", Span(max(end - 1, 0), end) if end else Span(0, 0)
    else:
        found, span = f"`{short(slip.found.text)}`", slip.found.span
    message = f"expected {wanted}{after}, found {found}"
    return error("RD010", message, span, f"expected {wanted}", help)


def tail(before: tuple[Piece, ...]) -> str:
    """The last token, or the whole image if that is what ends there."""
    image = before[-4:]
    if [piece.text for piece in image[1::2]] == ["[", "]"] and image[0].kind == "word":
        return short("".join(piece.text for piece in image))
    return short(before[-1].text)


def short(text: str) -> str:
    """At most 40 characters of a text."""
    return text if len(text) <= 40 else text[:39] + "…"


_EXPECTED: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"PLAIN_BOX"}), "a region"),
    (frozenset({"NUMBER", "WORD", "DOTTED", "STRING"}), "a value"),
    (frozenset({"NUMBER", "WORD"}), "a number"),
    (frozenset({"IMAGE"}), "an image such as `z[130]`"),
    (ITEM, "a line of the block"),
    (TOP, "a new statement"),
    (frozenset({"RULE"}), "a new statement"),
)
_NAMES = {
    "WORD": "a name",
    "LAYER": "a layer name",
    "NUMBER": "a number",
    "STRING": "text in double quotes",
    "VERSION": "a version such as `1.0.0`",
    "DOTS": "`..`",
    "DOT": "`.`",
    "COLON": "`:`",
    "COMMA": "`,`",
    "EQUALS": "`=`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LBRACKET": "`[`",
    "RBRACKET": "`]`",
    "LPAR": "`(`",
    "RPAR": "`)`",
}
_COVERED = {
    "a region": frozenset({"PLAIN_BOX", "WORD", "LPAR"} | {shape.upper() for shape in SHAPES}),
    "an image such as `z[130]`": frozenset({"IMAGE", "WORD"}),
    "a line of the block": ITEM | {"WORD"},
    "a new statement": TOP | {"$END"},
}


def expected(slip: Slip) -> str:
    """What could stand at the place, in words."""
    left = set(slip.accepts)
    phrases: list[str] = []
    for needed, phrase in _EXPECTED:
        if needed <= left:
            phrases.append(phrase)
            left -= _COVERED.get(phrase, needed)
    left.discard("$END")
    phrases = [f"`{word}`" for word in OPERATORS if word.upper() in left] + phrases
    left -= JOIN
    phrases += [_NAMES.get(name, f"`{name.lower()}`") for name in sorted(left)]
    return alternatives(phrases) or "the end"
