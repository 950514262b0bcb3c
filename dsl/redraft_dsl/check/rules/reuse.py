"""Rules about what a recipe takes from others, its parameters, and its sweeps."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import TypeAlias

from redraft_dsl.check.checked import Checked
from redraft_dsl.check.context import Context
from redraft_dsl.check.imports import Included, Used
from redraft_dsl.check.lower import model_of
from redraft_dsl.check.rules.statements import bad_path
from redraft_dsl.check.sweeps import axes, target_of
from redraft_dsl.language.words import RESERVED_NAMES, RESERVED_VALUES
from redraft_dsl.recipe import model as r
from redraft_dsl.report.diagnostics import Diagnostic, Note, error, unknown, warning
from redraft_dsl.syntax import tree as s

MOST_CELLS = 1000
"""Runs of one sweep."""

Hiding: TypeAlias = tuple[s.Word, str]
"""A name, and what it names."""


def parameters_hold(context: Context) -> Iterable[Diagnostic]:
    """Parameters are well declared, and every name that stands for a number is one."""
    return context.bound.diagnostics


def names_hide_nothing(context: Context) -> Iterable[Diagnostic]:
    """A parameter, or a recipe's name here, is not a word of the language nor another name."""
    others: dict[str, Hiding] = {}
    for kind, what in _OTHERS:
        for node in context.all(kind):
            name = s.name_of(node)
            if name is not None:
                others.setdefault(name.text, (name, what))
    new = [(line.name, "a parameter") for line in context.all(s.ParamLine)]
    new += [(used.line.name, "a used recipe") for used in context.used]
    for word, what in new:
        if word.text in RESERVED_NAMES or word.text in RESERVED_VALUES:
            yield error(
                "RD126",
                f"`{word.text}` hides a word of the language",
                word.span,
                f"cannot name {what}",
                f"choose another name, such as `my-{word.text}`",
            )
        elif word.text in others and others[word.text][0] is not word:
            first, kind_of_first = others[word.text]
            yield error(
                "RD126",
                f"`{word.text}` hides {kind_of_first} of the same name",
                word.span,
                f"cannot name {what} too",
                "give one of them another name",
                (Note(f"`{word.text}` is defined here", first.span),),
            )
        others.setdefault(word.text, (word, what))


_OTHERS: tuple[tuple[type[s.Statement], str], ...] = (
    (s.LatentsStatement, "latents"),
    (s.RegionStatement, "a region"),
    (s.ImagesStatement, "images"),
)


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
    if len(context.models) != 1 or context.broken or context.problems:
        return  # a wrong value in the model's block is reported by itself
    statement, values = context.models[0]
    own = model_of(statement, values)
    for included, used, checked, recipe in _origins(context):
        if not _same_model(own, recipe.model, used.folder):
            yield error(
                "RD137",
                f"`{included.statement.rule.text}` is a rule for another model",
                included.statement.span,
                f"`{used.line.path.text}` rewrites `{recipe.model.name}`",
                "a rule's layer and images mean something in its own model only",
                (
                    Note("this recipe's model is given here", statement.span),
                    _there(checked, "model", "that recipe's model is given here"),
                ),
            )


def _same_model(own: r.Model, other: r.Model, folder: str) -> bool:
    if isinstance(own, r.ListedModel) or isinstance(other, r.ListedModel):
        return own == other
    # All that a model says but where its file is.
    alike = {"path": own.path, "sha256": own.sha256, "name": own.name}
    if other.model_copy(update=alike) != own:
        return False
    if own.sha256 is not None and other.sha256 is not None:
        return own.sha256 == other.sha256
    there = posixpath.normpath(f"{folder}/{other.path}")
    return posixpath.normpath(own.path) == there


