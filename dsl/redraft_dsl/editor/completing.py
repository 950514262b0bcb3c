"""What could be written at the cursor.

The grammar itself says which words fit: the statement before the cursor is given to the parser,
which tells what it would take next. Where an earlier line of the statement is broken, the head of
the block and the line that is being written are enough. So a document need not be in order, and a
statement that is new to the grammar is completed without a word about it here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsprotocol import types

from redraft_dsl import syntax as s
from redraft_dsl import words
from redraft_dsl.check.resolve import RESAMPLINGS
from redraft_dsl.check.schema import BLOCKS, LINES, SOLVERS
from redraft_dsl.editions import EDITIONS, LATEST
from redraft_dsl.editor import meanings
from redraft_dsl.editor.documents import Examined
from redraft_dsl.editor.names import Kind, defined
from redraft_dsl.editor.paths import files_below
from redraft_dsl.facts import KnownModels, LayerFacts
from redraft_dsl.masks import FORMATS
from redraft_dsl.parse import accepted
from redraft_dsl.slip import Piece, tokens
from redraft_dsl.source import Span

_START = re.compile(rf"^(?:{'|'.join(words.STATEMENTS)})(?![\w\-])", re.M)
_PARTIAL = re.compile(r"[^\W\d][\w.\-]*$")
_KEYWORDS = (
    *words.STATEMENTS,
    *words.LINES,
    *words.SHAPES,
    *words.OPERATORS,
    *words.INNER,
    *words.AXES,
)
_VALUE = frozenset({"NUMBER", "WORD", "STRING"})
_FILES = {
    "mask": (*(f".{name.lower()}" for name in FORMATS), ".jpg"),
    "weights": (".pth", ".pt", ".pkl", ".tar", ".safetensors", ".ckpt", ".bin"),
    "use": (".redraft",),
}
_KIND = types.CompletionItemKind


@dataclass(frozen=True)
class Spot:
    """The place of the cursor: the tokens of the statement before it, and what may follow them.

    ``given`` are the words of the block around it.
    """

    before: tuple[Piece, ...]
    accepts: frozenset[str]
    given: frozenset[str] = frozenset()

    @property
    def last(self) -> str:
        """The token before the cursor."""
        return self.before[-1].text if self.before else ""

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """The heads of the blocks around the cursor, each as the words of its line."""
        return tuple(_heads(self.before))

    @property
    def block(self) -> str:
        """The innermost block: a statement's keyword, or a solver's name."""
        heads = self.blocks
        if not heads:
            return ""
        return heads[-1][-1] if len(heads) > 1 else heads[0][0]


def complete(examined: Examined, offset: int, models: KnownModels) -> list[types.CompletionItem]:
    """Everything that could stand at an offset."""
    text = examined.document.source.text
    line_start = text.rfind("\n", 0, offset) + 1
    quote = _open_quote(text[line_start:offset])
    if quote is None:
        return []
    if quote >= 0:
        return _files(examined, line_start + quote, offset)
    partial = _PARTIAL.search(text, line_start, offset)
    start = partial.start() if partial else offset
    found: dict[str, types.CompletionItem] = {}
    for spot in _spots(text, line_start, start):
        for item in _items(spot, examined, models):
            found.setdefault(item.label, item)
    area = examined.document.text.range(Span(start, offset))
    for item in found.values():
        item.text_edit = types.TextEdit(area, item.insert_text or item.label)
        item.insert_text = None
    return list(found.values())


def _open_quote(line: str) -> int | None:
    """Where a text begins that is open at the end of a line; -1 for none, None in a comment."""
    at = -1
    for index, character in enumerate(line):
        if character == '"':
            at = index if at < 0 else -1
        elif character == "#" and at < 0:
            return None
    return at


def _spots(text: str, line_start: int, start: int) -> Iterator[Spot]:
    """The ways to see the cursor: after the whole statement, and as a line that begins anew."""
    begins = [match.start() for match in _START.finditer(text, 0, start)]
    begin = begins[-1] if begins else 0
    before = tuple(tokens(text, begin, start))
    heads = tuple(_heads(before)) if begin < line_start else ()
    given = _block_words(text, before, start)
    line = text[max(line_start, begin) : start]
    accepts = accepted(text[begin:start])
    ended = not line.strip() and accepts is not None and "RULE" in accepts
    if accepts is not None and not ended:
        yield Spot(before, accepts, given)
        if line.strip():
            return
    # A line of a block is mostly a line of the text, whatever is wrong with the lines above it.
    again = "".join(f"{' '.join(head)} {{ " for head in heads) + line
    fresh = accepted(again)
    if fresh is not None:
        yield Spot(tuple(tokens(again, 0, len(again))), fresh, given)


def _block_words(text: str, before: tuple[Piece, ...], start: int) -> frozenset[str]:
    """The words of the innermost open block, those after the cursor too."""
    depth = 0
    found = set()
    for piece in reversed(before):
        depth += {"}": 1, "{": -1}.get(piece.text, 0)
        if depth < 0:
            break
        found.add(piece.text)
    following = _START.search(text, start)
    depth = 0
    for piece in tokens(text, start, following.start() if following else len(text)):
        depth += {"{": 1, "}": -1}.get(piece.text, 0)
        if depth < 0:
            return frozenset(found)
        found.add(piece.text)
    return frozenset(found)


def _heads(before: tuple[Piece, ...]) -> list[tuple[str, ...]]:
    """For every block that is open at the end: the words that head it."""
    heads: list[tuple[str, ...]] = []
    for at, piece in enumerate(before):
        if piece.text == "{":
            length = 2 if heads else at
            heads.append(tuple(each.text for each in before[at - min(length, at) : at]))
        elif piece.text == "}" and heads:
            heads.pop()
    return heads


def _items(spot: Spot, examined: Examined, models: KnownModels) -> Iterator[types.CompletionItem]:
    if "COPY" in spot.accepts and spot.blocks:
        yield from _keys(spot)
    elif spot.accepts >= _VALUE:
        yield from _values(spot, examined, models)
    else:
        yield from _named(spot, examined, models)
    allowed = LINES.get(spot.block, ()) if "COPY" in spot.accepts else words.LINES
    for word in _KEYWORDS:
        if word.upper() in spot.accepts and (word not in words.LINES or word in allowed):
            yield _item(word, _KIND.Keyword, _about_word(word))


def _about_word(word: str) -> str:
    for table in (meanings.STATEMENTS, meanings.LINES, meanings.WORDS):
        if word in table:
            return table[word]
    return ""


def _keys(spot: Spot) -> Iterator[types.CompletionItem]:
    """The settings of a block that it does not have yet."""
    block = spot.block
    specs = SOLVERS.get(block, {}) if len(spot.blocks) > 1 else BLOCKS.get(block, {})
    for key in specs:
        if key in spot.given:
            continue
        default = meanings.default_of(block, key, EDITIONS[LATEST])
        detail = f"default {default}" if default is not None else ""
        about = meanings.about_setting(block, key, EDITIONS[LATEST]) or ""
        yield _item(key, _KIND.Property, about, detail)


def _values(spot: Spot, examined: Examined, models: KnownModels) -> Iterator[types.CompletionItem]:
    """Values of the setting before the cursor; parameters may stand for any."""
    key = spot.last
    if spot.before[:1] and spot.before[0].text == "edition" and len(spot.before) == 1:
        yield _item(str(LATEST), _KIND.Value, "The newest edition.")
        return
    spec = meanings.spec_of(spot.block, key)
    if key == "arch":
        for name in models.architectures:
            yield _item(name, _KIND.EnumMember, "An architecture that can be read.")
    if spec is not None:
        default = meanings.default_of(spot.block, key, EDITIONS[LATEST])
        for choice in spec.choices:
            about = meanings.SOLVER_MEANINGS.get(choice, "") if spec.kind == "solver" else ""
            yield _item(choice, _KIND.EnumMember, about, "default" if choice == default else "")
        if default is not None and not spec.choices:
            yield _item(default, _KIND.Value, meanings.takes(spec), "default")
    yield from _defined("parameter", examined)


def _named(spot: Spot, examined: Examined, models: KnownModels) -> Iterator[types.CompletionItem]:
    """Names, where the grammar takes one."""
    accepts, last = spot.accepts, spot.last
    if "LAYER" in accepts:
        yield from _layers(examined)
        yield from _defined("parameter", examined)
    elif "IMAGE" in accepts:
        for name in defined(examined.tree, "latents"):
            yield _item(f"{name}[", _KIND.Variable, "Latents.", f"an image of {name}")
    elif "PLAIN_BOX" in accepts:
        # A region is not made of itself.
        own = spot.before[1].text if spot.before[0].text == "region" else ""
        yield from (item for item in _defined("region", examined) if item.label != own)
    elif "NUMBER" in accepts and "WORD" in accepts:
        yield from _defined("parameter", examined)
    elif "WORD" in accepts:
        yield from _names_after(last, spot, examined, models)


def _names_after(
    last: str, spot: Spot, examined: Examined, models: KnownModels
) -> Iterator[types.CompletionItem]:
    kinds: dict[str, Kind] = {"include": "recipe", "of": "rule", "vary": "parameter"}
    if last in kinds:
        yield from _defined(kinds[last], examined)
    if last == "model":
        for name in models.names():
            facts = models.listed[name]
            size = f"{facts.image_size[1]} x {facts.image_size[0]} px"
            yield _item(name, _KIND.Module, "A model of the list.", f"{facts.arch}, {size}")
    elif last == ":":
        for name in words.TYPES:
            yield _item(name, _KIND.TypeParameter, "What the parameter can be.")
    elif last == "vary":
        for name, about in meanings.SETTINGS["erase"].items():
            yield _item(name, _KIND.Property, about, "of a rule")
    elif len(spot.before) > 1 and spot.before[-2].text == "(":
        for name in RESAMPLINGS:
            yield _item(name, _KIND.EnumMember, "How the mask is brought to another size.")


def _layers(examined: Examined) -> Iterator[types.CompletionItem]:
    for at, layer in enumerate(examined.facts.layers if examined.facts else ()):
        item = _item(layer.name, _KIND.Struct, about_layer(layer), layer_line(layer))
        item.sort_text = f"{at:04}"  # in the order of the network
        yield item


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


def _defined(kind: Kind, examined: Examined) -> Iterator[types.CompletionItem]:
    for name in defined(examined.tree, kind):
        yield _item(name, _KIND.Variable, _definition(kind, name, examined), kind)


def _definition(kind: Kind, name: str, examined: Examined) -> str:
    """The line that declares a name."""
    for node in examined.tree.statements:
        if isinstance(node, s.RegionStatement | s.ParamLine) and node.name.text == name:
            line = examined.document.source.text[node.span.start : node.span.end]
            return f"```redraft\n{line}\n```"
    return f"A {kind} of this recipe."


def _files(examined: Examined, quote: int, offset: int) -> list[types.CompletionItem]:
    """Files for the text that is being written."""
    text = examined.document.source.text
    before = list(tokens(text, text.rfind("\n", 0, quote) + 1, quote))
    if len(before) >= 2 and before[-1].text == "(":
        before.pop()
    suffixes = _FILES.get(before[-1].text) if before else None
    if suffixes is None:
        return []
    typed = text[quote + 1 : offset]
    area = examined.document.text.range(Span(quote + 1, offset))
    found = []
    for path, is_folder in files_below(examined.document.folder, typed, suffixes):
        item = _item(path, _KIND.Folder if is_folder else _KIND.File, "")
        item.text_edit = types.TextEdit(area, path)
        found.append(item)
    return found


def _item(
    label: str, kind: types.CompletionItemKind, about: str, detail: str = ""
) -> types.CompletionItem:
    documentation = types.MarkupContent(types.MarkupKind.Markdown, about) if about else None
    return types.CompletionItem(
        label, kind=kind, detail=detail or None, documentation=documentation
    )
