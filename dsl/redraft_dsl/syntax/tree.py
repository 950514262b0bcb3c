"""The syntax tree: what was written, where, and with which comments.

Two trees are equal when they say the same in the same order: spans, comments and layout do not
take part in comparison.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeAlias, cast

from redraft_dsl.syntax.expressions import (
    LARGEST,
    PLAIN,
    BoxShape,
    Comment,
    EllipseShape,
    Everything,
    Images,
    ImagesName,
    Interval,
    Joined,
    MaskShape,
    Named,
    Node,
    Number,
    Operator,
    PlaceExpr,
    PolygonShape,
    RegionExpr,
    Text,
    Trivia,
    Value,
    WithTrivia,
    Word,
    ends,
    names_in,
    parts,
)

__all__ = [
    "LARGEST",
    "PLAIN",
    "Block",
    "BoxShape",
    "Broken",
    "Comment",
    "EditionLine",
    "EllipseShape",
    "Everything",
    "ExpectLine",
    "Images",
    "ImagesName",
    "ImagesStatement",
    "Include",
    "Interval",
    "Item",
    "Joined",
    "LatentsStatement",
    "MaskShape",
    "MatchLine",
    "ModelStatement",
    "Named",
    "Node",
    "Number",
    "Operation",
    "Operator",
    "Override",
    "ParamLine",
    "PlaceExpr",
    "PlaceLine",
    "PolygonShape",
    "RecipeLine",
    "RegionExpr",
    "RegionStatement",
    "Setting",
    "Statement",
    "SweepStatement",
    "Text",
    "Tree",
    "Trivia",
    "UseLine",
    "Value",
    "Vary",
    "WithTrivia",
    "Word",
    "comments_of",
    "ends",
    "fields_of",
    "name_of",
    "names_in",
    "parts",
    "place_of",
    "places",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Setting(WithTrivia):
    """``key value`` or ``key value { ... }``."""

    key: Word
    value: Value
    block: Block | None


@dataclass(frozen=True, slots=True)
class PlaceLine(WithTrivia):
    """``copy``, ``paste``, ``from`` or ``context`` and a place; None means ``each context``."""

    key: Word
    place: PlaceExpr | None


@dataclass(frozen=True, slots=True)
class MatchLine(WithTrivia):
    """``context like z[130] REGION top N among A..B except C, D``."""

    key: Word
    like: PlaceExpr
    top: Number
    first: Number
    last: Number
    excluded: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Override(WithTrivia):
    """``key = value`` of an ``include``."""

    key: Word
    value: Value


@dataclass(frozen=True, slots=True)
class Vary(WithTrivia):
    """``vary rank of glasses over 1, 4, 10``; without ``of`` the key is a parameter."""

    key: Word
    owner: Word | None
    values: tuple[Value, ...]


Item: TypeAlias = Setting | PlaceLine | MatchLine | Override | Vary


@dataclass(frozen=True, slots=True)
class Block(Node):
    """Items between braces.

    ``opening`` is a comment right after the brace, ``dangling`` are comments after the last item;
    ``depth`` counts the blocks inside one another.
    """

    items: tuple[Item, ...]
    depth: int = field(default=1, compare=False)
    opening: Comment | None = field(default=None, compare=False)
    dangling: tuple[Comment, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class EditionLine(WithTrivia):
    """``edition 2026``."""

    value: Value


@dataclass(frozen=True, slots=True)
class RecipeLine(WithTrivia):
    """``recipe NAME VERSION "TITLE"``."""

    name: Word
    version: Word
    title: Text


@dataclass(frozen=True, slots=True)
class UseLine(WithTrivia):
    """``use "./other.redraft" 2.0.0 as NAME``."""

    path: Text
    version: Word
    name: Word


@dataclass(frozen=True, slots=True)
class ParamLine(WithTrivia):
    """``param NAME: TYPE = VALUE in A..B`` or ``in word, word``; ``limits`` may be missing."""

    name: Word
    type: Word
    default: Value
    limits: tuple[Number, Number] | tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class ModelStatement(WithTrivia):
    """``model NAME`` or ``model NAME { ... }``."""

    name: Word
    block: Block | None


@dataclass(frozen=True, slots=True)
class LatentsStatement(WithTrivia):
    """``latents NAME { ... }``."""

    name: Word
    block: Block


@dataclass(frozen=True, slots=True)
class RegionStatement(WithTrivia):
    """``region NAME = REGION``."""

    name: Word
    region: RegionExpr


@dataclass(frozen=True, slots=True)
class ImagesStatement(WithTrivia):
    """``images NAME = z[5, 7, 26..34]``."""

    name: Word
    images: Images


@dataclass(frozen=True, slots=True)
class Operation(WithTrivia):
    """``rule``, ``erase`` or ``zero``, then ``NAME at LAYER { ... }``.

    ``off`` is the word before it by which it stays out of the run.
    """

    kind: Word
    name: Word
    layer: Word
    block: Block
    off: Word | None = None


@dataclass(frozen=True, slots=True)
class Include(WithTrivia):
    """``include ALIAS.RULE``, perhaps ``as NAME``, perhaps ``with { key = value }``.

    ``given`` is the name after ``as``, None where the rule has its own; ``off`` as for
    operations.
    """

    alias: Word
    rule: Word
    given: Word | None
    block: Block | None
    off: Word | None = None

    @property
    def name(self) -> Word:
        """What the rule is called in this recipe."""
        return self.rule if self.given is None else self.given


@dataclass(frozen=True, slots=True)
class SweepStatement(WithTrivia):
    """``sweep NAME { vary ... }``."""

    name: Word
    block: Block


@dataclass(frozen=True, slots=True)
class ExpectLine(WithTrivia):
    """``expect share(glasses) >= 0.60``."""

    measure: Word
    rule: Word
    comparison: str
    value: Value


@dataclass(frozen=True, slots=True)
class Broken(WithTrivia):
    """A statement that could not be read; ``name`` is what it seems to declare.

    It stops the checker from reporting what only follows from the syntax error. ``layer`` is that
    of an operation whose first line was read and whose block was not.
    """

    keyword: str
    name: str | None
    layer: Word | None = None


Statement: TypeAlias = (
    EditionLine
    | RecipeLine
    | UseLine
    | ParamLine
    | ModelStatement
    | LatentsStatement
    | RegionStatement
    | ImagesStatement
    | Operation
    | Include
    | SweepStatement
    | ExpectLine
    | Broken
)


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole recipe as written. ``dangling`` are the comments after the last statement."""

    statements: tuple[Statement, ...]
    dangling: tuple[Comment, ...] = field(default=(), compare=False)


