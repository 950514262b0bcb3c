"""What could be written at the cursor.

The grammar itself says which words fit: the statement before the cursor is given to the parser,
which lists what it would take next. Where an earlier line of the statement is broken, the head of
the block and the line that is being written are enough. So a document need not be in order, and a
statement that is new to the grammar is completed without a word about it here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsprotocol import types

from redraft_dsl.editor.documents import Examined
from redraft_dsl.editor.offers import declared, layers, offer
from redraft_dsl.editor.paths import files_below
from redraft_dsl.editor.reusing import (
    included_rules,
    overridden_keys,
    overridden_values,
    versions,
)
from redraft_dsl.geometry.masks import FORMATS
from redraft_dsl.language import words
from redraft_dsl.language.language import Language
from redraft_dsl.source import Span
from redraft_dsl.syntax.mistakes.mistake import VALUE, Token, tokens
from redraft_dsl.syntax.names import Kind, defined
from redraft_dsl.syntax.parse import accepted

_PARTIAL = re.compile(r"([^\W\d][\w.\-]*)$")
_RULE_OF = re.compile(r"(?<![\w\-])include\s+[^\W\d][\w\-]*\.([\w\-]*)$")
_VERSION = re.compile(r'^\s*use\s+"([^"]*)"\s+([\w.]*)$')
_FILES = {
    "mask": (*(f".{name.lower()}" for name in FORMATS), ".jpg", ".tif"),
    "weights": (".pth", ".pt", ".pkl", ".tar", ".safetensors", ".ckpt", ".bin"),
    "use": (".redraft",),
}
_KIND = types.CompletionItemKind


@dataclass(frozen=True)
class Cursor:
    """The place of the cursor: the tokens of the statement before it, and what may follow them.

    ``given`` are the words of the block around it.
    """

    before: tuple[Token, ...]
    accepts: frozenset[str]
    given: frozenset[str] = frozenset()

    @property
    def starts(self) -> str:
        """The word of the statement, past an ``off``."""
        texts = [token.text for token in self.before[:2]]
        return texts[-1] if texts[:1] == ["off"] else "".join(texts[:1])

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
        return heads[-1][-1] if len(heads) > 1 else self.starts


def complete(examined: Examined, offset: int) -> list[types.CompletionItem]:
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
        return versions(examined, version[1], Span(line_start + version.start(2), offset))
    partial = _RULE_OF.search(line) or _PARTIAL.search(line)
    start = line_start + partial.start(1) if partial else offset
    found: dict[str, types.CompletionItem] = {}
    for cursor in _cursors(text, line_start, start, examined.language):
        for item in _items(cursor, examined):
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


def _cursors(text: str, line_start: int, start: int, language: Language) -> Iterator[Cursor]:
    """The ways to see the cursor: after the whole statement, and as the beginning of a line."""
    statement = _statement(language)
    begins = [match.start() for match in statement.finditer(text, 0, start)]
    begin = begins[-1] if begins else 0
    before = tuple(tokens(text, begin, start))
    heads = tuple(_heads(before)) if begin < line_start else ()
    given = _block_words(text, before, start, statement)
    line = text[max(line_start, begin) : start]
    accepts = accepted(text[begin:start], language)
    ended = not line.strip() and accepts is not None and "OPERATION" in accepts
    if accepts is not None and not ended:
        yield Cursor(before, accepts, given)
        if line.strip():
            return
    # A line of a block is mostly a line of the text, whatever is wrong with the lines above it.
    again = "".join(f"{' '.join(head)} {{ " for head in heads) + line
    fresh = accepted(again, language)
    if fresh is not None:
        yield Cursor(tuple(tokens(again, 0, len(again))), fresh, given)


def _statement(language: Language) -> re.Pattern[str]:
    """Where statements begin."""
    return re.compile(rf"^(?:{'|'.join((*language.statements, 'off'))})(?![\w\-])", re.M)


def _block_words(
    text: str, before: tuple[Token, ...], start: int, statement: re.Pattern[str]
) -> frozenset[str]:
    """The words of the innermost open block, those after the cursor too."""
    depth = 0
    found = set()
    for token in reversed(before):
        depth += {"}": 1, "{": -1}.get(token.text, 0)
        if depth < 0:
            break
        found.add(token.text)
    following = statement.search(text, start)
    depth = 0
    for token in tokens(text, start, following.start() if following else len(text)):
        depth += {"{": 1, "}": -1}.get(token.text, 0)
        if depth < 0:
            return frozenset(found)
        found.add(token.text)
    return frozenset(found)


def _heads(before: tuple[Token, ...]) -> list[tuple[str, ...]]:
    """For every block that is open at the end: the words that head it."""
    heads: list[tuple[str, ...]] = []
    for at, token in enumerate(before):
        if token.text == "{":
            length = 2 if heads else at
            heads.append(tuple(each.text for each in before[at - min(length, at) : at]))
        elif token.text == "}" and heads:
            heads.pop()
    return heads


def _items(cursor: Cursor, examined: Examined) -> Iterator[types.CompletionItem]:
    language = examined.language
    if "LINE" in cursor.accepts and cursor.blocks:
        yield from _keys(cursor, examined)
    elif cursor.accepts >= VALUE:
        yield from _values(cursor, examined)
    else:
        yield from _named(cursor, examined)
    for word, about in language.keywords.items():
        if _fits(word, cursor, language):
            yield offer(word, _KIND.Keyword, about)


def _fits(word: str, cursor: Cursor, language: Language) -> bool:
    """Whether a word of the grammar may come next.

    The grammar lets every line begin with ``like`` or ``each``; the rows say which lines do.
    """
    lines = language.lines_of(cursor.block)
    if "LINE" in cursor.accepts:
        return word in lines
    if word in language.operation_words:
        return "OPERATION" in cursor.accepts
    line = lines.get(cursor.last)
    if line is not None and word in ("like", "each"):
        return line.found if word == "like" else line.each
    return word.upper() in cursor.accepts


def _keys(cursor: Cursor, examined: Examined) -> Iterator[types.CompletionItem]:
    """The settings of a block that it does not have yet."""
    for key, row in examined.language.block(cursor.block).items():
        if key not in cursor.given:
            default = row.default_text(examined.edition)
            detail = f"default {default}" if default is not None else ""
            yield offer(key, _KIND.Property, row.about(examined.edition), detail)


def _values(cursor: Cursor, examined: Examined) -> Iterator[types.CompletionItem]:
    """Values of the setting before the cursor; parameters may stand for any."""
    if cursor.block == "include":
        yield from overridden_values(cursor.before, examined)
        return
    if cursor.before and cursor.before[0].text == "edition" and len(cursor.before) == 1:
        yield offer(str(examined.editions.latest), _KIND.Value, "The newest edition.")
        return
    if cursor.last == "arch":
        for name in examined.models.architectures:
            yield offer(name, _KIND.EnumMember, "An architecture that can be read.")
    row = examined.language.block(cursor.block).get(cursor.last)
    if row is not None:
        default = row.default_text(examined.edition)
        for choice in row.choices:
            about = words.SOLVERS.get(choice, "") if row.kind == "group" else ""
            yield offer(choice, _KIND.EnumMember, about, "default" if choice == default else "")
        if default is not None and not row.choices:
            yield offer(default, _KIND.Value, row.takes(), "default")
    yield from declared("parameter", examined)


def _named(cursor: Cursor, examined: Examined) -> Iterator[types.CompletionItem]:
    """Names, where the grammar takes one."""
    accepts, last = cursor.accepts, cursor.last
    if "LAYER" in accepts:
        yield from layers(examined)
        yield from declared("parameter", examined)
    elif "IMAGE" in accepts:
        for name in defined(examined.tree, "latents"):
            yield offer(f"{name}[", _KIND.Variable, "Latents.", f"an image of {name}")
        line = examined.language.lines_of(cursor.block).get(last)
        if line is not None and not line.single:
            yield from declared("images", examined)
    elif "PLAIN_BOX" in accepts:
        # A region is not made of itself.
        own = cursor.before[1].text if cursor.before[0].text == "region" else ""
        yield from (item for item in declared("region", examined) if item.label != own)
    elif "NUMBER" in accepts and "WORD" in accepts:
        yield from declared("parameter", examined)
    elif "WORD" in accepts and cursor.block == "include":
        yield from overridden_keys(cursor.before, cursor.given, examined)
    elif last == "." and cursor.before[0].text == "include":
        yield from included_rules(cursor.before[1].text, examined)
    elif "WORD" in accepts:
        expected = cursor.before and cursor.before[0].text == "expect"
        after = _expected_after if expected else _names_after
        yield from after(last, cursor, examined)


def _expected_after(
    last: str,
    cursor: Cursor,  # noqa: ARG001
    examined: Examined,
) -> Iterator[types.CompletionItem]:
    if last == "expect":
        for name, meaning in words.MEASURES.items():
            yield offer(name, _KIND.Property, meaning, "of a rule")
    elif last == "(":
        yield from declared("rule", examined)


def _names_after(last: str, cursor: Cursor, examined: Examined) -> Iterator[types.CompletionItem]:
    kinds: dict[str, Kind] = {"include": "recipe", "of": "rule", "vary": "parameter"}
    if last in kinds:
        yield from declared(kinds[last], examined)
    if last == "model":
        for name in examined.models.names():
            facts = examined.models.listed[name]
            size = f"{facts.image_size[1]} x {facts.image_size[0]} px"
            yield offer(name, _KIND.Module, "A model of the list.", f"{facts.arch}, {size}")
    elif last == ":":
        for name in words.TYPES:
            yield offer(name, _KIND.TypeParameter, "What the parameter can be.")
    elif last == "vary":
        rows = examined.language.settings
        for row in (row for row in rows if row.name in examined.language.setting_words):
            yield offer(row.name, _KIND.Property, row.meaning, "of a rule")
    elif len(cursor.before) > 1 and cursor.before[-2].text == "(":
        for name in words.RESAMPLINGS:
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
