"""From expressions to what they stand for: regions without names, masks read, lists of images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal, cast

from redraft_dsl.files import path_fault
from redraft_dsl.geometry.masks import MaskError, MaskFile, read_mask
from redraft_dsl.language.words import RESAMPLINGS
from redraft_dsl.recipe import model as r
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.nodes import MAX_JOINS

MAX_SHAPES = 512
"""Shapes in one region after its names are replaced by what they stand for."""

MAX_POINTS = 1000
"""Points of one polygon."""


@dataclass(frozen=True)
class Resolved:
    """A region without names, and how large it is: shapes in it, and joins on the longest way."""

    region: r.Region
    shapes: int = 1
    depth: int = 0

    @property
    def is_oversized(self) -> bool:
        """Whether it has grown beyond what a recipe may hold."""
        return self.shapes > MAX_SHAPES or self.depth > MAX_JOINS


@dataclass(frozen=True)
class Regions:
    """What every definition stands for; a name is missing from ``named`` if that is unknown.

    ``oversized`` are too large; ``unresolved`` are made of themselves, or of others that are.
    ``masks`` are the files, read.
    """

    named: Mapping[str, Resolved]
    oversized: frozenset[str]
    unresolved: frozenset[str]
    masks: Mapping[str, MaskFile | MaskError]

    def resolve(self, expr: s.RegionExpr) -> Resolved | None:
        """The region that an expression stands for; None if one of its parts is at fault."""
        match expr:
            case s.Named():
                return self.named.get(expr.name.text)
            case s.Joined():
                return self._joined(expr)
            case s.MaskShape():
                return self._mask(expr)
            case _:
                region = shape(expr)
                return None if region is None else Resolved(region)

    def _mask(self, expr: s.MaskShape) -> Resolved | None:
        mask = self.masks.get(expr.path.text)
        how = expr.resample.text if expr.resample else RESAMPLINGS[0]
        if not isinstance(mask, MaskFile) or how not in RESAMPLINGS or not mask.marks_something:
            return None
        resample = cast('Literal["area", "bilinear"]', how)
        return Resolved(r.Mask(path=expr.path.text, sha256=mask.sha256, resample=resample))

    def _joined(self, expr: s.Joined) -> Resolved | None:
        left, right = self.resolve(expr.left), self.resolve(expr.right)
        if left is None or right is None:
            return None
        shapes, depth = left.shapes + right.shapes, 1 + max(left.depth, right.depth)
        if shapes > MAX_SHAPES or depth > MAX_JOINS:
            return Resolved(r.All(), shapes, depth)
        region = r.Combination(kind=expr.operator, left=left.region, right=right.region)
        return Resolved(region, shapes, depth)


def resolve_all(nodes: Iterable[s.Node], folder: Path) -> Regions:
    """Read every mask and resolve every definition, each after the ones that it is made of."""
    masks: dict[str, MaskFile | MaskError] = {}
    waiting: dict[str, s.RegionStatement] = {}
    for node in nodes:
        if isinstance(node, s.RegionStatement):
            waiting.setdefault(node.name.text, node)
        elif isinstance(node, s.MaskShape) and node.path.text not in masks:
            masks[node.path.text] = _read(node.path.text, folder)
    needs = {name: set(s.names_in(node.region)) & waiting.keys() for name, node in waiting.items()}
    named: dict[str, Resolved] = {}
    oversized: set[str] = set()
    regions = Regions(named, frozenset(), frozenset(), masks)
    order = TopologicalSorter(needs)
    with suppress(CycleError):  # what can be resolved is, and the rest is reported by a rule
        order.prepare()
    done: set[str] = set()
    while ready := order.get_ready():
        for name in ready:
            found = regions.resolve(waiting[name].region)
            if found is not None and found.is_oversized:
                oversized.add(name)
            elif found is not None:
                named[name] = found
        done |= set(ready)
        order.done(*ready)
    return Regions(named, frozenset(oversized), frozenset(waiting.keys() - done), masks)


def shape(expr: s.RegionExpr) -> r.Region | None:
    """A single shape; None when its numbers make none."""
    match expr:
        case s.BoxShape():
            return _box(*(number.text for number in (*expr.x, *expr.y)))
        case s.PolygonShape() if len(expr.points) <= MAX_POINTS:
            points = tuple(pair for pair in map(_pair, expr.points) if pair is not None)
            return r.Polygon(points=points) if len(points) == len(expr.points) else None
        case s.EllipseShape():
            center, radius = _pair(expr.center), _pair(expr.radius)
            if center is None or radius is None:
                return None
            return r.Ellipse(center=center, radius=radius)
        case s.Everything():
            return r.All()
        case _:
            return None


@lru_cache(maxsize=1024)  # most lines of a rule have the same box
def _box(*texts: str) -> r.Box | None:
    x0, x1, y0, y1 = map(_length, texts)
    if x0 is None or x1 is None or y0 is None or y1 is None:
        return None
    return r.Box(x=(x0, x1), y=(y0, y1))


def _pair(numbers: tuple[s.Number, s.Number]) -> tuple[r.Length, r.Length] | None:
    first, second = _length(numbers[0].text), _length(numbers[1].text)
    return None if first is None or second is None else (first, second)


@lru_cache(maxsize=4096)  # the same few numbers fill a recipe
def _length(text: str) -> r.Length | None:
    # Adding 0.0 turns -0.0 into 0.0, so that both spellings give the same recipe.
    value = float(text.removesuffix("%")) + 0.0
    if not math.isfinite(value) or abs(value) > s.LARGEST:
        return None
    return r.Length(value=value, unit="%" if text.endswith("%") else "px")


def _read(path: str, folder: Path) -> MaskFile | MaskError:
    try:
        mask = read_mask(path, folder)
        if path_fault(path) is None:
            _ = mask.coverage  # decoded now, so that a damaged picture is found here
    except MaskError as problem:
        return problem
    return mask


# ---- images -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Image:
    """One image of a list, and where it is written; ``span`` covers an interval as a whole."""

    latents: str
    index: int
    span: Span


def image_count(node: s.Images) -> int:
    """How many images a list names, without writing them out."""
    return sum(1 if isinstance(item, s.Number) else len(range_of(item)) for item in node.items)


def range_of(item: s.Number | s.Interval) -> range:
    """The images of an item of a list; none where its numbers are not numbers of images."""
    ends = s.ends(item)
    first = ends[0].whole
    last = first if ends[1] is ends[0] else ends[1].whole
    return range(0) if first is None or last is None else range(first, last + 1)


def images_of(node: s.Images) -> tuple[Image, ...]:
    """Every image of a list; without those whose numbers are not numbers of images.

    A list that is too long gives none.
    """
    if image_count(node) > MOST_IMAGES:
        return ()
    name = node.latents.text
    return tuple(Image(name, at, item.span) for item in node.items for at in range_of(item))


MOST_IMAGES = 5000
"""Images in one list."""
MOST_IMAGES_IN_ALL = 100_000
"""Images of all places of a recipe together."""
