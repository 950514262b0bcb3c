"""Changes of whole lines: taking one out, putting one in, moving one."""

from __future__ import annotations

from collections.abc import Iterator

from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

Edit = tuple[Span, str]


def items(tree: s.Tree) -> Iterator[s.Item]:
    """Every line of every block, outer ones first."""
    waiting = [getattr(node, "block", None) for node in tree.statements]
    while waiting:
        block = waiting.pop(0)
        if isinstance(block, s.Block):
            yield from block.items
            waiting += [getattr(item, "block", None) for item in block.items]


def item_at(tree: s.Tree, span: Span) -> s.Item | None:
    """The line that is at a span, or whose first word is."""
    return next((item for item in items(tree) if span in (item.span, item.key.span)), None)


def statement_at(tree: s.Tree, span: Span) -> s.Statement | None:
    """The statement that is at a span, or whose name is."""
    for node in tree.statements:
        name = getattr(node, "name", None)
        if node.span == span or (isinstance(name, s.Word) and name.span == span):
            return node
    return None


def deleted(source: str, span: Span) -> Edit:
    """Take a stretch out; with its lines, where nothing else stands on them."""
    start = source.rfind("\n", 0, span.start) + 1
    end = source.find("\n", span.end)
    end = len(source) if end < 0 else end + 1
    if source[start : span.start].strip() or source[span.end : end].strip():
        begin = len(source[: span.start].rstrip(" \t"))
        alone = source[span.end : span.end + 1] in (" ", "\t", "\n", "")
        return (Span(begin if alone and begin > start else span.start, span.end), "")
    return (Span(start, end), "")


def moved_up(tree: s.Tree, source: str, node: s.Statement) -> tuple[Edit, Edit] | None:
    """Move an edition to the top, or a recipe line behind the edition.

    None where it shares its lines with something else, or has comments that would stay behind.
    """
    taken, _ = deleted(source, node.span)
    line = source[node.span.start : node.span.end]
    if node.trivia.leading or source[taken.start : taken.end].strip() != line:
        return None
    editions = [each for each in tree.statements if isinstance(each, s.EditionLine)]
    if isinstance(node, s.RecipeLine) and editions:
        at = _line_end(source, editions[0].span.end)
        return (Span(at, at), f"\n{line}"), (taken, "")
    return (Span(0, 0), f"{line}\n"), (taken, "")


def insertion(tree: s.Tree, source: str, span: Span, new: str) -> Edit | None:
    """Put a new statement, or a new line of the block whose name is at ``span``, in its place."""
    node = statement_at(tree, span)
    keyword = new.partition(" ")[0]
    if keyword == "edition":
        return (Span(0, 0), f"{new}\n\n")
    block = getattr(node, "block", None)
    if isinstance(block, s.Block) and keyword not in ("recipe", "latents"):
        return _in_block(source, block, new)
    before = [
        each
        for each in tree.statements
        if isinstance(each, s.EditionLine | s.RecipeLine | s.ModelStatement | s.LatentsStatement)
        and not (keyword == "recipe" and not isinstance(each, s.EditionLine))
        and not (keyword == "model" and isinstance(each, s.LatentsStatement))
    ]
    if not before:
        return None
    at = _line_end(source, before[-1].span.end)
    return (Span(at, at), f"\n{new}")


def _in_block(source: str, block: s.Block, new: str) -> Edit:
    """As the first line of a block, or as the first thing in a block of one line."""
    at = block.span.start + 1
    if "\n" in source[block.span.start : block.span.end]:
        return (Span(at, at), f"\n  {new}")
    gap = "" if source[at : at + 1] == " " else " "
    return (Span(at, at), f" {new}{gap or ' '}" if block.items else f" {new}{gap}")


def _line_end(source: str, offset: int) -> int:
    end = source.find("\n", offset)
    return len(source) if end < 0 else end
