"""Rules about regions as written: names, geometry, definitions and mask files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context
from redraft_dsl.check.resolve import MAX_POINTS, MAX_SHAPES, Regions
from redraft_dsl.check.rules.statements import bad_path
from redraft_dsl.check.values import too_large
from redraft_dsl.files import path_fault
from redraft_dsl.geometry.masks import MaskError, MaskFile
from redraft_dsl.language.words import RESAMPLINGS
from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Fix,
    error,
    replacement,
    unknown,
    warning,
)
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.edit import added_statement

Pair = tuple[s.Number, s.Number]
Size = tuple[int, int] | None


def region_names(context: Context) -> Iterable[Diagnostic]:
    """A region's name is defined somewhere in the recipe."""
    known = [definition.name.text for definition in context.all(s.RegionStatement)]
    for part in context.nodes:
        if not isinstance(part, s.Named) or part.name.text in known:
            continue
        name = part.name.text
        if context.may_be_declared(name):
            continue
        message, label = f"unknown region `{name}`", "not defined in this recipe"
        if known:
            yield unknown("RD114", message, part.name, label, known, "regions of this recipe")
            continue
        new = f"region {name} = box(x 12..52, y 24..38)"
        edit = added_statement(context.tree, context.source.text, new)
        yield error(
            "RD114",
            message,
            part.span,
            label,
            f"define it: `{new}`",
            fixes=(Fix(f"Add `{new}`", (edit,), False),),
        )


def region_cycles(context: Context) -> Iterable[Diagnostic]:
    """A region is not made of itself."""
    definitions = context.all(s.RegionStatement)
    waiting = {
        definition.name.text: definition
        for definition in reversed(definitions)
        if definition.name.text in context.regions.unresolved
    }
    reported: set[str] = set()
    for name in [definition.name.text for definition in definitions]:
        path: list[str] = []
        while name in waiting and name not in reported and name not in path:
            path.append(name)
            name = next(n for n in s.names_in(waiting[name].region) if n in waiting)
        if name in path:
            cycle = path[path.index(name) :]
            yield error(
                "RD303",
                f"the region `{name}` is made of itself",
                waiting[name].name.span,
                " -> ".join(f"`{step}`" for step in [*cycle, name][:6]),
                "define one of them by shapes alone",
            )
        reported.update(path)


def region_sizes(context: Context) -> Iterable[Diagnostic]:
    """Names do not multiply into more shapes than a recipe may hold."""
    for definition in context.all(s.RegionStatement):
        if definition.name.text in context.regions.oversized:
            yield _oversized(definition.name.span, f"the region `{definition.name.text}`")
    for job in context.jobs:
        for line in job.lines:
            if line.place is not None and line.region is not None and line.region.is_oversized:
                yield _oversized(line.place.span, f"the region of this `{line.item.key.text}`")


def _oversized(span: Span, what: str) -> Diagnostic:
    return error(
        "RD304",
        f"{what} is made of too many shapes",
        span,
        f"more than {MAX_SHAPES} shapes, or joins nested too deeply",
        "draw it once and use it as a mask",
    )


# ---- geometry ---------------------------------------------------------------------------------


def geometry(context: Context) -> Iterable[Diagnostic]:
    """Shapes have an inside, and it is in the picture."""
    size = context.facts.image_size if context.facts else None
    for part in context.nodes:
        match part:
            case s.BoxShape():
                yield from _box(part, size)
            case s.PolygonShape():
                yield from _polygon(part, size)
            case s.EllipseShape():
                yield from _ellipse(part, size)


def _box(box: s.BoxShape, size: Size) -> Iterator[Diagnostic]:
    height, width = size or (None, None)
    for axis, (low, high), extent in (("x", box.x, width), ("y", box.y, height)):
        if not (low.is_reasonable and high.is_reasonable):
            yield from (too_large(number) for number in (low, high) if not number.is_reasonable)
            continue
        start, end = _pixels(low, extent), _pixels(high, extent)
        comparable = extent is not None or low.percent == high.percent
        if comparable and start >= end:
            yield _no_inside(axis, low, high, empty=start == end)
        yield from _outside(axis, (low, high), extent)


def _no_inside(axis: str, low: s.Number, high: s.Number, *, empty: bool) -> Diagnostic:
    span, what = low.span.to(high.span), f"the box with `{axis} {low.text}..{high.text}`"
    if empty:
        help_text = "the end is not included, so it must be larger than the start"
        label = f"`{axis}` ends where it starts"
        return error("RD301", f"{what} is empty", span, label, help_text)
    turned = f"{high.text}..{low.text}"
    message, label = f"{what} is written backwards", f"`{axis}` ends before it starts"
    help_text, fixes = f"write `{axis} {turned}`", (replacement(span, turned),)
    return error("RD301", message, span, label, help_text, fixes=fixes)


