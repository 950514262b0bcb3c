"""Rules about what a recipe takes from others, its parameters, and its sweeps."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import TypeAlias

from redraft_dsl.check.context import Context
from redraft_dsl.check.imports import Included, Used
from redraft_dsl.check.lower import model_of
from redraft_dsl.check.rules.statements import bad_path
from redraft_dsl.check.sweeps import target_of
from redraft_dsl.language.settings import CHOICES
from redraft_dsl.language.words import RESERVED_NAMES
from redraft_dsl.recipe import model as r
from redraft_dsl.report.diagnostics import Diagnostic, Note, did_you_mean, error, warning
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

MOST_CELLS = 1000
"""Runs of one sweep."""

Hiding: TypeAlias = tuple[s.Word, str]
"""A name, and what it names."""


def parameters_hold(context: Context) -> Iterable[Diagnostic]:
    """Parameters are well declared, and every name that stands for a number is one."""
    return context.binding_problems


def names_hide_nothing(context: Context) -> Iterable[Diagnostic]:
    """A parameter, or a recipe's name here, is no word of the language and nothing else's name."""
    others: dict[str, Hiding] = {}
    for latents in context.latents:
        others.setdefault(latents.name.text, (latents.name, "latents"))
    for definition in context.definitions:
        others.setdefault(definition.name.text, (definition.name, "a region"))
    for word, what in _new_names(context):
        if word.text in RESERVED_NAMES or word.text in CHOICES:
            yield error(
                "RD126",
                f"`{word.text}` hides a word of the language",
                word.span,
                f"cannot name {what}",
                f"choose another name, such as `my-{word.text}`",
            )
        elif word.text in others and others[word.text][0] is not word:
            first, kind = others[word.text]
            yield error(
                "RD126",
                f"`{word.text}` hides {kind} of the same name",
                word.span,
                f"cannot name {what} too",
                "give one of them another name",
                (Note(f"`{word.text}` is defined here", first.span),),
            )
        others.setdefault(word.text, (word, what))


def _new_names(context: Context) -> Iterator[Hiding]:
    for line in context.params:
        yield line.name, "a parameter"
    for used in context.used:
        yield used.line.name, "a used recipe"


def recipes_used(context: Context) -> Iterable[Diagnostic]:
    """Every used recipe is there, in the version that is asked for, and without errors."""
    for used in context.used:
        yield from bad_path(used.line.path)
        if used.problem is not None:
            yield used.problem


def rules_included(context: Context) -> Iterable[Diagnostic]:
    """Every included rule exists, and holds with the values that it is given."""
    for included in context.included:
        for problem in included.problems:
            # The `use` line that seems to be missing may be one that could not be read.
            if problem.code != "RD133" or not context.broken:
                yield problem


def included_model(context: Context) -> Iterable[Diagnostic]:
    """A rule is included from a recipe for the same model."""
    if len(context.model_statements) != 1 or context.broken:
        return
    try:
        own = model_of(context.model_statements[0], context.defaults)
    except ValueError:
        return  # a wrong value in the model's block is told by its own rule
    for included, used, recipe in _origins(context):
        if not _same_model(own, recipe.model, used.folder):
            yield error(
                "RD137",
                f"`{included.statement.rule.text}` is a rule for another model",
                included.statement.span,
                f"`{used.line.path.text}` rewrites `{recipe.model.name}`",
                "a rule's layer and images mean something in its own model only",
                (
                    Note("this recipe's model is given here", context.model_statements[0].span),
                    _there(used, "model", "that recipe's model is given here"),
                ),
            )


def _same_model(own: r.Model, other: r.Model, folder: str) -> bool:
    if isinstance(own, r.ListedModel) or isinstance(other, r.ListedModel):
        return own == other
    if (own.arch, own.truncation) != (other.arch, other.truncation):
        return False
    if own.sha256 is not None and other.sha256 is not None:
        return own.sha256 == other.sha256
    there = posixpath.normpath(f"{folder}/{other.path}")
    return posixpath.normpath(own.path) == there


def included_latents(context: Context) -> Iterable[Diagnostic]:
    """The images of an included rule are the same images here."""
    if context.broken:
        return
    own = {latents.name.text: latents for latents in context.latents}
    for included, used, recipe in _origins(context):
        if included.rule is None:
            continue
        for name, highest in _images(included.rule).items():
            theirs = recipe.latents_named(name)
            if name not in own:
                label = f"`{used.line.path.text}` has `{name}` with seed {theirs.seed}"
                line = f"latents {name} {{ seed {theirs.seed}  count {theirs.count} }}"
                help_text = f"add the line `{line}`"
                yield _other_images(included, name, label, help_text, used)
            elif context.seeds.get(name) != theirs.seed:
                label = f"`{name}` has seed {theirs.seed} in `{used.line.path.text}`"
                help_text = f"write `seed {theirs.seed}`, or choose another name for your own"
                yield _other_images(included, name, label, help_text, used, own[name].span)
            elif (context.counts.get(name) or highest + 1) <= highest:
                label = f"it needs image {highest} of `{name}`"
                help_text = f"write `count {theirs.count}`"
                yield _other_images(included, name, label, help_text, used, own[name].span)


def _other_images(
    included: Included,
    name: str,
    label: str,
    help_text: str,
    used: Used,
    own: Span | None = None,
) -> Diagnostic:
    rule = included.statement.rule.text
    notes = [_there(used, f"latents.{name}", "that recipe's are given here")]
    if own is not None:
        notes.insert(0, Note("this recipe's are given here", own))
    return error(
        "RD138",
        f"`{rule}` is drawn from latents that this recipe does not have",
        included.statement.span,
        label,
        help_text,
        tuple(notes),
    )


def _images(rule: r.Rule) -> dict[str, int]:
    """The highest image that a rule draws from each of its latents."""
    highest: dict[str, int] = {}
    places: list[r.Place] = []
    for context in rule.context:
        place = context.like if isinstance(context, r.Match) else context
        places.append(place)
        if isinstance(context, r.Match):
            highest[place.latents] = max(highest.get(place.latents, 0), context.last)
    if isinstance(rule, r.Insert):
        places.append(rule.copy_from)
    targets = () if isinstance(rule, r.Zero) else _targets(rule)
    for place in (*places, *targets):
        highest[place.latents] = max(highest.get(place.latents, 0), place.index)
    return highest


def _targets(rule: r.Insert | r.Erase) -> tuple[r.Place, ...]:
    written = rule.paste if isinstance(rule, r.Insert) else rule.source
    return () if isinstance(written, str) else written


def _origins(context: Context) -> Iterator[tuple[Included, Used, r.Recipe]]:
    for included in context.included:
        used = included.used
        if used is not None and used.checked is not None and used.checked.recipe is not None:
            yield included, used, used.checked.recipe


def _there(used: Used, place: str, message: str) -> Note:
    assert used.checked is not None  # it has been checked without errors
    return Note(message, used.checked.spans.get(place), used.checked.source)


def unused_names(context: Context) -> Iterable[Diagnostic]:
    """A parameter or a recipe that nothing uses is probably a slip."""
    if context.broken:
        return
    swept = {item.key.text for sweep in context.sweeps for item in _axes(sweep) if not item.owner}
    for line in context.params:
        if line.name.text not in context.named | swept:
            message = f"the parameter `{line.name.text}` is never used"
            help_text = "delete the line, or write the name where a number or word stands"
            yield warning("RD139", message, line.name.span, "unused", help_text)
    wanted = {included.statement.alias.text for included in context.included}
    for used in context.used:
        if used.line.name.text not in wanted:
            message = f"nothing of `{used.line.name.text}` is included"
            help_text = f"delete the line, or write `include {used.line.name.text}.RULE`"
            yield warning("RD139", message, used.line.span, "unused", help_text)


# ---- sweeps -----------------------------------------------------------------------------------


def sweeps_hold(context: Context) -> Iterable[Diagnostic]:
    """A sweep varies what there is, over values that go, in a number of runs that ends."""
    for sweep in context.sweeps:
        axes = list(_axes(sweep))
        if not axes:
            help_text = "add a line such as `vary rank of glasses over 1, 4, 10`"
            message = f"the sweep `{sweep.name.text}` varies nothing"
            yield error("RD140", message, sweep.name.span, "no `vary` in it", help_text)
        cells = prod(len(item.values) for item in axes)
        if cells > MOST_CELLS:
            message = f"the sweep `{sweep.name.text}` has {cells} cells"
            help_text = "vary fewer settings at once, or over fewer values"
            label = f"at most {MOST_CELLS} are run"
            yield error("RD142", message, sweep.name.span, label, help_text)
            continue
        seen: dict[str, s.Vary] = {}
        for item in axes:
            target = target_of(item)
            if target in seen:
                note = Note("it is varied here first", seen[target].span)
                message = f"`{target}` is varied twice"
                yield error("RD205", message, item.span, "varied again", "keep one", (note,))
            seen.setdefault(target, item)
            yield from _stranger(item, context)


def _axes(sweep: s.SweepStatement) -> Iterator[s.Vary]:
    return (item for item in sweep.block.items if isinstance(item, s.Vary))


def _stranger(item: s.Vary, context: Context) -> Iterator[Diagnostic]:
    if item.owner is None:
        names = [line.name.text for line in context.params]
        if item.key.text not in names:
            message = f"unknown parameter `{item.key.text}`"
            help_text = did_you_mean(item.key.text, names, "parameters of this recipe")
            help_text += "; a rule's setting is varied as `vary rank of RULE over ...`"
            yield error("RD140", message, item.key.span, "nothing of this name", help_text)
        return
    rules = [node.name.text for node in context.rules]
    if item.owner.text not in rules and not context.excused(item.owner.text):
        message = f"unknown rule `{item.owner.text}`"
        help_text = did_you_mean(item.owner.text, rules, "rules of this recipe")
        yield error("RD140", message, item.owner.span, "no rule of this name", help_text)


def swept_values(
    context: Context, problem_with: Callable[[str, str], Diagnostic | None]
) -> Iterator[Diagnostic]:
    """Every value that a sweep takes holds.

    Args:
        context: of a recipe that has no errors as it stands.
        problem_with: the first error of the recipe with a value in place of what it says of a
            target; None when there is none.

    """
    for sweep in context.sweeps:
        for item in _axes(sweep):
            for value in item.values:
                problem = problem_with(target_of(item), value.text)
                if problem is not None:
                    said = _said(item, value)
                    message = f"with `{said}` the recipe does not hold: {problem.message}"
                    yield error("RD141", message, value.span, problem.label, problem.help)


def _said(item: s.Vary, value: s.Value) -> str:
    of = f" of {item.owner.text}" if item.owner else ""
    return f"{item.key.text}{of} = {value.text}"
