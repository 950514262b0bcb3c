"""The outline of a recipe, and what of it can be folded."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from redraft_dsl.editor.documents import Document, Examined
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
    return [
        fold
        for node in examined.tree.statements
        for fold in _folds(getattr(node, "block", None), examined.document)
    ]


def _statement(node: s.Statement, document: Document) -> types.DocumentSymbol | None:
    match node:
        case s.EditionLine():
            return _symbol("edition", value(node.value), _KIND.Constant, node, node.span, document)
        case s.RecipeLine():
            detail = f"{node.version.text} {node.title.text}"
            return _symbol(node.name.text, detail, _KIND.Package, node, node.name.span, document)
        case s.Operation():
            detail = f"{node.kind.text} at {node.layer.text}"
            return _symbol(node.name.text, detail, _KIND.Function, node, node.name.span, document)
        case s.Include():
            detail = f"include {node.alias.text}.{node.rule.text}"
            return _symbol(node.name.text, detail, _KIND.Function, node, node.name.span, document)
        case s.UseLine():
            detail = f"use {node.path.text} {node.version.text}"
            return _symbol(node.name.text, detail, _KIND.Module, node, node.name.span, document)
        case s.Broken():
            if node.name is None:
                return None
            detail = f"{node.keyword} (cannot be read)"
            return _symbol(node.name, detail, _KIND.Null, node, node.span, document)
        case _:
            word, kind = _PLAIN[type(node)]
            return _symbol(node.name.text, word, kind, node, node.name.span, document)


_PLAIN: dict[type[s.Statement], tuple[str, types.SymbolKind]] = {
    s.ModelStatement: ("model", _KIND.Module),
    s.LatentsStatement: ("latents", _KIND.Array),
    s.RegionStatement: ("region", _KIND.Variable),
    s.ImagesStatement: ("images", _KIND.Array),
    s.ParamLine: ("param", _KIND.TypeParameter),
    s.SweepStatement: ("sweep", _KIND.Enum),
}


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


def _folds(block: object, document: Document) -> Iterator[types.FoldingRange]:
    if not isinstance(block, s.Block):
        return
    area = document.text.range(block.span)
    if area.end.line > area.start.line:
        # The last line, with its brace, stays in sight.
        last = max(area.end.line - 1, area.start.line)
        yield types.FoldingRange(area.start.line, last, kind=types.FoldingRangeKind.Region)
    for item in block.items:
        yield from _folds(getattr(item, "block", None), document)
