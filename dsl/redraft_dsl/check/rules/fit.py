"""Rules that need the layer: does a region reach it, does the copy fit, is there enough context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context, compat_of, settings, whole
from redraft_dsl.check.measure import Bounds, Sizes
from redraft_dsl.check.resolve import place_of
from redraft_dsl.facts import LayerFacts
from redraft_dsl.geometry.masks import MaskError
from redraft_dsl.report.diagnostics import Diagnostic, error, warning
from redraft_dsl.syntax import tree as s

SMALLEST = 0.05
"""A region that covers no cell of a layer by more than this share does not reach the layer."""

OVERHANG = 0.5
"""Pixels by which a copy may hang over the picture's edge before it is worth a word."""


def region_reaches_layer(context: Context) -> Iterable[Diagnostic]:
    """A region covers enough of at least one cell of its layer."""
    sizes = context.sizes
    for operation in context.operations:
        layer = context.layer(operation)
        if sizes is None or layer is None:
            continue
        for item in operation.block.items:
            place = place_of(item)
            if place is not None:
                keys = item.key.text == "context"
                yield from _reaches(place, keys, layer, context, sizes)


def _reaches(
    place: s.PlaceExpr, keys: bool, layer: LayerFacts, context: Context, sizes: Sizes
) -> Iterator[Diagnostic]:
    region = context.regions.resolve(place.region)
    if region is None or sizes.flawed(region):
        return
    size = layer.key_size if keys else layer.value_size
    try:
        cells = sizes.cells(region, size)
    except MaskError:
        return  # a damaged mask is told by its own rule
    if cells.peak >= SMALLEST:
        return
    height, width = (sizes.measure.image_size[axis] / size[axis] for axis in (0, 1))
    what = "keys" if keys else "values"
    yield error(
        "RD305",
        f"this region is too small for `{layer.name}`",
        place.region.span,
        f"covers at most {cells.peak * 100:.2g}% of a cell; 5% is needed"
        if cells.peak > 0
        else "it covers nothing",
        f"`{layer.name}` has {size[1]}x{size[0]} {what}, one for {width:g}x{height:g} pixels: "
        + ("draw a larger region or choose a later layer" if cells.peak > 0 else "draw it again"),
    )


def copy_fits(context: Context) -> Iterable[Diagnostic]:
    """The copy, put at the middle of a paste region, stays in the picture."""
    sizes = context.sizes
    if sizes is None:
        return
    for operation in context.operations:
        if compat_of(operation.block):
            continue  # the authors' code moves the copy back into the picture
        copies = [item for item in operation.block.items if _is(item, "copy")]
        pastes = [item for item in operation.block.items if _is(item, "paste")]
        if not pastes or any(isinstance(i, s.PlaceLine) and i.place is None for i in pastes):
            pastes = [item for item in operation.block.items if _is(item, "context")]
        for paste in pastes if len(copies) == 1 else ():
            yield from _overhang(copies[0], paste, context, sizes)


def _is(item: s.Item, key: str) -> bool:
    return isinstance(item, s.PlaceLine) and item.key.text == key


def _overhang(copy: s.Item, paste: s.Item, context: Context, sizes: Sizes) -> Iterator[Diagnostic]:
    source, target = _bounds(copy, context, sizes), _bounds(paste, context, sizes)
    if source is None or target is None:
        return
    height, width = sizes.measure.image_size
    half_x, half_y = (source.x1 - source.x0) / 2, (source.y1 - source.y0) / 2
    x, y = (target.x0 + target.x1) / 2, (target.y0 + target.y1) / 2
    over = max(half_x - x, x + half_x - width, half_y - y, y + half_y - height)
    if over > OVERHANG:
        yield warning(
            "RD306",
            "the copy hangs over the edge of the picture here",
            paste.span,
            f"by {over:.3g} pixels; what hangs over is lost",
            "copy a smaller region, or move this one away from the edge",
        )


def _bounds(item: s.Item, context: Context, sizes: Sizes) -> Bounds | None:
    if not isinstance(item, s.PlaceLine) or item.place is None:
        return None
    region = context.regions.resolve(item.place.region)
    if region is None or sizes.flawed(region):
        return None
    try:
        return sizes.bounds(region)
    except MaskError:
        return None


def rank_fits(context: Context) -> Iterable[Diagnostic]:
    """The rank is no larger than the layer's keys are long, nor than there are positions."""
    sizes = context.sizes
    for operation in context.operations:
        layer = context.layer(operation)
        if sizes is not None and layer is not None:
            yield from _channels(operation, layer)
            yield from _positions(operation, layer, context, sizes)


def _channels(operation: s.Operation, layer: LayerFacts) -> Iterator[Diagnostic]:
    for key in ("rank", "units"):
        for item in settings(operation.block, key):
            value = whole(item.value)
            if value is not None and value > layer.in_channels:
                yield error(
                    "RD218",
                    f"`{key} {value}` is more than `{layer.name}` can hold",
                    item.value.span,
                    f"its keys have {layer.in_channels} channels",
                    f"use {layer.in_channels} at most; 1 to 16 is usual for a rank",
                )


def _positions(
    operation: s.Operation, layer: LayerFacts, context: Context, sizes: Sizes
) -> Iterator[Diagnostic]:
    given = settings(operation.block, "rank")
    rank = whole(given[0].value) if given else context.defaults.rank
    directions = settings(operation.block, "directions")
    if rank is None or rank > layer.in_channels:
        return
    if directions and directions[0].value.text in ("units", "mean"):
        return  # units come from channels, the mean has a rule of its own
    positions = _count_positions(operation, layer, context, sizes)
    if positions is None or rank <= positions:
        return
    yield error(
        "RD219",
        f"rank {rank} is more than this context can fill",
        given[0].value.span if given else operation.name.span,
        f"the context covers {positions} positions at `{layer.name}`"
        + ("" if given else f"; the default rank is {rank}"),
        f"use `rank {positions}` or less, or give more context" if positions else None,
    )


def _count_positions(
    operation: s.Operation, layer: LayerFacts, context: Context, sizes: Sizes
) -> int | None:
    """Positions of all contexts together; None when one of them cannot be counted."""
    total = 0
    found = False
    for item in operation.block.items:
        if isinstance(item, s.Setting) or item.key.text != "context":
            continue
        place = place_of(item)
        region = context.regions.resolve(place.region) if place else None
        times = whole(item.top) if isinstance(item, s.MatchLine) else 1
        if region is None or times is None or sizes.flawed(region):
            return None
        try:
            cells = sizes.cells(region, layer.key_size)
        except MaskError:
            return None
        if cells.peak < SMALLEST:
            return None  # told as too small
        total += times * cells.touched
        found = True
    return total if found else None
