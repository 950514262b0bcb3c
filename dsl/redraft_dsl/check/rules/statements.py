"""Rules about the recipe as a whole: what must be there, once, in order, and under which names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from redraft_dsl.check.context import Context
from redraft_dsl.files import path_fault
from redraft_dsl.language.spelling import LONGEST_NAME, NAME, SHA256, VERSION, respelled
from redraft_dsl.language.words import RESERVED_NAMES
from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Fix,
    Note,
    alternatives,
    closest,
    error,
    listing,
    replacement,
    unknown,
    warning,
)
from redraft_dsl.source import Edit, Span
from redraft_dsl.syntax import names
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.edit import added_statement, moved_up


def required_statements(context: Context) -> Iterable[Diagnostic]:
    """An edition, a recipe line, a model, latents and something to do."""
    if context.broken:
        return  # the statement that seems to be missing may be the one that could not be read
    end, what = len(context.source.text.rstrip()), _called(context)
    start, last = Span(0, min(end, 1)), Span(max(end - 1, 0), end)
    first = f"edition {context.editions.latest}"
    if not context.tree.statements:
        label = "expected `edition` here"
        help_text = f"begin with the line `{first}`; `redraft recipes` names some to begin from"
        fixes = (_addition(context, first, preferred=True),)
        yield error("RD100", f"{what} is empty", start, label, help_text, fixes=fixes)
        return
    editions = context.all(s.EditionLine)
    after, expected = start, "a `recipe` line is expected here"
    if editions:
        after, expected = editions[0].span, "a `recipe` line is expected after this"
    model = f"model {next(iter(context.known.names()), 'faces')}"
    such = "add a line such as"
    needed = (
        (editions, "RD101", f"{what} does not say its edition", start,
         "expected `edition` here", "begin with the line", first),
        (context.all(s.RecipeLine), "RD104", f"{what} has no name", after, expected,
         "after the edition, write", 'recipe my-edit 1.0.0 "My edit"'),
        (context.models, "RD105", f"{what} names no model", last, "no `model` up to here",
         such, model),
        (context.latents, "RD107", f"{what} has no latents", last, "no `latents` up to here",
         such, "latents z { seed 1  count 2000 }"),
    )  # fmt: skip
    for there, code, message, where, label, remedy, new in needed:
        if not there:
            fixes = (_addition(context, new, preferred=new == first),)
            yield error(code, message, where, label, f"{remedy} `{new}`", fixes=fixes)
    if not context.rules:
        kinds = (*context.language.operation_words, "include")
        words = (f"{'an' if word[0] in 'aeiou' else 'a'} `{word}`" for word in kinds)
        help_text = f"add {alternatives(words)}"
        yield error("RD108", f"{what} has no rule", last, "nothing to do", help_text)


def _called(context: Context) -> str:
    """The recipe by its name, or else by that of its file."""
    names = [header.name.text for header in context.all(s.RecipeLine)]
    file = context.source.path.replace("\\", "/").rpartition("/")[2]
    name = names[0] if names else file if file.endswith(".redraft") else ""
    return f"the recipe `{name[:LONGEST_NAME]}`" if name else "the recipe"


def _addition(context: Context, new: str, *, preferred: bool = False) -> Fix:
    edit = added_statement(context.tree, context.source.text, new)
    return Fix(f"Add `{new}`", (edit,), preferred)


def single_statements(context: Context) -> Iterable[Diagnostic]:
    """Edition, recipe and model stand once."""
    kinds: tuple[tuple[str, type[s.Statement]], ...] = (
        ("edition", s.EditionLine),
        ("recipe", s.RecipeLine),
        ("model", s.ModelStatement),
    )
    for what, kind in kinds:
        statements = context.all(kind)
        for again in statements[1:]:
            yield error(
                "RD106",
                f"a second `{what}`",
                again.span,
                "given again",
                f"keep one `{what}`",
                (Note(f"the first `{what}` is here", statements[0].span),),
                fixes=(context.reader.removal(again),),
            )


def order(context: Context) -> Iterable[Diagnostic]:
    """The edition comes first and the recipe line second; the rest is free."""
    editions, headers = context.all(s.EditionLine), context.all(s.RecipeLine)
    if context.broken or len(editions) != 1 or len(headers) != 1:
        return
    statements = context.tree.statements
    expected: tuple[tuple[str, s.Statement, str], ...] = (
        ("edition", editions[0], "the first statement"),
        ("recipe", headers[0], "the second statement, after `edition`"),
    )
    for at, (word, statement, place) in enumerate(expected):
        if statements[at] is not statement:
            edits = moved_up(context.tree, context.source.text, statement)
            fixes = (Fix("Move it up", edits),) if edits else ()
            yield error(
                "RD109",
                f"`{word}` is out of order",
                statement.span,
                f"this must be {place}",
                "move it up",
                fixes=fixes,
            )
            return


def edition_known(context: Context) -> Iterable[Diagnostic]:
    """The edition is one that this version reads."""
    for statement in context.all(s.EditionLine)[:1]:
        value, latest = statement.value, context.editions.latest
        if not isinstance(value, s.Number):
            yield error(
                "RD201",
                f"`edition` takes a number, found `{value.text}`",
                value.span,
                "expected a number",
                f"write `edition {latest}`",
                fixes=(replacement(value.span, str(latest)),),
            )
        elif value.whole not in context.editions.known:
            there = listing(map(str, context.editions.known))
            yield error(
                "RD103",
                f"unknown edition `{value.text}`",
                value.span,
                "not an edition that this version reads",
                f"editions: {there}; a newer one needs a newer redraft",
            )


def spelled_names(context: Context) -> Iterable[Diagnostic]:
    """Names are lower case with dashes, and no reserved words where one could stand."""
    for word, what in _declared(context):
        if not NAME.fullmatch(word.text) or len(word.text) > LONGEST_NAME:
            new = respelled(word.text)
            message = f"`{word.text[:LONGEST_NAME]}` cannot be a name"
            label = "names are a-z, 0-9, `_`, and single `-` between words"
            fixes = _renaming(context, word, new)
            yield error("RD118", message, word.span, label, f"write `{new}`", fixes=fixes)
        elif word.text in RESERVED_NAMES and what in ("region", "latents", "images"):
            new, article = f"my-{word.text}", "a " if what == "region" else ""
            message, label = f"`{word.text}` is a reserved word", f"cannot name {article}{what}"
            help_text = f"choose another name, such as `{new}`"
            fixes = _renaming(context, word, new)
            yield error("RD119", message, word.span, label, help_text, fixes=fixes)


def _renaming(context: Context, word: s.Word, new: str) -> tuple[Fix, ...]:
    """Another name, everywhere; where the other places are unknown, in this one."""
    tree = context.written.tree
    found = next((each for each in names.occurrences(tree, context.language)
                  if each.span == word.span), None)  # fmt: skip
    if found is None:
        return (replacement(word.span, new),)
    if names.objection(tree, found, new, context.language) is not None:
        return ()
    every = names.same(tree, found, context.language)
    return (Fix(f"Rename to `{new}`", tuple(Edit(each.span, new) for each in every)),)


_NAMED: tuple[tuple[type[s.Statement], str], ...] = (
    (s.RecipeLine, "recipe"),
    (s.ModelStatement, "model"),
    (s.LatentsStatement, "latents"),
    (s.RegionStatement, "region"),
    (s.ImagesStatement, "images"),
    (s.ParamLine, "parameter"),
    (s.UseLine, "used recipe"),
    (s.SweepStatement, "sweep"),
)
"""Statements that declare a name, and what they declare; operations and includes declare rules."""


def _declared(context: Context) -> Iterator[tuple[s.Word, str]]:
    for kind, what in _NAMED:
        for node in context.all(kind):
            name = s.name_of(node)
            assert name is not None, "all of these declare one"
            yield name, what
    for rule in context.rules:
        yield rule.name, "rule"


def unique_names(context: Context) -> Iterable[Diagnostic]:
    """Latents, regions, rules and whatever else has a name are each named once."""
    first: dict[tuple[str, str], s.Word] = {}
    for name, what in _declared(context):
        before = first.setdefault((what, name.text), name)
        if before is not name and what not in ("recipe", "model"):
            yield error(
                "RD110",
                f"the {what} `{name.text}` is defined twice",
                name.span,
                "defined again",
                "give one of them another name",
                (Note(f"`{name.text}` is first defined here", before.span),),
            )


def model_known(context: Context) -> Iterable[Diagnostic]:
    """A model without a block is on the model list; one with a block has a known architecture."""
    for model, values in context.models:
        if model.block is None and model.name.text not in context.known.listed:
            message, label = f"unknown model `{model.name.text}`", "not on the model list"
            more = " (a model of your own needs a block with `arch` and `weights`)"
            known = context.known.names()
            yield unknown("RD111", message, model.name, label, known, "listed models", more)
        arch = values.items.get("arch")
        if arch and "arch" in values.given and arch.value.text not in context.known.architectures:
            message = f"unknown architecture `{arch.value.text}`"
            label, known = "not an architecture that can be read", context.known.architectures
            yield unknown("RD112", message, arch.value, label, known, "architectures")
        if "weights" in values.given:
            yield from bad_path(values.items["weights"].value)
        if "sha256" in values.given:
            yield from _sha256(values.items["sha256"].value)


def _sha256(value: s.Value) -> Iterator[Diagnostic]:
    if SHA256.fullmatch(value.text):
        return
    lower = value.text.lower()
    help_text = "copy the output of `sha256sum` for the weights file"
    fixes: tuple[Fix, ...] = ()
    if SHA256.fullmatch(lower):
        help_text = "write it in lower case"
        fixes = (Fix("Write it in lower case", (Edit(value.span, f'"{lower}"'),)),)
    yield error(
        "RD212",
        f"`{value.text[:LONGEST_NAME]}` is not a sha256",
        value.span,
        f"{len(value.text)} characters; expected 64 of 0-9 and a-f",
        help_text,
        fixes=fixes,
    )


def model_settings_mean_something(context: Context) -> Iterable[Diagnostic]:
    """Truncation needs inner latents, and activations can be said only where they are assumed."""
    for _, values in context.models:
        arch = values.items.get("arch")
        if arch is None or arch.value.text not in context.known.architectures:
            continue
        for words, able, message, why in (
            (("truncation",), context.known.truncating, "has nothing to truncate",
             "this architecture has no mapping network"),
            (("slope", "eps", "output"), context.known.assuming, "takes no such setting",
             "what this architecture computes is known"),
        ):  # fmt: skip
            for item in (values.items[word] for word in words if word in values.items):
                if arch.value.text not in able:
                    yield _senseless(context, arch, item, able, message, why)


def _senseless(
    context: Context, arch: s.Setting, item: s.Setting, able: Sequence[str], message: str, why: str
) -> Diagnostic:
    named = alternatives([f"`{name}`" for name in able])
    return error(
        "RD222",
        f"`{arch.value.text}` {message}",
        item.span,
        why,
        "leave the line out" + (f"; {item.key.text} is for {named}" if able else ""),
        (Note("the architecture is given here", arch.value.span),),
        fixes=(context.reader.removal(item),),
    )


def bad_path(path: s.Value) -> Iterator[Diagnostic]:
    """A path is relative, with forward slashes, and stays inside the recipe's folder."""
    fault = path_fault(path.text)
    if fault is None:
        return
    help_text = "put the file beside the recipe and write its relative path with `/`"
    fixes: tuple[Fix, ...] = ()
    if fault == "it has a backslash":
        turned = f'"{path.text.replace(chr(92), "/")}"'
        help_text, fixes = f"write {turned}", (replacement(path.span, turned),)
    yield error(
        "RD213",
        f"the path `{path.text[:LONGEST_NAME]}` cannot be used",
        path.span,
        fault,
        help_text,
        fixes=fixes,
    )


