"""What is coloured in a recipe: one table of patterns, from which every highlighter is made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from redraft_dsl.language.language import LANGUAGE
from redraft_dsl.language.words import (
    AXES,
    INNER,
    MEASURES,
    OPERATORS,
    RESAMPLINGS,
    SHAPES,
    TYPES,
)

WORD = r"[^\W\d][\w\-]*"
LAYER = r"[^\W\d][\w.\-]*"
VERSION = r"""[^\s"'#{}]+"""
NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+\-]?[0-9]+)?%?"
STRING = r'"[^"\n]*"'
BLANKS = r"[ \t]+"
BEFORE, AFTER = r"(?<![\w.\-])", r"(?![\w\-])"
"""What may not stand before and after a whole word; a word after a point is a part of a name."""


class Part(NamedTuple):
    """A regular expression and the kind of what it matches."""

    kind: str
    form: str


class Pattern(NamedTuple):
    """Parts that follow one another, with ``gap`` between them."""

    parts: tuple[Part, ...]
    before: str = BEFORE
    after: str = ""
    gap: str = BLANKS


def _words(kind: str, words: Iterable[str], after: str = AFTER) -> Pattern:
    return Pattern((Part(kind, one_of(words)),), after=after)


def _one(kind: str, form: str) -> Pattern:
    return Pattern((Part(kind, form),), "")


def _named(statements: Iterable[str], kind: str) -> Pattern:
    return Pattern((Part("statement", one_of(statements)), Part(kind, WORD)))


def one_of(words: Iterable[str]) -> str:
    """A regular expression for any of these words."""
    return "|".join(map(re.escape, words))


SETTINGS = tuple(sorted({row.name for row in LANGUAGE.settings}))
"""Every setting of every block."""
CHOICES = {row.name: row.choices for row in LANGUAGE.settings if row.choices}
"""The words that a setting chooses from."""
_OPERATIONS = (*LANGUAGE.operation_words, "sweep")
_TITLED = ("recipe", "model")
_BARE = (*_OPERATIONS, *_TITLED, "expect")
_OTHERS = tuple(word for word in LANGUAGE.statements if word not in _BARE)
_VERSION = Part("number", VERSION)

PATTERNS = (
    _one("comment", r"#[^\n]*"),
    # Statements together with the name, and the version or layer, that follow them.
    Pattern((Part("statement", "recipe"), Part("recipe name", WORD), _VERSION)),
    Pattern((Part("statement", "use"), Part("string", STRING), _VERSION)),
    _named(_OPERATIONS, "rule name"),
    _named(_TITLED, "recipe name"),
    Pattern((Part("statement", "expect"), Part("setting", one_of(MEASURES)))),
    _named(_OTHERS, "defined name"),
    Pattern((Part("keyword", "at"), Part("layer", LAYER))),
    # Settings, types and masks together with the word that follows them.
    *(
        Pattern((Part("setting", name), Part("choice", one_of(words))), after=AFTER)
        for name, words in sorted(CHOICES.items())
    ),
    Pattern((Part("punctuation", ":"), Part("type", one_of(TYPES))), "", AFTER, r"[ \t]*"),
    Pattern((Part("string", STRING), Part("choice", one_of(RESAMPLINGS))), "", AFTER),
    _one("string", STRING),
    _words("statement", LANGUAGE.statements),
    _words("keyword", (*LANGUAGE.lines, *INNER)),
    _words("operator word", OPERATORS),
    _words("shape", SHAPES),
    _words("axis", AXES, after=r"(?!\w)"),
    _words("setting", SETTINGS),
    _one("name", WORD),
    _one("number", NUMBER),
    _one("operator", r"\.\.|[<>]=?|="),
    _one("punctuation", r"[{}\[\](),.:]"),
)
"""In this order: where two match at one place, the first wins."""
