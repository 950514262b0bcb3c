"""Rules about single operations: their layer, their images, and settings that need each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context, Job, MarkedLine
from redraft_dsl.check.resolve import MOST_IMAGES, MOST_IMAGES_IN_ALL, Image, image_count, range_of
from redraft_dsl.check.values import not_an_index
from redraft_dsl.facts import ModelFacts
from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Note,
    closest,
    error,
    listing,
    replacement,
    unknown,
    warning,
)
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

FEW_LAYERS = 8
"""Up to so many layers are all listed beside the nearest name."""


def block_values(context: Context) -> Iterable[Diagnostic]:
    """Blocks hold known settings, each once, with values that fit, and what has no default."""
    return context.problems


def layer_known(context: Context) -> Iterable[Diagnostic]:
    """The layer exists in the model, by one of its names; even if the rest could not be read."""
    if context.facts is None:
        return
    layers = [node.layer for node in context.all(s.Operation)]
    layers += [broken.layer for broken in context.broken if broken.layer is not None]
    for layer in layers:
        if context.facts.layer(layer.text) is None:
            yield _unknown_layer(layer, context.facts)


def _unknown_layer(layer: s.Word, facts: ModelFacts) -> Diagnostic:
    """With the nearest name of any layer, and, where there are few, all of them."""
    canonical = facts.layer_names()
    every = f"layers of this model: {listing(canonical)}"
    near = closest(layer.text, [name for each in facts.layers for name in each.names])
    help_text = every
    if near is not None:
        found = f"did you mean `{near}`?"
        help_text = f"{found} {every}" if len(canonical) <= FEW_LAYERS else found
    fixes = (replacement(layer.span, near),) if near else ()
    return error(
        "RD102",
        f"unknown layer `{layer.text}`",
        layer.span,
        "this model has no such layer",
        help_text,
        fixes=fixes,
    )


# ---- images -----------------------------------------------------------------------------------


def images(context: Context) -> Iterable[Diagnostic]:
    """Images are drawn from known latents, by numbers below their count, and each stands once."""
    if context.image_count > MOST_IMAGES_IN_ALL:
        yield error(
            "RD227",
            f"this recipe names {context.image_count} images in its places",
            context.jobs[0].node.name.span,
            f"at most {MOST_IMAGES_IN_ALL}",
            "name fewer, or find them by a match",
        )
        return
    for node in context.all(s.ImagesStatement):
        yield from _images(node.images, context)
    known = [node.name.text for node in context.all(s.ImagesStatement)]
    for job in context.jobs:
        for line in job.lines:
            if line.place is None:
                continue
            named = line.place.images
            if isinstance(named, s.Images):
                yield from _images(named, context)
            elif named.name.text not in known and not context.may_be_declared(named.name.text):
                yield _unknown_list(named, known, context)
            yield from _one_image(line)


def _unknown_list(named: s.ImagesName, known: list[str], context: Context) -> Diagnostic:
    name = named.name.text
    message, label = f"no images are called `{name}`", "not defined in this recipe"
    if name in context.counts:
        return error(
            "RD143",
            message,
            named.span,
            label,
            f"`{name}` are latents: say which image, as in `{name}[130]`",
        )
    if known:
        return unknown("RD143", message, named.name, label, known, "images of this recipe")
    example = f"images {name} = {next(iter(context.counts), 'z')}[5, 7, 26..34]"
    return error("RD143", message, named.span, label, f"define them: `{example}`")


def _images(node: s.Images, context: Context) -> Iterator[Diagnostic]:
    name = node.latents.text
    if context.counts and name not in context.counts and not context.may_be_declared(name):
        message, label = f"unknown latents `{name}`", "not defined in this recipe"
        yield unknown(
            "RD113", message, node.latents, label, context.counts, "latents of this recipe"
        )
    count = image_count(node)
    if count > MOST_IMAGES:
        message, label = (
            f"the list of `{name}` has {count} images",
            f"at most {MOST_IMAGES} in one list",
        )
        yield error("RD227", message, node.span, label, "name fewer, or find them by a match")
        return
    known, seen = context.counts.get(name), dict[int, Span]()
    for item in node.items:
        found = range_of(item)
        if found and found[0] >= 0 and (known is None or found[-1] < known):
            yield from _repeated(found, item.span, name, seen)
        else:
            yield _bad_item(item, name, known)


def _bad_item(item: s.Number | s.Interval, name: str, count: int | None) -> Diagnostic:
    """Why something cannot stand in a list of images: no image, or none of these."""
    ends = s.ends(item)
    for number in ends:
        index = number.whole
        if index is None:
            return not_an_index(number)
        if index < 0 or (count is not None and index >= count):
            limit = f"0 to {count - 1}" if count else "0 and up"
            return error(
                "RD210",
                f"`{name}` has no image {index}",
                number.span,
                f"images are numbered {limit}",
                "choose a smaller number, or raise `count`" if index > 0 else "count from 0",
            )
    turned = "..".join(str(number.whole) for number in reversed(ends))
    return error(
        "RD215",
        f"the range of images `{ends[0].text}..{ends[1].text}` is empty",
        item.span,
        "it ends before it starts",
        f"write `{turned}`; both ends are included",
        fixes=(replacement(item.span, turned),),
    )


def _repeated(images: range, span: Span, name: str, seen: dict[int, Span]) -> Iterator[Diagnostic]:
    for index in images:
        if index in seen:
            yield error(
                "RD225",
                f"image {name}[{index}] stands twice in this list",
                span,
                "named again",
                "name it once",
                (Note("it is named here first", seen[index]),),
            )
            return
        seen[index] = span


def _one_image(line: MarkedLine) -> Iterator[Diagnostic]:
    """A copy, and the model of a match, is one image."""
    match = isinstance(line.item, s.MatchLine)
    if (line.row.single or match) and len(line.images) > 1 and line.place is not None:
        what = "like" if match else line.item.key.text
        yield error(
            "RD226",
            f"`{what}` takes one image, found {len(line.images)}",
            line.place.images.span,
            "a list of images",
            f"name one of them, as in `{line.images[0].latents}[{line.images[0].index}]`",
        )


# ---- matches ----------------------------------------------------------------------------------


def matches(context: Context) -> Iterable[Diagnostic]:
    """A match stands where one may, and looks through enough images, all of which exist."""
    for job in context.jobs:
        for line in job.lines:
            if not isinstance(line.item, s.MatchLine):
                continue
            if not line.row.found:
                yield _no_search(line.item, job)
            else:
                yield from _match(line.item, line, context)


def _no_search(item: s.MatchLine, job: Job) -> Diagnostic:
    word = item.key.text
    able = next((f"`{row.word}`" for row in job.row.lines if row.found), "no line")
    return error(
        "RD226",
        f"`{word}` takes a place, not a search",
        item.span,
        f"only {able} may be found by match",
        f"name an image and a region, as in `{word} z[130] box(x 12..52, y 24..38)`",
    )


def _match(item: s.MatchLine, line: MarkedLine, context: Context) -> Iterator[Diagnostic]:
    numbers = (item.top, item.first, item.last, *item.excluded)
    wrong = [number for number in numbers if number.whole is None]
    if wrong:
        yield from map(not_an_index, wrong)
        return
    top, first, last = (int(number.value) for number in numbers[:3])
    excluded = {int(number.value) for number in item.excluded}
    span = item.first.span.to(item.last.span)
    name = line.images[0].latents if line.images else ""
    count = context.counts.get(name)
    if top < 1:
        yield error(
            "RD202",
            "`top` must be at least 1",
            item.top.span,
            "found fewer",
            "say how many to take",
        )
    if first > last or first < 0:
        turned = f"{max(min(first, last), 0)}..{max(first, last, 0)}"
        words = f"{item.first.text}..{item.last.text}"
        yield error(
            "RD215",
            f"the range of images `{words}` is empty"
            if first > last
            else f"images are counted from 0, found `{words}`",
            span,
            "it ends before it starts" if first > last else "a negative number",
            f"write `{turned}`; both ends are included",
            fixes=(replacement(span, turned),),
        )
        return
    if count is not None and last >= count:
        yield error(
            "RD215",
            f"`{name}` has no image {last}",
            span,
            f"images are numbered 0 to {count - 1}",
            f"end at `{count - 1}`, or raise `count`",
            fixes=(replacement(span, f"{item.first.text}..{count - 1}"),),
        )
    yield from _left_over(item, top, range(first, last + 1), excluded)


def _left_over(
    item: s.MatchLine, top: int, searched: range, excluded: set[int]
) -> Iterator[Diagnostic]:
    for number in item.excluded:
        if int(number.value) not in searched:
            yield warning(
                "RD216",
                f"image {number.text} is not in the range anyway",
                number.span,
                f"outside {searched[0]}..{searched[-1]}",
                "leave it out",
            )
    left = len(searched) - len([number for number in excluded if number in searched])
    if top > left:
        yield error(
            "RD214",
            f"`top {top}` asks for more images than there are",
            item.top.span,
            f"only {left} to choose from",
            f"write `top {left}` or less, or search a longer range" if left else "exclude fewer",
            fixes=(replacement(item.top.span, str(left)),) if left else (),
        )


# ---- settings and lines that need each other --------------------------------------------------


def restraints(context: Context) -> Iterable[Diagnostic]:
    """Two settings that say the same thing in two ways do not stand together."""
    for job in context.jobs:
        items = job.values.items
        for row in job.values.rows.values():
            if row.instead_of not in items or row.name not in items:
                continue
            first, second = sorted(
                (items[row.instead_of], items[row.name]), key=lambda item: item.span[:2]
            )
            yield error(
                "RD206",
                f"`{row.instead_of}` and `{row.name}` are both given",
                second.span,
                "the second of the two",
                f"keep one: `{row.name}` finds the `{row.instead_of}` that meets it",
                (Note("the first is here", first.span),),
                fixes=(context.reader.removal(second),),
            )


def targets(context: Context) -> Iterable[Diagnostic]:
    """``each context`` stands alone, and only where it has a meaning."""
    for job in context.jobs:
        for row in job.row.lines:
            lines = job.marked(row.word)
            every = [line.item for line in lines if line.place is None]
            if every and not row.each:
                yield error(
                    "RD221",
                    f"`{row.word}` cannot be `each context`",
                    every[0].span,
                    "a place is expected",
                    "name an image and a region",
                )
            elif every and len(lines) > 1:
                other = next(line.item for line in lines if line.item is not every[0])
                yield error(
                    "RD221",
                    f"`{row.word} each context` stands beside another `{row.word}`",
                    every[0].span,
                    "this already means every context",
                    f"keep `{row.word} each context` alone, or only the single places",
                    (Note(f"the other `{row.word}` is here", other.span),),
                )


def repeated_context(context: Context) -> Iterable[Diagnostic]:
    """The same picture twice as context counts twice, which is rarely meant."""
    for job in context.jobs:
        first: dict[tuple[str, int], Span] = {}
        for line in job.contexts:
            if isinstance(line.item, s.MatchLine) or line.place is None:
                continue
            own: dict[tuple[str, int], Span] = {}
            for image in line.images:
                span = line.place.span if len(line.images) == 1 else image.span
                own.setdefault((image.latents, image.index), span)
                if (image.latents, image.index) in first:
                    yield _again(image, span, first[image.latents, image.index])
            first = {**own, **first}


def _again(image: Image, span: Span, before: Span) -> Diagnostic:
    return warning(
        "RD217",
        f"image {image.latents}[{image.index}] is context twice",
        span,
        "it counts twice",
        "two things that each take the copy may stay; for one thing join the regions with `plus`, "
        "or drop one",
        (Note("first given here", before),),
    )


def mean_rank(context: Context) -> Iterable[Diagnostic]:
    """The mean of the keys is one direction."""
    for job in context.jobs:
        values = job.values
        if values.given.get("directions") != "mean" or values.given.get("rank") == 1:
            continue
        rank, directions = values.items.get("rank"), values.items["directions"]
        given = f"`rank {rank.value.text}`" if rank else f"rank {values.whole('rank')}"
        yield error(
            "RD220",
            "`directions mean` gives a single direction",
            (rank or directions).span,
            f"{given} does not fit" if rank else f"the default is {given}",
            "write `rank 1`, or choose `directions context`",
            fixes=(replacement(rank.span, "rank 1"),) if rank else (),
        )
