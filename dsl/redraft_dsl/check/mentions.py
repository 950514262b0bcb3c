"""What an operation names: everything outside it that can change what is said about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from redraft_dsl.syntax import tree as s


@dataclass(frozen=True)
class Mentions:
    """Names in an operation as written, each once.

    ``words`` stand where a word, and so a parameter, can stand; ``numbers`` where only a number or
    a parameter can.
    """

    words: tuple[str, ...]
    numbers: tuple[str, ...]
    latents: tuple[str, ...]
    regions: tuple[str, ...]
    masks: tuple[str, ...]


def mentions_of(operation: s.Operation) -> Mentions:
    """Look through an operation as written."""
    items = list(_items(operation.block))
    places = [place for item in items if (place := _place(item)) is not None]
    shapes = [part for place in places for part in parts(place.region)]
    words = [operation.layer.text]
    numbers = [place.index for place in places]
    for item in items:
        if isinstance(item, s.Setting) and isinstance(item.value, s.Word):
            words.append(item.value.text)
        elif isinstance(item, s.MatchLine):
            numbers += (item.top, item.first, item.last, *item.excluded)
    numbers += [number for part in shapes for number in _numbers(part)]
    return Mentions(
        _once(words),
        _once(number.text for number in numbers if number.is_name),
        _once(place.latents.text for place in places),
        _once(part.name.text for part in shapes if isinstance(part, s.Named)),
        _once(part.path.text for part in shapes if isinstance(part, s.MaskShape)),
    )


def _items(block: s.Block) -> Iterator[s.Item]:
    """Every line of a block, and of the blocks in it."""
    for item in block.items:
        yield item
        if isinstance(item, s.Setting) and item.block is not None:
            yield from _items(item.block)


def _place(item: s.Item) -> s.PlaceExpr | None:
    if isinstance(item, s.MatchLine):
        return item.like
    return item.place if isinstance(item, s.PlaceLine) else None


def parts(expr: s.RegionExpr) -> Iterator[s.RegionExpr]:
    """The shapes and names that an expression is joined from, left to right."""
    if isinstance(expr, s.Joined):
        yield from parts(expr.left)
        yield from parts(expr.right)
    else:
        yield expr


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _numbers(part: s.RegionExpr) -> tuple[s.Number, ...]:
    match part:
        case s.BoxShape():
            return (*part.x, *part.y)
        case s.EllipseShape():
            return (*part.center, *part.radius)
        case s.PolygonShape():
            return tuple(number for point in part.points for number in point)
        case _:
            return ()
