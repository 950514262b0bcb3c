"""From a tree without errors to the checked recipe, with the edition's defaults filled in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from redraft_dsl.check.context import Context, Job, MarkedLine
from redraft_dsl.check.values import Values
from redraft_dsl.recipe import model as r
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s


def to_recipe(context: Context) -> tuple[r.Recipe, tuple[r.Rule, ...]]:
    """The recipe that a tree means, and the rules that are off. There is no error in the tree."""
    header = context.all(s.RecipeLine)[0]
    every = tuple(_rules(context))
    recipe = r.recipe_class(context.language)(
        edition=context.edition,
        name=header.name.text,
        version=header.version.text,
        title=header.title.text,
        model=model_of(*context.models[0]),
        latents=tuple(
            r.Latents.model_validate({"name": node.name.text, **values.stored()})
            for node, values in context.latents
        ),
        rules=tuple(rule for rule, off in every if not off),
    )
    return recipe, tuple(rule for rule, off in every if off)


def _rules(context: Context) -> Iterator[tuple[r.Rule, bool]]:
    """Each rule, and whether it is off."""
    jobs = {id(job.node): job for job in context.jobs}
    included = {id(each.statement): each.rule for each in context.included}
    for node in context.rules:
        if isinstance(node, s.Operation):
            yield _rule(jobs[id(node)], context), node.off is not None
        else:
            rule = included[id(node)]
            assert rule is not None, "what cannot be included is an error"
            yield rule, node.off is not None


def model_of(statement: s.ModelStatement, values: Values) -> r.Model:
    """The model that a statement names; there is no error in it."""
    if statement.block is None:
        return r.ListedModel(name=statement.name.text)
    return r.FileModel.model_validate({"name": statement.name.text, **values.stored()})


def _rule(job: Job, context: Context) -> r.Rule:
    """An operation, as the class that its kind has."""
    kind = r.operations_of(r.recipe_class(context.language))[job.row.word]
    lines = {row.stored: _places(job, row.word) for row in job.row.lines}
    for row in job.row.lines:
        places = lines[row.stored]
        if row.single:
            lines[row.stored] = places[0]
        elif row.each and not places:
            # The one paste of the authors' code is given, or is the one context.
            authors = job.values.compat is not None
            lines[row.stored] = _places(job, "context") if authors else "each context"
    layer = job.node.layer.text if job.layer is None else job.layer.name
    head = {"name": job.node.name.text, "layer": layer}
    return cast("r.Rule", kind.model_validate(head | lines | job.values.stored()))


def _places(job: Job, word: str) -> Any:
    return tuple(place for line in job.marked(word) for place in _line(line))


def _line(line: MarkedLine) -> Iterator[r.Place | r.Match]:
    if line.place is None:
        return
    assert line.region is not None, "what cannot be resolved is an error"
    region = line.region.region
    places = (r.Place(latents=i.latents, index=i.index, region=region) for i in line.images)
    if isinstance(line.item, s.MatchLine):
        yield _match(line.item, next(places))
    else:
        yield from places


def _match(item: s.MatchLine, like: r.Place) -> r.Match:
    return r.Match(
        like=like,
        top=int(item.top.value),
        first=int(item.first.value),
        last=int(item.last.value),
        excluded=tuple(sorted({int(number.value) for number in item.excluded})),
    )


def spans_of(context: Context) -> Iterator[tuple[str, Span]]:
    """Where things stand, so that phases after the checker can point at the text.

    Keys are ``model``, ``glasses``, ``glasses.layer``, ``glasses.rank``, ``glasses.copy``,
    ``glasses.context[0]`` and so on; of a list of images, each image has a number.
    """
    for edition in context.all(s.EditionLine)[:1]:
        yield "edition", edition.span
    for header in context.all(s.RecipeLine)[:1]:
        yield "recipe", header.span
    for model, _ in context.models[:1]:
        yield "model", model.span
        for item in model.block.items if model.block else ():
            yield f"model.{item.key.text}", item.span
    for latents, _ in context.latents:
        yield f"latents.{latents.name.text}", latents.span
    for job in context.jobs:
        yield from _operation_spans(job)
    for included in context.included:
        yield included.statement.name.text, included.statement.span


def _operation_spans(job: Job) -> Iterator[tuple[str, Span]]:
    name = job.node.name.text
    yield name, job.node.kind.span.to(job.node.layer.span)
    yield f"{name}.layer", job.node.layer.span
    for key, item in job.values.items.items():
        yield f"{name}.{key}", item.span
    for row in job.row.lines:
        spans = [span for line in job.marked(row.word) for span in _line_spans(line)]
        for at, span in enumerate(spans):
            yield (f"{name}.{row.word}" if row.single else f"{name}.{row.word}[{at}]"), span


def _line_spans(line: MarkedLine) -> Iterator[Span]:
    if len(line.images) <= 1:
        yield line.item.span
    else:
        yield from (image.span for image in line.images)
