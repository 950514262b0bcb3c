"""From region expressions to regions without names: definitions inlined, masks read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

from redraft_dsl.check.kept import Notebook, kept_mask, kept_same
from redraft_dsl.check.mentions import parts
from redraft_dsl.geometry.masks import MaskError, MaskFile, path_fault, read_mask
from redraft_dsl.recipe import model as r
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.nodes import MAX_JOINS

MAX_SHAPES = 512
"""Shapes in one region after its names are replaced by what they stand for."""


MAX_POINTS = 1000
"""Points of one polygon."""

RESAMPLINGS = ("area", "bilinear")
"""How a mask is brought to another size; the first is meant where a mask says nothing."""


@dataclass(frozen=True)
class Resolved:
    """A region without names, and how large it is: shapes in it, and joins on the longest way."""

    region: r.Region
    shapes: int = 1
    depth: int = 0


@dataclass(frozen=True)
class Regions:
    """What every definition stands for; a name is missing from ``named`` if that is unknown."""

    named: Mapping[str, Resolved]
    oversized: frozenset[str]
    unresolved: frozenset[str]
    masks: Mapping[str, MaskFile | MaskError]
    measured: dict[int, Resolved | None] = field(default_factory=dict)
    """By the identity of an expression, which several rules look at: the tree outlives this."""

    def resolve(self, expr: s.RegionExpr) -> r.Region | None:
        """The region that an expression stands for; None if one of its parts is at fault."""
        found = self.measure(expr)
        return None if found is None or is_oversized(found) else found.region

    def measure(self, expr: s.RegionExpr) -> Resolved | None:
        """As ``resolve``, with its size, and whatever that size is."""
        if id(expr) not in self.measured:
            self.measured[id(expr)] = self._measure(expr)
        return self.measured[id(expr)]

    def _measure(self, expr: s.RegionExpr) -> Resolved | None:
        match expr:
            case s.Named():
                return self.named.get(expr.name.text)
            case s.Joined():
                return self._joined(expr)
            case s.MaskShape():
                mask = self.masks.get(expr.path.text)
                if not isinstance(mask, MaskFile):
                    return None
                how = expr.resample.text if expr.resample else RESAMPLINGS[0]
                if how not in RESAMPLINGS:
                    return None
                resample = cast('Literal["area", "bilinear"]', how)
                path, sha256 = expr.path.text, mask.sha256
                return Resolved(r.Mask(path=path, sha256=sha256, resample=resample))
            case _:
                region = shape(expr)
                return None if region is None else Resolved(region)

    def _joined(self, expr: s.Joined) -> Resolved | None:
        left, right = self.measure(expr.left), self.measure(expr.right)
        if left is None or right is None:
            return None
        shapes, depth = left.shapes + right.shapes, 1 + max(left.depth, right.depth)
        if shapes > MAX_SHAPES or depth > MAX_JOINS:
            return Resolved(r.All(), shapes, depth)
        region = r.Combination(kind=expr.operator, left=left.region, right=right.region)
        return Resolved(region, shapes, depth)


def is_oversized(found: Resolved) -> bool:
    """Whether a region has grown beyond what a recipe may hold."""
    return found.shapes > MAX_SHAPES or found.depth > MAX_JOINS


def resolve_all(
    definitions: tuple[s.RegionStatement, ...],
    tree: s.Tree,
    folder: Path,
    notes: Notebook | None = None,
) -> Regions:
    """Read every mask and resolve every definition, each after the ones that it is made of.

    ``notes`` are what is kept about the tree's operations, where it is as it was read.
    """
    masks = _read_masks(tree, folder, notes)
    waiting: dict[str, s.RegionStatement] = {}
    for definition in definitions:
        waiting.setdefault(definition.name.text, definition)
    needs = {name: set(names_in(waiting[name].region)) for name in waiting}
    named: dict[str, Resolved] = {}
    oversized: set[str] = set()
    regions = Regions(named, frozenset(), frozenset(), masks)
    ready = [name for name in waiting if not needs[name] & waiting.keys()]
    users = _users(needs)
    open_needs = {name: len(needs[name] & waiting.keys()) for name in waiting}
    done: set[str] = set()
    while ready:
        name = ready.pop()
        done.add(name)
        found = regions.measure(waiting[name].region)
        if found is not None and is_oversized(found):
            oversized.add(name)
        elif found is not None:
            named[name] = kept_same((folder, name), found)
        for user in users.get(name, ()):
            open_needs[user] -= 1
            if open_needs[user] == 0:
                ready.append(user)
    return Regions(named, frozenset(oversized), frozenset(waiting.keys() - done), masks)


def _users(needs: Mapping[str, set[str]]) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for name, needed in needs.items():
        for other in needed:
            users.setdefault(other, []).append(name)
    return users


def shape(expr: s.RegionExpr) -> r.Region | None:
    """A single shape; None when its numbers make none."""
    match expr:
        case s.BoxShape():
            x, y = _pair(expr.x), _pair(expr.y)
            return None if x is None or y is None else r.Box(x=x, y=y)
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


def _pair(numbers: tuple[s.Number, s.Number]) -> tuple[r.Length, r.Length] | None:
    first, second = _length(numbers[0].text), _length(numbers[1].text)
    return None if first is None or second is None else (first, second)


@lru_cache(maxsize=4096)  # the same few numbers fill a recipe
def _length(text: str) -> r.Length | None:
    # Adding 0.0 turns -0.0 into 0.0, so that both spellings give the same recipe.
    value = float(text.removesuffix("%")) + 0.0
    if not is_reasonable(value):
        return None
    return r.Length(value=value, unit="%" if text.endswith("%") else "px")


def is_reasonable(value: float) -> bool:
    """Whether a number is finite and small enough to be meant."""
    return abs(value) <= LARGEST


LARGEST = 1e9
"""No length, factor or count of a recipe is larger."""


def names_in(expr: s.RegionExpr) -> Iterator[str]:
    """The names that an expression uses."""
    for part in parts(expr):
        if isinstance(part, s.Named):
            yield part.name.text


def expressions(tree: s.Tree) -> Iterator[s.RegionExpr]:
    """Every region expression of a recipe: definitions first, then the places of operations."""
    for statement in tree.statements:
        if isinstance(statement, s.RegionStatement):
            yield statement.region
    for statement in tree.statements:
        if isinstance(statement, s.Operation):
            for place in places(statement):
                yield place.region


def places(operation: s.Operation) -> Iterator[s.PlaceExpr]:
    """Every place that an operation names, in the order of the text."""
    for item in operation.block.items:
        place = place_of(item)
        if place is not None:
            yield place


def place_of(item: s.Item) -> s.PlaceExpr | None:
    """The place that a line names, if it names one."""
    if isinstance(item, s.MatchLine):
        return item.like
    return item.place if isinstance(item, s.PlaceLine) else None


def _read_masks(
    tree: s.Tree, folder: Path, notes: Notebook | None
) -> dict[str, MaskFile | MaskError]:
    masks: dict[str, MaskFile | MaskError] = {}
    for path in _mask_paths(tree, notes):
        if path not in masks:
            masks[path] = kept_mask(path, folder, _read)
    return masks


def _mask_paths(tree: s.Tree, notes: Notebook | None) -> Iterator[str]:
    for node in tree.statements:
        if notes is not None and isinstance(node, s.Operation):
            yield from notes.mentions(node).masks
        else:
            for expr in expressions(s.Tree((node,))):
                for part in parts(expr):
                    if isinstance(part, s.MaskShape):
                        yield part.path.text


def _read(path: str, folder: Path) -> MaskFile | MaskError:
    try:
        mask = read_mask(path, folder)
        if path_fault(path) is None:
            _ = mask.coverage  # decoded now, so that a damaged picture is found here
    except MaskError as problem:
        return problem
    return mask
