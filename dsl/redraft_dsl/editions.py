"""Editions of the language: what each one assumes where a recipe is silent, and the ways between.

Defaults belong to the edition, so a newer tool never changes what an old recipe does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from redraft_dsl.syntax.tree import EditionLine, Number, Tree

if TYPE_CHECKING:
    from redraft_dsl.report.diagnostics import Diagnostic


@dataclass(frozen=True)
class Defaults:
    """What a recipe of one edition means where it says nothing.

    ``every`` and ``rate`` are in optimiser steps and in the optimiser's own unit; ``preserve``,
    ``keep``, ``contrast``, ``strength`` and ``truncation`` are plain factors.
    """

    rank: int
    preserve: float
    keep: float
    contrast: float
    directions: Literal["goal", "context", "svd", "mean", "units"]
    zero_directions: Literal["context", "svd", "mean", "units"]
    strength: float
    units: int
    solver: Literal["exact", "gradient", "projected-adam"]
    solver_goal: Literal["halo", "crop"]
    truncation: float
    exact_loss: Literal["l1", "l2"]
    exact_iterations: int
    gradient_steps: int
    gradient_rate: float
    adam_steps: int
    adam_rate: float
    adam_every: int


EDITIONS: Mapping[int, Defaults] = MappingProxyType(
    {
        2026: Defaults(
            rank=8,
            preserve=0.3,
            keep=3.0,
            contrast=0.8,
            directions="goal",
            zero_directions="context",
            strength=1.0,
            units=30,
            solver="exact",
            solver_goal="halo",
            truncation=1.0,
            exact_loss="l2",
            exact_iterations=20,
            gradient_steps=500,
            gradient_rate=0.05,
            adam_steps=2001,
            adam_rate=0.05,
            adam_every=10,
        ),
    }
)


def as_davidbau(defaults: Defaults) -> Defaults:
    """What ``compat davidbau`` means where a rule is silent: what the authors' code does."""
    return replace(
        defaults, preserve=0.0, keep=0.0, contrast=0.0, directions="context", solver_goal="crop"
    )


LATEST = max(EDITIONS)


def as_it_is(tree: Tree) -> tuple[Tree, tuple[Diagnostic, ...]]:
    """The tree of an edition whose words are those that the checker knows."""
    return tree, ()


@dataclass(frozen=True)
class Edition:
    """One edition: what its recipes assume, how they are read, and how they are written.

    The checker knows one set of words. An edition that says something otherwise is turned into
    these words and out of them; that is also how a recipe gets from one edition to another.

    Attributes:
        defaults: what a recipe means where it says nothing.
        read: gives a tree of this edition in the words that the checker knows, spans kept, and
            what is wrong with the words of this edition.
        write: the way back, from the checker's words to those of this edition.
        layout: the canonical text of a tree; None is ``format_tree``.

    """

    defaults: Defaults
    read: Callable[[Tree], tuple[Tree, tuple[Diagnostic, ...]]] = as_it_is
    write: Callable[[Tree], Tree] = lambda tree: tree
    layout: Callable[[Tree], str] | None = None

    def text(self, tree: Tree) -> str:
        """The canonical text of a tree of this edition."""
        from redraft_dsl.syntax.format import format_tree

        return (self.layout or format_tree)(tree)


@dataclass(frozen=True)
class Editions:
    """The editions that are known, by number."""

    known: Mapping[int, Edition]

    @property
    def latest(self) -> int:
        """The newest one's number."""
        return max(self.known)

    def get(self, number: int | None) -> Edition:
        """The edition of a number; for one that is not known, the newest."""
        return self.known.get(self.latest if number is None else number, self.known[self.latest])

    def of(self, tree: Tree) -> Edition:
        """The edition that a tree says it is written in; the newest if it does not say."""
        return self.get(number_of(tree))

    def after(self, number: int) -> int | None:
        """The number of the edition that follows, or None."""
        return min((other for other in self.known if other > number), default=None)


def number_of(tree: Tree) -> int | None:
    """The number in the first edition line of a tree; None if there is none that makes sense."""
    for node in tree.statements:
        if isinstance(node, EditionLine):
            value = node.value
            if not isinstance(value, Number) or value.percent or value.is_name:
                return None
            number = value.value
            return int(number) if abs(number) < 2**53 and number == int(number) else None
    return None


SHIPPED = Editions(
    MappingProxyType({number: Edition(defaults) for number, defaults in EDITIONS.items()})
)
"""The editions of this version of redraft."""
