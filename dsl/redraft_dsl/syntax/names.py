"""Where every name of a recipe is defined and used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from redraft_dsl.language.language import LANGUAGE, Language
from redraft_dsl.language.spelling import LONGEST_NAME, NAME
from redraft_dsl.language.words import RESERVED_NAMES
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

Kind = Literal["latents", "region", "images", "rule", "parameter", "recipe", "sweep"]

RESERVING = frozenset({"latents", "region", "images", "parameter"})
"""Kinds whose names stand where a keyword could stand, and so may not be one."""


@dataclass(frozen=True)
class Occurrence:
    """One place where a name stands; ``defines`` where it is declared there.

    ``of`` is the name of the used recipe that declares it, for a name that is not this recipe's.
    """

    kind: Kind
    name: str
    span: Span
    defines: bool = False
    of: str | None = None


@dataclass(frozen=True)
class _Scope:
    """What names can mean in a recipe.

    ``borrowed`` are its rules that have the name of the used recipe, ``settings`` the words that
    ``with`` takes without any parameter of that name.
    """

    parameters: frozenset[str]
    borrowed: Mapping[str, str]
    settings: frozenset[str]


def occurrences(tree: s.Tree, language: Language = LANGUAGE) -> tuple[Occurrence, ...]:
    """Every name of a recipe, in the order of the text."""
    scope = _Scope(
        frozenset(node.name.text for node in tree.statements if isinstance(node, s.ParamLine)),
        {
            node.rule.text: node.alias.text
            for node in tree.statements
            if isinstance(node, s.Include) and node.given is None
        },
        frozenset(("layer", *(row.name for row in language.settings))),
    )
    found = (each for node in s.walk(tree.statements) for each in _named(node, scope))
    return tuple(sorted(found, key=lambda each: each.span))


def at(tree: s.Tree, offset: int) -> Occurrence | None:
    """The name at an offset; its end counts as part of it."""
    around = [each for each in occurrences(tree) if each.span.start <= offset <= each.span.end]
    return around[-1] if around else None


def same(tree: s.Tree, wanted: Occurrence, language: Language = LANGUAGE) -> tuple[Occurrence, ...]:
    """Every place where the same thing is named."""
    return tuple(
        each
        for each in occurrences(tree, language)
        if (each.kind, each.name, each.of) == (wanted.kind, wanted.name, wanted.of)
    )


def defined(tree: s.Tree, kind: Kind) -> tuple[str, ...]:
    """The names of one kind that a recipe declares, each once; also those of broken statements."""
    names = [each.name for each in occurrences(tree) if each.kind == kind and each.defines]
    keywords = {"parameter": "param", "recipe": "use"}
    for node in tree.statements:
        if isinstance(node, s.Broken) and node.keyword == keywords.get(kind, kind) and node.name:
            names.append(node.name)
    return tuple(dict.fromkeys(names))


def elsewhere(wanted: Occurrence, where: str | None = None) -> str | None:
    """Why a name of another recipe is not changed here; ``where`` it is declared, if known."""
    if wanted.of is None:
        return None
    where = where or f"the recipe that is used as `{wanted.of}`"
    own = ", or name the rule here with `as`" if wanted.kind == "rule" else ""
    return f"`{wanted.name}` is declared in {where}; change it there{own}"


def objection(
    tree: s.Tree, wanted: Occurrence, new: str, language: Language = LANGUAGE
) -> str | None:
    """Why a name cannot be changed to ``new``; None when it can."""
    if wanted.of is not None:
        return elsewhere(wanted)
    if not NAME.fullmatch(new) or len(new) > LONGEST_NAME:
        return (
            f"`{new[:LONGEST_NAME]}` cannot be a name: a-z, 0-9, `_`, and single `-` between words"
        )
    if wanted.kind in RESERVING and new in RESERVED_NAMES:
        return f"`{new}` is a reserved word; choose another name, such as `my-{new}`"
    if new != wanted.name and new in defined(tree, wanted.kind):
        return f"there is a {wanted.kind} called `{new}` already"
    if any(isinstance(node, s.Broken) for node in tree.statements):
        return "fix the syntax errors first: names in what cannot be read would keep the old name"
    if not any(each.defines for each in same(tree, wanted, language)):
        return f"`{wanted.name}` is not defined in this recipe"
    return None


_DECLARED: Mapping[type[s.Node], Kind] = {
    s.LatentsStatement: "latents",
    s.RegionStatement: "region",
    s.ImagesStatement: "images",
    s.Operation: "rule",
    s.ParamLine: "parameter",
    s.UseLine: "recipe",
    s.SweepStatement: "sweep",
}
"""What each statement declares; an ``include`` may declare a rule, too."""


def _named(node: s.Node, scope: _Scope) -> Iterator[Occurrence]:
    """The names that a node itself holds, and not the nodes in it."""
    if type(node) in _DECLARED:
        name: s.Word = cast("Any", node).name
        yield Occurrence(_DECLARED[type(node)], name.text, name.span, True)
    match node:
        case s.Operation(layer=value) | s.Setting(value=value) | s.Override(value=value):
            yield from _word(value, scope)
        case s.Number() if node.is_name:
            yield Occurrence("parameter", node.text, node.span)
        case s.Named() | s.ImagesName():
            kind: Kind = "region" if isinstance(node, s.Named) else "images"
            yield Occurrence(kind, node.name.text, node.span)
        case s.Images():
            yield Occurrence("latents", node.latents.text, node.latents.span)
        case s.ExpectLine():
            yield _rule(node.rule, scope)
            yield from _word(node.value, scope)
        case s.Vary() if node.owner is not None:
            yield _rule(node.owner, scope)
        case s.Vary():
            yield Occurrence("parameter", node.key.text, node.key.span)
        case s.Include():
            yield from _included(node, scope)


def _included(node: s.Include, scope: _Scope) -> Iterator[Occurrence]:
    alias, own = node.alias.text, node.given is None
    yield Occurrence("recipe", alias, node.alias.span)
    yield Occurrence("rule", node.rule.text, node.rule.span, own, alias)
    if node.given is not None:
        yield Occurrence("rule", node.given.text, node.given.span, True)
    for item in node.block.items if node.block else ():
        if item.key.text not in scope.settings:
            yield Occurrence("parameter", item.key.text, item.key.span, False, alias)


def _rule(name: s.Word, scope: _Scope) -> Occurrence:
    """A rule where it is named, this recipe's or one that an ``include`` borrowed."""
    return Occurrence("rule", name.text, name.span, False, scope.borrowed.get(name.text))


def _word(value: s.Value, scope: _Scope) -> Iterator[Occurrence]:
    """A parameter in the place of a value."""
    if isinstance(value, s.Word) and value.text in scope.parameters:
        yield Occurrence("parameter", value.text, value.span)
