"""What could be written at the cursor about other recipes: their rules, and values for these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lsprotocol import types

from redraft_dsl.check.binding import LAYER
from redraft_dsl.editor.documents import Examined
from redraft_dsl.editor.offers import declared, layers, offer
from redraft_dsl.editor.used import UsedRecipe, short, text_of, used_as, used_from, values_of
from redraft_dsl.language import words
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.format import parameter, value
from redraft_dsl.syntax.mistakes.mistake import Token

_KIND = types.CompletionItemKind


def included_rules(alias: str, examined: Examined) -> Iterator[types.CompletionItem]:
    """The rules of the recipe that is used under a name."""
    used = used_as(examined, alias)
    for name, node in used.rules.items() if used is not None else ():
        rule = used.rule(name) if used else None
        yield offer(name, _KIND.Function, text_of(rule) if rule else "", short(node))


def versions(examined: Examined, path: str, typed: Span) -> list[types.CompletionItem]:
    """The version of the recipe at a path."""
    used = used_from(examined, path)
    header = used.header if used is not None else None
    if header is None:
        return []
    found = offer(header.version.text, _KIND.Constant, header.title.text, "the version of the file")
    found.text_edit = types.TextEdit(examined.document.text.range(typed), found.label)
    return [found]


def overridden_keys(
    before: tuple[Token, ...], given: frozenset[str], examined: Examined
) -> Iterator[types.CompletionItem]:
    """What an included rule takes values for: its settings, its layer, its recipe's parameters."""
    used, name = _included(before, examined)
    if used is None:
        return
    for line in used.params.values():
        if line.name.text not in given:
            about = f"A parameter of {used.where}.\n\n```redraft\n{parameter(line)}\n```"
            yield offer(line.name.text, _KIND.Variable, about, f"{value(line.default)} there")
    kind, there = _rule(used, name)
    rows = examined.language.block(kind)
    for key in (*rows, *([LAYER] if kind else [])):
        if key not in given:
            about = rows[key].about(examined.edition) if key in rows else words.INNER["at"]
            detail = f"{there[key]} there" if key in there else ""
            yield offer(key, _KIND.Property, about, detail)


def overridden_values(
    before: tuple[Token, ...], examined: Examined
) -> Iterator[types.CompletionItem]:
    """Values for the key before the ``=``; this recipe's parameters may stand for any."""
    key = before[-2].text
    used, name = _included(before, examined)
    line = used.params.get(key) if used is not None else None
    if line is not None:
        limits = [limit.text for limit in line.limits if isinstance(limit, s.Word)]
        for word in limits or [value(line.default)]:
            detail = "default" if word == value(line.default) else ""
            yield offer(word, _KIND.EnumMember if limits else _KIND.Value, "", detail)
    elif key == LAYER:
        yield from layers(examined)
    else:
        kind, there = _rule(used, name) if used is not None else ("", {})
        row = examined.language.block(kind).get(key)
        default = there.get(key) or (row.default_text(examined.edition) if row else None)
        choices = row.choices if row is not None else ()
        for choice in choices or ([default] if row is not None and default else []):
            detail = "there" if choice == there.get(key) else ""
            yield offer(choice, _KIND.EnumMember if choices else _KIND.Value, "", detail)
    yield from declared("parameter", examined)


def _included(before: tuple[Token, ...], examined: Examined) -> tuple[UsedRecipe | None, str]:
    """The recipe and the rule that an ``include ALIAS.RULE`` names."""
    named = [token.text for token in before[1:4] if token.text != "."]
    if len(named) < 2:
        return None, ""
    return used_as(examined, named[0]), named[1]


def _rule(used: UsedRecipe, name: str) -> tuple[str, Mapping[str, str]]:
    """A rule's keyword, and its values; nothing for a rule that is not known."""
    rule = used.rule(name)
    return (rule.kind.text if rule else ""), values_of(rule)