@cache
def fields_of(kind: Hashable) -> tuple[str, ...]:
    """The fields of a class of nodes that may hold other nodes, comments apart."""
    apart = ("span", "trivia", "opening", "dangling")
    plain = ("str", "str | None", "int", "bool", "Operator")
    found = (each for each in fields(cast("Any", kind)) if each.type not in plain)
    return tuple(each.name for each in found if each.name not in apart)


def walk(*parts: object) -> Iterator[Node]:
    """Every node of some parts of a tree, outer ones first, in the order of their fields."""
    waiting = [*reversed(parts)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting += reversed(part)
        elif isinstance(part, Node):
            yield part
            waiting += [
                getattr(part, name) for name in reversed(fields_of(cast("Any", type(part))))
            ]


def comments_of(tree: Tree) -> tuple[Comment, ...]:
    """Every comment of the tree, in the order in which the formatter prints them."""
    collected: list[Comment] = []
    for statement in tree.statements:
        _collect(statement, collected)
    return (*collected, *tree.dangling)


def _collect(node: Statement | Item, collected: list[Comment]) -> None:
    collected.extend(node.trivia.leading)
    block = getattr(node, "block", None)
    if isinstance(block, Block):
        if block.opening is not None:
            collected.append(block.opening)
        for item in block.items:
            _collect(item, collected)
        collected.extend(block.dangling)
    if node.trivia.trailing is not None:
        collected.append(node.trivia.trailing)


def name_of(node: Statement) -> Word | None:
    """The name that a statement declares; None where it declares none, or could not be read."""
    return None if isinstance(node, EditionLine | ExpectLine | Broken) else node.name


def place_of(item: Item) -> PlaceExpr | None:
    """The place that a line names, if it names one."""
    if isinstance(item, MatchLine):
        return item.like
    return item.place if isinstance(item, PlaceLine) else None


def places(operation: Operation) -> Iterator[PlaceExpr]:
    """Every place that an operation names, in the order of the text."""
    return (place for item in operation.block.items if (place := place_of(item)) is not None)
