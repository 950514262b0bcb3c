"""The parts of statements: words and numbers, regions, images and places, with their comments.

Names and numbers are as written; whether they make sense is the checker's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from redraft_dsl.source import NOWHERE, Span

LARGEST = 1e9
"""No length, factor or count of a recipe is larger."""


@dataclass(frozen=True, slots=True)
class Node:
    """Anything that was written; ``span`` is where, and takes no part in comparison."""

    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """``text`` starts with ``#`` and has no trailing space."""

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
class WithTrivia(Node):
    """A statement, or a line of a block, with its comments, which take no part either."""

    trivia: Trivia = field(default=PLAIN, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Word(Node):
    """A bare word: a name, a keyword's value, a version, a layer."""

    text: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number as written, with its ``%`` if it has one; or the name of a parameter.

    Before anything is checked, every name is replaced by the number that the parameter stands for.
    """

    text: str

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

    @property
    def whole(self) -> int | None:
        """The number as a whole one; None for a name, per cent, a fraction or a huge number."""
        if len(self.text) < 16 and self.text.isascii() and self.text.isdigit():
            return int(self.text)  # what nearly all are: an image, a pixel, a rank
        if self.is_name or self.percent:
            return None
        number = self.value
        return int(number) if abs(number) < 2**53 and number == int(number) else None

    @property
    def is_reasonable(self) -> bool:
        """Whether it is finite and small enough to be meant."""
        return abs(self.value) <= LARGEST


@dataclass(frozen=True, slots=True)
class Text(Node):
    """Text in double quotes; ``text`` is what is between them."""

    text: str


Value: TypeAlias = Word | Number | Text


@dataclass(frozen=True, slots=True)
class BoxShape(Node):
    """``box(x a..b, y c..d)``."""

    x: tuple[Number, Number]
    y: tuple[Number, Number]


@dataclass(frozen=True, slots=True)
class PolygonShape(Node):
    """``polygon(x,y x,y ...)``."""

    points: tuple[tuple[Number, Number], ...]


@dataclass(frozen=True, slots=True)
class EllipseShape(Node):
    """``ellipse(x,y radius rx,ry)``."""

    center: tuple[Number, Number]
    radius: tuple[Number, Number]


@dataclass(frozen=True, slots=True)
class MaskShape(Node):
    """``mask("file.png")`` or ``mask("file.png" bilinear)``; ``resample`` is the word, if any."""

    path: Text
    resample: Word | None = None


@dataclass(frozen=True, slots=True)
class Everything(Node):
    """``all``."""


@dataclass(frozen=True, slots=True)
class Named(Node):
    """A region by its name."""

    name: Word


Operator = Literal["plus", "minus", "within"]


@dataclass(frozen=True, slots=True)
class Joined(Node):
    """Two regions joined; ``depth`` counts the joins on the longest way down.

    Joins in a row group from the left.
    """

    operator: Operator
    left: RegionExpr
    right: RegionExpr
    depth: int = field(default=0, compare=False)


RegionExpr: TypeAlias = (
    BoxShape | PolygonShape | EllipseShape | MaskShape | Everything | Named | Joined
)


@dataclass(frozen=True, slots=True)
class Interval(Node):
    """``0..9``; both ends are included."""

    first: Number
    last: Number


@dataclass(frozen=True, slots=True)
class Images(Node):
    """``z[130]`` or ``z[5, 7, 26..34]``."""

    latents: Word
    items: tuple[Number | Interval, ...]


@dataclass(frozen=True, slots=True)
class ImagesName(Node):
    """Images by the name of an ``images`` statement."""

    name: Word


@dataclass(frozen=True, slots=True)
class PlaceExpr(Node):
    """``z[130] REGION``, ``z[5, 7] REGION`` or ``NAME REGION``."""

    images: Images | ImagesName
    region: RegionExpr


def parts(expr: RegionExpr) -> Iterator[RegionExpr]:
    """The shapes and names that a region is joined from, left to right."""
    if isinstance(expr, Joined):
        yield from parts(expr.left)
        yield from parts(expr.right)
    else:
        yield expr


def ends(item: Number | Interval) -> tuple[Number, Number]:
    """The first and the last number of an item of a list of images."""
    return (item, item) if isinstance(item, Number) else (item.first, item.last)


def names_in(expr: RegionExpr) -> Iterator[str]:
    """The names of other regions that a region uses."""
    return (part.name.text for part in parts(expr) if isinstance(part, Named))
