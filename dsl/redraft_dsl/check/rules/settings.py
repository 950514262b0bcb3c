"""Rules about what stands in blocks: known settings, each once, with values that fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from redraft_dsl.check.context import Context, settings
from redraft_dsl.check.resolve import is_reasonable
from redraft_dsl.language.settings import BLOCKS, EXAMPLES, LINES, REQUIRED, SOLVERS, Spec
from redraft_dsl.report.diagnostics import Diagnostic, Note, alternatives, did_you_mean, error
from redraft_dsl.syntax import tree as s

_WRITTEN = {
    "whole": "a whole number",
    "number": "a number",
    "percent": "per cent, such as `5%`",
    "choice": "a word",
    "solver": "a solver's name",
    "text": "text in double quotes",
    "word": "a name",
}


def blocks(context: Context) -> Iterator[tuple[str, s.Block, s.Word]]:
    """Every block of a recipe with its kind and the word that heads it."""
    for model in context.model_statements:
        if model.block is not None:
            yield "model", model.block, model.name
    for latents in context.latents:
        yield "latents", latents.block, latents.name
    for operation in context.operations:
        yield operation.kind.text, operation.block, operation.name


def known_settings(context: Context) -> Iterable[Diagnostic]:
    """Unknown words are errors, never ignored."""
    for kind, block, _ in blocks(context):
        for item in block.items:
            if isinstance(item, s.Setting):
                yield from _known(item, kind)
            elif item.key.text not in LINES[kind]:
                yield _misplaced(item.key, kind)


def _known(item: s.Setting, kind: str) -> Iterator[Diagnostic]:
    key = item.key.text
    if key not in BLOCKS[kind]:
        if any(key in specs for specs in BLOCKS.values()):
            yield _misplaced(item.key, kind)
        else:
            words = [*BLOCKS[kind], *LINES[kind]]
            help_text = did_you_mean(key, words, f"settings of `{kind}`")
            label = f"`{kind}` has no such setting"
            yield error("RD115", f"unknown setting `{key}`", item.key.span, label, help_text)
    elif key == "solver" and isinstance(item.value, s.Word):
        yield from _known_solver_settings(item)
    elif item.block is not None:
        yield error(
            "RD209",
            f"`{key}` takes no block",
            item.block.span,
            "unexpected block",
            f"write the value alone, as in `{key} {_source_like(item.value)}`",
        )


def _known_solver_settings(item: s.Setting) -> Iterator[Diagnostic]:
    name = item.value.text
    for inner in item.block.items if item.block and name in SOLVERS else ():
        if not isinstance(inner, s.Setting) or inner.key.text not in SOLVERS[name]:
            help_text = did_you_mean(inner.key.text, SOLVERS[name], f"settings of `{name}`")
            message = f"unknown setting `{inner.key.text}` of solver `{name}`"
            label = f"`{name}` has no such setting"
            yield error("RD115", message, inner.key.span, label, help_text)
        elif inner.block is not None:
            message = f"`{inner.key.text}` takes no block"
            yield error("RD209", message, inner.block.span, "unexpected block", "remove it")


def _misplaced(key: s.Word, kind: str) -> Diagnostic:
    homes = [home for home in BLOCKS if key.text in BLOCKS[home] or key.text in LINES[home]]
    return error(
        "RD208",
        f"`{key.text}` does not apply to `{kind}`",
        key.span,
        f"no effect in `{kind}`",
        f"it belongs to {alternatives(f'`{home}`' for home in homes)}; leave it out here",
    )


def _source_like(value: s.Value) -> str:
    return f'"{value.text}"' if isinstance(value, s.Text) else value.text


def settings_once(context: Context) -> Iterable[Diagnostic]:
    """A setting stands once in its block."""
    for _, block, _ in blocks(context):
        yield from _once(block)
        for item in block.items:
            if isinstance(item, s.Setting) and item.block is not None:
                yield from _once(item.block)


def _once(block: s.Block) -> Iterator[Diagnostic]:
    first: dict[str, s.Item] = {}
    for item in block.items:
        key = item.key.text
        if not isinstance(item, s.Setting) and key != "copy":
            continue
        if key in first:
            note = Note(f"`{key}` is given here first", first[key].span)
            help_text = "keep one of them"
            yield error(
                "RD205", f"`{key}` is given twice", item.span, "given again", help_text, (note,)
            )
        first.setdefault(key, item)


def required_settings(context: Context) -> Iterable[Diagnostic]:
    """What has no default has to be there."""
    for kind, block, name in blocks(context):
        present = {item.key.text for item in block.items}
        for key in REQUIRED[kind]:
            if key not in present:
                yield error(
                    "RD207",
                    f"`{kind} {name.text}` has no `{key}`",
                    name.span,
                    f"`{key}` is missing",
                    f"add a line such as `{EXAMPLES[key]}`",
                )


def setting_values(context: Context) -> Iterable[Diagnostic]:
    """Every value has the right kind and lies within its limits."""
    for kind, block, _ in blocks(context):
        yield from _values(block, BLOCKS[kind])
        for item in settings(block, "solver"):
            if item.block is not None and item.value.text in SOLVERS:
                yield from _values(item.block, SOLVERS[item.value.text])


def _values(block: s.Block, specs: Mapping[str, Spec]) -> Iterator[Diagnostic]:
    for item in block.items:
        spec = specs.get(item.key.text)
        if isinstance(item, s.Setting) and spec is not None:
            diagnostic = check_value(item.key.text, item.value, spec)
            if diagnostic is not None:
                yield diagnostic


def check_value(key: str, value: s.Value, spec: Spec) -> Diagnostic | None:
    """What is wrong with a value, if anything."""
    if spec.kind in ("choice", "solver"):
        return _choice(key, value, spec)
    if spec.kind in ("text", "word"):
        right = s.Text if spec.kind == "text" else s.Word
        return None if isinstance(value, right) else _wrong_kind(key, value, spec)
    return _numeric(key, value, spec)


def _choice(key: str, value: s.Value, spec: Spec) -> Diagnostic | None:
    if not isinstance(value, s.Word):
        return _wrong_kind(key, value, spec)
    if value.text in spec.choices:
        return None
    known = "solvers" if spec.kind == "solver" else f"values of `{key}`"
    help_text = did_you_mean(value.text, spec.choices, known)
    if spec.kind == "solver":
        message = f"unknown solver `{value.text}`"
        return error("RD117", message, value.span, "there is no such solver", help_text)
    message = f"`{key}` cannot be `{value.text}`"
    return error("RD116", message, value.span, "not one of its values", help_text)


def _wrong_kind(key: str, value: s.Value, spec: Spec) -> Diagnostic:
    wanted = _WRITTEN[spec.kind]
    example = f"write `{EXAMPLES[key]}`" if key in EXAMPLES else None
    if isinstance(value, s.Word) and spec.kind == "text":
        example = f'write `{key} "{value.text}"`'
    elif isinstance(value, s.Text) and spec.kind != "text":
        example = f"leave out the quotes: `{key} {value.text.strip() or '...'}`"
    elif isinstance(value, s.Number) and spec.kind == "percent":
        example = f"write `{key} {value.text}%`"
    elif isinstance(value, s.Number) and value.percent:
        example = f"write it as a plain number: `{value.value / 100:g}`"
    message = f"`{key}` wants {wanted}, found `{_source_like(value)}`"
    return error("RD201", message, value.span, f"expected {wanted}", example)


def _numeric(key: str, value: s.Value, spec: Spec) -> Diagnostic | None:
    if not isinstance(value, s.Number) or value.percent != (spec.kind == "percent"):
        return _wrong_kind(key, value, spec)
    number = value.value
    if not is_reasonable(number) and not (spec.high and abs(number) <= spec.high):
        return too_large(value)
    if spec.kind == "whole" and number != int(number):
        return not_whole(f"`{key}`", value)
    low, high = spec.low, spec.high
    if (low is not None and (number < low or (spec.above and number == low))) or (
        high is not None and number > high
    ):
        return error(
            "RD202",
            f"`{key}` is out of range",
            value.span,
            f"must be {_limits(spec)}",
            _nearest(key, number, spec),
        )
    return None


def _nearest(key: str, number: float, spec: Spec) -> str:
    unit = "%" if spec.kind == "percent" else ""
    if spec.high is not None and number > spec.high:
        return f"the largest is `{key} {spec.high:.12g}{unit}`"
    return f"use {_limits(spec)}" if spec.above else f"the smallest is `{key} {spec.low:.12g}`"


def _limits(spec: Spec) -> str:
    unit = "%" if spec.kind == "percent" else ""
    if spec.above:
        return f"above {spec.low:.12g}{unit} and at most {spec.high:.12g}{unit}"
    return f"{spec.low:.12g}{unit} to {spec.high:.12g}{unit}"


def too_large(value: s.Number) -> Diagnostic:
    """A number that nobody means."""
    return error(
        "RD204",
        "this number is too large",
        value.span,
        "beyond 1000000000",
        "no number in a recipe needs to be that large",
    )


def not_whole(what: str, value: s.Number) -> Diagnostic:
    """A whole number was wanted. ``what`` names what it is for."""
    whole_text = f"{round(value.value)}" if is_reasonable(value.value) else "1"
    return error(
        "RD203",
        f"{what} must be a whole number",
        value.span,
        "not a whole number",
        f"write `{whole_text}`",
    )
