"""Rules about the recipe as a whole: what must be there, once, in order, and under which names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from redraft_dsl.check.context import Context, edition_of, setting_value, settings
from redraft_dsl.check.resolve import expressions, names_in, places
from redraft_dsl.geometry.masks import path_fault
from redraft_dsl.language.words import RESERVED_NAMES
from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Note,
    alternatives,
    did_you_mean,
    error,
    listing,
    warning,
)
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

NAME = re.compile(r"[a-z][a-z0-9_]*(?:-[a-z0-9_]+)*")
VERSION = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){2}")
SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST_NAME = 100


def required_statements(context: Context) -> Iterable[Diagnostic]:
    """An edition, a recipe line, a model, latents and something to do."""
    if context.broken:
        return  # the statement that seems to be missing may be the one that could not be read
    end = len(context.source.text.rstrip())
    start, last = Span(0, min(end, 1)), Span(max(end - 1, 0), end)
    if not context.editions:
        yield error(
            "RD101",
            "the recipe does not say which edition it is written in",
            start,
            "expected `edition` here",
            f"begin with the line `edition {context.known.latest}`",
        )
    if not context.headers:
        yield error(
            "RD104",
            "the recipe has no name",
            context.editions[0].span if context.editions else start,
            "a `recipe` line is expected after this"
            if context.editions
            else "a `recipe` line is expected here",
            'after the edition, write `recipe my-edit 1.0.0 "My edit"`',
        )
    if not context.model_statements:
        yield error(
            "RD105",
            "the recipe names no model",
            last,
            "no `model` up to here",
            f"add a line such as `model {next(iter(context.models.names()), 'faces')}`",
        )
    if not context.latents:
        yield error(
            "RD107",
            "the recipe has no latents",
            last,
            "no `latents` up to here",
            "add a line such as `latents z { seed 1  count 2000 }`",
        )
    if not context.rules:
        yield error(
            "RD108",
            "the recipe has no rule",
            last,
            "nothing to do",
            "add a `rule`, an `erase`, a `zero` or an `include`",
        )


def single_statements(context: Context) -> Iterable[Diagnostic]:
    """Edition, recipe and model stand once."""
    yield from _single(context.editions, "edition")
    yield from _single(context.headers, "recipe")
    yield from _single(context.model_statements, "model")


def _single(statements: Sequence[s.Statement], what: str) -> Iterator[Diagnostic]:
    for again in statements[1:]:
        note = Note(f"the first `{what}` is here", statements[0].span)
        help_text = f"keep one `{what}`"
        yield error("RD106", f"a second `{what}`", again.span, "given again", help_text, (note,))


def order(context: Context) -> Iterable[Diagnostic]:
    """The edition comes first and the recipe line second; the rest is free."""
    if context.broken or not context.editions or not context.headers:
        return
    statements = context.tree.statements
    expected: tuple[s.Statement, ...] = (context.editions[0], context.headers[0])
    places_ = ("the first statement", "the second statement, after `edition`")
    for at, (statement, place) in enumerate(zip(expected, places_, strict=True)):
        if statements[at] is not statement:
            word = "edition" if at == 0 else "recipe"
            yield error(
                "RD109",
                f"`{word}` is out of order",
                statement.span,
                f"this must be {place}",
                "move it up",
            )
            return


def edition_known(context: Context) -> Iterable[Diagnostic]:
    """The edition is one that this version reads."""
    for statement in context.editions[:1]:
        if not isinstance(statement.value, s.Number):
            yield error(
                "RD201",
                f"`edition` wants a number, found `{statement.value.text}`",
                statement.value.span,
                "expected a number",
                f"write `edition {context.known.latest}`",
            )
        elif edition_of(context.editions) not in context.known.known:
            there = listing(map(str, context.known.known))
            yield error(
                "RD103",
                f"unknown edition `{statement.value.text}`",
                statement.value.span,
                "not an edition that this version reads",
                f"editions: {there}; a newer one needs a newer redraft",
            )


def spelled_names(context: Context) -> Iterable[Diagnostic]:
    """Names are lower case with dashes; what is written inside rules is no reserved word."""
    for word, what in _declared(context):
        if not NAME.fullmatch(word.text) or len(word.text) > LONGEST_NAME:
            yield error(
                "RD118",
                f"`{word.text[:LONGEST_NAME]}` cannot be a name",
                word.span,
                "names are a-z, 0-9, `_`, and single `-` between words",
                f"write `{respelled(word.text)}`",
            )
        elif word.text in RESERVED_NAMES and what in ("region", "latents"):
            yield error(
                "RD119",
                f"`{word.text}` is a reserved word",
                word.span,
                f"cannot name {'a ' if what != 'latents' else ''}{what}",
                f"choose another name, such as `my-{word.text}`",
            )


def _declared(context: Context) -> Iterator[tuple[s.Word, str]]:
    for header in context.headers:
        yield header.name, "recipe"
    for model in context.model_statements:
        yield model.name, "model"
    for latents in context.latents:
        yield latents.name, "latents"
    for definition in context.definitions:
        yield definition.name, "region"
    for node in context.rules:
        yield node.name, "rule"
    for line in context.params:
        yield line.name, "parameter"
    for used in context.used:
        yield used.line.name, "used recipe"
    for sweep in context.sweeps:
        yield sweep.name, "sweep"


def respelled(name: str) -> str:
    """A name like this one that the language allows."""
    folded = re.sub(r"[^a-z0-9_]+", "-", name.lower()[:LONGEST_NAME]).strip("-_")
    folded = folded.lstrip("-_0123456789")
    return folded if NAME.fullmatch(folded) else "my-name"


def unique_names(context: Context) -> Iterable[Diagnostic]:
    """Latents, regions, rules and whatever else has a name are each named once."""
    for what, group in (
        ("latents", context.latents),
        ("region", context.definitions),
        ("rule", context.rules),
        ("parameter", context.params),
        ("used recipe", tuple(used.line for used in context.used)),
        ("sweep", context.sweeps),
    ):
        first: dict[str, s.Word] = {}
        for statement in group:
            name = statement.name
            if name.text in first:
                yield error(
                    "RD110",
                    f"the {what} `{name.text}` is defined twice",
                    name.span,
                    "defined again",
                    "give one of them another name",
                    (Note(f"`{name.text}` is first defined here", first[name.text].span),),
                )
            first.setdefault(name.text, name)


def model_known(context: Context) -> Iterable[Diagnostic]:
    """A model without a block is on the model list; one with a block has a known architecture."""
    for model in context.model_statements:
        if model.block is None and model.name.text not in context.models.listed:
            yield error(
                "RD111",
                f"unknown model `{model.name.text}`",
                model.name.span,
                "not on the model list",
                did_you_mean(model.name.text, context.models.names(), "listed models")
                + " (a model of your own needs a block with `arch` and `weights`)",
            )
        for item in model.block.items if model.block else ():
            if isinstance(item, s.Setting):
                yield from _model_setting(item, context)


def _model_setting(item: s.Setting, context: Context) -> Iterator[Diagnostic]:
    key, value = item.key.text, item.value
    if key == "arch" and isinstance(value, s.Word):
        if value.text not in context.models.architectures:
            known = context.models.architectures
            help_text = did_you_mean(value.text, known, "architectures")
            label = "not an architecture that can be read"
            message = f"unknown architecture `{value.text}`"
            yield error("RD112", message, value.span, label, help_text)
    elif key == "weights" and isinstance(value, s.Text):
        yield from bad_path(value)
    elif key == "sha256" and isinstance(value, s.Text) and not SHA256.fullmatch(value.text):
        yield error(
            "RD212",
            "this is not a sha256",
            value.span,
            f"{len(value.text)} characters; expected 64 of 0-9 and a-f",
            "write it in lower case"
            if SHA256.fullmatch(value.text.lower())
            else "copy the output of `sha256sum` for the weights file",
        )


def truncation_means_something(context: Context) -> Iterable[Diagnostic]:
    """Truncation needs inner latents, which not every architecture has."""
    for model in context.model_statements:
        arch = setting_value(model.block, "arch")
        known = context.models.architectures
        if not isinstance(arch, s.Word) or arch.text not in known:
            continue
        if arch.text in context.models.truncating:
            continue
        for item in settings(model.block, "truncation"):
            able = [f"`{name}`" for name in context.models.truncating]
            yield error(
                "RD222",
                f"`{arch.text}` has nothing to truncate",
                item.span,
                "this architecture has no mapping network",
                "leave the line out"
                + (f"; truncation is for {alternatives(able)}" if able else ""),
                (Note("the architecture is given here", arch.span),),
            )


def bad_path(path: s.Text) -> Iterator[Diagnostic]:
    """A path is relative, with forward slashes, and stays inside the recipe's folder."""
    fault = path_fault(path.text)
    if fault is not None:
        help_text = "put the file beside the recipe and write its relative path with `/`"
        if fault == "it has a backslash":
            help_text = f'write "{path.text.replace(chr(92), "/")}"'
        yield error("RD213", "this path cannot be used", path.span, fault, help_text)


