"""The syntax tree: what was written, where, and with which comments.

Two trees are equal when they say the same in the same order: spans, comments and layout do not
take part in comparison. Names and numbers are kept as written; whether they make sense is the
checker's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from redraft_dsl.source import Span


@dataclass(frozen=True, slots=True)
class Comment:
    """``text`` starts with ``#`` and has no trailing space."""

    span: Span
    text: str
    blank_before: bool = False


@dataclass(frozen=True, slots=True)
class Trivia:
    """Comments and blank lines around one statement.

    ``leading`` stand on the lines before it (or inside it, where no block holds them),
    ``trailing`` on its last line.
    """

    blank_before: bool = False
    leading: tuple[Comment, ...] = ()
    trailing: Comment | None = None


PLAIN = Trivia()


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word: a name, a keyword's value, a version, a layer."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written, with its ``%`` if it has one; or the name of a parameter.

    Before anything is checked, every name is replaced by the number that the parameter stands for.
    """

    text: str
    span: Span = field(compare=False)

    @property
    def percent(self) -> bool:
        """Whether it is written in per cent."""
        return self.text.endswith("%")

    @property
    def is_name(self) -> bool:
        """Whether a parameter's name stands for the number."""
        return self.text[0].isalpha() or self.text[0] == "_"

    @property
    def value(self) -> float:
        """The number; infinite when it is too large for a float. A name has none."""
        return float(self.text.removesuffix("%"))


@dataclass(frozen=True, slots=True)
class Text:
    """Text in double quotes; ``text`` is what is between them."""

    text: str
    span: Span = field(compare=False)


Value: TypeAlias = Word | Number | Text


@dataclass(frozen=True, slots=True)
class BoxShape:
    """``box(x a..b, y c..d)``."""

    x: tuple[Number, Number]
    y: tuple[Number, Number]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class PolygonShape:
    """``polygon(x,y x,y ...)``."""

    points: tuple[tuple[Number, Number], ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class EllipseShape:
    """``ellipse(x,y radius rx,ry)``."""

    center: tuple[Number, Number]
    radius: tuple[Number, Number]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class MaskShape:
    """``mask("file.png")`` or ``mask("file.png" bilinear)``; ``resample`` is the word, if any."""

    path: Text
    span: Span = field(compare=False)
    resample: Word | None = None


@dataclass(frozen=True, slots=True)
class Everything:
    """``all``."""

    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Named:
    """A region by its name."""

    name: Word
    span: Span = field(compare=False)


Operator = Literal["plus", "minus", "within"]


@dataclass(frozen=True, slots=True)
class Joined:
    """Two regions joined; ``depth`` counts the joins on the longest way down."""

    operator: Operator
    left: RegionExpr
    right: RegionExpr
    span: Span = field(compare=False)
    depth: int = field(compare=False)


RegionExpr: TypeAlias = (
    BoxShape | PolygonShape | EllipseShape | MaskShape | Everything | Named | Joined
)


@dataclass(frozen=True, slots=True)
class PlaceExpr:
    """``z[130] REGION``."""

    latents: Word
    index: Number
    region: RegionExpr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """``key value`` or ``key value { ... }``."""

    key: Word
    value: Value
    block: Block | None
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """``copy``, ``paste``, ``from`` or ``context`` and a place; None means ``each context``."""

    key: Word
    place: PlaceExpr | None
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class MatchLine:
    """``context like z[130] REGION top N among A..B except C, D``."""

    key: Word
    like: PlaceExpr
    top: Number
    first: Number
    last: Number
    excluded: tuple[Number, ...]
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class Override:
    """``key = value`` of an ``include``."""

    key: Word
    value: Value
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class Vary:
    """``vary rank of glasses over 1, 4, 10``; without ``of`` the key is a parameter."""

    key: Word
    owner: Word | None
    values: tuple[Value, ...]
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


Item: TypeAlias = Setting | PlaceLine | MatchLine | Override | Vary


@dataclass(frozen=True, slots=True)
class Block:
    """Items between braces.

    ``opening`` is a comment right after the brace, ``dangling`` are comments after the last item;
    ``depth`` counts the blocks inside one another.
    """

    items: tuple[Item, ...]
    span: Span = field(compare=False)
    depth: int = field(default=1, compare=False)
    opening: Comment | None = field(default=None, compare=False)
    dangling: tuple[Comment, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class EditionLine:
    """``edition 2026``."""

    value: Value
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class RecipeLine:
    """``recipe NAME VERSION "TITLE"``."""

    name: Word
    version: Word
    title: Text
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class UseLine:
    """``use "./other.redraft" 2.0.0 as NAME``."""

    path: Text
    version: Word
    name: Word
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class ParamLine:
    """``param NAME: TYPE = VALUE in A..B`` or ``in word, word``; ``limits`` may be missing."""

    name: Word
    type: Word
    default: Value
    limits: tuple[Number, Number] | tuple[Word, ...]
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class ModelStatement:
    """``model NAME`` or ``model NAME { ... }``."""

    name: Word
    block: Block | None
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class LatentsStatement:
    """``latents NAME { ... }``."""

    name: Word
    block: Block
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class RegionStatement:
    """``region NAME = REGION``."""

    name: Word
    region: RegionExpr
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """``rule``, ``erase`` or ``zero``, then ``NAME at LAYER { ... }``."""

    kind: Word
    name: Word
    layer: Word
    block: Block
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class Include:
    """``include ALIAS.RULE``, perhaps ``as NAME``, perhaps ``with { key = value }``.

    ``given`` is the name after ``as``, None where the rule keeps its own.
    """

    alias: Word
    rule: Word
    given: Word | None
    block: Block | None
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)

    @property
    def name(self) -> Word:
        """What the rule is called in this recipe."""
        return self.rule if self.given is None else self.given


@dataclass(frozen=True, slots=True)
class SweepStatement:
    """``sweep NAME { vary ... }``."""

    name: Word
    block: Block
    span: Span = field(compare=False)
    trivia: Trivia = field(default=PLAIN, compare=False)


@dataclass(frozen=True, slots=True)
class Broken:
    """A statement that could not be read; ``name`` is what it seems to declare.

    It keeps the checker from reporting what only follows from the syntax error. ``layer`` is that
    of an operation whose first line was read and whose block was not.
    """

    keyword: str
    name: str | None
    span: Span = field(compare=False)
    layer: Word | None = None
    trivia: Trivia = field(default=PLAIN, compare=False)


Statement: TypeAlias = (
    EditionLine
    | RecipeLine
    | UseLine
    | ParamLine
    | ModelStatement
    | LatentsStatement
    | RegionStatement
    | Operation
    | Include
    | SweepStatement
    | Broken
)


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole recipe as written. ``dangling`` are the comments after the last statement."""

    statements: tuple[Statement, ...]
    dangling: tuple[Comment, ...] = field(default=(), compare=False)


def comments_of(tree: Tree) -> tuple[Comment, ...]:
    """Every comment of the tree, in the order in which the formatter prints them."""
    found: list[Comment] = []
    for statement in tree.statements:
        _collect(statement, found)
    return (*found, *tree.dangling)


def _collect(node: Statement | Item, found: list[Comment]) -> None:
    found.extend(node.trivia.leading)
    block = getattr(node, "block", None)
    if isinstance(block, Block):
        if block.opening is not None:
            found.append(block.opening)
        for item in block.items:
            _collect(item, found)
        found.extend(block.dangling)
    if node.trivia.trailing is not None:
        found.append(node.trivia.trailing)
