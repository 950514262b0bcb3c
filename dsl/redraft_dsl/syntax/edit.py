"""Changes of a recipe's text: one statement, line or setting, and nothing around it.

Comments and layout stay as they are. Everything that changes a recipe for its author (a quick
fix, a command, a page with sliders) does it by one of the changes below, and leaves text that a
person could have written.

Things are addressed by name: ``edition``, ``recipe``, ``model``, ``latents.z``, ``region.eyes``,
``images.plain``, ``param.size``, ``use.village``, ``sweep.looks``, and a rule by its own name, such
as ``glasses``. Inside of these stand ``glasses.rank``, ``glasses.context[2]`` (the third line of
that word), ``glasses.solver.iterations``, ``model.weights`` and ``latents.z.count``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from redraft_dsl.language.language import LANGUAGE, Language
from redraft_dsl.source import Edit, Source, Span, apply
from redraft_dsl.syntax import names
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.format import INDENT, SETTING_COLUMN
from redraft_dsl.syntax.parse import parse

_KINDS: dict[str, type[s.Statement]] = {
    "latents": s.LatentsStatement,
    "region": s.RegionStatement,
    "images": s.ImagesStatement,
    "param": s.ParamLine,
    "use": s.UseLine,
    "sweep": s.SweepStatement,
}
_SINGLE: dict[str, type[s.Statement]] = {
    "edition": s.EditionLine,
    "recipe": s.RecipeLine,
    "model": s.ModelStatement,
}
_INDEXED = re.compile(r"(.+)\[([0-9]+)\]")


@dataclass(frozen=True)
class Put:
    """Give a setting a value; ``value`` as it is written. ``KEY`` may be ``layer`` of a rule."""

    owner: str
    key: str
    value: str


@dataclass(frozen=True)
class Add:
    """Add a line to a block, or, without an owner, a statement to the recipe.

    It comes after ``after``, by default at the end.
    """

    text: str
    owner: str = ""
    after: str = ""


@dataclass(frozen=True)
class Drop:
    """Take a statement, a line or a setting out."""

    target: str


@dataclass(frozen=True)
class Replace:
    """Replace a statement or a line."""

    target: str
    text: str


@dataclass(frozen=True)
class Move:
    """Move a statement, with the comments above it, in front of another; by default to the end."""

    target: str
    before: str = ""


@dataclass(frozen=True)
class Switch:
    """Write ``off`` in front of a rule, or take it away."""

    target: str
    on: bool


@dataclass(frozen=True)
class Rename:
    """Give a rule another name, wherever the text names it."""

    target: str
    name: str


Change: TypeAlias = Put | Add | Drop | Replace | Move | Switch | Rename


class NoSuchPartError(LookupError):
    """What a change is about is not in the text, or could not be read."""


class BadNameError(ValueError):
    """A rule cannot have such a name; the message says why."""


def edit(text: str, change: Change, language: Language = LANGUAGE) -> str:
    """The text after a change.

    Raises:
        NoSuchPartError: there is nothing of that name.
        BadNameError: nothing can have that new name.

    """
    return apply(text, edits(text, change, language))


def edits(text: str, change: Change, language: Language = LANGUAGE) -> tuple[Edit, ...]:
    """A change as edits of the text, which do not overlap; raises as ``edit`` does."""
    parts = _Parts(text, parse(Source("<text>", text), language).tree)
    match change:
        case Put():
            return (_put(parts, change),)
        case Add():
            return (_add(parts, change),)
        case Drop():
            return (_dropped(text, parts.find(change.target)),)
        case Replace():
            return (Edit(parts.find(change.target).span, change.text),)
        case Move():
            return _moved(parts, change)
        case Switch():
            node = parts.rule(change.target)
            if change.on == (node.off is None):
                return ()
            at = node.span.start
            end = re.compile(r"off\s+").match(text, at)
            return (Edit(Span(at, end.end() if end else at), "" if change.on else "off "),)
        case Rename():
            return _renamed(parts, change, language)


# ---- finding ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Parts:
    """A text, its tree, and its parts by their addresses."""

    text: str
    tree: s.Tree

    def find(self, address: str) -> s.Statement | s.Item:
        """The statement, line or setting of an address."""
        node, rest = self.statement(address)
        for key in filter(None, rest.split(".")):
            node = self.inside(node, key, address)
        return node

    def statement(self, address: str) -> tuple[s.Statement | s.Item, str]:
        """The statement that an address begins with, and the rest of the address."""
        first, _, rest = address.partition(".")
        if first in _SINGLE:
            return self.first(_SINGLE[first], None, address), rest
        if first in _KINDS:
            name, _, rest = rest.partition(".")
            return self.first(_KINDS[first], name, address), rest
        for node in self.tree.statements:
            if isinstance(node, s.Operation | s.Include) and node.name.text == first:
                return node, rest
        raise NoSuchPartError(f"there is no rule `{first}`")

    def first(self, kind: type[s.Statement], name: str | None, address: str) -> s.Statement:
        """The first statement of a kind with a name; with any, where that is None."""
        for node in self.tree.statements:
            own = s.name_of(node)
            if isinstance(node, kind) and name in (None, own and own.text):
                return node
        raise NoSuchPartError(f"there is nothing called `{address}`")

    def inside(self, node: s.Statement | s.Item, key: str, address: str) -> s.Item:
        """A line or setting of a block."""
        indexed = _INDEXED.fullmatch(key)
        word, number = (indexed[1], int(indexed[2])) if indexed else (key, 0)
        found = [item for item in items_of(node) if item.key.text == word]
        if number >= len(found):
            raise NoSuchPartError(f"there is nothing called `{address}`")
        return found[number]

    def rule(self, address: str) -> s.Operation | s.Include:
        """A rule by its name."""
        node = self.find(address)
        if not isinstance(node, s.Operation | s.Include):
            raise NoSuchPartError(f"`{address}` is not a rule of this recipe")
        return node


def items_of(node: s.Statement | s.Item) -> tuple[s.Item, ...]:
    """The lines of the block that a statement or a setting has, if it has one."""
    block = getattr(node, "block", None)
    return block.items if isinstance(block, s.Block) else ()


# ---- changing ---------------------------------------------------------------------------------


def _put(parts: _Parts, change: Put) -> Edit:
    node = parts.find(change.owner)
    if isinstance(node, s.Operation) and change.key == "layer":
        return Edit(node.layer.span, change.value)
    if isinstance(node, s.EditionLine):
        return Edit(node.value.span, change.value)
    for item in items_of(node):
        if item.key.text == change.key and isinstance(item, s.Setting | s.Override):
            # The block of a group stays only where the new value names the same group.
            same = isinstance(item, s.Setting) and change.value == item.value.text
            whole = item.value.span if same else Span(item.value.span.start, item.span.end)
            return Edit(whole, change.value)
    equals = "= " if isinstance(node, s.Include) else ""
    pad = " " * max(1, SETTING_COLUMN - len(change.key)) if not equals else " "
    return _appended(parts, node, f"{change.key}{pad}{equals}{change.value}", change.owner)


def _add(parts: _Parts, change: Add) -> Edit:
    if change.owner:
        node = parts.find(change.owner)
        if change.after:
            behind = parts.find(f"{change.owner}.{change.after}")
            return _below(parts.text, behind.span.end, f"{INDENT}{change.text}")
        return _appended(parts, node, change.text, change.owner)
    if change.after:
        return _below(parts.text, parts.find(change.after).span.end, change.text)
    end = len(parts.text.rstrip())
    return Edit(Span(end, len(parts.text)), f"\n\n{change.text}\n" if end else f"{change.text}\n")


def _appended(parts: _Parts, node: s.Statement | s.Item, line: str, owner: str) -> Edit:
    """A line at the end of a block, which is made where there is none."""
    text, block = parts.text, getattr(node, "block", None)
    if block is None and isinstance(node, s.ModelStatement | s.Include | s.Setting):
        head = " with" if isinstance(node, s.Include) else ""
        return Edit(Span(node.span.end, node.span.end), f"{head} {{ {' '.join(line.split())} }}")
    if not isinstance(block, s.Block):
        raise NoSuchPartError(f"`{owner}` has no block")
    if "\n" not in text[block.span.start : block.span.end]:
        end = block.span.end - 1
        at = len(text[:end].rstrip())
        gap = "  " if block.items else " "
        if "#" in line:  # whatever came behind it would be part of the comment
            return Edit(Span(at, end), f"\n{INDENT}{line}\n")
        return Edit(Span(at, end), f"{gap}{' '.join(line.split())} ")
    if not block.items:
        return Edit(Span(block.span.start + 1, block.span.start + 1), f"\n{INDENT}{line}")
    last = block.items[-1].span
    begin = text.rfind("\n", 0, last.start) + 1
    indent = re.match(r"[ \t]*", text[begin:])
    return _below(text, last.end, f"{indent[0] if indent else INDENT}{line}")


def _below(text: str, offset: int, line: str) -> Edit:
    """A line below the one that an offset is in."""
    at = line_end(text, offset)
    return Edit(Span(at, at), f"\n{line}")


def _dropped(text: str, node: s.Statement | s.Item) -> Edit:
    """A statement, line or setting out of the text, with its lines where it has them to itself."""
    start, end = _with_comments(text, node)
    before = text[text.rfind("\n", 0, start) + 1 : start]
    after = text[end : line_end(text, end)]
    if not before.strip() and not after.strip():
        return deleted(text, Span(start, end))
    gap = re.compile(r"[ \t]*").match(text, node.span.end)
    return Edit(Span(node.span.start, gap.end() if gap else node.span.end), "")


def _moved(parts: _Parts, change: Move) -> tuple[Edit, ...]:
    """A statement with what belongs to it, out of its place and into another."""
    node, text = parts.find(change.target), parts.text
    start, end = _extent(text, node)
    moved = text[start:end].rstrip()
    target = parts.find(change.before) if change.before else None
    if target is node or (target is None and not text[end:].strip()):
        return ()
    if target is None:
        last = len(text.rstrip())
        return Edit(Span(start, end), ""), Edit(Span(last, len(text)), f"\n\n{moved}\n")
    at = _extent(text, target)[0]
    taken = Edit(Span(start, end), "")
    if not text[end:].strip():
        taken = Edit(Span(len(text[:start].rstrip()), len(text)), "\n")
    return taken, Edit(Span(at, at), f"{moved}\n\n")


def _renamed(parts: _Parts, change: Rename, language: Language) -> tuple[Edit, ...]:
    rules = (each for each in names.occurrences(parts.tree, language) if each.kind == "rule")
    found = next((each for each in rules if each.defines and each.name == change.target), None)
    if found is None:
        raise NoSuchPartError(f"there is no rule `{change.target}` that is written here")
    objection = names.objection(parts.tree, found, change.name, language)
    if objection is not None:
        raise BadNameError(objection)
    every = names.same(parts.tree, found, language)
    return tuple(Edit(each.span, change.name) for each in every)


def _extent(text: str, node: s.Statement | s.Item) -> tuple[int, int]:
    """A statement with its comments, to the beginning of the next one."""
    start, end = _with_comments(text, node)
    blank = re.compile(r"\n(?:[ \t]*\n)*").match(text, line_end(text, end))
    return start, blank.end() if blank else len(text)


def _with_comments(text: str, node: s.Statement | s.Item) -> tuple[int, int]:
    """From the first comment that stands right above a statement or line to the one behind it."""
    start = node.span.start
    for comment in reversed(node.trivia.leading):
        between = text[comment.span.end : start]
        if between.strip() or between.count("\n") != 1:
            break
        start = comment.span.start
    trailing = re.compile(r"[ \t]*#[^\n]*").match(text, node.span.end)
    return start, trailing.end() if trailing else node.span.end


# ---- edits that the checker's fixes are made of -------------------------------------------------


def deleted(text: str, span: Span) -> Edit:
    """Take a stretch out; with its lines, where nothing else stands on them."""
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    end = len(text) if end < 0 else end + 1
    if text[start : span.start].strip() or text[span.end : end].strip():
        begin = len(text[: span.start].rstrip(" \t"))
        alone = text[span.end : span.end + 1] in (" ", "\t", "\n", "")
        return Edit(Span(begin if alone and begin > start else span.start, span.end), "")
    return Edit(Span(start, end), "")


def moved_up(tree: s.Tree, text: str, node: s.Statement) -> tuple[Edit, ...]:
    """Move an edition to the top, or a recipe line behind the edition.

    Nothing where it shares its lines with something else, or has comments that would stay behind.
    """
    taken = deleted(text, node.span)
    line = text[node.span.start : node.span.end]
    if node.trivia.leading or text[taken.span.start : taken.span.end].strip() != line:
        return ()
    editions = [each for each in tree.statements if isinstance(each, s.EditionLine)]
    if isinstance(node, s.RecipeLine) and editions:
        at = line_end(text, editions[0].span.end)
        return Edit(Span(at, at), f"\n{line}"), taken
    return Edit(Span(0, 0), f"{line}\n"), taken


def added_statement(tree: s.Tree, text: str, new: str) -> Edit:
    """Put a statement of a recipe's head in its place, or a definition behind the head."""
    order: Sequence[tuple[str, type[s.Statement]]] = (
        ("edition", s.EditionLine),
        ("recipe", s.RecipeLine),
        ("model", s.ModelStatement),
        ("latents", s.LatentsStatement),
    )
    words = [word for word, _ in order]
    keyword = new.partition(" ")[0]
    before = words.index(keyword) if keyword in words else len(order)
    kinds = tuple(kind for _, kind in order[:before])
    heads = [node for node in tree.statements if isinstance(node, kinds)] if kinds else []
    if not heads:
        return Edit(Span(0, 0), f"{new}\n\n" if keyword == "edition" else f"{new}\n")
    at = line_end(text, heads[-1].span.end)
    return Edit(Span(at, at), f"\n{new}")


def added_line(text: str, block: s.Block, new: str) -> Edit:
    """A line as the first one of a block, or as the first thing in a block of one line."""
    at = block.span.start + 1
    if "\n" in text[block.span.start : block.span.end]:
        return Edit(Span(at, at), f"\n{INDENT}{new}")
    gap = "" if text[at : at + 1] == " " else " "
    return Edit(Span(at, at), f" {new}{gap or ' '}" if block.items else f" {new}{gap}")


def line_end(text: str, offset: int) -> int:
    """Where the line that an offset is in ends."""
    end = text.find("\n", offset)
    return len(text) if end < 0 else end
