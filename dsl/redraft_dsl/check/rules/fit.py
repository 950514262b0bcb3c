"""Rules that need the layer: does a region reach it, does the copy fit, is there enough context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context, Job, MarkedLine
from redraft_dsl.facts import LayerFacts
from redraft_dsl.geometry.masks import MaskError
from redraft_dsl.geometry.measure import Bounds, Cells, Measure
from redraft_dsl.report.diagnostics import Diagnostic, Fix, error, replacement, warning
from redraft_dsl.syntax.edit import added_line

SMALLEST = 0.05
"""A region that covers no cell of a layer by more than this share does not reach the layer."""

OVERHANG = 0.5
"""Pixels by which a copy may hang over the picture's edge before it is worth a word."""


def region_reaches_layer(context: Context) -> Iterable[Diagnostic]:
    """A region covers enough of at least one cell of its layer."""
    for job, layer, measure in _at_layers(context):
        for line in job.lines:
            cells = _cells(line, layer, measure)
            if cells is not None and cells.peak < SMALLEST:
                yield _too_small(line, cells, layer, measure)


def _at_layers(context: Context) -> Iterator[tuple[Job, LayerFacts, Measure]]:
    """The operations whose layer is known."""
    for job in context.jobs:
        if context.measure is not None and job.layer is not None:
            yield job, job.layer, context.measure


def _grid(line: MarkedLine, layer: LayerFacts) -> tuple[int, int]:
    return layer.key_size if line.row.grid == "keys" else layer.value_size


def _cells(line: MarkedLine, layer: LayerFacts, measure: Measure) -> Cells | None:
    """A line's region on its grid; None where something else is wrong with it."""
    found = line.region
    if found is None or found.is_oversized:
        return None
    try:
        if measure.is_flawed(found.region):
            return None
        return measure.cells(found.region, _grid(line, layer))
    except MaskError:
        return None  # a damaged mask is reported by its own rule


def _too_small(line: MarkedLine, cells: Cells, layer: LayerFacts, measure: Measure) -> Diagnostic:
    assert line.place is not None, "it has a region"
    size, what = _grid(line, layer), line.row.grid
    height, width = (measure.image_size[axis] / size[axis] for axis in (0, 1))
    return error(
        "RD305",
        f"the region of this `{line.item.key.text}` is too small for `{layer.name}`",
        line.place.region.span,
        f"covers at most {cells.peak * 100:.2g}% of a cell; 5% is needed"
        if cells.peak > 0
        else "it covers nothing",
        f"`{layer.name}` has {size[1]}x{size[0]} {what}, one for {width:g}x{height:g} pixels: "
        + ("draw a larger region or choose a later layer" if cells.peak > 0 else "draw it again"),
    )


def copy_fits(context: Context) -> Iterable[Diagnostic]:
    """The copy, put at the middle of a paste region, stays in the picture."""
    measure = context.measure
    if measure is None:
        return
    for job in context.jobs:
        if job.values.compat:
            continue  # the authors' code moves the copy back into the picture
        copies, pastes = job.marked("copy"), job.marked("paste")
        if not pastes or any(line.place is None for line in pastes):
            pastes = job.marked("context")
        # Lines with the same region, such as an example and the search for more, are one place.
        places = {_bounds(line, measure): line for line in reversed(pastes)}
        for paste in reversed(places.values()) if len(copies) == 1 else ():
            yield from _overhang(copies[0], paste, measure)


def _overhang(copy: MarkedLine, paste: MarkedLine, measure: Measure) -> Iterator[Diagnostic]:
    source, target = _bounds(copy, measure), _bounds(paste, measure)
    if source is None or target is None:
        return
    height, width = measure.image_size
    half_x, half_y = (source.x1 - source.x0) / 2, (source.y1 - source.y0) / 2
    x, y = (target.x0 + target.x1) / 2, (target.y0 + target.y1) / 2
    over = max(half_x - x, x + half_x - width, half_y - y, y + half_y - height)
    if over > OVERHANG:
        yield warning(
            "RD306",
            f"the copy hangs over the edge of the picture at this `{paste.item.key.text}`",
            paste.item.span,
            f"by {over:.3g} pixel{'' if over == 1 else 's'}; what hangs over is lost",
            "copy a smaller region, or move this one away from the edge",
        )


def _bounds(line: MarkedLine, measure: Measure) -> Bounds | None:
    found = line.region
    if found is None or found.is_oversized:
        return None
    try:
        return None if measure.is_flawed(found.region) else measure.bounds(found.region)
    except MaskError:
        return None


def rank_fits(context: Context) -> Iterable[Diagnostic]:
    """The rank is no larger than the layer's keys are long, nor than there are positions."""
    for job, layer, measure in _at_layers(context):
        yield from _channels(job, layer)
        yield from _positions(context, job, layer, measure)


def _channels(job: Job, layer: LayerFacts) -> Iterator[Diagnostic]:
    for key in ("rank", "units"):
        value, item = job.values.given.get(key), job.values.items.get(key)
        if item is not None and isinstance(value, int) and value > layer.in_channels:
            most = layer.in_channels
            yield error(
                "RD218",
                f"`{key} {value}` is more than `{layer.name}` can hold",
                item.value.span,
                f"its keys have {most} channels",
                f"use {most} at most; 1 to 16 is usual for a rank",
                fixes=(replacement(item.value.span, str(most)),),
            )


def _positions(
    context: Context, job: Job, layer: LayerFacts, measure: Measure
) -> Iterator[Diagnostic]:
    rank, given = job.values.whole("rank"), job.values.items.get("rank")
    if rank is None or rank > layer.in_channels:
        return
    if job.values.value("directions") in ("units", "mean"):
        return  # units come from channels, the mean has a rule of its own
    positions = count_positions(job, layer, measure)
    if positions is None or rank <= positions:
        return
    fixes: tuple[Fix, ...] = ()
    if positions > 0 and given is not None:
        fixes = (replacement(given.value.span, str(positions)),)
    elif positions > 0:
        line = f"rank {positions}"
        edit = added_line(context.reader.text, job.node.block, line)
        fixes = (Fix(f"Add `{line}`", (edit,)),)
    yield error(
        "RD219",
        f"rank {rank} is more than this context can fill",
        given.value.span if given else job.node.name.span,
        f"the context covers {positions} positions at `{layer.name}`"
        + ("" if given else f"; the default rank is {rank}"),
        f"use `rank {positions}` or less, or give more context" if positions else None,
        fixes=fixes,
    )


def count_positions(job: Job, layer: LayerFacts, measure: Measure) -> int | None:
    """Key positions of all contexts together; None when one of them cannot be counted."""
    total = 0
    contexts = job.contexts
    for line in contexts:
        cells, taken = _cells(line, layer, measure), line.taken
        if cells is None or not taken or cells.peak < SMALLEST:
            return None  # something else is wrong with it
        total += taken * cells.touched
    return total if contexts else None
