"""Editions of the language: how each one is read and written, and the ways between.

Defaults belong to the edition, so a newer tool never changes what an old recipe does; they stand
in the rows of the language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from redraft_dsl.language.language import LANGUAGE, LATEST, Language
from redraft_dsl.language.rows import FIRST_EDITION
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.source import Source, normalise
from redraft_dsl.syntax.format import Formatted, format_tree
from redraft_dsl.syntax.parse import parse
from redraft_dsl.syntax.tree import EditionLine, Number, Tree


def as_it_is(tree: Tree) -> tuple[Tree, tuple[Diagnostic, ...]]:
    """The tree of an edition whose words are those that the checker knows."""
    return tree, ()


@dataclass(frozen=True)
class Edition:
    """One edition: how its recipes are read, and how they are written.

    The checker knows one set of words. An edition that says something otherwise is turned into
    these words and out of them; that is also how a recipe gets from one edition to another.

    Attributes:
        read: gives a tree of this edition in the words that the checker knows, with the same spans,
            and what is wrong with the words of this edition.
        write: the way back, from the checker's words to those of this edition.
        layout: the canonical text of a tree.

    """

    read: Callable[[Tree], tuple[Tree, tuple[Diagnostic, ...]]] = as_it_is
    write: Callable[[Tree], Tree] = lambda tree: tree
    layout: Callable[[Tree], str] = format_tree


@dataclass(frozen=True)
class Editions:
    """The editions that there are, by number, and the language whose editions they are."""

    known: Mapping[int, Edition]
    language: Language = LANGUAGE

    @property
    def latest(self) -> int:
        """The newest one's number."""
        return max(self.known)

    def number(self, number: int | None) -> int:
        """A number that is known; for any other, the newest."""
        return number if number in self.known and number is not None else self.latest

    def of(self, tree: Tree) -> Edition:
        """The edition that a tree says it is written in; the newest if it does not say."""
        return self.known[self.number(number_of(tree))]

    def after(self, number: int) -> int | None:
        """The number of the edition that follows, or None."""
        return min((other for other in self.known if other > number), default=None)


def number_of(tree: Tree) -> int | None:
    """The number in the first edition line of a tree; None if there is none that makes sense."""
    for node in tree.statements:
        if isinstance(node, EditionLine):
            value = node.value
            return value.whole if isinstance(value, Number) else None
    return None


SHIPPED = Editions(
    MappingProxyType({number: Edition() for number in range(FIRST_EDITION, LATEST + 1)})
)
"""The editions of this version of redraft."""


def format_text(text: str, path: str = "<text>", editions: Editions = SHIPPED) -> Formatted:
    """The canonical form of a recipe text in the style of its edition, or its syntax errors."""
    parsed = parse(Source(path, normalise(text)), editions.language)
    if not parsed.ok:
        return Formatted(None, parsed.diagnostics)
    return Formatted(editions.of(parsed.tree).layout(parsed.tree), ())
