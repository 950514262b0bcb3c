"""Syntax errors in human words: the usual slips, each with its remedy."""

from __future__ import annotations

import re
from collections.abc import Callable

from redraft_dsl.language.words import (
    LINES,
    OPERATORS,
    RESERVED_STATEMENTS,
    SETTINGS,
    SHAPES,
    STATEMENTS,
)
from redraft_dsl.report.diagnostics import Diagnostic, Note, closest, error
from redraft_dsl.source import Span
from redraft_dsl.syntax.mistake import (
    ITEM,
    JOIN,
    TOP,
    Slip,
    expected,
    general_error,
    short,
    tail,
    tokens,
)

_OTHER_QUOTES = tuple("'`\u2018\u2019\u201a\u201c\u201d\u201e\xab\xbb")
_PAIRS = {"{": "}", "(": ")", "[": "]"}
_NUMERIC = (
    "rank",
    "preserve",
    "side",
    "keep",
    "contrast",
    "strength",
    "units",
    "seed",
    "count",
    "truncation",
)
_KEYS = (*SETTINGS, "seed", "count", "arch", "weights", "sha256", "truncation")
_SHAPES = {
    "box": "box(x 12..52, y 24..38)",
    "polygon": "polygon(10,10 50,10 30,40)",
    "ellipse": "ellipse(31,31 radius 20,8)",
    "mask": 'mask("file.png")',
    "all": "all",
}
_OTHER_OPERATORS = {
    "+": "plus",
    "|": "plus",
    "or": "plus",
    "union": "plus",
    "-": "minus",
    "without": "minus",
    "&": "within",
    "and": "within",
    "in": "within",
}
_OTHER_SHAPES = {"circle": "ellipse", "rect": "box", "rectangle": "box", "square": "box"}


def describe(slip: Slip) -> Diagnostic:
    """The most helpful thing to say about a slip."""
    for recognise in COMMON_SLIPS:
        diagnostic = recognise(slip)
        if diagnostic is not None:
            return diagnostic
    return general_error(slip)


def _unterminated(slip: Slip) -> Diagnostic | None:
    if slip.found is None or slip.found.text != '"':
        return None
    start = slip.at
    end = slip.source.find("\n", start)
    span = Span(start, len(slip.source) if end < 0 else end)
    return error(
        "RD012",
        "this text has no closing quote",
        span,
        'no `"` before the end of the line',
        'close it with `"`; text cannot run over several lines',
    )


def _quotes(slip: Slip) -> Diagnostic | None:
    if slip.found is None or slip.found.text not in _OTHER_QUOTES:
        return None
    return error(
        "RD014",
        f"`{slip.found.text}` does not quote text",
        slip.found.span,
        "text stands between double quotes",
        'write "..." with plain double quotes',
    )


def _foreign_comment(slip: Slip) -> Diagnostic | None:
    mark = slip.source[slip.at : slip.at + 2]
    if mark not in ("//", "/*", "--"):
        return None
    span = Span(slip.at, slip.at + 2)
    return error(
        "RD013", f"`{mark}` does not start a comment", span, "not here", "comments start with `#`"
    )


def _separator(slip: Slip) -> Diagnostic | None:
    between = slip.accepts & (ITEM | TOP | {"RBRACE"})
    if slip.found is None or slip.found.text not in (";", ",") or not between:
        return None
    return error(
        "RD010",
        f"unexpected `{slip.found.text}` between statements",
        slip.found.span,
        "no separator is needed",
        f"delete the `{slip.found.text}`; a new line or a space is enough",
    )


def _decimal_comma(slip: Slip) -> Diagnostic | None:
    if slip.last is None or slip.last.kind != "number" or not slip.accepts & (ITEM | TOP):
        return None
    decimals = re.compile(r",(\d+%?)").match(slip.source, slip.at)
    if decimals is None or slip.last.span.end != slip.at:
        return None
    return general_error(slip, f"decimals follow a point: `{slip.last.text}.{decimals[1]}`")


def _loose_percent(slip: Slip) -> Diagnostic | None:
    if slip.found is None or slip.found.text != "%" or slip.last is None:
        return None
    if slip.last.kind != "number":
        return None
    return general_error(slip, f"write `{slip.last.text}%`, without a space")


