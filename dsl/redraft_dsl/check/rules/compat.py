"""Rules about ``compat``: a rule that reproduces other people's code has no settings against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context, Job
from redraft_dsl.report.diagnostics import Diagnostic, Fix, Note, error, replacement, warning
from redraft_dsl.syntax import tree as s

_REASONS = {
    "preserve": "nothing holds back the rest of the layer there",
    "keep": "the rest of the paste picture has no weight there",
    "contrast": "the context pictures are not distinguished from the others there",
    "directions": "directions come from the context there",
    "goal": "the goal is computed on a crop there",
}


def contradictions(context: Context) -> Iterable[Diagnostic]:
    """No setting asks for what the reproduced code does not do."""
    for job, compat in _compatible(context):
        for values in (job.values, *job.values.groups.values()):
            for key, value in values.given.items():
                row, item = values.rows[key], values.items[key]
                if row.instead_of in _REASONS:
                    fixes = (context.reader.removal(item),)
                    reason = _REASONS[row.instead_of]
                    yield _contradiction(item, compat, reason, "leave it out", fixes)
                # Any directions but those of the goal are theirs too.
                wrong = value == row.default(values.edition) if row.choices else value
                if row.davidbau is not None and wrong and value != row.davidbau:
                    shown = row.davidbau if row.choices else f"{row.davidbau:g}"
                    new = f"{key} {shown}"
                    fixes = (replacement(item.span, new),)
                    help_text = f"write `{new}`, or leave it out"
                    yield _contradiction(item, compat, _REASONS[key], help_text, fixes)


def authors_operations(context: Context) -> Iterable[Diagnostic]:
    """Only operations that the reproduced code has."""
    for job in context.jobs:
        compat = job.values.compat
        if compat is not None and not any(row.each for row in job.row.lines):
            word = job.node.kind.text
            yield error(
                "RD223",
                f"`{word}` contradicts `compat davidbau`",
                job.node.kind.span,
                f"the authors' code has no `{word}`",
                "leave the line out, or take another solver",
                (Note("the authors' code is asked for here", compat.span),),
            )


def nothing_protected(context: Context) -> Iterable[Diagnostic]:
    """Where the goal is set on a crop, as in the reproduced code, nothing else has a place."""
    for job in context.jobs:
        lines, compat = job.marked("protect"), job.values.compat
        crop = next((each.items["goal"] for each in job.values.groups.values()
                     if each.given.get("goal") == "crop"), None)  # fmt: skip
        for line in lines if compat or crop else ():
            fixes = (context.reader.removal(line.item),)
            if compat:
                reason = "every value may change there"
                yield _contradiction(line.item, compat, reason, "leave it out", fixes)
            elif crop:
                yield error(
                    "RD223",
                    "`protect` contradicts `goal crop`",
                    line.item.span,
                    "a crop holds nothing but what is pasted",
                    "leave one of them out",
                    (Note("the crop is asked for here", crop.span),),
                    fixes=fixes,
                )


def one_paste(context: Context) -> Iterable[Diagnostic]:
    """The goal is set in exactly one picture."""
    for job, compat in _compatible(context):
        row = next(row for row in job.row.lines if row.each)
        lines = job.marked(row.word)
        given = [line for line in lines if line.place for _ in line.images or (None,)]
        if len(given) == len(lines) == 1:
            continue
        if len(given) > 1:
            help_text = f"keep one `{row.word}`, and give the other pictures as `context`"
            item = given[1].item
            yield _contradiction(item, compat, "the goal is set in one picture there", help_text)
        elif lines or not _single_context(job):
            yield error(
                "RD223",
                f"`compat davidbau` needs one `{row.word}`",
                lines[0].item.span if lines else job.node.name.span,
                "the goal is set in one picture there",
                f"name one picture in place of `{row.word} each context`"
                if lines
                else f"add a line such as `{row.example}`",
                (Note("the authors' code is asked for here", compat.span),),
            )


def _single_context(job: Job) -> bool:
    """Whether the one context can be the paste too."""
    contexts = job.marked("context")
    marked = [line for line in contexts if isinstance(line.item, s.PlaceLine)]
    return len(contexts) == len(marked) == 1 and len(marked[0].images) == 1


def averaged_masks(context: Context) -> Iterable[Diagnostic]:
    """Masks are resized as the reproduced code does it."""
    for job, compat in _compatible(context):
        for line in job.lines:
            for mask in _masks(line.place.region, context, set()) if line.place else ():
                if mask.resample is None:
                    new = f'mask("{mask.path.text}" bilinear)'
                    yield warning(
                        "RD224",
                        f"the mask `{mask.path.text}` is averaged by area, "
                        "which the authors' code does not do",
                        mask.span,
                        "the result will differ a little from theirs",
                        f"write `{new}`",
                        (Note("the authors' code is asked for here", compat.span),),
                        fixes=(replacement(mask.span, new),),
                    )


def _masks(expr: s.RegionExpr, context: Context, seen: set[str]) -> Iterator[s.MaskShape]:
    """The masks of a region, and of the regions that it names."""
    for part in s.parts(expr):
        if isinstance(part, s.MaskShape):
            yield part
        elif isinstance(part, s.Named) and part.name.text not in seen:
            seen.add(part.name.text)
            for definition in context.all(s.RegionStatement):
                if definition.name.text == part.name.text:
                    yield from _masks(definition.region, context, seen)


def _compatible(context: Context) -> Iterator[tuple[Job, s.Setting]]:
    """The operations that ask for other people's code, with the line that does so."""
    for job in context.jobs:
        compat = job.values.compat
        if compat is not None and any(row.each for row in job.row.lines):
            yield job, compat


def _contradiction(
    item: s.Item, compat: s.Setting, reason: str, help_text: str, fixes: tuple[Fix, ...] = ()
) -> Diagnostic:
    written = f"{item.key.text} {item.value.text}" if isinstance(item, s.Setting) else item.key.text
    return error(
        "RD223",
        f"`{written}` contradicts `compat davidbau`",
        item.span,
        reason,
        help_text,
        (Note("the authors' code is asked for here", compat.span),),
        fixes=fixes,
    )
