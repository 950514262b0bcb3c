"""Rules about ``compat``: a rule that reproduces somebody's code says nothing against that code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context, compat_of, settings
from redraft_dsl.check.mentions import parts
from redraft_dsl.check.resolve import places
from redraft_dsl.report.diagnostics import Diagnostic, Note, error, warning
from redraft_dsl.syntax import tree as s

_NOUGHT = {
    "preserve": "nothing holds back the rest of the layer there",
    "keep": "the rest of the paste picture has no weight there",
    "contrast": "the context pictures are not told apart from the others there",
}


def contradictions(context: Context) -> Iterable[Diagnostic]:
    """No setting asks for what the reproduced code does not do."""
    for operation, compat in _compatible(context):
        for item in operation.block.items:
            if isinstance(item, s.Setting):
                yield from _setting(item, compat)
        solver = settings(operation.block, "solver")[0]
        for item in settings(solver.block, "goal"):
            if item.value.text == "halo":
                reason = "the goal is computed on a crop there"
                yield _contradiction(item, compat, reason, "write `goal crop`, or leave it out")


def _setting(item: s.Setting, compat: s.Setting) -> Iterator[Diagnostic]:
    key, value = item.key.text, item.value
    if key == "side":
        yield _contradiction(item, compat, _NOUGHT["preserve"], "leave it out")
    elif key in _NOUGHT and isinstance(value, s.Number) and value.value != 0:
        yield _contradiction(item, compat, _NOUGHT[key], f"write `{key} 0`, or leave it out")
    elif key == "directions" and value.text == "goal":
        reason = "directions come from the context there"
        yield _contradiction(item, compat, reason, "write `directions context`, or leave it out")


def one_paste(context: Context) -> Iterable[Diagnostic]:
    """The goal is set in exactly one picture."""
    for operation, compat in _compatible(context):
        key = "paste" if operation.kind.text == "rule" else "from"
        lines = [
            item
            for item in operation.block.items
            if isinstance(item, s.PlaceLine) and item.key.text == key
        ]
        given = [item for item in lines if item.place is not None]
        if len(given) == len(lines) == 1:
            continue
        if len(given) > 1:
            help_text = f"keep one `{key}`, and give the other pictures as `context`"
            yield _contradiction(
                given[1], compat, "the goal is set in one picture there", help_text
            )
        elif lines or not _single_context(operation):
            at = lines[0].span if lines else operation.name.span
            yield error(
                "RD223",
                f"`compat davidbau` needs one `{key}`",
                at,
                "the goal is set in one picture there",
                f"add a line such as `{key} z[130] box(x 12..52, y 24..38)`"
                if not lines
                else f"name one picture in place of `{key} each context`",
                (Note("the authors' code is asked for here", compat.span),),
            )


def _single_context(operation: s.Operation) -> bool:
    """Whether the one context can be the paste too."""
    contexts = [item for item in operation.block.items if item.key.text == "context"]
    return len(contexts) == 1 and isinstance(contexts[0], s.PlaceLine)


def averaged_masks(context: Context) -> Iterable[Diagnostic]:
    """Masks are resized as the reproduced code does it."""
    for operation, compat in _compatible(context):
        for place in places(operation):
            for mask in _masks(place.region, context, set()):
                if mask.resample is None:
                    yield warning(
                        "RD224",
                        "this mask is averaged by area, which the authors' code does not do",
                        mask.span,
                        "the result will differ a little from theirs",
                        f'write `mask("{mask.path.text}" bilinear)`',
                        (Note("the authors' code is asked for here", compat.span),),
                    )


def _masks(expr: s.RegionExpr, context: Context, seen: set[str]) -> Iterator[s.MaskShape]:
    """The masks of a region, and of the regions that it names."""
    for part in parts(expr):
        if isinstance(part, s.MaskShape):
            yield part
        elif isinstance(part, s.Named) and part.name.text not in seen:
            seen.add(part.name.text)
            for definition in context.definitions:
                if definition.name.text == part.name.text:
                    yield from _masks(definition.region, context, seen)


def _compatible(context: Context) -> Iterator[tuple[s.Operation, s.Setting]]:
    """The operations that ask for somebody's code, with the line that does so."""
    for operation in context.operations:
        compat = compat_of(operation.block)
        if compat is not None and operation.kind.text in ("rule", "erase"):
            yield operation, compat


def _contradiction(item: s.Item, compat: s.Setting, reason: str, help_text: str) -> Diagnostic:
    return error(
        "RD223",
        f"`{_written(item)}` contradicts `compat davidbau`",
        item.span,
        reason,
        help_text,
        (Note("the authors' code is asked for here", compat.span),),
    )


def _written(item: s.Item) -> str:
    return f"{item.key.text} {item.value.text}" if isinstance(item, s.Setting) else item.key.text