def _assignment(slip: Slip) -> Diagnostic | None:
    if slip.found is None or slip.found.text not in ("=", ":") or slip.last is None:
        return None
    key = slip.last.text
    if slip.accepts >= {"NUMBER", "WORD"}:
        following = next(tokens(slip.source, slip.at + 1, len(slip.source)), None)
        example = short(following.text) if following else "VALUE"
    elif slip.accepts & {"IMAGE", "WORD"}:
        example = "..."
    else:
        return None
    sign = slip.found.text
    return error(
        "RD010",
        f"unexpected `{sign}` after `{key}`",
        slip.found.span,
        "the value follows its key directly",
        f"write `{key} {example}`, without `{sign}`",
    )


def _range(slip: Slip) -> Diagnostic | None:
    if "DOTS" not in slip.accepts or slip.last is None or slip.found is None:
        return None
    start = slip.last.text
    following = [p for p in tokens(slip.source, slip.at, len(slip.source)) if p.kind == "number"]
    end = following[0].text.lstrip("-") if following else "52"
    return general_error(slip, f"a range is written with two dots: `{start}..{end}`")


def _mask_quotes(slip: Slip) -> Diagnostic | None:
    if "STRING" not in slip.accepts or slip.statement in _REUSE:
        return None
    names = [piece.text for piece in slip.before[-2:]]
    if names == ["mask", "("] and slip.found is not None:
        end = re.compile(r"[^\s)]*").match(slip.source, slip.at)
        name = end[0] if end else "file.png"
        return general_error(slip, f'put the file in double quotes: `mask("{short(name)}")`')
    if "NUMBER" not in slip.accepts:
        return general_error(slip, 'a recipe needs a title, as in `recipe my-edit 1.0.0 "My edit"`')
    return None


def _reserved(slip: Slip) -> Diagnostic | None:
    if slip.word not in RESERVED_STATEMENTS or not slip.accepts & {"RULE", "RBRACE"}:
        return None
    assert slip.found is not None  # it has a word
    return error(
        "RD015",
        f"`{slip.word}` is reserved for a later edition",
        slip.found.span,
        f"kept for {RESERVED_STATEMENTS[slip.word]}",
        "edition 2026 has no such statement; leave it out",
    )


def _unclosed(slip: Slip) -> Diagnostic | None:
    opening = slip.unclosed
    closes = slip.found is not None and slip.found.kind == "close"
    if opening is None or not (slip.found is None or closes or slip.word in STATEMENTS):
        return None
    partner = _PAIRS[opening.text]
    if closes and slip.found is not None and slip.found.text == partner:
        return None  # the right one, too early: something is missing inside
    if slip.found is None:
        end = len(slip.source.rstrip())
        note = Note(f"`{partner}` was expected before the end of this statement", Span(end, end))
    else:
        note = Note(f"`{partner}` was expected before this", slip.found.span)
    return error(
        "RD011",
        f"this `{opening.text}` is never closed",
        opening.span,
        f"it needs a `{partner}`",
        f"add `{partner}` where it should end",
        (note,),
    )


def _closes_nothing(slip: Slip) -> Diagnostic | None:
    if slip.found is None or slip.found.kind != "close" or slip.unclosed is not None:
        return None
    return error(
        "RD010",
        f"this `{slip.found.text}` closes nothing",
        slip.found.span,
        "nothing is open here",
        "delete it, or look for one too many above",
    )


def _unit(slip: Slip) -> Diagnostic | None:
    last, found = slip.last, slip.found
    if found is None or last is None or last.kind != "number" or last.span.end != slip.at:
        return None
    if slip.word == "px":
        help_text = f"lengths are in pixels already: write `{last.text}`"
        return general_error(slip, help_text)
    if slip.word and "DOTS" not in slip.accepts:
        return general_error(slip, "leave a space between a number and the next word")
    return None


def _leading_dot(slip: Slip) -> Diagnostic | None:
    if slip.found is None or slip.found.text != "." or "NUMBER" not in slip.accepts:
        return None
    digits = re.compile(r"\.(\d+%?)").match(slip.source, slip.at)
    if digits is None:
        return None
    return general_error(slip, f"write `0.{digits[1]}`")


