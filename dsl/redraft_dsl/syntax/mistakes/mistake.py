"""Where the grammar stops: what stands around the place, and what could have stood there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from redraft_dsl.language import words
from redraft_dsl.language.language import LANGUAGE, Language
from redraft_dsl.report.diagnostics import Diagnostic, Fix, alternatives, error
from redraft_dsl.source import Edit, Span

_TOKEN = re.compile(
    r"""(?P<space>[ \t\n]+)|(?P<comment>\#[^\n]*)|(?P<string>"[^"\n]*")
    |(?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+\-]?[0-9]+)?%?)|(?P<word>[^\W\d][\w\-]*)
    |(?P<dots>\.\.)|(?P<open>[{(\[])|(?P<close>[})\]])|(?P<other>.)""",
    re.X | re.S,
)
STATEMENT = frozenset(word.upper() for word in words.STATEMENTS) | {"OPERATION", "OFF"}
ITEM = frozenset({"LINE"})
JOIN = frozenset(word.upper() for word in words.OPERATORS)
VALUE = frozenset({"NUMBER", "WORD", "STRING"})


@dataclass(frozen=True)
class Token:
    """One token as a reader sees it."""

    kind: str
    text: str
    span: Span


@dataclass(frozen=True)
class Place:
    """The part ``start`` to ``end`` of a text, and the offset at which reading it stopped."""

    text: str
    start: int
    end: int
    at: int


@dataclass(frozen=True)
class Mistake:
    """A place where the grammar stops, and the terminals that it would take there."""

    place: Place
    accepts: frozenset[str]
    language: Language = LANGUAGE

    @property
    def at(self) -> int:
        """The offset of the place."""
        return self.place.at

    @cached_property
    def before(self) -> tuple[Token, ...]:
        """The tokens in front of the place, without comments."""
        return tuple(tokens(self.place.text, self.place.start, self.at))

    @cached_property
    def found(self) -> Token | None:
        """The token at the place; None at the end of the text."""
        return next(tokens(self.place.text, self.at, self.place.end), None)

    @property
    def following(self) -> Iterator[Token]:
        """The tokens behind the one at the place."""
        begin = self.found.span.end if self.found else self.place.end
        return tokens(self.place.text, begin, self.place.end)

    @property
    def text(self) -> str:
        """The token at the place, or nothing."""
        return self.found.text if self.found else ""

    @property
    def word(self) -> str:
        """The word at the place, or nothing."""
        return self.found.text if self.found and self.found.kind == "word" else ""

    @property
    def last(self) -> Token | None:
        """The token just before the place."""
        return self.before[-1] if self.before else None

    @property
    def touching(self) -> bool:
        """Whether nothing stands between the token before the place and the place."""
        return self.last is not None and self.last.span.end == self.at

    @property
    def statement(self) -> str:
        """The keyword of the statement that the place is in, or nothing."""
        known = self.language.statements
        texts = (token.text for token in reversed(self.before) if token.kind == "word")
        return next((text for text in texts if text in known), "")

    @cached_property
    def unclosed(self) -> Token | None:
        """The innermost brace, bracket or parenthesis that is open at the place."""
        stack: list[Token] = []
        for token in self.before:
            if token.kind == "open":
                stack.append(token)
            elif token.kind == "close" and stack:
                stack.pop()
        return stack[-1] if stack else None

    @property
    def begins_item(self) -> bool:
        """Whether a new line of a block, or a new statement, could stand at the place."""
        return bool(self.accepts & (ITEM | STATEMENT))

    @property
    def ends(self) -> Span:
        """The last character of what there is to read."""
        end = self.place.start + len(self.place.text[self.place.start : self.place.end].rstrip())
        return Span(max(end - 1, 0), end) if end else Span(0, 0)

    def general(self, help_text: str | None = None, *fixes: Fix) -> Diagnostic:
        """``expected X after Y, found Z``."""
        after = f" after `{tail(self.before)}`" if self.before else ""
        found = f"`{short(self.text)}`" if self.found else "the end"
        span = self.found.span if self.found else self.ends
        return error(
            "RD010",
            f"expected {self.expected()}{after}, found {found}",
            span,
            "",
            help_text,
            fixes=fixes,
        )

    def special(self, message: str, label: str, help_text: str, *fixes: Fix) -> Diagnostic:
        """Something particular to say of the token at the place."""
        assert self.found is not None, "only of what is there"
        return error("RD010", message, self.found.span, label, help_text, fixes=fixes)

    def expected(self) -> str:
        """What could stand at the place, in words."""
        left = set(self.accepts)
        phrases: list[str] = []
        for needed, covered, phrase in _EXPECTED:
            if needed <= left:
                phrases.append(phrase)
                left -= covered or needed
        left.discard("$END")
        phrases = [f"`{word}`" for word in words.OPERATORS if word.upper() in left] + phrases
        left -= JOIN
        phrases += [_NAMES.get(name, f"`{name.lower()}`") for name in sorted(left)]
        return alternatives(phrases) or "the end"


def tokens(source: str, start: int, end: int) -> Iterator[Token]:
    """The tokens of a stretch of text, without space and comments."""
    at = start
    while at < end:
        match = _TOKEN.match(source, at, end)
        assert match is not None  # the last alternative takes any character
        at = match.end()
        kind = match.lastgroup or "other"
        if kind not in ("space", "comment"):
            yield Token(kind, match[0], Span(*match.span()))


def tail(before: tuple[Token, ...]) -> str:
    """The last token, or the whole image or version if that is what ends there."""
    image = before[-4:]
    if [token.text for token in image[1::2]] == ["[", "]"] and image[0].kind == "word":
        return short("".join(token.text for token in image))
    version = before[-3:]
    if [token.kind for token in version] == ["number", "other", "number"]:
        return short("".join(token.text for token in version))
    return short(before[-1].text)


def short(text: str) -> str:
    """At most 40 characters of a text."""
    return text if len(text) <= 40 else text[:39] + "…"


_REGION = frozenset({"PLAIN_BOX", "WORD", "LPAR"} | {shape.upper() for shape in words.SHAPES})
_EXPECTED: tuple[tuple[frozenset[str], frozenset[str], str], ...] = (
    (frozenset({"PLAIN_BOX"}), _REGION, "a region"),
    (frozenset({"NUMBER", "WORD", "DOTTED", "STRING"}), frozenset(), "a value"),
    (frozenset({"NUMBER", "WORD"}), frozenset(), "a number"),
    (frozenset({"IMAGE"}), frozenset({"IMAGE", "WORD"}), "an image such as `z[130]`"),
    (ITEM, ITEM | {"WORD"}, "a line of the block"),
    (frozenset({"OPERATION", "MODEL"}), STATEMENT | {"$END"}, "a new statement"),
)
"""Terminals that are called something together, and those that the phrase stands for."""
_NAMES = {
    "WORD": "a name",
    "LAYER": "a layer name",
    "NUMBER": "a number",
    "STRING": "text in double quotes",
    "VERSION": "a version such as `1.0.0`",
    "OPERATION": "an operation",
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


def deletion(token: Token) -> Fix:
    """The fix that takes a token out."""
    return Fix(f"Delete `{token.text}`", (Edit(token.span, ""),))
