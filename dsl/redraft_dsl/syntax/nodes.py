"""From tokens to syntax nodes: one method per rule of ``grammar.lark``, called while parsing.

Every span comes from the first and the last token of the rule, so nothing is walked twice.
"""

from __future__ import annotations

import re
from typing import Any, Protocol, cast

from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

MAX_JOINS = 128
MAX_BLOCKS = 4

_NUMBER = re.compile(r"[0-9]+")
_BOX = re.compile(r"box\(x +(.*?)\.\.(.*?), *y +(.*?)\.\.(.*?)\)")


class Token(Protocol):
    """What is needed of a token."""

    start_pos: int
    end_pos: int


class TooDeepError(Exception):
    """Something is nested deeper than any recipe needs; ``span`` is the place."""

    def __init__(self, message: str, span: Span, label: str = "more levels than any recipe needs"):
        super().__init__(message)
        self.message = message
        self.span = span
        self.label = label


def span_of(token: Token) -> Span:
    """Where a token stands."""
    return Span(token.start_pos, token.end_pos)


def word(token: Token) -> s.Word:
    """A token as a word."""
    return s.Word(str(token), span_of(token))


def number(token: Token) -> s.Number:
    """A token as a number."""
    return s.Number(str(token), span_of(token))


def text(token: Token) -> s.Text:
    """A token in double quotes as text."""
    return s.Text(str(token)[1:-1], span_of(token))


Children = list[Any]


