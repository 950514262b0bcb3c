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

from redraft_dsl.check.resolve import RESAMPLINGS
from redraft_dsl.editions import EDITIONS, LATEST
from redraft_dsl.editor.documents import Examined
from redraft_dsl.editor.names import Kind, defined
from redraft_dsl.editor.offers import declared, layers, offer
from redraft_dsl.editor.paths import files_below
from redraft_dsl.editor.reusing import (
    included_rules,
    overridden_keys,
    overridden_values,
    versions,
)
from redraft_dsl.facts import KnownModels
from redraft_dsl.geometry.masks import FORMATS
from redraft_dsl.language import meanings, words
from redraft_dsl.language.settings import BLOCKS, LINES, SOLVERS
from redraft_dsl.source import Span
from redraft_dsl.syntax.mistake import Piece, tokens
from redraft_dsl.syntax.parse import accepted

_START = re.compile(rf"^(?:{'|'.join(words.STATEMENTS)})(?![\w\-])", re.M)
_PARTIAL = re.compile(r"([^\W\d][\w.\-]*)$")
_RULE_OF = re.compile(r"(?<![\w\-])include\s+[^\W\d][\w\-]*\.([\w\-]*)$")
_VERSION = re.compile(r'^\s*use\s+"([^"]*)"\s+([\w.]*)$')
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
    line = text[line_start:offset]
    version = _VERSION.search(line)
    if version is not None:
        return versions(examined, version[1], Span(line_start + version.start(2), offset), models)
    partial = _RULE_OF.search(line) or _PARTIAL.search(line)
    start = line_start + partial.start(1) if partial else offset
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
            yield offer(word, _KIND.Keyword, _about_word(word))


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
        yield offer(key, _KIND.Property, about, detail)


def _values(spot: Spot, examined: Examined, models: KnownModels) -> Iterator[types.CompletionItem]:
    """Values of the setting before the cursor; parameters may stand for any."""
    key = spot.last
    if spot.block == "include":
        yield from overridden_values(spot.before, examined, models)
        return
    if spot.before[:1] and spot.before[0].text == "edition" and len(spot.before) == 1:
        yield offer(str(LATEST), _KIND.Value, "The newest edition.")
        return
    spec = meanings.spec_of(spot.block, key)
    if key == "arch":
        for name in models.architectures:
            yield offer(name, _KIND.EnumMember, "An architecture that can be read.")
    if spec is not None:
        default = meanings.default_of(spot.block, key, EDITIONS[LATEST])
        for choice in spec.choices:
            about = meanings.SOLVER_MEANINGS.get(choice, "") if spec.kind == "solver" else ""
            yield offer(choice, _KIND.EnumMember, about, "default" if choice == default else "")
        if default is not None and not spec.choices:
            yield offer(default, _KIND.Value, meanings.takes(spec), "default")
    yield from declared("parameter", examined)


def _named(spot: Spot, examined: Examined, models: KnownModels) -> Iterator[types.CompletionItem]:
    """Names, where the grammar takes one."""
    accepts, last = spot.accepts, spot.last
    if "LAYER" in accepts:
        yield from layers(examined)
        yield from declared("parameter", examined)
    elif "IMAGE" in accepts:
        for name in defined(examined.tree, "latents"):
            yield offer(f"{name}[", _KIND.Variable, "Latents.", f"an image of {name}")
    elif "PLAIN_BOX" in accepts:
        # A region is not made of itself.
        own = spot.before[1].text if spot.before[0].text == "region" else ""
        yield from (item for item in declared("region", examined) if item.label != own)
    elif "NUMBER" in accepts and "WORD" in accepts:
        yield from declared("parameter", examined)
    elif "WORD" in accepts and spot.block == "include":
        yield from overridden_keys(spot.before, spot.given, examined, models)
    elif last == "." and spot.before[0].text == "include":
        yield from included_rules(spot.before[1].text, examined, models)
    elif "WORD" in accepts:
        yield from _names_after(last, spot, examined, models)


def _names_after(
    last: str, spot: Spot, examined: Examined, models: KnownModels
) -> Iterator[types.CompletionItem]:
    kinds: dict[str, Kind] = {"include": "recipe", "of": "rule", "vary": "parameter"}
    if last in kinds:
        yield from declared(kinds[last], examined)
    if last == "model":
        for name in models.names():
            facts = models.listed[name]
            size = f"{facts.image_size[1]} x {facts.image_size[0]} px"
            yield offer(name, _KIND.Module, "A model of the list.", f"{facts.arch}, {size}")
    elif last == ":":
        for name in words.TYPES:
            yield offer(name, _KIND.TypeParameter, "What the parameter can be.")
    elif last == "vary":
        for name, about in meanings.SETTINGS["erase"].items():
            yield offer(name, _KIND.Property, about, "of a rule")
    elif len(spot.before) > 1 and spot.before[-2].text == "(":
        for name in RESAMPLINGS:
            yield offer(name, _KIND.EnumMember, "How the mask is brought to another size.")


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
        file = offer(path, _KIND.Folder if is_folder else _KIND.File, "")
        file.text_edit = types.TextEdit(area, path)
        found.append(file)
    return found
