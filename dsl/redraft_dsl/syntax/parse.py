"""From text to syntax tree. The only module that imports lark.

The whole text is parsed once. Where that fails, it is cut at the keywords that start a line, and
each piece is read on its own, so that one mistake does not hide the next.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, TypeAlias, cast

from lark import Lark
from lark import __version__ as lark_version
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.grammar import Rule
from lark.lexer import TerminalDef

from redraft_dsl.language.words import RESERVED_STATEMENTS, STATEMENTS
from redraft_dsl.report.diagnostics import Diagnostic, error, in_order
from redraft_dsl.source import Source, Span
from redraft_dsl.syntax.comments import attach
from redraft_dsl.syntax.mistake import Slip
from redraft_dsl.syntax.mistakes import describe
from redraft_dsl.syntax.nodes import Builder, TooDeepError, shifted
from redraft_dsl.syntax.tree import Broken, Statement, Tree, Word

_PIECE = re.compile(rf"^(?:{'|'.join((*STATEMENTS, *RESERVED_STATEMENTS))})(?![\w\-])", re.M)
_DECLARED = re.compile(r"\s*(\w[\w\-]*)(?:[ \t]+([^\W\d][\w\-]*))?")
_HEADER = re.compile(r"(?:rule|erase|zero)\s+[^\W\d][\w\-]*\s+at\s+([^\W\d][\w.\-]*)\s*\{")
Piece: TypeAlias = tuple[Span, Tree | Diagnostic | None]
"""A piece of the text and what came of it: None if too many errors came before."""

MOST_ERRORS = 50
"""Syntax errors that are told at once; more help nobody, and a hostile file could have millions."""

_BLANK = " \t\n"
"""What the grammar passes over; other spaces have no meaning and are errors."""

_BAD_CHARACTER = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Parsed:
    """The tree of what could be read, and what is wrong with the rest."""

    tree: Tree
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether the whole text was read."""
        return not self.diagnostics


def parse(source: Source) -> Parsed:
    """Read a recipe text. Never raises for any text; syntax errors come back as diagnostics."""
    bad = tuple(_bad_characters(source.text))
    if bad:
        return Parsed(_nothing_but(source), bad)
    pieces = list(_pieces(source.text))
    whole = _whole(source.text, pieces)
    if isinstance(whole, Tree):
        return Parsed(attach(whole, source.text), ())
    if len(pieces) < 2:
        read: list[Piece] = [(Span(0, len(source.text)), whole)]
    else:
        read = list(_read_pieces(source.text, pieces))
    failed = {piece: result for piece, result in read if isinstance(result, Diagnostic)}
    at = whole.span.start if whole.span else 0
    if not any(piece.start <= at <= piece.end for piece in failed):
        # The pieces are fine where the whole is not: cutting made no sense of this text.
        return Parsed(_nothing_but(source), (whole,))
    statements = tuple(_statements(source.text, read))
    found = in_order(_moved(problem, piece.start) for piece, problem in failed.items())
    return Parsed(Tree(statements), found)


@dataclass
class Pieces:
    """Pieces of texts that were read before, for an editor that reads after every keystroke.

    A piece that stands where it stood the last time is not even moved.
    """

    read: dict[str, Tree | Diagnostic] = field(default_factory=dict)
    placed: dict[str, tuple[int, tuple[Statement, ...]]] = field(default_factory=dict)


MOST_PIECES = 4096
_PIECES: ContextVar[Pieces | None] = ContextVar("pieces", default=None)


@contextmanager
def remembering(pieces: Pieces) -> Iterator[None]:
    """Let what is parsed inside use, and add to, what was read before."""
    token = _PIECES.set(pieces)
    try:
        yield
    finally:
        _PIECES.reset(token)


def grammar_text() -> str:
    """The grammar, as shipped with the package."""
    return (files("redraft_dsl.syntax") / "grammar.lark").read_text(encoding="utf-8")


def accepted(text: str) -> frozenset[str] | None:
    """The terminals that the grammar would take after a text; None where it stops before the end.

    ``$END`` is among them where a recipe may end.
    """
    try:
        interactive = _parser().parse_interactive(text)
        interactive.exhaust_lexer()
        return frozenset(cast("Any", interactive).accepts())
    except (UnexpectedInput, TooDeepError):
        return None


def build_parser(transformer: Builder | None = None, *, strict: bool = False) -> Lark:
    """A parser built from the grammar. ``strict`` also proves that no two terminals collide."""
    # The builder takes the place of a lark Transformer: nodes are made while parsing, and no
    # lark tree is ever built. Spans come from the tokens, which propagate_positions would not
    # hand to it.
    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        maybe_placeholders=False,
        strict=strict,
        transformer=cast("Any", transformer),
    )


def make_tables() -> str:
    """The parser's tables as JSON, for ``grammar.tables.json``."""
    data, memo = build_parser().memo_serialize([TerminalDef, Rule])
    stored = {"lark": lark_version, "grammar": _digest(), "data": data, "memo": memo}
    return json.dumps(stored, separators=(",", ":")) + "\n"


@cache
def _parser() -> Lark:
    """The parser, from its stored tables if they fit: ten times faster than from the grammar."""
    file = files("redraft_dsl.syntax") / "grammar.tables.json"
    if file.is_file():
        stored = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_with_numbers)
        # Tables of another lark may have another form; then the grammar is built afresh.
        if (stored["lark"], stored["grammar"]) == (lark_version, _digest()):
            load = cast("Any", Lark)._load_from_dict  # what lark's own generated parsers call
            return cast("Lark", load(stored["data"], stored["memo"], transformer=Builder()))
    return build_parser(Builder())