def _missing_value(slip: Slip) -> Diagnostic | None:
    """``rank`` with nothing behind it swallows the next word, and the grammar stops later."""
    if len(slip.before) < 2 or slip.found is None:
        return None
    at = len(slip.before) - (1 if slip.found.text == "[" else 0)  # `rank` `context` `z` `[`
    wants_value = slip.accepts >= {"NUMBER", "WORD", "STRING"}
    if wants_value and slip.before[-1].text in _KEYS:
        key, value = slip.before[-1], slip.found
    elif at >= 2 and slip.before[at - 1].text in (*_KEYS, *LINES):
        key, value = slip.before[at - 2 : at]
    else:
        return None
    if key.text not in _KEYS or (key.text == "directions" and value.text == "context"):
        return None
    what = "a number" if key.text in _NUMERIC else "a value"
    return error(
        "RD010",
        f"expected {what} after `{key.text}`, found `{short(value.text)}`",
        value.span,
        f"expected {what}",
        f"`{key.text}` needs a value on the same line",
        (Note(f"`{key.text}` is here", key.span),),
    )


def _missing_region(slip: Slip) -> Diagnostic | None:
    """``copy z[130]`` without a region takes the next word for a region's name."""
    at = len(slip.before) - (1 if slip.found is not None and slip.found.text == "[" else 0)
    if at < 2 or slip.before[at - 1].text not in (*SETTINGS, *LINES):
        return None
    if slip.before[at - 2].text not in ("]", *OPERATORS):
        return None
    word = slip.before[at - 1]
    message = f"expected a region after `{tail(slip.before[: at - 1])}`, found `{word.text}`"
    help_text = "a region is a shape such as `box(x 12..52, y 24..38)`, or a region's name"
    return error("RD010", message, word.span, "expected a region", help_text)


def _unknown_statement(slip: Slip) -> Diagnostic | None:
    if not slip.word or "RULE" not in slip.accepts or slip.accepts & JOIN:
        return None
    near = closest(slip.word, (*STATEMENTS, *RESERVED_STATEMENTS))
    if near is not None:
        return general_error(slip, f"did you mean `{near}`?")
    names = ", ".join(f"`{name}`" for name in STATEMENTS)
    return general_error(slip, f"a statement starts with {names}")


def _unknown_line(slip: Slip) -> Diagnostic | None:
    """``contxt z[147]``: the grammar takes the two words for a setting and stops at the bracket."""
    if slip.found is None or slip.found.text != "[" or len(slip.before) < 2:
        return None
    key, image = slip.before[-2:]
    if key.kind != "word" or image.kind != "word" or key.text in LINES:
        return None
    near = closest(key.text, LINES)
    known = "images stand after `copy`, `paste`, `from` and `context`"
    return error(
        "RD010",
        f"`{short(key.text)}` takes no image",
        key.span,
        "not a line that names an image",
        f"did you mean `{near}`?" if near else known,
    )


def _operator(slip: Slip) -> Diagnostic | None:
    if slip.found is None or not slip.accepts & JOIN:
        return None
    if slip.last is not None and slip.last.text == "not":
        return general_error(slip, "write `all minus ...` for what lies outside a region")
    word = _OTHER_OPERATORS.get(slip.found.text)
    return None if word is None else general_error(slip, f"regions are joined with `{word}`")


def _quoted_name(slip: Slip) -> Diagnostic | None:
    if slip.found is None or slip.found.kind != "string" or slip.accepts & {"STRING", "NUMBER"}:
        return None
    if "WORD" not in slip.accepts:
        return None
    if slip.last is not None and slip.last.text == "model":
        form = f"model mine {{ arch dcgan  weights {short(slip.found.text)} }}"
        return general_error(slip, f"a file has its place in a block: `{form}`")
    return general_error(slip, "names are written without quotes")


def _shape_form(slip: Slip) -> Diagnostic | None:
    """Inside a shape's parentheses, or just before them, its form is the best help."""
    opening = slip.unclosed
    before = [piece for piece in slip.before if opening is None or piece.span < opening.span]
    shape = before[-1].text if before and opening is not None else ""
    if "LPAR" in slip.accepts and slip.last is not None and slip.last.text in _SHAPES:
        shape = slip.last.text
    if shape not in _SHAPES or slip.accepts & JOIN:
        return None
    article = "an" if shape == "ellipse" else "a"
    return general_error(slip, f"{article} {shape} is written `{_SHAPES[shape]}`")