def _outside(axis: str, numbers: Iterable[s.Number], extent: int | None) -> Iterator[Diagnostic]:
    for number in numbers:
        at = _pixels(number, extent)
        beyond = number.value > 100 if number.percent else extent is not None and at > extent
        if at < 0 or beyond:
            limit = "0%..100%" if number.percent else f"0..{extent}" if extent else "0 and up"
            picture = "width" if axis == "x" else "height"
            yield error(
                "RD302",
                f"`{axis} {number.text}` is outside the picture",
                number.span,
                f"the {picture} is {limit}",
                "keep the region inside the model's picture",
            )


def _pixels(number: s.Number, extent: int | None) -> float:
    """A length in pixels; per cent of an unknown extent stay per cent."""
    return number.value * extent / 100 if number.percent and extent else number.value


def _polygon(polygon: s.PolygonShape, size: Size) -> Iterator[Diagnostic]:
    count = len(polygon.points)
    if count < 3:
        message = "a polygon needs at least three points"
        help_text = "for a box, write `box(x a..b, y c..d)`"
        yield error("RD307", message, polygon.span, f"found {count}", help_text)
    if count > MAX_POINTS:
        message = f"a polygon has at most {MAX_POINTS} points"
        help_text = "draw it once and use it as a mask"
        yield error("RD307", message, polygon.span, f"found {count}", help_text)
        return
    for point in polygon.points:
        yield from _point(point, size)


def _point(point: Pair, size: Size) -> Iterator[Diagnostic]:
    height, width = size or (None, None)
    for axis, number, extent in (("x", point[0], width), ("y", point[1], height)):
        if not number.is_reasonable:
            yield too_large(number)
        else:
            yield from _outside(axis, (number,), extent)


def _ellipse(ellipse: s.EllipseShape, size: Size) -> Iterator[Diagnostic]:
    yield from _point(ellipse.center, size)
    for number in ellipse.radius:
        if not number.is_reasonable:
            yield too_large(number)
        elif number.value <= 0:
            yield error(
                "RD308",
                f"an ellipse's radius must be above 0, found `{number.text}`",
                number.span,
                "not above 0",
                "the two radii are half the width and half the height",
            )


# ---- masks ------------------------------------------------------------------------------------

_MASK_CODES = {
    "missing": ("RD311", "there is no mask file {}", "paths start at the recipe's folder"),
    "not an image": ("RD312", "the mask {} is not a picture", "save it as PNG"),
    "too large": (
        "RD313",
        "the mask {} is too large",
        "scale it to the size of the model's picture",
    ),
    "outside": ("RD315", "the mask {} is outside the recipe's folder", "copy it into the folder"),
    "unreadable": ("RD316", "the mask {} cannot be read", "point at a readable picture file"),
}


def mask_files(context: Context) -> Iterable[Diagnostic]:
    """Mask files are pictures that are not too large, of the model's shape, and mark something."""
    for part in context.nodes:
        if isinstance(part, s.MaskShape):
            yield from _mask(part, context, context.regions)


def _mask(part: s.MaskShape, context: Context, regions: Regions) -> Iterator[Diagnostic]:
    if path_fault(part.path.text) is not None:
        yield from bad_path(part.path)
        return
    found = regions.masks[part.path.text]
    if isinstance(found, MaskError):
        code, message, help_text = _MASK_CODES[found.fault]
        message = message.format(f"`{part.path.text}`")
        yield error(code, message, part.path.span, found.message, help_text)
        return
    if context.facts is not None:
        yield from _mask_shape(part, found, context.facts.image_size)
    if not found.marks_something:
        label = "it is black, or transparent, everywhere"
        help_text = "paint what is inside in white"
        yield error(
            "RD317", f"the mask `{part.path.text}` marks nothing", part.path.span, label, help_text
        )
    elif found.is_faint:
        label = "no pixel of it is more than half inside"
        help_text = "paint what is inside in white; class numbers in grey are nearly black"
        message = f"the mask `{part.path.text}` is faint"
        yield warning("RD318", message, part.path.span, label, help_text)


def _mask_shape(part: s.MaskShape, mask: MaskFile, image: tuple[int, int]) -> Iterator[Diagnostic]:
    if not mask.has_shape_of(image):
        yield error(
            "RD314",
            f"the mask `{part.path.text}` has another shape than the model's picture",
            part.path.span,
            f"{mask.size[1]}x{mask.size[0]} pixels; the picture is {image[1]}x{image[0]}",
            "use the picture's own width and height, or a multiple of both",
        )


def mask_resampling(context: Context) -> Iterable[Diagnostic]:
    """How a mask is resized is one of the known ways."""
    for part in context.nodes:
        how = part.resample if isinstance(part, s.MaskShape) else None
        if how is not None and how.text not in RESAMPLINGS:
            yield unknown(
                "RD116",
                f"`mask` cannot be resized by `{how.text}`",
                how,
                "not a way of resizing a mask",
                RESAMPLINGS,
                "ways of resizing a mask",
            )
