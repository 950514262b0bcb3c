"""From text to syntax tree. The only module that imports lark.

The whole text is parsed once. Where that fails, it is cut at the keywords that start a line, and
each piece is read on its own, so that one mistake does not hide the next; of an operation or a
sweep that cannot be read, each line is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice, pairwise
from typing import Any, TypeAlias, cast

from lark import Lark, TextSlice
from lark import __version__ as lark_version
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.grammar import Rule
from lark.lexer import TerminalDef

from redraft_dsl.language import words
from redraft_dsl.language.language import LANGUAGE, Language
from redraft_dsl.report.diagnostics import Diagnostic, error, in_order
from redraft_dsl.source import Source, Span
from redraft_dsl.syntax.comments import attach
from redraft_dsl.syntax.mistakes import describe
from redraft_dsl.syntax.mistakes.mistake import Mistake, Place
from redraft_dsl.syntax.nodes import Builder, TooDeepError
from redraft_dsl.syntax.tree import Broken, Statement, Tree, Word

Piece: TypeAlias = tuple[Span, Tree | Diagnostic | None]
"""A piece of the text and the result of reading it: None if too many errors came before."""

MOST_ERRORS = 50
"""Syntax errors that are reported at once; a hostile file could have millions."""

_BLANK = " \t\n"
"""What the grammar passes over; other spaces have no meaning and are errors."""
_BAD_CHARACTER = re.compile("[\0\ud800-\udfff]")
_DECLARED = re.compile(r"\s*(?:off[ \t]+)?(\w[\w\-]*)(?:[ \t]+([^\W\d][\w\-]*))?")


@dataclass(frozen=True)
class Parsed:
    """The tree of what could be read, and what is wrong with the rest."""

    tree: Tree
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether the whole text was read."""
        return not self.diagnostics


def parse(source: Source, language: Language = LANGUAGE) -> Parsed:
    """Read a recipe text. Never raises for any text; syntax errors come back as diagnostics."""
    bad = tuple(_bad_characters(source.text))
    if bad:
        return Parsed(_nothing_but(source), bad)
    return _Reader(source.text, language).parsed()


def grammar_text(language: Language = LANGUAGE) -> str:
    """The grammar that the parser is made from: the shipped one, and the tokens of keywords."""
    shipped = (files("redraft_dsl.syntax") / "grammar.lark").read_text(encoding="utf-8")
    tokens = "".join(f"{name}.2: /{form}/\n" for name, form in _keyword_tokens(language))
    return f"{shipped}\n{tokens}"


def accepted(text: str, language: Language = LANGUAGE) -> frozenset[str] | None:
    """The terminals that the grammar would take after a text; None where it stops before the end.

    ``$END`` is among them where a recipe may end.
    """
    try:
        interactive = _parser(language).parse_interactive(text)
        interactive.exhaust_lexer()
        return frozenset(cast("Any", interactive).accepts())
    except (UnexpectedInput, TooDeepError):
        return None


def build_parser(
    transformer: Builder | None = None, *, strict: bool = False, language: Language = LANGUAGE
) -> Lark:
    """A parser built from the grammar. ``strict`` also proves that no two terminals collide."""
    # The builder takes the place of a lark Transformer: nodes are made while parsing, and no
    # lark tree is ever built. Spans come from the tokens, which propagate_positions would not
    # hand to it.
    return Lark(
        grammar_text(language),
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


def _keyword_tokens(language: Language) -> Iterator[tuple[str, str]]:
    """Name and form of the token of each keyword; what follows a whole word ends it."""
    plain = (*words.STATEMENTS, *words.INNER, *words.SHAPES, *words.OPERATORS, "context")
    yield from ((word.upper(), rf"{word}(?![\w\-])") for word in plain)
    yield from ((word.upper(), rf"{word}(?!\w)") for word in words.AXES)
    yield "OPERATION", rf"(?:{'|'.join(language.operation_words)})(?![\w\-])"
    yield "LINE", rf"(?:{'|'.join(language.lines)})(?![\w\-])"


def _parser(language: Language) -> Lark:
    return _shipped_parser() if language is LANGUAGE else _built_parser(grammar_text(language))


@cache
def _shipped_parser() -> Lark:
    """The parser, from its stored tables if they fit: ten times faster than from the grammar."""
    file = files("redraft_dsl.syntax") / "grammar.tables.json"
    if file.is_file():
        stored = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_with_numbers)
        # Tables of another lark may have another form; then the grammar is built afresh.
        if (stored["lark"], stored["grammar"]) == (lark_version, _digest()):
            load = cast("Any", Lark)._load_from_dict  # what lark's own generated parsers call
            return cast("Lark", load(stored["data"], stored["memo"], transformer=Builder()))
    return build_parser(Builder())


@cache
def _built_parser(grammar: str) -> Lark:
    return Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        maybe_placeholders=False,
        transformer=cast("Any", Builder()),
    )


def _digest() -> str:
    return hashlib.sha256(grammar_text().encode()).hexdigest()


def _with_numbers(pairs: list[tuple[str, Any]]) -> Mapping[int | str, Any]:
    """States and terminals are numbered, which JSON's keys cannot be."""
    return {int(key) if key.isdigit() else key: value for key, value in pairs}