def _unknown_shape(slip: Slip) -> Diagnostic | None:
    if slip.found is None or slip.found.text != "(" or slip.last is None:
        return None
    if slip.last.kind != "word" or not slip.accepts & JOIN:
        return None
    shape = slip.last.text
    near = _OTHER_SHAPES.get(shape) or closest(shape, SHAPES)
    shapes = "the shapes are `box`, `polygon`, `ellipse` and `mask`"
    return error(
        "RD010",
        f"there is no shape `{short(shape)}`",
        slip.last.span,
        "not a shape",
        f"did you mean `{_SHAPES[near]}`?" if near else shapes,
    )


def _missing_version(slip: Slip) -> Diagnostic | None:
    """``use "./village.redraft" as village`` takes the word ``as`` for a version."""
    if slip.last is None or slip.last.text != "as" or "AS" not in slip.accepts:
        return None
    return error(
        "RD128",
        "this recipe is used without a version",
        slip.last.span,
        "expected a version such as `1.0.0`",
        'write the version that its own `recipe` line has: `use "./village.redraft" 2.0.0 as ...`',
    )


_REUSE = {
    "use": 'another recipe is named `use "./village.redraft" 2.0.0 as village`',
    "param": "a parameter is written `param strength: int = 2 in 1..8`",
    "include": "a rule is included by `include village.spire with { rank = 4 }`",
    "sweep": "a sweep is written `sweep ranks { vary rank of glasses over 1, 4, 10 }`",
}


def _reuse_form(slip: Slip) -> Diagnostic | None:
    """A statement about reuse is short; its whole form is the best help."""
    if slip.statement not in _REUSE:
        return None
    brace = slip.found is not None and slip.found.text == "{" and "WITH" in slip.accepts
    if "RULE" in slip.accepts and not brace:
        return None
    return general_error(slip, _REUSE[slip.statement])


_FORMS = (
    ("LBRACE", "settings stand between braces, as in `latents z { seed 1  count 2000 }`"),
    ("LBRACKET", "an image is written with its number in brackets: `z[116]`"),
    ("IMAGE", "say which image first, as in `z[116] box(x 12..52, y 24..38)`"),
    ("TOP", "a match is written `context like z[130] REGION top 60 among 0..199`"),
    ("AMONG", "a match is written `context like z[130] REGION top 60 among 0..199`"),
    ("AT", "name the layer, as in `rule glasses at layer6 { ... }`"),
    ("VERSION", 'a recipe is written `recipe my-edit 1.0.0 "My edit"`'),
    ("EQUALS", "a region is written `region bar = box(x 0%..100%, y 92%..100%)`"),
    ("PLAIN_BOX", "a region is a shape such as `box(x 12..52, y 24..38)`, or a region's name"),
)


def _form(slip: Slip) -> Diagnostic | None:
    for terminal, help_text in _FORMS:
        if terminal in slip.accepts:
            return general_error(slip, help_text)
    return None


def _stray(slip: Slip) -> Diagnostic | None:
    if slip.found is None or slip.found.kind != "other" or slip.found.text in ".,=:;%-*/+":
        return None
    character = slip.found.text
    shown = f"`{character}`" if character.isprintable() else f"U+{ord(character):04X}"
    return error(
        "RD013",
        f"the character {shown} has no meaning here",
        slip.found.span,
        f"expected {expected(slip)}",
        "delete it",
    )


COMMON_SLIPS: tuple[Callable[[Slip], Diagnostic | None], ...] = (
    _unterminated,
    _quotes,
    _foreign_comment,
    _decimal_comma,
    _loose_percent,
    _separator,
    _assignment,
    _leading_dot,
    _unit,
    _missing_version,
    _missing_value,
    _missing_region,
    _reserved,
    _unclosed,
    _closes_nothing,
    _range,
    _mask_quotes,
    _unknown_shape,
    _unknown_line,
    _operator,
    _quoted_name,
    _unknown_statement,
    _shape_form,
    _stray,
    _reuse_form,
    _form,
)