def version_format(context: Context) -> Iterable[Diagnostic]:
    """A recipe's version is three whole numbers."""
    for header in context.all(s.RecipeLine):
        version = header.version
        if VERSION.fullmatch(version.text):
            continue
        digits = re.findall(r"[0-9]{1,9}", version.text)[:3]
        fixed = ".".join(str(int(part)) for part in [*digits, "0", "0", "0"][:3])
        new = fixed if digits else "1.0.0"
        yield error(
            "RD211",
            f"`{version.text[:40]}` is not a version",
            version.span,
            "expected three whole numbers, `x.y.z`",
            f"write `{new}`",
            fixes=(replacement(version.span, new),),
        )


def unused(context: Context) -> Iterable[Diagnostic]:
    """A region, images or latents that nothing uses are probably a mistake."""
    if context.broken:
        return
    regions = {node.name.text for node in context.nodes if isinstance(node, s.Named)}
    lists = {node.name.text for node in context.nodes if isinstance(node, s.ImagesName)}
    latents = {node.latents.text for node in context.nodes if isinstance(node, s.Images)}
    if context.included:
        latents |= {node.name.text for node, _ in context.latents}  # they may need any
    yield from _unused(context, context.all(s.RegionStatement), regions, "RD120",
                       "the region `{}` is never used", "use the region in a rule")  # fmt: skip
    yield from _unused(context, context.all(s.ImagesStatement), lists, "RD120",
                       "the images `{}` are never used", "name them in a rule")  # fmt: skip
    # Statistics are taken over the first latents.
    yield from _unused(context, context.all(s.LatentsStatement)[1:], latents, "RD121",
                       "the latents `{}` are never used", "pick images from it")  # fmt: skip


def _unused(
    context: Context,
    nodes: Sequence[s.RegionStatement | s.ImagesStatement | s.LatentsStatement],
    used: set[str],
    code: str,
    message: str,
    instead: str,
) -> Iterator[Diagnostic]:
    declared = [node.name.text for node in nodes]
    # A name that is misspelt where it is used is used.
    meant = (closest(name, declared) for name in used if name not in declared)
    seen = used | {name for name in meant if name is not None}
    for node in nodes:
        name = node.name
        if name.text not in seen:
            seen.add(name.text)  # reported once, whatever is defined twice
            yield warning(
                code,
                message.format(name.text),
                name.span,
                "unused",
                f"delete the line, or {instead}",
                fixes=(context.reader.removal(node),),
            )
