"""The one canonical layout of a recipe, printed from its syntax tree.

Columns are fixed per kind of line and do not depend on the neighbours: adding a line never moves
another one, so a change of one setting is a difference of one line. Each layout rule is a short
function below; the style changes only with the edition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.syntax import tree as s

INDENT = "  "
WIDTH = 100
PLACE_COLUMN = len("context ")
SETTING_COLUMN = len("preserve ")
MODEL_COLUMN = len("weights ")
LATENTS_COLUMN = len("count ")


@dataclass(frozen=True)
class Formatted:
    """``text`` is None when the recipe has syntax errors: then nothing is formatted."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...]


def format_tree(tree: s.Tree) -> str:
    """The canonical text of a tree, with its comments; LF line ends, one at the end.

    Raises ``ValueError`` for a tree with a statement that could not be read.
    """
    lines: list[str] = []
    previous: list[str] | None = None
    for statement in tree.statements:
        printed = list(_statement(statement))
        if previous is not None and (_tall(previous) or _tall(printed) or _spaced(statement)):
            lines.append("")
        lines += _comments(statement.trivia.leading, skip_first_blank=True)
        if statement.trivia.leading and statement.trivia.blank_before:
            lines.append("")
        lines += _with_trailing(printed, statement.trivia.trailing)
        previous = printed
    lines += _comments(tree.dangling, skip_first_blank=not lines)
    return "".join(f"{line}\n" for line in lines)


def _tall(printed: list[str]) -> bool:
    return len(printed) > 1


def _spaced(node: s.Statement | s.Item) -> bool:
    """Whether the author left an empty line before a node, or before the comments on top of it."""
    leading = node.trivia.leading
    return leading[0].blank_before if leading else node.trivia.blank_before


def _comments(comments: tuple[s.Comment, ...], *, skip_first_blank: bool) -> Iterator[str]:
    for at, comment in enumerate(comments):
        if comment.blank_before and not (at == 0 and skip_first_blank):
            yield ""
        yield comment.text


def _with_trailing(lines: list[str], trailing: s.Comment | None) -> list[str]:
    if trailing is None:
        return lines
    return [*lines[:-1], f"{lines[-1]}  {trailing.text}"]


def _statement(node: s.Statement) -> Iterator[str]:
    if isinstance(node, s.Broken):
        raise ValueError("a statement that could not be read cannot be formatted")
    return _PRINTERS[type(node)](node)


def _edition(node: s.EditionLine) -> Iterator[str]:
    yield f"edition {value(node.value)}"


def _recipe(node: s.RecipeLine) -> Iterator[str]:
    yield f'recipe {node.name.text} {node.version.text} "{node.title.text}"'


def _use(node: s.UseLine) -> Iterator[str]:
    yield f'use "{node.path.text}" {node.version.text} as {node.name.text}'


def _param(node: s.ParamLine) -> Iterator[str]:
    yield parameter(node)


def _model(node: s.ModelStatement) -> Iterator[str]:
    return _block(f"model {node.name.text}", node.block, MODEL_COLUMN)


def _latents(node: s.LatentsStatement) -> Iterator[str]:
    return _short_block(f"latents {node.name.text}", node.block, LATENTS_COLUMN)


def _region(node: s.RegionStatement) -> Iterator[str]:
    yield f"region {node.name.text} = {region(node.region)}"


def _images(node: s.ImagesStatement) -> Iterator[str]:
    return _wrapped(f"images {node.name.text} = ", node.images, "", 0)


def _off(node: s.Operation | s.Include) -> str:
    return f"{node.off.text} " if node.off else ""


def _operation(node: s.Operation) -> Iterator[str]:
    head = f"{_off(node)}{node.kind.text} {node.name.text} at {node.layer.text}"
    return _block(head, node.block, SETTING_COLUMN)


def _include(node: s.Include) -> Iterator[str]:
    head = f"{_off(node)}include {node.alias.text}.{node.rule.text}"
    if node.given is not None:
        head += f" as {node.given.text}"
    if node.block is None:
        yield head
    else:
        yield from _short_block(f"{head} with", node.block, SETTING_COLUMN)


def _sweep(node: s.SweepStatement) -> Iterator[str]:
    return _block(f"sweep {node.name.text}", node.block, SETTING_COLUMN)


def _expect(node: s.ExpectLine) -> Iterator[str]:
    yield f"expect {node.measure.text}({node.rule.text}) {node.comparison} {value(node.value)}"


_PRINTERS: dict[type, Callable[[Any], Iterator[str]]] = {
    s.EditionLine: _edition,
    s.RecipeLine: _recipe,
    s.UseLine: _use,
    s.ParamLine: _param,
    s.ModelStatement: _model,
    s.LatentsStatement: _latents,
    s.RegionStatement: _region,
    s.ImagesStatement: _images,
    s.Operation: _operation,
    s.Include: _include,
    s.SweepStatement: _sweep,
    s.ExpectLine: _expect,
}
"""How each kind of statement is written; a broken one cannot be."""


def parameter(node: s.ParamLine) -> str:
    """``param NAME: TYPE = VALUE in LIMITS``."""
    line = f"param {node.name.text}: {node.type.text} = {value(node.default)}"
    if not node.limits:
        return line
    between = ".." if isinstance(node.limits[0], s.Number) else ", "
    return f"{line} in {between.join(limit.text for limit in node.limits)}"


