"""Things that are offered at the cursor: names, layers, and the description of each."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from redraft_dsl.editor.documents import Examined
from redraft_dsl.facts import LayerFacts
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.names import Kind, defined

_KIND = types.CompletionItemKind


def layers(examined: Examined) -> Iterator[types.CompletionItem]:
    """The layers of the model, in the order of the network."""
    for at, layer in enumerate(examined.facts.layers if examined.facts else ()):
        found = offer(layer.name, _KIND.Struct, about_layer(layer), layer_line(layer))
        found.sort_text = f"{at:04}"
        yield found


def layer_line(layer: LayerFacts) -> str:
    """A layer's resolution and channels in one line."""
    height, width = layer.key_size
    return f"{width} x {height} keys, {layer.in_channels} -> {layer.out_channels} channels"


def about_layer(layer: LayerFacts) -> str:
    """A layer in a few words."""
    height, width = layer.value_size
    others = ", ".join(f"`{name}`" for name in layer.names[1:])
    also = f" Also called {others}." if others else ""
    kernel = f"{layer.kernel[1]} x {layer.kernel[0]} kernel"
    return f"{layer.kind}, {kernel}, {width} x {height} values out.{also}"


def declared(kind: Kind, examined: Examined) -> Iterator[types.CompletionItem]:
    """The names of one kind."""
    for name in defined(examined.tree, kind):
        yield offer(name, _KIND.Variable, _definition(kind, name, examined), kind)


def _definition(kind: Kind, name: str, examined: Examined) -> str:
    """The line that declares a name."""
    for node in examined.tree.statements:
        if (
            isinstance(node, s.RegionStatement | s.ImagesStatement | s.ParamLine)
            and node.name.text == name
        ):
            line = examined.document.source.text[node.span.start : node.span.end]
            return f"```redraft\n{line}\n```"
    return f"A {kind} of this recipe."


def offer(
    label: str, kind: types.CompletionItemKind, about: str, detail: str = ""
) -> types.CompletionItem:
    """One thing that is offered; ``about`` is Markdown."""
    documentation = types.MarkupContent(types.MarkupKind.Markdown, about) if about else None
    return types.CompletionItem(
        label, kind=kind, detail=detail or None, documentation=documentation
    )
