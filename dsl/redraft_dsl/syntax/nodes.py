"""From tokens to syntax nodes: one method per rule of ``grammar.lark``, called while parsing.

A node's span goes from the first to the last of the tokens and nodes that it is made of.
"""

from __future__ import annotations

import re
from typing import Any, Protocol, TypeAlias, cast

from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

MAX_JOINS = 128
MAX_BLOCKS = 4

_NUMBER = re.compile(r"[0-9]+")
_BOX = re.compile(r"box\(x +(.*?)\.\.(.*?), *y +(.*?)\.\.(.*?)\)")


class Token(Protocol):
    """What is needed of a token."""

    type: str
    start_pos: int
    end_pos: int


class TooDeepError(Exception):
    """Something is nested deeper than any recipe needs; ``span`` is the place."""

    def __init__(self, message: str, span: Span, label: str = "more levels than any recipe needs"):
        super().__init__(message)
        self.message = message
        self.span = span
        self.label = label


Part: TypeAlias = s.Node | Token
Children = list[Any]


def word(token: Token) -> s.Word:
    """A token as a word."""
    return s.Word(str(token), span=span_of(token))


def number(token: Token) -> s.Number:
    """A token as a number."""
    return s.Number(str(token), span=span_of(token))


def text(token: Token) -> s.Text:
    """A token in double quotes as text."""
    return s.Text(str(token)[1:-1], span=span_of(token))


def leaf(token: Token) -> s.Value:
    """A token as a number, text or a word."""
    if token.type == "NUMBER":
        return number(token)
    return text(token) if token.type == "STRING" else word(token)


def span_of(part: Part) -> Span:
    """Where a token or a node stands."""
    return part.span if isinstance(part, s.Node) else Span(part.start_pos, part.end_pos)


def over(c: Children) -> Span:
    """From the first child of a rule to the last."""
    return span_of(c[0]).to(span_of(c[-1]))


def block_of(c: Children) -> s.Block | None:
    """The block that a rule ends with, if it has one."""
    return c[-1] if isinstance(c[-1], s.Block) else None


def off_of(c: Children) -> s.Word | None:
    """The word ``off`` that a rule begins with, if it does, taken off its children."""
    return word(c.pop(0)) if c[0].type == "OFF" else None


