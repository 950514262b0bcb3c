"""The rules about single statements, and what they said of operations that are as they were.

An operation's problems follow from its text and from what its names stand for. Where both are as
they were at the last check, the problems are the same, at the place where the operation is now.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import cast

from redraft_dsl.check.context import Context
from redraft_dsl.check.kept import Finding, Notebook
from redraft_dsl.check.mentions import Mentions
from redraft_dsl.geometry.masks import MaskError
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.nodes import shifted


@dataclass(frozen=True)
class Group:
    """Rules that look at single statements, and what they look at besides an operation's text.

    ``around`` gives that for an operation that names what it is given.
    """

    name: str
    around: Callable[[Mentions, Context], tuple[object, ...]]
    rules: tuple[Callable[[Context], Iterable[Diagnostic]], ...]


def about_parts(context: Context, groups: Iterable[Group]) -> list[Diagnostic]:
    """What the rules of all groups say."""
    notes = context.notes
    if notes is None:
        return [p for group in groups for rule in group.rules for p in rule(context)]
    parts = [
        _part(node, context, notes)
        for node in context.operations
        if node.name.text not in context.changed
    ]
    return [p for group in groups for p in _about(parts, group, context, notes)]


@dataclass(frozen=True)
class _Part:
    """An operation as it was written: what it names, its text, and its parameters' values."""

    node: s.Operation
    named: Mentions
    text: str
    values: tuple[object, ...]


def _part(node: s.Operation, context: Context, notes: Notebook) -> _Part:
    named = notes.mentions(node)
    names = (*named.words, *named.numbers) if context.values else ()
    return _Part(node, named, notes.written(node), tuple(map(context.values.get, names)))


def _about(parts: list[_Part], group: Group, context: Context, notes: Notebook) -> list[Diagnostic]:
    """What one group says, of an operation again what it said if nothing has changed for it."""
    found: list[Diagnostic] = []
    fresh: list[tuple[_Part, tuple[object, ...]]] = []
    settled: set[int] = set()
    for part in parts:
        around = group.around(part.named, context)
        known = notes.kept.findings.get((group.name, part.text, part.values))
        if known is None or known.around != around:
            fresh.append((part, around))
            continue
        settled.add(id(part.node))
        notes.now[id(part.node), group.name] = known
        start = part.node.span.start
        found += (cast("Diagnostic", shifted(problem, start)) for problem in known.problems)
    left = tuple(node for node in context.tree.statements if id(node) not in settled)
    operations = tuple(node for node in context.operations if id(node) not in settled)
    narrowed = replace(context, operations=operations, tree=s.Tree(left))
    new = [problem for rule in group.rules for problem in rule(narrowed)]
    _keep(fresh, new, group, notes)
    return found + new


def _keep(
    fresh: list[tuple[_Part, tuple[object, ...]]],
    new: list[Diagnostic],
    group: Group,
    notes: Notebook,
) -> None:
    """Keep what was said of operations."""
    told = sorted((p for p in new if p.span is not None), key=_start)
    for part, around in fresh:
        start, end = part.node.span
        own = told[bisect_left(told, start, key=_start) : bisect_right(told, end, key=_start)]
        if all(_within(problem, part.node.span) for problem in own):
            problems = tuple(cast("Diagnostic", shifted(problem, -start)) for problem in own)
            finding = Finding(around, problems)
            notes.kept.findings[group.name, part.text, part.values] = finding
            notes.now[id(part.node), group.name] = finding


def _start(problem: Diagnostic) -> int:
    return problem.span.start if problem.span else -1


def _within(problem: Diagnostic, span: Span) -> bool:
    """Whether all of a problem's places are in one operation."""
    places = [problem.span, *(note.span for note in problem.notes)]
    return all(
        place is not None and span.start <= place.start and place.end <= span.end
        for place in places
    ) and not any(note.source for note in problem.notes)


def of_the_text(_: Mentions, context: Context) -> tuple[object, ...]:
    """The model, and what the edition assumes."""
    return context.facts, context.defaults


def of_latents(named: Mentions, context: Context) -> tuple[object, ...]:
    """How many images there are."""
    return tuple(_latents(named.latents, context))


def of_regions(named: Mentions, context: Context) -> tuple[object, ...]:
    """What regions and masks are, on the model's picture."""
    regions = tuple(_regions(named.regions, context))
    masks = tuple(_masks(named.masks, context))
    return context.facts, context.defaults, context.folder, regions, masks


def _latents(names: Iterable[str], context: Context) -> Iterator[object]:
    for name in names:
        if name in context.counts:
            yield context.counts[name]
        else:
            yield tuple(context.counts), context.excused(name)


def _regions(names: Iterable[str], context: Context) -> Iterator[object]:
    regions = context.regions
    for name in names:
        if name in regions.named:
            yield regions.named[name]
        else:
            known = tuple(definition.name.text for definition in context.definitions)
            yield known, context.excused(name), name in regions.oversized


def _masks(paths: Iterable[str], context: Context) -> Iterator[object]:
    for path in paths:
        found = context.regions.masks.get(path)
        yield (found.fault, found.message) if isinstance(found, MaskError) else found