def version_format(context: Context) -> Iterable[Diagnostic]:
    """A recipe's version is three whole numbers."""
    for header in context.headers:
        if not VERSION.fullmatch(header.version.text):
            digits = re.findall(r"\d{1,9}", header.version.text)[:3]
            fixed = ".".join(str(int(part)) for part in [*digits, "0", "0", "0"][:3])
            yield error(
                "RD211",
                f"`{header.version.text[:40]}` is not a version",
                header.version.span,
                "expected three whole numbers, `x.y.z`",
                f"write `{fixed if digits else '1.0.0'}`",
            )


def unused(context: Context) -> Iterable[Diagnostic]:
    """A region or latents that nothing uses is probably a slip."""
    if context.broken:
        return
    regions = {name for expr in expressions(context.tree) for name in names_in(expr)}
    for definition in context.definitions:
        if definition.name.text not in regions:
            regions.add(definition.name.text)  # said once, whatever is defined twice
            help_text = "delete the line, or use the region in a rule"
            message = f"the region `{definition.name.text}` is never used"
            yield warning("RD120", message, definition.name.span, "unused", help_text)
    latents = {
        place.latents.text for operation in context.operations for place in places(operation)
    }
    if context.included:
        latents = {statement.name.text for statement in context.latents}  # they may need any
    for statement in context.latents[1:]:  # statistics are taken over the first one
        if statement.name.text not in latents:
            message = f"the latents `{statement.name.text}` are never used"
            help_text = "delete the line, or pick images from it"
            yield warning("RD121", message, statement.name.span, "unused", help_text)