class Builder:
    """The callbacks. ``c`` is the list of a rule's children: tokens, or nodes built already."""

    def start(self, c: Children) -> s.Tree:
        """``statement*``."""
        return s.Tree(tuple(c))

    def edition(self, c: Children) -> s.EditionLine:
        """``edition VALUE``."""
        return s.EditionLine(c[1], span=over(c))

    def recipe(self, c: Children) -> s.RecipeLine:
        """``recipe NAME VERSION "TITLE"``."""
        return s.RecipeLine(word(c[1]), word(c[2]), text(c[3]), span=over(c))

    def use(self, c: Children) -> s.UseLine:
        """``use "FILE" VERSION as NAME``."""
        return s.UseLine(text(c[1]), word(c[2]), word(c[4]), span=over(c))

    def param(self, c: Children) -> s.ParamLine:
        """``param NAME: TYPE = VALUE``, perhaps ``in A..B`` or ``in WORD, WORD``."""
        limits = cast("Any", tuple(map(leaf, c[7::2])))
        return s.ParamLine(word(c[1]), word(c[3]), c[5], limits, span=over(c))

    def model(self, c: Children) -> s.ModelStatement:
        """``model NAME`` with or without a block."""
        return s.ModelStatement(word(c[1]), block_of(c), span=over(c))

    def latents(self, c: Children) -> s.LatentsStatement:
        """``latents NAME { ... }``."""
        return s.LatentsStatement(word(c[1]), c[2], span=over(c))

    def region_definition(self, c: Children) -> s.RegionStatement:
        """``region NAME = REGION``."""
        return s.RegionStatement(word(c[1]), c[3], span=over(c))

    def images_definition(self, c: Children) -> s.ImagesStatement:
        """``images NAME = z[5, 7]``."""
        return s.ImagesStatement(word(c[1]), c[3], span=over(c))

    def operation(self, c: Children) -> s.Operation:
        """``rule NAME at LAYER { ... }`` and its siblings, perhaps after ``off``."""
        span, off = over(c), off_of(c)
        return s.Operation(word(c[0]), word(c[1]), word(c[3]), c[4], off, span=span)

    def include(self, c: Children) -> s.Include:
        """``include ALIAS.RULE``, perhaps with a name and overrides, perhaps after ``off``."""
        span, off = over(c), off_of(c)
        given = word(c[5]) if len(c) > 4 and c[4].type == "AS" else None
        return s.Include(word(c[1]), word(c[3]), given, block_of(c), off, span=span)

    def override(self, c: Children) -> s.Override:
        """``key = value``."""
        return s.Override(word(c[0]), c[2], span=over(c))

    def sweep(self, c: Children) -> s.SweepStatement:
        """``sweep NAME { ... }``."""
        return s.SweepStatement(word(c[1]), c[2], span=over(c))

    def expect(self, c: Children) -> s.ExpectLine:
        """``expect MEASURE(RULE) >= VALUE``."""
        return s.ExpectLine(word(c[1]), word(c[3]), str(c[5]), c[6], span=over(c))

    def vary(self, c: Children) -> s.Vary:
        """``vary KEY of RULE over VALUE, VALUE``, or ``vary PARAMETER over ...``."""
        owner = word(c[3]) if c[2].type == "OF" else None
        return s.Vary(word(c[1]), owner, tuple(c[5 if owner else 3 :: 2]), span=over(c))

    def block(self, c: Children) -> s.Block:
        """``{ item* }``."""
        items, span = tuple(c[1:-1]), over(c)
        inner = (item.block.depth for item in items if isinstance(item, s.Setting) and item.block)
        depth = 1 + max(inner, default=0)
        if depth > MAX_BLOCKS:
            raise TooDeepError("blocks are nested too deeply", span)
        return s.Block(items, depth, span=span)

    def place_line(self, c: Children) -> s.PlaceLine:
        """``copy PLACE`` and its siblings."""
        return s.PlaceLine(word(c[0]), c[1], span=over(c))

    def each_line(self, c: Children) -> s.PlaceLine:
        """``paste each context``."""
        return s.PlaceLine(word(c[0]), None, span=over(c))

    def match_line(self, c: Children) -> s.MatchLine:
        """``context like PLACE top N among A..B``, perhaps ``except N, N``."""
        return s.MatchLine(word(c[0]), c[2], c[4], c[6], c[8], tuple(c[10::2]), span=over(c))

    def number(self, c: Children) -> s.Number:
        """A number, or the name of a parameter in its place."""
        return number(c[0])

    def setting(self, c: Children) -> s.Setting:
        """``key value``, perhaps with a block."""
        return s.Setting(word(c[0]), c[1], block_of(c), span=over(c))

    def value(self, c: Children) -> s.Value:
        """A number, a word or text."""
        return leaf(c[0])

    def place(self, c: Children) -> s.PlaceExpr:
        """Images and a region."""
        return s.PlaceExpr(c[0], c[1], span=over(c))

    def named_place(self, c: Children) -> s.PlaceExpr:
        """The name of images, and a region."""
        return s.PlaceExpr(s.ImagesName(word(c[0]), span=span_of(c[0])), c[1], span=over(c))

    def plain_images(self, c: Children) -> s.Images:
        """``z[5, 7, 26..34]`` read as one token."""
        written, at = str(c[0]), c[0].start_pos
        brace = written.index("[")
        numbers = [
            s.Number(each[0], span=Span(at + each.start(), at + each.end()))
            for each in _NUMBER.finditer(written, brace)
        ]
        items = tuple(numbers) if ".." not in written else _intervals(written, at, numbers)
        latents = s.Word(written[:brace], span=Span(at, at + brace))
        return s.Images(latents, items, span=span_of(c[0]))

    def images(self, c: Children) -> s.Images:
        """``z [ 5, 7 ]``."""
        return s.Images(word(c[0]), tuple(c[2:-1:2]), span=over(c))

    def images_interval(self, c: Children) -> s.Interval:
        """``26..34``."""
        return s.Interval(c[0], c[2], span=over(c))

    def joined(self, c: Children) -> s.Joined:
        """``REGION plus REGION``, left associative."""
        left, operator, right = c
        below = [each.depth if isinstance(each, s.Joined) else 0 for each in (left, right)]
        depth, span = 1 + max(below), over(c)
        if depth > MAX_JOINS and below[1] == 0:
            message = f"this region has more than {MAX_JOINS} joins in a row"
            raise TooDeepError(message, span, "too many joins")
        if depth > MAX_JOINS:
            raise TooDeepError("regions are nested too deeply", span)
        return s.Joined(cast("s.Operator", str(operator)), left, right, depth, span=span)

    def plain_box(self, c: Children) -> s.BoxShape:
        """A box read as one token."""
        match = cast("re.Match[str]", _BOX.fullmatch(str(c[0])))
        x0, x1, y0, y1 = (
            s.Number(match[i], span=Span(*(c[0].start_pos + at for at in match.span(i))))
            for i in (1, 2, 3, 4)
        )
        return s.BoxShape((x0, x1), (y0, y1), span=span_of(c[0]))

    def box(self, c: Children) -> s.BoxShape:
        """``box(x a..b, y c..d)``."""
        return s.BoxShape((c[3], c[5]), (c[8], c[10]), span=over(c))

    def polygon(self, c: Children) -> s.PolygonShape:
        """``polygon(x,y x,y x,y ...)``."""
        return s.PolygonShape(tuple(c[2:-1]), span=over(c))

    def point(self, c: Children) -> tuple[s.Number, s.Number]:
        """``x,y``."""
        return c[0], c[2]

    def ellipse(self, c: Children) -> s.EllipseShape:
        """``ellipse(x,y radius rx,ry)``."""
        return s.EllipseShape(c[2], (c[4], c[6]), span=over(c))

    def mask(self, c: Children) -> s.MaskShape:
        """``mask("file.png")``, perhaps with a word on how it is resized."""
        resample = word(c[3]) if len(c) == 5 else None
        return s.MaskShape(text(c[2]), resample, span=over(c))

    def everything(self, c: Children) -> s.Everything:
        """``all``."""
        return s.Everything(span=over(c))

    def named(self, c: Children) -> s.Named:
        """A region's name."""
        return s.Named(word(c[0]), span=over(c))

    def grouped(self, c: Children) -> s.RegionExpr:
        """``( REGION )``: the tree's shape says it, so the parentheses are dropped."""
        return cast("s.RegionExpr", c[1])


def _intervals(written: str, at: int, numbers: list[s.Number]) -> tuple[s.Number | s.Interval, ...]:
    """The numbers, those with two dots between them as one."""
    items: list[s.Number | s.Interval] = []
    for number in numbers:
        begin = number.span.start - at
        before = items[-1] if items else None
        if written[begin - 2 : begin] == ".." and isinstance(before, s.Number):
            items[-1] = s.Interval(before, number, span=before.span.to(number.span))
        else:
            items.append(number)
    return tuple(items)
