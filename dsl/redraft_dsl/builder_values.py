"""The values that a recipe is built from in Python: regions, images, places and blocks.

A value knows how it is written, and nothing more. Whether it makes sense is for the checker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TypeAlias

from redraft_dsl.recipe.as_tree import number as shortest
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.syntax import tree as s

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?%?")

Value: TypeAlias = int | float | str
"""A number, or a word or number as the language writes it: ``0.3``, ``"5%"``, ``"svd"``."""
Pair: TypeAlias = tuple[Value, Value]


class BuildError(ValueError):
    """What was built is not a valid recipe; the text shows what the checker says of it."""

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


# ---- regions --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Region:
    """A part of an image. ``a | b`` is ``a plus b``, ``a - b`` minus, ``a & b`` within."""

    node: s.RegionExpr
    named: tuple[tuple[str, Region], ...] = field(default=(), compare=False)

    def __or__(self, other: Region) -> Region:
        return self._joined("plus", other)

    def __sub__(self, other: Region) -> Region:
        return self._joined("minus", other)

    def __and__(self, other: Region) -> Region:
        return self._joined("within", other)

    def _joined(self, operator: s.Operator, other: Region) -> Region:
        if not isinstance(other, Region):
            raise BuildError(f"a region is joined with a region, not with {other!r}")
        node = s.Joined(operator, self.node, other.node)
        return Region(node, (*self.named, *other.named))


def box(x: Pair, y: Pair) -> Region:
    """``box(x=(12, 52), y=(24, 38))``: columns 12 to 51 and rows 24 to 37, from the top left.

    Numbers are pixels of the model's image; ``"50%"`` is per cent of its width or height.
    """
    return Region(s.BoxShape(pair_of(x), pair_of(y)))


def polygon(*points: Pair) -> Region:
    """``polygon((10, 20), (50, 20), (30, 2))``: the inside of a closed outline."""
    return Region(s.PolygonShape(tuple(map(pair_of, points))))


def ellipse(center: Pair, radius: Pair) -> Region:
    """``ellipse((31, 31), radius=(20, 8))``: half its width and half its height."""
    return Region(s.EllipseShape(pair_of(center), pair_of(radius)))


def mask(path: str | Path, resample: str | None = None) -> Region:
    """``mask("masks/eyes.png")``: the light parts of a picture, seen from the recipe's folder."""
    written = path.as_posix() if isinstance(path, Path) else path
    how = None if resample is None else word_of(resample)
    return Region(s.MaskShape(s.Text(written), how))


everything = Region(s.Everything())
"""``all``: the whole picture."""


def region(name: str, value: Region) -> Region:
    """The same region under a name: it is printed once, and by its name wherever it is used."""
    return Region(s.Named(word_of(name)), (*value.named, (name, value)))


# ---- images and places ----------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A region of an image, ``z[116] @ eyes``. Operators go to its region."""

    image: Image
    region: Region

    def __or__(self, other: Region) -> Place:
        return replace(self, region=self.region | other)

    def __sub__(self, other: Region) -> Place:
        return replace(self, region=self.region - other)

    def __and__(self, other: Region) -> Place:
        return replace(self, region=self.region & other)


@dataclass(frozen=True)
class Image:
    """One image, ``z[116]``, or several, ``z[5, 7]``; ``z[116] @ REGION`` is a place in it."""

    latents: str
    index: Value | tuple[Value, ...]

    def __matmul__(self, other: Region) -> Place:
        if not isinstance(other, Region):
            raise BuildError(f"an image takes a region, not {other!r}")
        return Place(self, other)


@dataclass(frozen=True)
class Images:
    """The images of the latents of a name; ``Images("z")[116]`` is one of them."""

    latents: str

    def __getitem__(self, index: Value | tuple[Value, ...]) -> Image:
        return Image(self.latents, index)


z = Images("z")
"""The images of the latents called ``z``."""


@dataclass(frozen=True)
class Like:
    """Contexts found by match; made by ``like``."""

    place: Place
    top: Value
    among: Pair
    excluded: tuple[Value, ...]


def like(place: Place, *, top: Value, among: Pair, excluded: Iterable[Value] = ()) -> Like:
    """``like(z[130] @ eyes, top=60, among=(0, 199))``; both ends of ``among`` are searched."""
    return Like(place, top, among, tuple(excluded))


# ---- blocks ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A word with settings of its own: a solver, or a model in a file."""

    head: str
    settings: tuple[tuple[str, Value], ...]


def exact(**settings: Value) -> Block:
    """``exact(loss="l1", iterations=50)``: the exact solver."""
    return Block("exact", tuple(settings.items()))


def gradient(**settings: Value) -> Block:
    """``gradient(steps=500, rate=0.05)``: gradient descent on the same unknowns."""
    return Block("gradient", tuple(settings.items()))


def projected_adam(**settings: Value) -> Block:
    """``projected_adam(compat="davidbau")``: the paper authors' solver."""
    return Block("projected-adam", tuple(settings.items()))


def model_file(name: str, **settings: Value) -> Block:
    """``model_file("mine", arch="dcgan", weights="mine.pth")``: a model in a file."""
    return Block(name, tuple(settings.items()))


# ---- as the language writes them ------------------------------------------------------------


def value_of(value: object) -> s.Value:
    """A number as its shortest text, text that looks like a number as a number, else a word."""
    text = written(value)
    return s.Number(text) if _NUMBER.fullmatch(text) else word_of(text)


def number_of(value: object) -> s.Number:
    """A number of the language; whatever else it is, the checker will say so."""
    return s.Number(written(value))


def written(value: object) -> str:
    """As the language writes it. Anything else than a number stays as it is, for the checker."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Real) and not isinstance(value, bool):
        given = float(value)
        return shortest(given) if abs(given) < float("inf") else str(given)
    return str(value)


def image_of(image: Image) -> s.Images:
    """An image, or a list of them, of the language."""
    several = image.index if isinstance(image.index, tuple) else (image.index,)
    return s.Images(word_of(image.latents), tuple(map(number_of, several)))


def pair_of(pair: Pair) -> tuple[s.Number, s.Number]:
    """Two numbers of the language. Raises ``BuildError`` for anything but two."""
    first, second = two(pair)
    return number_of(first), number_of(second)


def two(pair: Pair) -> Pair:
    """The two values of a pair. Raises ``BuildError`` for anything but two."""
    try:
        first, second = pair
    except (TypeError, ValueError):
        raise BuildError(f"two numbers are needed, such as (12, 52), not {pair!r}") from None
    return first, second


def word_of(text: object) -> s.Word:
    """A word of the language."""
    return s.Word(str(text))
