"""Parameters put in their places: a tree in which nothing but numbers and words is left.

Binding is the first thing that happens to a tree. What comes after it sees numbers and words only,
so nothing else of the language needs to know that there are parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from redraft_dsl.check.mentions import Mentions
from redraft_dsl.check.overriding import overridden
from redraft_dsl.check.params import BoundParam, Given, declaration, misfit, unfit, value_of
from redraft_dsl.report.diagnostics import Diagnostic, did_you_mean, error
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s


@dataclass(frozen=True)
class Bound:
    """A tree without parameters, what they stood for, and what was wrong with them.

    ``used`` are the names of the parameters that the tree mentions, ``values`` what each of them
    stands for. ``changed`` are rules that have values from outside.
    """

    tree: s.Tree
    params: tuple[BoundParam, ...]
    diagnostics: tuple[Diagnostic, ...]
    used: frozenset[str]
    values: Mapping[str, s.Value]
    changed: frozenset[str]


def bind(
    tree: s.Tree,
    given: Given = (),
    spans: Mapping[str, Span] | None = None,
    mentions: Callable[[s.Operation], Mentions] | None = None,
) -> Bound:
    """Put the values of all parameters, and of ``given``, into a tree.

    Args:
        tree: as parsed.
        given: values from outside. The last one of a name counts.
        spans: for names in ``given``, where their values are written; a wrong value is shown
            there. By default it is shown at the parameter or rule that it is for.
        mentions: what an operation of the tree names, where that is known without looking.

    """
    spans = spans or {}
    lines = {line.name.text: line for line in reversed(_of(tree, s.ParamLine))}
    outside = dict(given)
    found = [problem for line in lines.values() for problem in declaration(line)]
    values: dict[str, s.Value] = {name: line.default for name, line in lines.items()}
    for name, line in lines.items():
        if name in outside:
            span = spans.get(name, line.span)
            value = value_of(outside[name], span)
            fault = misfit(value, line)
            if fault is None:
                values[name] = value
            else:
                found.append(unfit(value, line, fault, span))
    found += _strangers(tree, outside, lines, spans)
    binder = _Binder(values)
    statements = tuple(
        _bound(binder, statement, _with_given(statement, outside, spans), mentions)
        for statement in tree.statements
    )
    params = tuple(
        BoundParam(
            name, cast("Any", line.type.text), values[name].text, line.default.text, name in outside
        )
        for name, line in lines.items()
    )
    bound = replace(tree, statements=statements)
    used = binder.used if not outside else binder.used | _names(tree, values, mentions)
    changed = frozenset(name.partition(".")[0] for name in outside if "." in name)
    problems = (*found, *binder.problems)
    return Bound(bound, params, problems, frozenset(used), values, changed)


def seen_by(target: str, nodes: Iterable[s.Statement]) -> Iterator[s.Operation | s.Include]:
    """The rules for which a value makes a difference.

    ``target`` is a parameter or ``RULE.SETTING``. A parameter that stands in a region, say, may
    make one for every rule.
    """
    owner, _, key = target.partition(".")
    rules = [node for node in nodes if isinstance(node, s.Operation | s.Include)]
    if key:
        yield from (node for node in rules if node.name.text == owner)
        return
    others = (node for node in nodes if not isinstance(node, s.Operation | s.Include))
    everywhere = any(_sees(node, target) for node in others)
    yield from (node for node in rules if everywhere or _sees(node, target))


def _sees(node: s.Statement, name: str) -> bool:
    binder = _Binder({name: s.Word(name, Span(0, 0))})
    binder.statement(node)
    return name in binder.used


Looking = Callable[[s.Operation], Mentions]


def _bound(
    binder: _Binder, written: s.Statement, node: s.Statement, mentions: Looking | None
) -> s.Statement:
    if (
        mentions is not None
        and node is written
        and isinstance(node, s.Operation)
        and binder.leaves(mentions(node))
    ):
        return node
    return binder.statement(node)


def _names(tree: s.Tree, values: Mapping[str, s.Value], mentions: Looking | None) -> set[str]:
    """The parameters that a tree mentions as it is written, whatever is set from outside."""
    binder = _Binder(values)
    for statement in tree.statements:
        _bound(binder, statement, statement, mentions)
    return binder.used


def _of(tree: s.Tree, kind: type[s.ParamLine]) -> tuple[s.ParamLine, ...]:
    return tuple(node for node in tree.statements if isinstance(node, kind))


def _with_given(
    statement: s.Statement, outside: Mapping[str, str], spans: Mapping[str, Span]
) -> s.Statement:
    if not outside or not isinstance(statement, s.Operation | s.Include):
        return statement
    for name, text in outside.items():
        owner, _, key = name.partition(".")
        if key and owner == statement.name.text:
            span = spans.get(name, statement.name.span)
            statement = overridden(statement, s.Word(key, span), value_of(text, span))
    return statement


def _strangers(
    tree: s.Tree,
    outside: Mapping[str, str],
    lines: Mapping[str, s.ParamLine],
    spans: Mapping[str, Span],
) -> Iterator[Diagnostic]:
    """Values from outside for what the recipe does not have."""
    rules = [n.name.text for n in tree.statements if isinstance(n, s.Operation | s.Include)]
    for name in outside:
        owner, _, key = name.partition(".")
        if name in lines or (key and owner in rules):
            continue
        if key:
            message = f"`{name}` cannot be set: there is no rule `{owner}`"
            help_text = did_you_mean(owner, rules, "rules of this recipe")
        else:
            message = f"`{name}` cannot be set: there is no such parameter"
            help_text = did_you_mean(name, lines, "parameters of this recipe")
            if not lines:
                help_text += "; a setting of a rule is named `RULE.SETTING`"
        yield error("RD127", message, spans.get(name), "", help_text)


@dataclass
class _Binder:
    """Replaces names by values, and keeps what it found on the way."""

    values: Mapping[str, s.Value]
    problems: list[Diagnostic] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def leaves(self, named: Mentions) -> bool:
        """Whether a statement that names this stays as it is."""
        return not named.numbers and self.values.keys().isdisjoint(named.words)

    def statement(self, node: s.Statement) -> s.Statement:
        """The statement with values in it; one that names an unknown parameter is broken."""
        before = len(self.problems)
        match node:
            case s.RegionStatement():
                region = self.region(node.region)
                bound: s.Statement = node if region is node.region else replace(node, region=region)
            case s.Operation():
                bound = self.operation(node)
            case s.Include() if node.block is not None:
                bound = replace(node, block=self.block(node.block))
            case s.LatentsStatement():
                bound = replace(node, block=self.block(node.block))
            case s.ModelStatement() if node.block is not None:
                bound = replace(node, block=self.block(node.block))
            case _:
                return node
        if len(self.problems) == before:
            return bound
        keyword = node.kind.text if isinstance(node, s.Operation) else "region"
        name = getattr(node, "name", None)
        return s.Broken(keyword, name.text if isinstance(name, s.Word) else None, node.span)

    def operation(self, node: s.Operation) -> s.Operation:
        """An operation with values in it; the same object where it names no parameter."""
        block, layer = self.block(node.block), self.layer(node.layer)
        same = block is node.block and layer is node.layer
        return node if same else replace(node, block=block, layer=layer)

    def layer(self, layer: s.Word) -> s.Word:
        """The layer, which may be a parameter of type ``word``."""
        value = self.values.get(layer.text)
        if not isinstance(value, s.Word):
            return layer
        self.used.add(layer.text)
        return s.Word(value.text, layer.span)

    def block(self, block: s.Block) -> s.Block:
        """A block with values in it."""
        items = tuple(self.item(item) for item in block.items)
        same = all(new is old for new, old in zip(items, block.items, strict=True))
        return block if same else replace(block, items=items)

    def item(self, item: s.Item) -> s.Item:
        """A line with values in it."""
        match item:
            case s.Setting():
                inner = item.block and self.block(item.block)
                value = self.value(item.value)
                if inner is item.block and value is item.value:
                    return item
                return replace(item, block=inner, value=value)
            case s.Override():
                value = self.value(item.value)
                return item if value is item.value else replace(item, value=value)
            case s.PlaceLine() if item.place is not None:
                place = self.place(item.place)
                return item if place is item.place else replace(item, place=place)
            case s.MatchLine():
                return self.match(item)
            case _:
                return item

    def match(self, item: s.MatchLine) -> s.MatchLine:
        """A match with values in it."""
        old = (item.top, item.first, item.last, *item.excluded)
        like = self.place(item.like)
        top, first, last, *excluded = map(self.number, old)
        new = (top, first, last, *excluded)
        if like is item.like and all(one is other for one, other in zip(new, old, strict=True)):
            return item
        return replace(item, like=like, top=top, first=first, last=last, excluded=tuple(excluded))

    def value(self, value: s.Value) -> s.Value:
        """What a parameter stands for, at the place where it is named."""
        bound = self.values.get(value.text) if isinstance(value, s.Word) else None
        if bound is None:
            return value
        self.used.add(value.text)
        return type(bound)(bound.text, value.span)

    def place(self, place: s.PlaceExpr) -> s.PlaceExpr:
        """An image and its region with values in them."""
        index, region = self.number(place.index), self.region(place.region)
        if index is place.index and region is place.region:
            return place
        return replace(place, index=index, region=region)

    def region(self, node: s.RegionExpr) -> s.RegionExpr:
        """A region with values in it; the same object where it names no parameter."""
        match node:
            case s.BoxShape():
                x, y = self.pair(node.x), self.pair(node.y)
                return node if x is node.x and y is node.y else replace(node, x=x, y=y)
            case s.PolygonShape():
                points = tuple(map(self.pair, node.points))
                same = all(new is old for new, old in zip(points, node.points, strict=True))
                return node if same else replace(node, points=points)
            case s.EllipseShape():
                center, radius = self.pair(node.center), self.pair(node.radius)
                same = center is node.center and radius is node.radius
                return node if same else replace(node, center=center, radius=radius)
            case s.Joined():
                left, right = self.region(node.left), self.region(node.right)
                same = left is node.left and right is node.right
                return node if same else replace(node, left=left, right=right)
            case _:
                return node

    def pair(self, pair: tuple[s.Number, s.Number]) -> tuple[s.Number, s.Number]:
        """Two numbers."""
        first, second = self.number(pair[0]), self.number(pair[1])
        return pair if first is pair[0] and second is pair[1] else (first, second)

    def number(self, number: s.Number) -> s.Number:
        """A number, or what the parameter in its place stands for."""
        if not number.is_name:
            return number
        bound = self.values.get(number.text)
        self.used.add(number.text)
        if isinstance(bound, s.Number):
            return s.Number(bound.text, number.span)
        self.problems.append(_no_number(number, bound, self.values))
        return s.Number("0", number.span)


def _no_number(name: s.Number, bound: s.Value | None, values: Mapping[str, s.Value]) -> Diagnostic:
    if bound is not None:
        message = f"`{name.text}` is a word, and a number is expected here"
        help_text = "use a parameter of type `int`, `float` or `percent`"
        return error("RD122", message, name.span, "expected a number", help_text)
    numbers = [known for known, value in values.items() if isinstance(value, s.Number)]
    help_text = (
        did_you_mean(name.text, numbers, "parameters of this recipe")
        if numbers
        else f"write a number, or declare `param {name.text}: int = 1`"
    )
    message = f"unknown parameter `{name.text}`"
    return error("RD122", message, name.span, "expected a number or a parameter", help_text)
