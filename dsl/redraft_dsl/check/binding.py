"""Parameters put in their places: a tree in which nothing but numbers and words is left.

Binding is the first thing that happens to a tree. What comes after it sees numbers and words only,
so nothing else of the language needs to know that there are parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from redraft_dsl.check.parameters import BoundParam, Given, declaration, misfit, unfit, value_of
from redraft_dsl.language.language import Language
from redraft_dsl.report.diagnostics import Diagnostic, Note, did_you_mean, error, unknown
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

LAYER = "layer"
"""The key under which the layer of a rule is replaced."""

Rule = s.Operation | s.Include
_BOUND = (
    s.RegionStatement,
    s.ImagesStatement,
    s.Operation,
    s.Include,
    s.LatentsStatement,
    s.ModelStatement,
    s.ExpectLine,
)
"""Statements in which a parameter may stand."""
_WORDS = frozenset(
    {
        (s.Setting, "value"),
        (s.Override, "value"),
        (s.Operation, "layer"),
        (s.ExpectLine, "value"),
    }
)
"""Where a word may be the name of a parameter."""


@dataclass(frozen=True)
class Bound:
    """A tree without parameters, what they stood for, and what was wrong with them.

    ``used`` are the names of the parameters that the tree mentions.
    """

    tree: s.Tree
    params: tuple[BoundParam, ...]
    diagnostics: tuple[Diagnostic, ...]
    used: frozenset[str]


def bind(
    tree: s.Tree, language: Language, given: Given = (), spans: Mapping[str, Span] | None = None
) -> Bound:
    """Put the values of all parameters, and of ``given``, into a tree.

    Args:
        tree: as parsed.
        language: which settings replace one another.
        given: values from outside. The last one of a name counts.
        spans: for names in ``given``, where their values are written; a wrong value is shown
            there. By default it is shown at the parameter or rule that it is for.

    """
    spans = spans or {}
    lines = [node for node in tree.statements if isinstance(node, s.ParamLine)]
    params = {line.name.text: line for line in reversed(lines)}
    outside = dict(given)
    problems = [problem for line in params.values() for problem in declaration(line)]
    values: dict[str, s.Value] = {name: line.default for name, line in params.items()}
    for name in params.keys() & outside.keys():
        value = value_of(outside[name], spans.get(name, params[name].span))
        fault = misfit(value, params[name])
        if fault is None:
            values[name] = value
        else:
            problems.append(unfit(value, params[name], fault, value.span))
    problems += _unknown_names(tree, outside, params, spans, language)
    binder = Binder(values)
    changed = (_with_given(node, outside, spans, language) for node in tree.statements)
    statements = tuple(map(binder.statement, changed))
    declared = tuple(
        BoundParam(name, cast("Any", line.type.text), values[name].text, line.default.text,
                   name in outside)
        for name, line in params.items()
    )  # fmt: skip
    used = binder.used | (mentioned(values, tree.statements) if outside else set())
    bound = replace(tree, statements=statements)
    return Bound(bound, declared, (*problems, *binder.problems), frozenset(used))


def from_outside(problem: Diagnostic, given: Given, spans: Mapping[str, Span]) -> Diagnostic:
    """The same problem, with a note on the value from outside that it speaks of, if it does."""
    said = f"{problem.message} {problem.label}"
    notes = tuple(
        Note(f"`{name} = {value}` does not stand in the text; it was given, as with `--set`")
        for name, value in given
        if name not in spans
        and f"`{name}`" not in said
        and (f"`{name.rpartition('.')[2]}" in said or f"`{value}`" in said)
    )
    return replace(problem, notes=(*problem.notes, *notes))


def seen_by(target: str, nodes: Iterable[s.Statement]) -> Iterator[Rule]:
    """The rules for which a value makes a difference.

    ``target`` is a parameter or ``RULE.SETTING``. A parameter that stands in a region, say, may
    make one for every rule.
    """
    owner, _, key = target.partition(".")
    nodes = tuple(nodes)
    rules = [node for node in nodes if isinstance(node, Rule)]
    if key:
        yield from (node for node in rules if node.name.text == owner)
        return
    values: dict[str, s.Value] = {target: s.Word(target)}
    others = [node for node in nodes if not isinstance(node, Rule)]
    everywhere = target in mentioned(values, others)
    yield from (node for node in rules if everywhere or target in mentioned(values, [node]))


def mentioned(values: Mapping[str, s.Value], nodes: Iterable[s.Statement]) -> set[str]:
    """The parameters that statements mention."""
    binder = Binder(values)
    for node in nodes:
        binder.statement(node)
    return binder.used


def _unknown_names(
    tree: s.Tree,
    outside: Mapping[str, str],
    params: Mapping[str, s.ParamLine],
    spans: Mapping[str, Span],
    language: Language,
) -> Iterator[Diagnostic]:
    """Values from outside for what the recipe does not have."""
    rules = [node.name.text for node in tree.statements if isinstance(node, Rule)]
    for name in outside:
        owner, _, key = name.partition(".")
        if name in params or (key and owner in rules):
            continue
        if key:
            message = f"`--set {name}` sets nothing: the recipe has no rule `{owner}`"
            help_text = did_you_mean(owner, rules, "rules of this recipe")
        else:
            message = f"`--set {name}` sets nothing: the recipe has no parameter `{name}`"
            help_text = did_you_mean(name, params, "parameters of this recipe")
            if rules and name in language.setting_words:
                help_text = f"a setting is named with its rule: write `{rules[0]}.{name}`"
            elif not params:
                help_text += "; a setting is named with its rule, as `RULE.SETTING`"
        yield error("RD127", message, spans.get(name), "", help_text)


# ---- putting values in ------------------------------------------------------------------------


@dataclass
class Binder:
    """Replaces names by values, and collects what it met on the way."""

    values: Mapping[str, s.Value]
    problems: list[Diagnostic] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def statement(self, node: s.Statement) -> s.Statement:
        """The statement with values in it; one that names an unknown parameter is broken."""
        if not isinstance(node, _BOUND):
            return node
        before = len(self.problems)
        bound = cast("s.Statement", self.node(node))
        if len(self.problems) == before:
            return bound
        keyword = {s.Operation: "rule", s.ImagesStatement: "images"}.get(type(node), "region")
        keyword = node.kind.text if isinstance(node, s.Operation) else keyword
        name = getattr(node, "name", None)
        return s.Broken(keyword, name.text if isinstance(name, s.Word) else None, span=node.span)

    def node(self, node: Any) -> Any:
        """Any part of a statement with values in it; the same object where nothing changes."""
        if isinstance(node, tuple):
            parts = tuple(map(self.node, node))
            return node if all(map(_same, parts, node)) else parts
        if isinstance(node, s.Number):
            return self.number(node) if node.is_name else node
        if not isinstance(node, s.Node):
            return node
        kind: Any = type(node)
        changed: dict[str, Any] = {}
        for name in s.fields_of(kind):
            old = getattr(node, name)
            new = self.word(old) if (kind, name) in _WORDS else self.node(old)
            if new is not old:
                changed[name] = new
        return replace(node, **changed) if changed else node

    def word(self, value: s.Value) -> s.Value:
        """What a parameter stands for, at the place where it is named."""
        bound = self.values.get(value.text) if isinstance(value, s.Word) else None
        if bound is None:
            return value
        self.used.add(value.text)
        return type(bound)(bound.text, span=value.span)

    def number(self, name: s.Number) -> s.Number:
        """What the parameter in the place of a number stands for."""
        bound = self.values.get(name.text)
        self.used.add(name.text)
        if isinstance(bound, s.Number):
            return s.Number(bound.text, span=name.span)
        self.problems.append(_no_number(name, bound, self.values))
        return s.Number("0", span=name.span)


def _same(one: object, other: object) -> bool:
    return one is other


def _no_number(name: s.Number, bound: s.Value | None, values: Mapping[str, s.Value]) -> Diagnostic:
    if bound is not None:
        message = f"`{name.text}` is a word, and a number is expected here"
        help_text = "use a parameter of type `int`, `float` or `percent`"
        return error("RD122", message, name.span, "expected a number", help_text)
    numbers = [known for known, value in values.items() if isinstance(value, s.Number)]
    message, label = f"unknown parameter `{name.text}`", "expected a number or a parameter"
    if numbers:
        return unknown("RD122", message, name, label, numbers, "parameters of this recipe")
    help_text = f"write a number, or declare `param {name.text}: int = 1`"
    return error("RD122", message, name.span, label, help_text)


# ---- replacing settings -----------------------------------------------------------------------


def _with_given(
    node: s.Statement, outside: Mapping[str, str], spans: Mapping[str, Span], language: Language
) -> s.Statement:
    if not outside or not isinstance(node, Rule):
        return node
    for name, text in outside.items():
        owner, _, key = name.partition(".")
        if key and owner == node.name.text:
            span = spans.get(name, node.name.span)
            node = overridden(node, s.Word(key, span=span), value_of(text, span), language)
    return node


def overridden(node: Rule, key: s.Word, value: s.Value, language: Language) -> Rule:
    """The same rule with ``key value`` in place of what it says of ``key``.

    So ``with``, ``vary`` and ``--set`` do it. An operation gets the setting into its block; an
    ``include`` passes it on.
    """
    span = key.span.to(value.span)
    if isinstance(node, s.Include):
        block = node.block or s.Block((), span=node.span)
        items: tuple[s.Item, ...] = _without(block.items, key.text, language)
        items = (*items, s.Override(key, value, span=span))
        return replace(node, block=replace(block, items=items))
    if key.text == LAYER and not isinstance(value, s.Text):
        return replace(node, layer=s.Word(value.text, span=value.span))
    items = (
        *_without(node.block.items, key.text, language),
        s.Setting(key, value, None, span=span),
    )
    return replace(node, block=replace(node.block, items=items))


def _without(items: Iterable[s.Item], key: str, language: Language) -> tuple[s.Item, ...]:
    """Lines without a setting, and without the one that it stands instead of."""
    gone = {key}
    for row in language.settings:
        if row.instead_of and key in (row.name, row.instead_of):
            gone |= {row.name, row.instead_of}
    kinds = s.Setting | s.Override
    return tuple(i for i in items if not (isinstance(i, kinds) and i.key.text in gone))
