"""The outline of a recipe, and what of it can be folded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsprotocol import types

from redraft_dsl.editor.documents import Document, Examined
from redraft_dsl.editor.used import short
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.format import value

_KIND = types.SymbolKind


def symbols(examined: Examined, _params: object = None) -> list[types.DocumentSymbol]:
    """Every statement, with the lines of its block inside."""
    document = examined.document
    found = (_statement(node, document) for node in examined.tree.statements)
    return [symbol for symbol in found if symbol is not None]


def folds(examined: Examined, _params: object = None) -> list[types.FoldingRange]:
    """Every block that takes more than one line."""
    blocks = (node for node in s.walk(examined.tree.statements) if isinstance(node, s.Block))
    areas = (examined.document.text.range(block.span) for block in blocks)
    # The last line, with its brace, stays in sight.
    return [
        types.FoldingRange(
            area.start.line,
            max(area.end.line - 1, area.start.line),
            kind=types.FoldingRangeKind.Region,
        )
        for area in areas
        if area.end.line > area.start.line
    ]


def _statement(node: s.Statement, document: Document) -> types.DocumentSymbol | None:
    if isinstance(node, s.Broken):
        if node.name is None:
            return None
        seen = f"{node.keyword} (cannot be read)"
        return _symbol(node.name, seen, _KIND.Null, node, node.span, document)
    own = node.measure if isinstance(node, s.ExpectLine) else s.Word("edition", span=node.span)
    name = s.name_of(node) or own
    detail, kind = _DETAILS[type(node)]
    return _symbol(name.text, detail(node), kind, node, name.span, document)


_DETAILS: dict[type[s.Statement], tuple[Callable[[Any], str], types.SymbolKind]] = {
    s.EditionLine: (lambda node: value(node.value), _KIND.Constant),
    s.RecipeLine: (lambda node: f"{node.version.text} {node.title.text}", _KIND.Package),
    s.UseLine: (lambda node: f"use {node.path.text} {node.version.text}", _KIND.Module),
    s.Operation: (short, _KIND.Function),
    s.Include: (short, _KIND.Function),
    s.ModelStatement: (lambda _: "model", _KIND.Module),
    s.LatentsStatement: (lambda _: "latents", _KIND.Array),
    s.RegionStatement: (lambda _: "region", _KIND.Variable),
    s.ImagesStatement: (lambda _: "images", _KIND.Array),
    s.ParamLine: (lambda _: "param", _KIND.TypeParameter),
    s.SweepStatement: (lambda _: "sweep", _KIND.Enum),
    s.ExpectLine: (lambda node: f"expected of {node.rule.text}", _KIND.Boolean),
}
"""What is shown beside the name of each statement, and as what."""


def _symbol(
    name: str,
    detail: str,
    kind: types.SymbolKind,
    node: s.Statement | s.Item,
    chosen: Span,
    document: Document,
) -> types.DocumentSymbol:
    block = getattr(node, "block", None)
    inner = [_item(item, document) for item in block.items] if isinstance(block, s.Block) else []
    return types.DocumentSymbol(
        name=name.strip() or "?",
        kind=kind,
        range=document.text.range(node.span),
        selection_range=document.text.range(chosen),
        detail=detail,
        children=inner,
    )


def _item(item: s.Item, document: Document) -> types.DocumentSymbol:
    text = document.source.text[item.key.span.end : item.span.end]
    detail = " ".join(text.split())
    detail = detail if len(detail) <= 60 else detail[:59] + "…"
    kind = _KIND.Field if isinstance(item, s.PlaceLine | s.MatchLine) else _KIND.Property
    return _symbol(item.key.text, detail, kind, item, item.key.span, document)
