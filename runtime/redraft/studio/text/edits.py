"""Requests of a page as changes of the text, and what they did, in words for the history."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from redraft.errors import PlanError
from redraft.studio.web import messages as m
from redraft_dsl.language.language import LANGUAGE
from redraft_dsl.language.spelling import respelled
from redraft_dsl.source import Edit, Source, apply
from redraft_dsl.syntax import edit as e
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.parse import parse

UNTITLED = 'recipe untitled 1.0.0 "A recipe in the making"'
"""The statement of a recipe that nobody has named yet."""


def changed(text: str, changes: Iterable[m.AnyChange]) -> tuple[str, str]:
    """The text after some changes, and what they are in words.

    Raises:
        PlanError: there is no such part, or a name cannot be one.

    """
    words = ""
    for each in changes:
        before = text
        try:
            text = e.edit(text, _change(text, each))
        except e.NoSuchPartError as problem:
            raise PlanError("RD812", str(problem), "look at the text, and try again") from None
        except e.BadNameError as problem:
            raise PlanError("RD812", str(problem), "give the rule another name") from None
        words = words or _words(before, each)
    return text, words


def named_after(text: str, stem: str) -> str:
    """A new recipe's text with the name of its file; one that has a name keeps it."""
    name = respelled(stem)
    title = name.replace("-", " ").capitalize()
    return text.replace(UNTITLED, f'recipe {name} 1.0.0 "{title}"', 1)


def grown(text: str, rule: str, place: str, among: tuple[int, int], more: int) -> str | None:
    """The text whose ``context like`` of a place takes more images; None where it has none."""
    line = re.compile(rf"context like {re.escape(place)} top (\d+) among {among[0]}\.\.{among[1]}")
    for item in e.items_of(_rule(text, rule)):
        span = item.span
        found = line.fullmatch(" ".join(text[span.start : span.end].split()))
        if found:
            top = min(int(found[1]) + more, among[1] - among[0] + 1)
            new = f"context like {place} top {top} among {among[0]}..{among[1]}"
            return apply(text, [Edit(span, new)])
    return None


def _change(text: str, asked: m.AnyChange) -> e.Change:
    match asked:
        case m.Put():
            return e.Put(asked.owner, asked.key, asked.value)
        case m.Add():
            return e.Add(asked.text, asked.owner, asked.after)
        case m.Drop():
            return e.Drop(asked.target)
        case m.Replace():
            return e.Replace(asked.target, asked.text)
        case m.Move():
            return e.Move(asked.target, asked.before)
        case m.Switch():
            return e.Switch(asked.target, asked.on)
        case m.Duplicate():
            node = _rule(text, asked.target)
            start, end = node.span.start, node.span.end
            stem = re.sub(r"-\d+$", "", asked.target)
            numbered = (f"{stem}-{number}" for number in itertools.count(2))
            name = next(each for each in numbered if fresh_name(text, each) == each)
            at = node.name.span
            copy = text[start : at.start] + name + text[at.end : end]
            return e.Add(f"\n{copy}", after=asked.target)
        case m.Rename():
            return e.Rename(asked.target, asked.name)


def _rule(text: str, name: str) -> s.Operation:
    for node in parse(Source("<text>", text)).tree.statements:
        if isinstance(node, s.Operation) and node.name.text == name:
            return node
    raise e.NoSuchPartError(f"there is no rule `{name}` that is written here")


def of_kind(text: str, name: str, kind: str) -> str:
    """The text with a rule as another operation; lines and settings that it lacks are left out.

    Raises:
        PlanError: there is no such rule, or no such operation.

    """
    if kind not in LANGUAGE.operation_words:
        raise PlanError("RD812", f"there is no operation `{kind}`", "choose one of the list")
    try:
        node = _rule(text, name)
    except e.NoSuchPartError as problem:
        raise PlanError("RD812", str(problem), "look at the text, and try again") from None
    takes = {*LANGUAGE.lines_of(kind), *LANGUAGE.block(kind)}
    gone = [item for item in e.items_of(node) if item.key.text not in takes]
    edits = [e.deleted(text, item.span) for item in gone]
    return apply(text, [Edit(node.kind.span, kind), *edits])


def fresh_name(text: str, stem: str) -> str:
    """A name that no rule has: the stem, or with a number."""
    names = {
        node.name.text
        for node in parse(Source("<text>", text)).tree.statements
        if isinstance(node, s.Operation | s.Include)
    }
    number = 2
    name = stem
    while name in names:
        name, number = f"{stem}-{number}", number + 1
    return name


def value_of(text: str, owner: str, key: str) -> str | None:
    """What a setting of a rule says; None where it is not written."""
    for node in parse(Source("<text>", text)).tree.statements:
        if isinstance(node, s.Operation) and node.name.text == owner:
            for item in e.items_of(node):
                if isinstance(item, s.Setting) and item.key.text == key:
                    return text[item.value.span.start : item.value.span.end]
    return None


def _words(text: str, asked: m.AnyChange) -> str:
    match asked:
        case m.Put():
            before = value_of(text, asked.owner, asked.key)
            since = f"{before} to " if before is not None else "to "
            return f"{asked.key.capitalize()} {since}{asked.value}"
        case m.Add():
            return f"Add {asked.text.split()[0] if asked.text.split() else 'a line'}"
        case m.Drop():
            return f"Remove {asked.target}"
        case m.Replace():
            return f"Change {asked.target}"
        case m.Move():
            return f"Move {asked.target}"
        case m.Switch():
            return f"{asked.target} {'on' if asked.on else 'off'}"
        case m.Duplicate():
            return f"Duplicate {asked.target}"
        case m.Rename():
            return f"Rename {asked.target}"