@dataclass(frozen=True)
class _Reader:
    """One text and the language that it is read in."""

    text: str
    language: Language

    def parsed(self) -> Parsed:
        """The whole text read, or else piece by piece."""
        whole = self.read(self.text)
        if isinstance(whole, Tree):
            return Parsed(attach(whole, self.text), ())
        spans = list(self.pieces())
        read: list[Piece] = [(Span(0, len(self.text)), whole)]
        if len(spans) > 1:
            read = list(self.read_all(spans))
        failed = {piece: found for piece, found in read if isinstance(found, Diagnostic)}
        at = whole.span.start if whole.span else 0
        if not any(piece.start <= at <= piece.end for piece in failed):
            # The pieces are fine where the whole is not: cutting made no sense of this text.
            return Parsed(Tree((Broken("", None, span=Span(0, len(self.text))),)), (whole,))
        further = [each for piece, first in failed.items() for each in self.in_lines(piece, first)]
        problems = in_order([*failed.values(), *further])
        return Parsed(Tree(tuple(self.statements(read))), problems[:MOST_ERRORS])

    def read(self, text: str, start: int = 0, end: int | None = None) -> Tree | Diagnostic:
        """A text, or a part of it with the places that it has in the whole."""
        part = TextSlice(text, start, len(text) if end is None else end)
        try:
            return cast("Tree", cast("object", _parser(self.language).parse(part)))
        except UnexpectedInput as problem:
            at = _offset(problem, part)
            place = Place(text, part.start, part.end, at)
            return describe(Mistake(place, _accepted(problem), self.language))
        except TooDeepError as problem:
            return error(
                "RD016",
                problem.message,
                problem.span,
                problem.label,
                "leave levels out, or paint such a region as a mask",
            )

    def pieces(self) -> Iterator[Span]:
        """The text cut before every keyword in column 0; blank pieces are left out."""
        begins = "|".join((*self.language.statements, "off"))
        cuts = [each.start() for each in re.finditer(rf"^(?:{begins})(?![\w\-])", self.text, re.M)]
        for start, end in pairwise([0, *cuts, len(self.text)]):
            if self.text[start:end].strip(_BLANK):
                yield Span(start, end)

    def read_all(self, pieces: list[Span]) -> Iterator[Piece]:
        """Each piece on its own."""
        failures = 0
        for piece in pieces:
            few = failures < MOST_ERRORS
            found = self.read(self.text, piece.start, piece.end) if few else None
            failures += isinstance(found, Diagnostic)
            yield piece, found

    def in_lines(self, piece: Span, first: Diagnostic) -> Iterator[Diagnostic]:
        """What else is wrong in a block that cannot be read: its later lines, one by one."""
        block = _Block.of(self.text, piece)
        if block is None or first.span is None or first.code == "RD011":
            return
        later = (
            line for line in block.lines(self.text, self.language) if line.start > first.span.end
        )
        for line in islice(later, MOST_ERRORS):
            head = self.text[: block.start + 1]
            alone = (
                f"{head}{_BLANK[0] * (line.start - len(head))}{self.text[line.start : line.end]}"
            )
            found = self.read(f"{alone}}}", piece.start)
            if isinstance(found, Diagnostic) and found.span and found.span.end <= len(alone):
                yield found

    def statements(self, read: list[Piece]) -> Iterator[Statement]:
        """What could be read, and in the place of the rest what it seems to declare."""
        for piece, found in read:
            if isinstance(found, Tree):
                yield from found.statements
            else:
                declared = _DECLARED.match(self.text, piece.start, piece.end)
                keyword, name = (declared[1], declared[2]) if declared else ("", None)
                yield Broken(keyword, name, self.layer(piece, found), span=piece)

    def layer(self, piece: Span, problem: Diagnostic | None) -> Word | None:
        """The layer of an operation that went wrong after its name of the layer."""
        operations = "|".join(self.language.operation_words)
        header = re.compile(
            rf"(?:off\s+)?(?:{operations})\s+[^\W\d][\w\-]*\s+at\s+([^\W\d][\w.\-]*)\s*\{{"
        ).match(self.text, piece.start, piece.end)
        at = problem.span.start if problem and problem.span else piece.start
        if header is None or at < header.end(1):
            return None
        return Word(header[1], span=Span(*header.span(1)))


@dataclass(frozen=True)
class _Block:
    """The outer braces of a statement: ``start`` is the place of the first, ``end`` of the last."""

    start: int
    end: int

    @classmethod
    def of(cls, text: str, piece: Span) -> _Block | None:
        """The braces of a statement, the last one of which may be missing."""
        start = text.find("{", piece.start, piece.end)
        if start < 0:
            return None
        end = text.rfind("}", start, piece.end)
        return cls(start, piece.end if end < 0 else end)

    def lines(self, text: str, language: Language) -> Iterator[Span]:
        """Its lines; a line of the text that does not begin with a key goes on the one before."""
        keys = "|".join((*language.lines, *language.setting_words, "seed", "count", "vary"))
        begins = re.compile(rf"^[ \t]*(?={keys})", re.M)
        cuts = [each.end() for each in begins.finditer(text, self.start, self.end)]
        return (Span(*ends) for ends in pairwise([*cuts, self.end]))


def _offset(problem: UnexpectedInput, part: TextSlice[str]) -> int:
    if isinstance(problem, UnexpectedToken) and problem.token.type == "$END":
        return part.end
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


def _nothing_but(source: Source) -> Tree:
    """The tree of a text of which nothing could be read."""
    return Tree((Broken("", None, span=Span(0, len(source.text))),))


def _bad_characters(text: str) -> Iterator[Diagnostic]:
    match = _BAD_CHARACTER.search(text)
    if match is None:
        return
    span = Span(*match.span())
    if match[0] == "\0":
        label = "a recipe is plain text"
        help_text = "delete it; the file may be binary, or saved as UTF-16"
        yield error("RD002", "the text contains a NUL character", span, label, help_text)
    else:
        label, help_text = "half of a surrogate pair", "save the file as UTF-8"
        yield error("RD001", "the text is not valid Unicode", span, label, help_text)
