"""A recipe's text for reading: lines of coloured words, and the lines of one rule."""

from __future__ import annotations

import re
from dataclasses import dataclass

from redraft_dsl.language import words
from redraft_dsl.language.language import LANGUAGE

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>"[^"\n]*"?)
      | (?P<number>-?\d+(?:\.\d+)*%?)
      | (?P<word>[^\W\d][\w\-]*)
      | (?P<brace>[{}])
      | (?P<other>\s+|.)""",
    re.VERBOSE,
)
_LINE_WORDS = frozenset((*LANGUAGE.lines, *LANGUAGE.setting_words))
_REGION_WORDS = frozenset((*words.SHAPES, *words.OPERATORS, *words.INNER))


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
    return tuple(
        Line(number, tuple(_tokens(line)))
        for number, line in enumerate(text.rstrip("\n").split("\n"), 1)
    )


def block_of(lines: tuple[Line, ...], rule: str) -> tuple[Line, ...]:
    """The lines of the rule called ``rule``, from its first word to its closing brace."""
    for first, line in enumerate(lines):
        spoken = [token.text for token in line.tokens if token.text.strip()]
        if spoken[1:2] == [rule] and spoken[0] in ("rule", "erase", "zero"):
            return lines[first : _closing(lines, first) + 1]
    return ()


def _closing(lines: tuple[Line, ...], first: int) -> int:
    """The line on which the first brace from ``first`` on is closed; the last line if none is."""
    depth = 0
    for number in range(first, len(lines)):
        for token in lines[number].tokens:
            if token.kind != "brace":
                continue
            depth += 1 if token.text == "{" else -1
            if depth <= 0:
                return number
    return len(lines) - 1


def _tokens(line: str) -> list[Token]:
    found: list[Token] = []
    for match in _TOKEN.finditer(line):
        kind, text = str(match.lastgroup), match.group()
        if kind == "word":
            kind = _word_kind(text, first=all(not token.text.strip() for token in found))
        found.append(Token(kind, text))
    return found


def _word_kind(word: str, first: bool) -> str:
    if first and word in LANGUAGE.statements:
        return "statement"
    if word in _LINE_WORDS:
        return "setting"
    return "inner" if word in _REGION_WORDS else "name"