class Builder:
    """The callbacks. ``c`` is the list of a rule's children: tokens, or nodes built already."""

    def start(self, c: Children) -> s.Tree:
        """``statement*``."""
        return s.Tree(tuple(c))

    def edition(self, c: Children) -> s.EditionLine:
        """``edition VALUE``."""
        return s.EditionLine(c[1], span_of(c[0]).to(c[1].span))

    def recipe(self, c: Children) -> s.RecipeLine:
        """``recipe NAME VERSION "TITLE"``."""
        return s.RecipeLine(word(c[1]), word(c[2]), text(c[3]), span_of(c[0]).to(span_of(c[3])))

    def use(self, c: Children) -> s.UseLine:
        """``use "FILE" VERSION as NAME``."""
        return s.UseLine(text(c[1]), word(c[2]), word(c[4]), span_of(c[0]).to(span_of(c[4])))

    def param(self, c: Children) -> s.ParamLine:
        """``param NAME: TYPE = VALUE``, perhaps with limits."""
        limits, end = c[6] if len(c) == 7 else ((), c[5].span)
        return s.ParamLine(word(c[1]), word(c[3]), c[5], limits, span_of(c[0]).to(end))

    def interval(self, c: Children) -> tuple[tuple[s.Number, s.Number], Span]:
        """``in A..B``, and where it ends."""
        return (number(c[1]), number(c[3])), span_of(c[3])

    def choices(self, c: Children) -> tuple[tuple[s.Word, ...], Span]:
        """``in WORD, WORD``, and where it ends."""
        return tuple(word(token) for token in c[1::2]), span_of(c[-1])

    def model(self, c: Children) -> s.ModelStatement:
        """``model NAME`` with or without a block."""
        name = word(c[1])
        block = c[2] if len(c) == 3 else None
        end = block.span if block else name.span
        return s.ModelStatement(name, block, span_of(c[0]).to(end))

    def latents(self, c: Children) -> s.LatentsStatement:
        """``latents NAME { ... }``."""
        return s.LatentsStatement(word(c[1]), c[2], span_of(c[0]).to(c[2].span))

    def region_definition(self, c: Children) -> s.RegionStatement:
        """``region NAME = REGION``."""
        return s.RegionStatement(word(c[1]), c[3], span_of(c[0]).to(c[3].span))

    def images_definition(self, c: Children) -> s.ImagesStatement:
        """``images NAME = z[5, 7]``."""
        return s.ImagesStatement(word(c[1]), c[3], span_of(c[0]).to(c[3].span))

    def operation(self, c: Children) -> s.Operation:
        """``rule NAME at LAYER { ... }`` and its siblings, perhaps after ``off``."""
        off = word(c.pop(0)) if len(c) == 6 else None
        kind = word(c[0])
        span = (off or kind).span.to(c[4].span)
        return s.Operation(kind, word(c[1]), word(c[3]), c[4], span, off)

    def include(self, c: Children) -> s.Include:
        """``include ALIAS.RULE``, perhaps with a name and overrides, perhaps after ``off``."""
        start = span_of(c[0])
        off = word(c.pop(0)) if c[0].type == "OFF" else None
        given = word(c[5]) if len(c) > 4 and c[4].type == "AS" else None
        block = c[-1] if isinstance(c[-1], s.Block) else None
        end = block.span if block else span_of(c[-1])
        return s.Include(word(c[1]), word(c[3]), given, block, start.to(end), off)

    def override(self, c: Children) -> s.Override:
        """``key = value``."""
        key = word(c[0])
        return s.Override(key, c[2], key.span.to(c[2].span))

    def sweep(self, c: Children) -> s.SweepStatement:
        """``sweep NAME { ... }``."""
        return s.SweepStatement(word(c[1]), c[2], span_of(c[0]).to(c[2].span))

    def vary(self, c: Children) -> s.Vary:
        """``vary KEY of RULE over VALUE, VALUE``, or ``vary PARAMETER over ...``."""
        owner = word(c[3]) if c[2].type == "OF" else None
        values = tuple(c[5 if owner else 3 :: 2])
        return s.Vary(word(c[1]), owner, values, span_of(c[0]).to(values[-1].span))

    def block(self, c: Children) -> s.Block:
        """``{ item* }``."""
        items = tuple(c[1:-1])
        span = span_of(c[0]).to(span_of(c[-1]))
        inner = (item.block.depth for item in items if isinstance(item, s.Setting) and item.block)
        depth = 1 + max(inner, default=0)
        if depth > MAX_BLOCKS:
            raise TooDeepError("blocks are nested too deeply", span)
        return s.Block(items, span, depth)

    def place_line(self, c: Children) -> s.PlaceLine:
        """``copy PLACE`` and its siblings."""
        key = word(c[0])
        return s.PlaceLine(key, c[1], key.span.to(c[1].span))

    def each_line(self, c: Children) -> s.PlaceLine:
        """``paste each context``."""
        key = word(c[0])
        return s.PlaceLine(key, None, key.span.to(span_of(c[2])))

    def match_line(self, c: Children) -> s.MatchLine:
        """``context like PLACE top N among A..B``, perhaps with ``except``."""
        key = word(c[0])
        excluded: tuple[s.Number, ...] = c[9] if len(c) == 10 else ()
        end = excluded[-1].span if excluded else c[8].span
        return s.MatchLine(key, c[2], c[4], c[6], c[8], excluded, key.span.to(end))

    def exclusion(self, c: Children) -> tuple[s.Number, ...]:
        """``except N, N``."""
        return tuple(c[1::2])

    def number(self, c: Children) -> s.Number:
        """A number, or the name of a parameter in its place."""
        return number(c[0])

    def setting(self, c: Children) -> s.Setting:
        """``key value``, perhaps with a block."""
        key = word(c[0])
        block = c[2] if len(c) == 3 else None
        end = block.span if block else c[1].span
        return s.Setting(key, c[1], block, key.span.to(end))

    def value(self, c: Children) -> s.Value:
        """A number, a word or text."""
        kind = c[0].type
        if kind == "NUMBER":
            return number(c[0])
        return text(c[0]) if kind == "STRING" else word(c[0])

    def place(self, c: Children) -> s.PlaceExpr:
        """Images and a region."""
        return s.PlaceExpr(c[0], c[1], c[0].span.to(c[1].span))

    def named_place(self, c: Children) -> s.PlaceExpr:
        """The name of images, and a region."""
        name = word(c[0])
        return self.place([s.ImagesName(name, name.span), c[1]])

    def plain_images(self, c: Children) -> s.Images:
        """``z[5, 7, 26..34]`` read as one token."""
        written, at = str(c[0]), c[0].start_pos
        brace = written.index("[")
        numbers = [
            s.Number(each[0], Span(at + each.start(), at + each.end()))
            for each in _NUMBER.finditer(written, brace)
        ]
        items = tuple(numbers) if ".." not in written else _intervals(written, at, numbers)
        return s.Images(s.Word(written[:brace], Span(at, at + brace)), items, span_of(c[0]))

    def images(self, c: Children) -> s.Images:
        """``z [ 5, 7 ]``."""
        return s.Images(word(c[0]), tuple(c[2:-1:2]), span_of(c[0]).to(span_of(c[-1])))

    def images_interval(self, c: Children) -> s.Interval:
        """``26..34``."""
        return s.Interval(c[0], c[2])

    def joined(self, c: Children) -> s.Joined:
        """``REGION plus REGION``, left associative."""
        left, operator, right = c
        depth = 1 + max(getattr(left, "depth", 0), getattr(right, "depth", 0))
        span = left.span.to(right.span)
        if depth > MAX_JOINS:
            if getattr(right, "depth", 0) == 0:
                raise TooDeepError(
                    f"this region has more than {MAX_JOINS} joins in a row", span, "too many joins"
                )
            raise TooDeepError("regions are nested too deeply", span)
        return s.Joined(cast("s.Operator", str(operator)), left, right, span, depth)

    def plain_box(self, c: Children) -> s.BoxShape:
        """A box read as one token."""
        match = cast("re.Match[str]", _BOX.fullmatch(str(c[0])))
        at = c[0].start_pos
        x0, x1, y0, y1 = (s.Number(match[i], _part(match, i, at)) for i in (1, 2, 3, 4))
        return s.BoxShape((x0, x1), (y0, y1), span_of(c[0]))

    def box(self, c: Children) -> s.BoxShape:
        """``box(x a..b, y c..d)``."""
        x0, x1, y0, y1 = (c[i] for i in (3, 5, 8, 10))
        return s.BoxShape((x0, x1), (y0, y1), span_of(c[0]).to(span_of(c[11])))

    def polygon(self, c: Children) -> s.PolygonShape:
        """``polygon(x,y x,y x,y ...)``."""
        return s.PolygonShape(tuple(c[2:-1]), span_of(c[0]).to(span_of(c[-1])))

    def point(self, c: Children) -> tuple[s.Number, s.Number]:
        """``x,y``."""
        return c[0], c[2]

    def ellipse(self, c: Children) -> s.EllipseShape:
        """``ellipse(x,y radius rx,ry)``."""
        return s.EllipseShape(c[2], (c[4], c[6]), span_of(c[0]).to(span_of(c[7])))

    def mask(self, c: Children) -> s.MaskShape:
        """``mask("file.png")``, perhaps with a word on how it is resized."""
        resample = word(c[3]) if len(c) == 5 else None
        return s.MaskShape(text(c[2]), span_of(c[0]).to(span_of(c[-1])), resample)

    def everything(self, c: Children) -> s.Everything:
        """``all``."""
        return s.Everything(span_of(c[0]))

    def named(self, c: Children) -> s.Named:
        """A region's name."""
        return s.Named(word(c[0]), span_of(c[0]))

    def grouped(self, c: Children) -> s.RegionExpr:
        """``( REGION )``: the tree's shape says it, so the parentheses are dropped."""
        return cast("s.RegionExpr", c[1])


def _part(match: re.Match[str], group: int, at: int) -> Span:
    return Span(at + match.start(group), at + match.end(group))


def _intervals(written: str, at: int, numbers: list[s.Number]) -> tuple[s.Number | s.Interval, ...]:
    """The numbers, those with two dots between them as one."""
    items: list[s.Number | s.Interval] = []
    for number in numbers:
        begin = number.span.start - at
        before = items[-1] if items else None
        if written[begin - 2 : begin] == ".." and isinstance(before, s.Number):
            items[-1] = s.Interval(before, number)
        else:
            items.append(number)
    return tuple(items)
