"""Rules about regions as written: names, geometry, definitions and mask files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context
from redraft_dsl.check.mentions import parts
from redraft_dsl.check.resolve import (
    MAX_POINTS,
    MAX_SHAPES,
    RESAMPLINGS,
    Regions,
    expressions,
    is_oversized,
    is_reasonable,
    names_in,
    places,
)
from redraft_dsl.check.rules.settings import too_large
from redraft_dsl.check.rules.statements import bad_path
from redraft_dsl.geometry.masks import MaskError, MaskFile, path_fault
from redraft_dsl.report.diagnostics import Diagnostic, did_you_mean, error
from redraft_dsl.syntax import tree as s

Pair = tuple[s.Number, s.Number]


def region_names(context: Context) -> Iterable[Diagnostic]:
    """A region's name is defined somewhere in the recipe."""
    known = [definition.name.text for definition in context.definitions]
    for expr in expressions(context.tree):
        for part in parts(expr):
            if not isinstance(part, s.Named) or part.name.text in known:
                continue
            name = part.name.text
            if not context.excused(name):
                help_text = did_you_mean(name, known, "regions of this recipe")
                if not known:
                    help_text = f"define it: `region {name} = box(x 12..52, y 24..38)`"
                message, label = f"unknown region `{name}`", "not defined in this recipe"
                yield error("RD114", message, part.span, label, help_text)


def region_cycles(context: Context) -> Iterable[Diagnostic]:
    """A region is not made of itself."""
    waiting = {
        definition.name.text: definition
        for definition in reversed(context.definitions)
        if definition.name.text in context.regions.unresolved
    }
    told: set[str] = set()
    for name in [definition.name.text for definition in context.definitions]:
        path: list[str] = []
        while name in waiting and name not in told and name not in path:
            path.append(name)
            name = next(n for n in names_in(waiting[name].region) if n in waiting)
        if name in path:
            cycle = path[path.index(name) :]
            way = " -> ".join(f"`{step}`" for step in [*cycle, name][:6])
            yield error(
                "RD303",
                f"the region `{name}` is made of itself",
                waiting[name].name.span,
                way,
                "define one of them by shapes alone",
            )
        told.update(path)


def region_sizes(context: Context) -> Iterable[Diagnostic]:
    """Names do not multiply into more shapes than anybody could have meant."""
    for definition in context.definitions:
        if definition.name.text in context.regions.oversized:
            yield _oversized(definition.name)
    for operation in context.operations:
        for place in places(operation):
            found = context.regions.measure(place.region)
            if found is not None and is_oversized(found):
                yield _oversized(place)


def _oversized(node: s.Word | s.PlaceExpr) -> Diagnostic:
    return error(
        "RD304",
        "this region is made of too many shapes",
        node.span,
        f"more than {MAX_SHAPES} shapes, or joins nested too deeply",
        "draw it once and use it as a mask",
    )


def geometry(context: Context) -> Iterable[Diagnostic]:
    """Shapes have an inside, and it lies in the picture."""
    size = context.facts.image_size if context.facts else None
    for expr in expressions(context.tree):
        for part in parts(expr):
            match part:
                case s.BoxShape():
                    yield from _box(part, size)
                case s.PolygonShape():
                    yield from _polygon(part, size)
                case s.EllipseShape():
                    yield from _ellipse(part, size)


Size = tuple[int, int] | None


def _box(box: s.BoxShape, size: Size) -> Iterator[Diagnostic]:
    for axis, (low, high), extent in (
        ("x", box.x, _extent(size, 1)),
        ("y", box.y, _extent(size, 0)),
    ):
        if not (is_reasonable(low.value) and is_reasonable(high.value)):
            yield from (too_large(n) for n in (low, high) if not is_reasonable(n.value))
            continue
        start, end = _pixels(low, extent), _pixels(high, extent)
        if start is not None and end is not None and start >= end:
            empty = start == end
            yield error(
                "RD301",
                "this box is empty" if empty else "this box is written backwards",
                low.span.to(high.span),
                f"`{axis}` ends where it starts" if empty else f"`{axis}` ends before it starts",
                "the end is not included, so it must be larger than the start"
                if empty
                else f"write `{axis} {high.text}..{low.text}`",
            )
        yield from _outside(axis, (low, high), extent)