def included_latents(context: Context) -> Iterable[Diagnostic]:
    """The images of an included rule are the same images here."""
    if context.broken:
        return
    own = {node.name.text: node for node, _ in context.latents}
    for included, used, checked, recipe in _origins(context):
        for name, highest in (_images(included.rule) if included.rule else {}).items():
            theirs, path = recipe.latents_named(name), used.line.path.text
            if name not in own:
                label = f"`{path}` has `{name}` with seed {theirs.seed}"
                line = f"latents {name} {{ seed {theirs.seed}  count {theirs.count} }}"
                help_text = f"add the line `{line}`"
            elif context.seeds.get(name) != theirs.seed:
                label = f"`{name}` has seed {theirs.seed} in `{path}`"
                help_text = f"write `seed {theirs.seed}`, or choose another name for your own"
            elif (context.counts.get(name) or highest + 1) <= highest:
                label = f"it needs image {highest} of `{name}`"
                help_text = f"write `count {theirs.count}`"
            else:
                continue
            notes = [_there(checked, f"latents.{name}", "that recipe's are given here")]
            if name in own:
                notes.insert(0, Note("this recipe's are given here", own[name].span))
            rule = included.statement.rule.text
            yield error(
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
    for place in rule.places():
        highest[place.latents] = max(highest.get(place.latents, 0), place.index)
    for context in rule.context:
        if isinstance(context, r.Match):
            name = context.like.latents
            highest[name] = max(highest[name], context.last)
    return highest


def _origins(context: Context) -> Iterator[tuple[Included, Used, Checked, r.Recipe]]:
    """The included rules whose recipes have no errors."""
    for included in context.included:
        used = included.used
        if used is not None and used.checked is not None and used.checked.recipe is not None:
            yield included, used, used.checked, used.checked.recipe


def _there(checked: Checked, place: str, message: str) -> Note:
    span = checked.spans.get(place)
    return Note(message, span.of(checked.source) if span else None)


def unused_names(context: Context) -> Iterable[Diagnostic]:
    """A parameter or a recipe that nothing uses is probably a mistake."""
    if context.broken:
        return
    _ = context.problems  # in reading the blocks, misspelt names are met
    swept = {item.key.text for node in context.all(s.SweepStatement) for item in axes(node)}
    used_names = context.bound.used | swept | context.reader.misspelt
    for line in context.all(s.ParamLine):
        if line.name.text not in used_names:
            message = f"the parameter `{line.name.text}` is never used"
            help_text = "delete the line, or write the name where a number or word stands"
            yield warning("RD139", message, line.name.span, "unused", help_text)
    included = {each.statement.alias.text for each in context.included}
    for used in context.used:
        if used.line.name.text not in included:
            message = f"nothing of `{used.line.name.text}` is included"
            help_text = f"delete the line, or write `include {used.line.name.text}.RULE`"
            yield warning("RD139", message, used.line.span, "unused", help_text)


# ---- sweeps -----------------------------------------------------------------------------------


def sweeps_hold(context: Context) -> Iterable[Diagnostic]:
    """A sweep varies what there is, over values that go, in a number of runs that ends."""
    for sweep in context.all(s.SweepStatement):
        name, items = sweep.name, list(axes(sweep))
        if not items:
            help_text = "add a line such as `vary rank of glasses over 1, 4, 10`"
            message = f"the sweep `{name.text}` varies nothing"
            yield error("RD140", message, name.span, "no `vary` in it", help_text)
        cells = prod(len(item.values) for item in items)
        if cells > MOST_CELLS:
            message = f"the sweep `{name.text}` has {cells} cells"
            help_text = "vary fewer settings at once, or over fewer values"
            yield error("RD142", message, name.span, f"at most {MOST_CELLS} are run", help_text)
            continue
        seen: dict[str, s.Vary] = {}
        for item in items:
            first = seen.setdefault(target_of(item), item)
            if first is not item:
                note = Note("it is varied here first", first.span)
                message = f"`{target_of(item)}` is varied twice"
                yield error("RD205", message, item.span, "varied again", "keep one", (note,))
            yield from _unknown_axis(item, context)


def _unknown_axis(item: s.Vary, context: Context) -> Iterator[Diagnostic]:
    if item.owner is None:
        names = [line.name.text for line in context.all(s.ParamLine)]
        if item.key.text not in names:
            message, label = f"unknown parameter `{item.key.text}`", "nothing of this name"
            yield unknown(
                "RD140",
                message,
                item.key,
                label,
                names,
                "parameters of this recipe",
                "; a rule's setting is varied as `vary rank of RULE over ...`",
            )
        return
    rules = [node.name.text for node in context.rules]
    if item.owner.text not in rules and not context.may_be_declared(item.owner.text):
        message, label = f"unknown rule `{item.owner.text}`", "no rule of this name"
        yield unknown("RD140", message, item.owner, label, rules, "rules of this recipe")


def swept_values(
    context: Context, problem_with: Callable[[str, str], Diagnostic | None]
) -> Iterator[Diagnostic]:
    """Every value that a sweep takes holds.

    Args:
        context: of a recipe that has no errors but in its sweeps.
        problem_with: the first error of the recipe with a value in place of what it says of a
            target; None when there is none.

    """
    for sweep in context.all(s.SweepStatement):
        for item in axes(sweep):
            if any(_unknown_axis(item, context)):
                continue
            for value in item.values:
                problem = problem_with(target_of(item), value.text)
                if problem is not None:
                    of = f" of {item.owner.text}" if item.owner else ""
                    changed = f"{item.key.text}{of} = {value.text}"
                    yield error(
                        "RD141",
                        f"with `{changed}` the recipe does not hold: {problem.message}",
                        value.span,
                        problem.label,
                        problem.help,
                    )