def _place_line(head: str, node: s.PlaceExpr | None) -> Iterator[str]:
    if node is None:
        return iter([f"{head}each context"])
    return _wrapped(head, node.images, f" {region(node.region)}", len(INDENT))


def _short_block(head: str, block: s.Block, column: int) -> Iterator[str]:
    """A block, on one line where it fits."""
    inline = _inline(head, block)
    return iter([inline]) if inline else _block(head, block, column)


def _block(head: str, block: s.Block | None, column: int) -> Iterator[str]:
    if block is None:
        yield head
        return
    if not (block.items or block.opening or block.dangling):
        yield f"{head} {{}}"
        return
    opening = f"  {block.opening.text}" if block.opening else ""
    yield f"{head} {{{opening}"
    for line in _body(block, column):
        yield f"{INDENT}{line}" if line else ""
    yield "}"


def _body(block: s.Block, column: int) -> Iterator[str]:
    for at, item in enumerate(block.items):
        if at > 0 and _spaced(item):
            yield ""
        leading = item.trivia.leading
        yield from _comments(leading, skip_first_blank=True)
        if leading and item.trivia.blank_before:
            yield ""
        yield from _with_trailing(list(_item(item, column)), item.trivia.trailing)
    yield from _comments(block.dangling, skip_first_blank=not block.items)


def _item(item: s.Item, column: int) -> Iterator[str]:
    match item:
        case s.PlaceLine():
            yield from _place_line(f"{item.key.text:<{PLACE_COLUMN}}", item.place)
        case s.MatchLine():
            yield f"{item.key.text:<{PLACE_COLUMN}}{match_tail(item)}"
        case s.Setting():
            head = f"{item.key.text:<{column - 1}} {value(item.value)}"
            if item.block is None:
                yield head
            else:
                yield from _short_block(head, item.block, SETTING_COLUMN)
        case s.Override():
            yield f"{item.key.text} = {value(item.value)}"
        case s.Vary():
            of = f" of {item.owner.text}" if item.owner else ""
            values = ", ".join(map(value, item.values))
            yield f"vary {item.key.text}{of} over {values}"


def _inline(head: str, block: s.Block) -> str | None:
    """A block of plain settings on one line; None where that does not go."""
    if not block.items or block.opening or block.dangling:
        return None
    parts: list[str] = []
    for item in block.items:
        if item.trivia.leading or item.trivia.trailing:
            return None
        if isinstance(item, s.Override):
            parts.append(f"{item.key.text} = {value(item.value)}")
        elif isinstance(item, s.Setting) and not item.block:
            parts.append(f"{item.key.text} {value(item.value)}")
        else:
            return None
    line = f"{head} {{ {'  '.join(parts)} }}"
    return line if len(line) <= WIDTH else None


def value(node: s.Value) -> str:
    """A value as written, with its quotes."""
    return f'"{node.text}"' if isinstance(node, s.Text) else node.text


def place(node: s.PlaceExpr) -> str:
    """``z[130] REGION``."""
    return f"{images(node.images)} {region(node.region)}"


def images(node: s.Images | s.ImagesName) -> str:
    """``z[130]``, ``z[5, 7, 26..34]``, or a name of images."""
    if isinstance(node, s.ImagesName):
        return node.name.text
    return f"{node.latents.text}[{', '.join(map(_image, node.items))}]"


def _image(item: s.Number | s.Interval) -> str:
    return item.text if isinstance(item, s.Number) else f"{item.first.text}..{item.last.text}"


def _wrapped(head: str, node: s.Images | s.ImagesName, behind: str, indent: int) -> Iterator[str]:
    """Images between two texts; a list that is too long goes on below its first number."""
    line = f"{head}{images(node)}{behind}"
    if isinstance(node, s.ImagesName) or indent + len(line) <= WIDTH or len(node.items) == 1:
        yield line
        return
    start = f"{head}{node.latents.text}["
    line, column = start, len(start)
    *most, last = map(_image, node.items)
    for text in (*(f"{each}," for each in most), f"{last}]{behind}"):
        gap = "" if len(line) == column else " "
        if gap and indent + len(line) + len(gap) + len(text) > WIDTH:
            yield line
            line, gap = " " * column, ""
        line += gap + text
    yield line


def match_tail(node: s.MatchLine) -> str:
    """What follows ``context`` in a match."""
    text = f"like {place(node.like)} top {node.top.text} among {node.first.text}..{node.last.text}"
    if node.excluded:
        text += f" except {', '.join(number.text for number in node.excluded)}"
    return text


def region(node: s.RegionExpr) -> str:
    """A region, with parentheses only where the tree needs them."""
    match node:
        case s.BoxShape():
            x, y = (f"{low.text}..{high.text}" for low, high in (node.x, node.y))
            return f"box(x {x}, y {y})"
        case s.PolygonShape():
            return f"polygon({' '.join(f'{x.text},{y.text}' for x, y in node.points)})"
        case s.EllipseShape():
            center, radius = (f"{x.text},{y.text}" for x, y in (node.center, node.radius))
            return f"ellipse({center} radius {radius})"
        case s.MaskShape():
            how = f" {node.resample.text}" if node.resample else ""
            return f'mask("{node.path.text}"{how})'
        case s.Everything():
            return "all"
        case s.Named():
            return node.name.text
        case s.Joined():
            right = region(node.right)
            if isinstance(node.right, s.Joined):  # the operators group from the left
                right = f"({right})"
            return f"{region(node.left)} {node.operator} {right}"