def _outside(axis: str, numbers: Pair, extent: int | None) -> Iterator[Diagnostic]:
    for number in numbers:
        at = _pixels(number, extent)
        if at is None and number.value >= 0:
            continue
        if at is None or at < 0 or (extent is not None and at > extent) or _over(number):
            limit = "0%..100%" if number.percent else f"0..{extent}" if extent else "0 and up"
            picture = "width" if axis == "x" else "height"
            yield error(
                "RD302",
                f"`{axis} {number.text}` is outside the picture",
                number.span,
                f"the {picture} is {limit}",
                "keep the region inside the model's picture",
            )


def _over(number: s.Number) -> bool:
    return number.percent and number.value > 100


def _extent(size: Size, axis: int) -> int | None:
    return None if size is None else size[axis]


def _pixels(number: s.Number, extent: int | None) -> float | None:
    """A length in pixels; per cent of an unknown extent stay per cent."""
    if number.percent:
        return number.value if extent is None else number.value * extent / 100
    return number.value


def _polygon(polygon: s.PolygonShape, size: Size) -> Iterator[Diagnostic]:
    if len(polygon.points) < 3:
        yield error(
            "RD307",
            "a polygon needs at least three points",
            polygon.span,
            f"found {len(polygon.points)}",
            "for a box, write `box(x a..b, y c..d)`",
        )
    if len(polygon.points) > MAX_POINTS:
        yield error(
            "RD307",
            f"a polygon has at most {MAX_POINTS} points",
            polygon.span,
            f"found {len(polygon.points)}",
            "draw it once and use it as a mask",
        )
        return
    for point in polygon.points:
        yield from _point(point, size)


def _point(point: Pair, size: Size) -> Iterator[Diagnostic]:
    for axis, number, extent in zip("xy", point, (_extent(size, 1), _extent(size, 0)), strict=True):
        if not is_reasonable(number.value):
            yield too_large(number)
        else:
            yield from _outside(axis, (number, number), extent)


def _ellipse(ellipse: s.EllipseShape, size: Size) -> Iterator[Diagnostic]:
    yield from _point(ellipse.center, size)
    for number in ellipse.radius:
        if not is_reasonable(number.value):
            yield too_large(number)
        elif number.value <= 0:
            yield error(
                "RD308",
                "an ellipse's radius must be above 0",
                number.span,
                f"found {number.text}",
                "the two radii are half the width and half the height",
            )


_MASK_CODES = {
    "missing": ("RD311", "the mask file is missing", "paths start at the recipe's folder"),
    "not an image": ("RD312", "this mask is no picture", "save it as PNG"),
    "too large": ("RD313", "this mask is too large", "scale it to the size of the model's picture"),
    "outside": ("RD315", "this mask lies outside the recipe's folder", "copy it into the folder"),
    "unreadable": ("RD316", "this mask cannot be read", "point at a readable picture file"),
}


def mask_files(context: Context) -> Iterable[Diagnostic]:
    """Mask files exist, are pictures of a sane size, and have the shape of the model's picture."""
    for expr in expressions(context.tree):
        for part in parts(expr):
            if isinstance(part, s.MaskShape):
                yield from _mask(part, context, context.regions)


def mask_resampling(context: Context) -> Iterable[Diagnostic]:
    """How a mask is resized is one of the known ways."""
    for expr in expressions(context.tree):
        for part in parts(expr):
            how = part.resample if isinstance(part, s.MaskShape) else None
            if how is not None and how.text not in RESAMPLINGS:
                yield error(
                    "RD116",
                    f"`mask` cannot be resized by `{how.text}`",
                    how.span,
                    "not a way of resizing a mask",
                    did_you_mean(how.text, RESAMPLINGS, "ways of resizing a mask"),
                )


def _mask(part: s.MaskShape, context: Context, regions: Regions) -> Iterator[Diagnostic]:
    if path_fault(part.path.text) is not None:
        yield from bad_path(part.path)
        return
    found = regions.masks[part.path.text]
    if isinstance(found, MaskError):
        code, message, help_text = _MASK_CODES[found.fault]
        yield error(code, message, part.path.span, found.message, help_text)
    elif context.facts is not None:
        yield from _mask_shape(part, found, context.facts.image_size)


def _mask_shape(part: s.MaskShape, mask: MaskFile, image: tuple[int, int]) -> Iterator[Diagnostic]:
    if abs(mask.size[0] * image[1] - mask.size[1] * image[0]) > max(image):
        yield error(
            "RD314",
            "this mask has another shape than the model's picture",
            part.path.span,
            f"{mask.size[1]}x{mask.size[0]} pixels; the picture is {image[1]}x{image[0]}",
            "use the picture's own width and height, or a multiple of both",
        )
