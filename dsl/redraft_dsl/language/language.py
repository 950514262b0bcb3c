"""The language as one value, from which everything that knows its words derives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from redraft_dsl.language import words
from redraft_dsl.language.operations import OPERATIONS
from redraft_dsl.language.rows import FIRST_EDITION, Line, Operation, Setting
from redraft_dsl.language.settings import SETTINGS


@dataclass(frozen=True)
class Language:
    """Settings and operations; the rest of the words is the same in every language.

    Attributes:
        settings: every row, in the order in which settings are printed.
        operations: every row.
        recipe: the class of checked recipes, where that is not the shipped one; it names the class
            of each operation.

    """

    settings: tuple[Setting, ...]
    operations: tuple[Operation, ...]
    recipe: type[Any] | None = None

    @cached_property
    def blocks(self) -> Mapping[str, Mapping[str, Setting]]:
        """The settings of each operation, statement and solver, as they hold there."""
        found: dict[str, dict[str, Setting]] = {
            owner: {} for owner in ("model", "latents", *self.operation_words)
        }
        for row in self.settings:
            for owner in row.of:
                found.setdefault(owner, {})[row.name] = row.within(owner)
        return found

    @cached_property
    def operation_words(self) -> tuple[str, ...]:
        """The words that operations begin with."""
        return tuple(operation.word for operation in self.operations)

    @cached_property
    def lines(self) -> Mapping[str, Line]:
        """Every line of any operation by its word."""
        return {line.word: line for row in self.operations for line in row.lines}

    @cached_property
    def statements(self) -> Mapping[str, str]:
        """Every word that a statement begins with, and what it means."""
        before = dict(words.STATEMENTS)
        after = {word: before.pop(word) for word in ("include", "sweep", "expect")}
        return before | {row.word: row.meaning for row in self.operations} | after

    @cached_property
    def keywords(self) -> Mapping[str, str]:
        """Every word of the grammar, and what it means."""
        lines = {word: line.meaning for word, line in self.lines.items()}
        tables = (words.SHAPES, words.OPERATORS, words.INNER, words.AXES)
        return {**self.statements, **lines, **{w: m for table in tables for w, m in table.items()}}

    @cached_property
    def groups(self) -> frozenset[str]:
        """Words that a setting chooses from and that have settings of their own."""
        return frozenset(
            word for row in self.settings if row.kind == "group" for word in row.choices
        )

    @cached_property
    def setting_words(self) -> tuple[str, ...]:
        """The settings of operations, in the order in which they are printed."""
        taken = set(self.operation_words)
        return tuple(row.name for row in self.settings if taken.intersection(row.of))

    def operation(self, word: str) -> Operation:
        """The operation that begins with a word of the grammar."""
        return next(row for row in self.operations if row.word == word)

    def block(self, owner: str) -> Mapping[str, Setting]:
        """The settings of an operation, a statement or a solver; none for any other word."""
        return self.blocks.get(owner, {})

    def lines_of(self, owner: str) -> Mapping[str, Line]:
        """The lines of an operation by their words; none for any other word."""
        found = (row for row in self.operations if row.word == owner)
        return {line.word: line for row in found for line in row.lines}


LANGUAGE = Language(SETTINGS, OPERATIONS)
"""The language of this version of redraft."""

LATEST = max((FIRST_EDITION, *(number for row in SETTINGS for number in row.defaults)))
"""The newest edition."""
