"""Sweeps: which settings take which values, and the cells that result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from redraft_dsl.check.parameters import Given
from redraft_dsl.syntax import tree as s


@dataclass(frozen=True)
class Axis:
    """One setting and its values as written; ``target`` is named as ``--set`` names it."""

    target: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """``sweep NAME { vary ... }``."""

    name: str
    axes: tuple[Axis, ...]

    def cells(self) -> Iterator[Given]:
        """Every combination of values, that of the last axis changing fastest."""
        for values in product(*(axis.values for axis in self.axes)):
            targets = (axis.target for axis in self.axes)
            yield tuple(zip(targets, values, strict=True))


def target_of(item: s.Vary) -> str:
    """What is varied: a parameter, or ``RULE.SETTING``."""
    return item.key.text if item.owner is None else f"{item.owner.text}.{item.key.text}"


def sweeps_of(statements: tuple[s.SweepStatement, ...]) -> tuple[Sweep, ...]:
    """The sweeps of a recipe."""
    return tuple(
        Sweep(
            statement.name.text,
            tuple(
                Axis(target_of(item), tuple(value.text for value in item.values))
                for item in axes(statement)
            ),
        )
        for statement in statements
    )


def axes(statement: s.SweepStatement) -> Iterator[s.Vary]:
    """The lines of a sweep."""
    return (item for item in statement.block.items if isinstance(item, s.Vary))
