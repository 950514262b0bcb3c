"""Colours for recipes: a lexer for Pygments, and the words by group for other highlighters.

Pygments finds the lexer by the name ``redraft`` and by the ending ``.redraft``. Nothing that checks
a recipe imports this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, words  # type: ignore[import-untyped]
from pygments.token import (  # type: ignore[import-untyped]
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from redraft_dsl.language.language import LANGUAGE
from redraft_dsl.language.rows import Setting
from redraft_dsl.language.words import (
    AXES,
    INNER,
    OPERATORS,
    RESAMPLINGS,
    RESERVED_STATEMENTS,
    SHAPES,
    TYPES,
)

WORD = r"[^\W\d][\w\-]*"
LAYER = r"[^\W\d][\w.\-]*"
VERSION = r"""[^\s"'#{}]+"""
NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+\-]?[0-9]+)?%?"
STRING = r'"[^"\n]*"'
COMMENT = r"#[^\n]*"
BEFORE, AFTER = r"(?<![\w.\-])", r"(?![\w\-])"
"""What may not stand before and after a whole word; a word after a point is a part of a name."""

STATEMENTS = tuple(LANGUAGE.statements)
LINES = tuple(LANGUAGE.lines)
OPERATIONS = (*LANGUAGE.operation_words, "sweep")
"""Statements whose name is of something that is done."""
TITLED = ("recipe", "model")


def setting_words() -> tuple[str, ...]:
    """Every setting of every block, sorted."""
    return tuple(sorted({row.name for row in LANGUAGE.settings}))


def choices() -> Mapping[str, tuple[str, ...]]:
    """The words that each setting chooses from, for the settings that do."""
    return {row.name: row.choices for row in sorted(LANGUAGE.settings, key=_name) if row.choices}


def _name(row: Setting) -> str:
    return row.name


def _whole(names: Iterable[str]) -> words:
    return words(tuple(names), prefix=BEFORE, suffix=AFTER)


def _one_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))


def _declared() -> Iterator[tuple[str, object]]:
    """Statements together with the name, and the version or layer, that follow them."""
    plain = tuple(word for word in STATEMENTS if word not in (*OPERATIONS, *TITLED))
    space = r"([ \t]+)"
    yield (
        rf"{BEFORE}(recipe){space}({WORD}){space}({VERSION})",
        bygroups(Keyword.Declaration, Whitespace, Name.Class, Whitespace, Number),
    )
    yield (
        rf"{BEFORE}(use){space}({STRING}){space}({VERSION})",
        bygroups(Keyword.Declaration, Whitespace, String, Whitespace, Number),
    )
    kinds = ((OPERATIONS, Name.Function), (TITLED, Name.Class), (plain, Name.Variable))
    for statements, kind in kinds:
        yield (
            rf"{BEFORE}({_one_of(statements)}){space}({WORD})",
            bygroups(Keyword.Declaration, Whitespace, kind),
        )
    yield rf"{BEFORE}(at){space}({LAYER})", bygroups(Keyword, Whitespace, Name.Label)


def _chosen() -> Iterator[tuple[str, object]]:
    """Settings together with the word that they choose."""
    kinds = bygroups(Name.Attribute, Whitespace, Keyword.Constant)
    for name, options in choices().items():
        yield rf"{BEFORE}({name})([ \t]+)({_one_of(options)}){AFTER}", kinds
    found = bygroups(Punctuation, Whitespace, Keyword.Type)
    yield rf"(:)([ \t]*)({_one_of(TYPES)}){AFTER}", found
    yield rf"(?<=\")([ \t]+)({_one_of(RESAMPLINGS)}){AFTER}", bygroups(Whitespace, Keyword.Constant)


class RedraftLexer(RegexLexer):  # type: ignore[misc]
    """Recipes of redraft.

    What the grammar calls a keyword is a ``Keyword`` or an ``Operator.Word``; a setting is a
    ``Name.Attribute``. Characters that no recipe can hold are errors.
    """

    name = "redraft"
    url = ""
    aliases: ClassVar = ["redraft"]
    filenames: ClassVar = ["*.redraft"]
    mimetypes: ClassVar = ["text/x-redraft"]
    flags = re.MULTILINE

    tokens: ClassVar = {
        "root": [
            *_chosen(),
            (r"\s+", Whitespace),
            (COMMENT, Comment.Single),
            *_declared(),
            (STRING, String),
            (_whole(STATEMENTS), Keyword.Declaration),
            (_whole(tuple(RESERVED_STATEMENTS)), Keyword.Reserved),
            (_whole((*LINES, *INNER)), Keyword),
            (_whole(OPERATORS), Operator.Word),
            (_whole(SHAPES), Keyword.Type),
            (rf"{BEFORE}(?:{_one_of(AXES)})(?!\w)", Keyword.Pseudo),
            (_whole(setting_words()), Name.Attribute),
            (WORD, Name),
            (NUMBER, Number),
            (r"\.\.|=", Operator),
            (r"[{}\[\](),.:]", Punctuation),
        ]
    }

    def analyse_text(text: str) -> float:  # noqa: N805
        """How sure a guess by content is: a recipe begins with its edition."""
        return 0.9 if re.match(r"(?:\s|#[^\n]*\n)*edition[ \t]+\d{4}\b", text) else 0.0
