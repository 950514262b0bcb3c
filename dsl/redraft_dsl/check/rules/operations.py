"""Rules about single operations: their layer, their images, and settings that need each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context, settings, whole
from redraft_dsl.check.resolve import is_reasonable, places
from redraft_dsl.check.rules.settings import not_whole, too_large
from redraft_dsl.facts import ModelFacts
from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Note,
    closest,
    did_you_mean,
    error,
    listing,
    warning,
)
from redraft_dsl.syntax import tree as s

FEW_LAYERS = 8
"""Up to so many layers are all listed beside the nearest name."""


def layer_known(context: Context) -> Iterable[Diagnostic]:
    """The layer exists in the model, by one of its names; even if the rest could not be read."""
    if context.facts is None:
        return
    layers = [operation.layer for operation in context.operations]
    layers += [broken.layer for broken in context.broken if broken.layer is not None]
    for layer in layers:
        if context.facts.layer(layer.text) is None:
            yield error(
                "RD102",
                f"unknown layer `{layer.text}`",
                layer.span,
                "this model has no such layer",
                _layers(layer.text, context.facts),
            )


def _layers(name: str, facts: ModelFacts) -> str:
    """The nearest name of any layer; with it, or where none is near, the layers there are."""
    canonical = facts.layer_names()
    every = f"layers of this model: {listing(canonical)}"
    near = closest(name, [known for layer in facts.layers for known in layer.names])
    if near is None:
        return every
    found = f"did you mean `{near}`?"
    return f"{found} {every}" if len(canonical) <= FEW_LAYERS else found


def images(context: Context) -> Iterable[Diagnostic]:
    """An image is drawn from known latents, by a number below their count."""
    for operation in context.operations:
        for place in places(operation):
            yield from _image(place, context)


def _image(place: s.PlaceExpr, context: Context) -> Iterator[Diagnostic]:
    name = place.latents.text
    if context.counts and name not in context.counts and not context.excused(name):
        help_text = did_you_mean(name, context.counts, "latents of this recipe")
        message, label = f"unknown latents `{name}`", "not defined in this recipe"
        yield error("RD113", message, place.latents.span, label, help_text)
    index = whole(place.index)
    if index is None:
        yield _not_an_index(place.index)
        return
    count = context.counts.get(name)
    if index < 0 or (count is not None and index >= count):
        limit = f"0 to {count - 1}" if count else "0 and up"
        yield error(
            "RD210",
            f"`{name}` has no image {index}",
            place.index.span,
            f"images are numbered {limit}",
            "choose a smaller number, or raise `count`" if index > 0 else "count from 0",
        )


def _not_an_index(value: s.Number) -> Diagnostic:
    if value.percent:
        message = "an image's number is not in per cent"
        return error("RD201", message, value.span, "expected a whole number", "remove the `%`")
    return not_whole("an image's number", value) if is_reasonable(value.value) else too_large(value)


def matches(context: Context) -> Iterable[Diagnostic]:
    """A match looks through images that exist, and wants no more of them than there are."""
    for operation in context.operations:
        for item in operation.block.items:
            if isinstance(item, s.MatchLine):
                yield from _match(item, context)


def _match(item: s.MatchLine, context: Context) -> Iterator[Diagnostic]:
    numbers = (item.top, item.first, item.last, *item.excluded)
    wrong = [value for value in numbers if whole(value) is None]
    if wrong:
        yield from (_not_an_index(value) for value in wrong)
        return
    top, first, last = (int(value.value) for value in numbers[:3])
    excluded = {int(value.value) for value in item.excluded}
    span = item.first.span.to(item.last.span)
    count = context.counts.get(item.like.latents.text)
    if top < 1:
        message = "`top` must be at least 1"
        yield error("RD202", message, item.top.span, "found fewer", "say how many to take")
    if first > last or first < 0:
        yield error(
            "RD215",
            "this range of images is empty" if first > last else "images are counted from 0",
            span,
            "it ends before it starts" if first > last else "a negative number",
            f"write `{max(min(first, last), 0)}..{max(first, last, 0)}`; both ends are included",
        )
        return
    if count is not None and last >= count:
        yield error(
            "RD215",
            f"`{item.like.latents.text}` has no image {last}",
            span,
            f"images are numbered 0 to {count - 1}",
            f"end at `{count - 1}`, or raise `count`",
        )
    yield from _left_over(item, top, range(first, last + 1), excluded)


def _left_over(
    item: s.MatchLine, top: int, searched: range, excluded: set[int]
) -> Iterator[Diagnostic]:
    for value in item.excluded:
        if int(value.value) not in searched:
            message = f"image {value.text} is not in the range anyway"
            label = f"outside {searched[0]}..{searched[-1]}"
            yield warning("RD216", message, value.span, label, "leave it out")
    left = len(searched) - len([number for number in excluded if number in searched])
    if top > left:
        yield error(
            "RD214",
            f"`top {top}` wants more images than there are",
            item.top.span,
            f"only {left} to choose from",
            f"write `top {left}` or less, or search a longer range" if left else "exclude fewer",
        )


def restraints(context: Context) -> Iterable[Diagnostic]:
    """``preserve`` and ``side`` say the same thing in two ways."""
    for operation in context.operations:
        preserve = settings(operation.block, "preserve")
        side = settings(operation.block, "side")
        if preserve and side and operation.kind.text != "zero":
            first, second = sorted((preserve[0], side[0]), key=lambda item: item.span)
            yield error(
                "RD206",
                "`preserve` and `side` are both given",
                second.span,
                "the second of the two",
                "keep one: `side` finds the `preserve` that meets it",
                (Note("the first is here", first.span),),
            )


def targets(context: Context) -> Iterable[Diagnostic]:
    """``each context`` stands alone, not among other places."""
    for operation in context.operations:
        for key in ("paste", "from"):
            lines = [
                item
                for item in operation.block.items
                if isinstance(item, s.PlaceLine) and item.key.text == key
            ]
            every = [item for item in lines if item.place is None]
            if every and len(lines) > 1:
                other = next(item for item in lines if item is not every[0])
                yield error(
                    "RD221",
                    f"`{key} each context` stands beside another `{key}`",
                    every[0].span,
                    "this already means every context",
                    f"keep `{key} each context` alone, or only the single places",
                    (Note(f"the other `{key}` is here", other.span),),
                )


def repeated_context(context: Context) -> Iterable[Diagnostic]:
    """The same picture twice as context counts twice, which is rarely meant."""
    for operation in context.operations:
        first: dict[tuple[str, str], s.PlaceExpr] = {}
        for item in operation.block.items:
            if not isinstance(item, s.PlaceLine) or item.key.text != "context":
                continue
            place = item.place
            if place is None:
                continue
            image = (place.latents.text, place.index.text)
            if image in first:
                yield warning(
                    "RD217",
                    f"image {image[0]}[{image[1]}] is context twice",
                    place.span,
                    "it counts twice",
                    "join the two regions with `plus`, or drop one",
                    (Note("first given here", first[image].span),),
                )
            first.setdefault(image, place)


def mean_rank(context: Context) -> Iterable[Diagnostic]:
    """The mean of the keys is one direction."""
    for operation in context.operations:
        directions = settings(operation.block, "directions")
        if not directions or directions[0].value.text != "mean":
            continue
        rank = settings(operation.block, "rank")
        if rank and whole(rank[0].value) == 1:
            continue
        given = f"`rank {rank[0].value.text}`" if rank else f"rank {context.defaults.rank}"
        yield error(
            "RD220",
            "`directions mean` gives a single direction",
            rank[0].span if rank else directions[0].span,
            f"{given} does not fit" if rank else f"the default is {given}",
            "write `rank 1`, or choose `directions context`",
        )
