"""Putting comments and blank lines back onto the statements they belong to.

A comment on the line where a statement ends belongs to that statement; one right after an opening
brace belongs to the block; one inside a statement, where no block could hold it, goes before the
statement; every other one goes before the statement that follows it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, TypeVar, cast

from redraft_dsl.source import Span
from redraft_dsl.syntax.tree import Block, Comment, Item, Statement, Tree, Trivia

_COMMENT = re.compile(r'"[^"\n]*"|#[^\n]*')
_BLANK = re.compile(r"\n[ \t]*\n[ \t\n]*\Z")

Node = TypeVar("Node", Item, Statement)


def attach(tree: Tree, text: str) -> Tree:
    """The same tree with its comments and its blank lines."""
    comments = [
        Comment(match[0].rstrip(), _blank_before(text, match.start()), span=Span(*match.span()))
        for match in _COMMENT.finditer(text)
        if match[0].startswith("#")
    ]
    statements, rest = _attach(tree.statements, comments, text)
    return Tree(statements, rest)


def _blank_before(text: str, at: int) -> bool:
    if at < 2:
        return False
    return _BLANK.search(text, max(0, at - 200), at) is not None


def _attach(
    nodes: tuple[Node, ...], comments: list[Comment], text: str
) -> tuple[tuple[Node, ...], tuple[Comment, ...]]:
    """Hand ``comments`` (in order) to ``nodes``; the second result is what follows the last."""
    done: list[Node] = []
    at = 0
    for position, node in enumerate(nodes):
        start = at
        while at < len(comments) and comments[at].span.start < node.span.end:
            at += 1
        own = comments[start:at]
        trailing = None
        follows = nodes[position + 1].span.start if position + 1 < len(nodes) else len(text)
        if at < len(comments) and comments[at].span.start < follows:
            gap = text[node.span.end : comments[at].span.start]
            if "\n" not in gap:
                trailing = comments[at]
                at += 1
        done.append(_dress(node, own, trailing, text))
    return tuple(done), tuple(comments[at:])


def _dress(node: Node, own: list[Comment], trailing: Comment | None, text: str) -> Node:
    block: Block | None = getattr(node, "block", None)
    leading = own
    if block is not None:
        inside = [comment for comment in own if comment.span.start > block.span.start]
        leading = own[: len(own) - len(inside)]
        dressed = _dress_block(block, inside, text)
        if dressed is not block:
            node = cast("Node", replace(cast("Any", node), block=dressed))
    blank = _blank_before(text, node.span.start)
    if not (leading or trailing or blank):
        return node
    return replace(node, trivia=Trivia(blank, tuple(leading), trailing))


def _dress_block(block: Block, inside: list[Comment], text: str) -> Block:
    opening = None
    if inside and "\n" not in text[block.span.start : inside[0].span.start]:
        before = block.items[0].span.start if block.items else block.span.end
        if inside[0].span.start < before:
            opening, inside = inside[0], inside[1:]
    items, dangling = _attach(block.items, inside, text)
    same = all(new is old for new, old in zip(items, block.items, strict=True))
    if same and opening is None and not dangling:
        return block
    return replace(block, items=items, opening=opening, dangling=dangling)