def _digest() -> str:
    return hashlib.sha256(grammar_text().encode()).hexdigest()


def _with_numbers(pairs: list[tuple[str, Any]]) -> dict[int | str, Any]:
    """States and terminals are numbered, which JSON's keys cannot be."""
    return {int(key) if key.isdigit() else key: value for key, value in pairs}


def _read(text: str) -> Tree | Diagnostic:
    try:
        return cast("Tree", cast("object", _parser().parse(text)))
    except UnexpectedInput as problem:
        return describe(Slip(text, _offset(problem, text), _accepted(problem)))
    except TooDeepError as problem:
        return error(
            "RD016",
            f"{problem.what} are nested too deeply",
            problem.span,
            "more levels than any recipe needs",
            "give parts of it names of their own, or leave levels out",
        )


def _whole(text: str, pieces: list[Span]) -> Tree | Diagnostic:
    """The tree of a whole text; where pieces are remembered, it is put together from them.

    A recipe is statement after statement, and a piece that can be read is some whole statements;
    so pieces that can be read are, one after the other, what reading the whole would give, and
    what stops the reading of the whole is in the first piece that cannot be read, or right after.
    """
    if _PIECES.get() is None or len(pieces) < 2:
        return _read(text)
    statements: list[Statement] = []
    for piece in pieces:
        result = _read_piece(text[piece.start : piece.end])
        if isinstance(result, Tree):
            statements += _placed(text, piece, result)
            continue
        rest = _read(text[piece.start :])
        if (
            isinstance(rest, Diagnostic)
            and rest.span
            and rest.span.start <= piece.end - piece.start
        ):
            return _moved(rest, piece.start)
        return _read(text)
    return Tree(tuple(statements))


def _read_piece(body: str) -> Tree | Diagnostic:
    memory = _PIECES.get()
    if memory is None:
        return _read(body)
    if body not in memory.read:
        if len(memory.read) >= MOST_PIECES:
            memory.read.clear()
            memory.placed.clear()
        memory.read[body] = _read(body)
    return memory.read[body]


def _placed(text: str, piece: Span, tree: Tree) -> tuple[Statement, ...]:
    """The statements of a piece, with the places that they have in the whole text."""
    memory = _PIECES.get()
    if memory is None:
        return cast("tuple[Statement, ...]", shifted(tree.statements, piece.start))
    body = text[piece.start : piece.end]
    known = memory.placed.get(body)
    if known is None or known[0] != piece.start:
        known = memory.placed[body] = (piece.start, shifted(tree.statements, piece.start))
    return known[1]


def _offset(problem: UnexpectedInput, text: str) -> int:
    if isinstance(problem, UnexpectedToken) and problem.token.type == "$END":
        return len(text)
    if isinstance(problem, UnexpectedToken):
        return problem.token.start_pos or 0
    return cast("int", problem.pos_in_stream)


def _accepted(problem: UnexpectedInput) -> frozenset[str]:
    interactive = getattr(problem, "interactive_parser", None)
    if interactive is not None:
        return frozenset(interactive.accepts())
    if isinstance(problem, UnexpectedCharacters):
        return frozenset(problem.allowed or ())
    return frozenset()


def _pieces(text: str) -> Iterator[Span]:
    """The text cut before every keyword in column 0; blank pieces are left out."""
    cuts = [0, *(match.start() for match in _PIECE.finditer(text)), len(text)]
    for start, end in pairwise(cuts):
        if text[start:end].strip(_BLANK):
            yield Span(start, end)


def _read_pieces(text: str, pieces: list[Span]) -> Iterator[Piece]:
    failures = 0
    for piece in pieces:
        body = text[piece.start : piece.end]
        result = _read_piece(body) if failures < MOST_ERRORS else None
        failures += isinstance(result, Diagnostic)
        yield piece, result


def _statements(text: str, read: list[Piece]) -> Iterator[Statement]:
    for piece, result in read:
        if isinstance(result, Tree):
            yield from _placed(text, piece, result)
        else:
            declared = _DECLARED.match(text, piece.start, piece.end)
            keyword, name = (declared[1], declared[2]) if declared else ("", None)
            yield Broken(keyword, name, piece, _layer(text, piece, result))


def _layer(text: str, piece: Span, problem: Diagnostic | None) -> Word | None:
    """The layer of an operation that went wrong after its name of the layer."""
    header = _HEADER.match(text, piece.start, piece.end)
    at = problem.span.start + piece.start if problem and problem.span else piece.start
    if header is None or at < header.end(1):
        return None
    return Word(header[1], Span(*header.span(1)))


def _nothing_but(source: Source) -> Tree:
    """The tree of a text of which nothing could be read."""
    return Tree((Broken("", None, Span(0, len(source.text))),))


def _moved(problem: Diagnostic, by: int) -> Diagnostic:
    return cast("Diagnostic", shifted(problem, by))


def _bad_characters(text: str) -> Iterator[Diagnostic]:
    for match in _BAD_CHARACTER.finditer(text):
        if match[0] == "\0":
            yield error(
                "RD002",
                "the text contains a NUL character",
                Span(match.start(), match.end()),
                "a recipe is plain text",
                "delete it; the file may be binary, or saved as UTF-16",
            )
        else:
            yield error(
                "RD001",
                "the text is not valid Unicode",
                Span(match.start(), match.end()),
                "half of a surrogate pair",
                "save the file as UTF-8",
            )
        return
