"""A recipe's text for reading: lines of coloured words, and the lines of one rule."""

from __future__ import annotations

from dataclasses import dataclass

from pygments.token import (  # type: ignore[import-untyped]
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
)

from redraft_dsl.colours.highlight import RedraftLexer
from redraft_dsl.language.language import LANGUAGE

_KINDS = (
    (Comment, "comment"),
    (String, "string"),
    (Number, "number"),
    (Keyword.Declaration, "statement"),
    (Keyword.Constant, "name"),
    (Keyword, "inner"),
    (Operator.Word, "inner"),
    (Name.Attribute, "setting"),
    (Punctuation, "brace"),
)


@dataclass(frozen=True)
class Token:
    """A piece of text and its kind, which is also the name of its colour."""

    kind: str
    text: str


@dataclass(frozen=True)
class Line:
    """One line of a recipe; numbers start at 1."""

    number: int
    tokens: tuple[Token, ...]


def lines_of(text: str) -> tuple[Line, ...]:
    """The lines of a recipe. Joined again, the tokens give the text back."""
    lines: list[list[Token]] = [[]]
    for _, token, value in RedraftLexer().get_tokens_unprocessed(text.rstrip("\n")):
        kind = next((kind for group, kind in _KINDS if token in group), "other")
        first, *rest = value.split("\n")
        lines[-1].append(Token(kind, first))
        lines += [[Token(kind, part)] for part in rest]
    return tuple(
        Line(number, tuple(token for token in line if token.text))
        for number, line in enumerate(lines, 1)
    )


def block_of(lines: tuple[Line, ...], rule: str) -> tuple[Line, ...]:
    """The lines of the rule called ``rule``, from its first word to its closing brace."""
    for first, line in enumerate(lines):
        spoken = [token.text for token in line.tokens if token.text.strip()]
        if spoken[1:2] == [rule] and spoken[0] in LANGUAGE.operation_words:
            return lines[first : _closing(lines, first) + 1]
    return ()


def _closing(lines: tuple[Line, ...], first: int) -> int:
    """The line on which the first brace from ``first`` on is closed; the last line if none is."""
    depth = 0
    for number in range(first, len(lines)):
        for token in lines[number].tokens:
            if token.kind == "brace":
                depth += token.text.count("{") - token.text.count("}")
                if depth <= 0 and "}" in token.text:
                    return number
    return len(lines) - 1
