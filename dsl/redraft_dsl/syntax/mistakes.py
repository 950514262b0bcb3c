"""Syntax errors in human words: the usual mistakes, each with its remedy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container

from redraft_dsl.language import words
from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Fix,
    Note,
    closest,
    error,
    listing,
    replacement,
)
from redraft_dsl.source import Edit, Span
from redraft_dsl.syntax.mistake import JOIN, STATEMENT, VALUE, Mistake, Token, short, tail

_OTHER_QUOTES = {
    "'": "'",
    "`": "`",
    "\u2018": "\u2019",
    "\u2019": "\u2019",
    "\u201a": "\u2018",
    "\u201c": "\u201d",
    "\u201d": "\u201d",
    "\u201e": "\u201c",
    "\xab": "\xbb",
    "\xbb": "\xab",
}
"""Signs that quote text elsewhere, and those that end it."""
_PAIRS = {"{": "}", "(": ")", "[": "]"}
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
_MINUS_SIGNS = "\u2212\u2010\u2011\u2012\u2013\u2014\uff0d"


def describe(mistake: Mistake) -> Diagnostic:
    """The most helpful thing to say about a mistake."""
    for recognise in USUAL:
        diagnostic = recognise(mistake)
        if diagnostic is not None:
            return diagnostic
    return mistake.general()


# ---- signs ------------------------------------------------------------------------------------


def _unterminated(mistake: Mistake) -> Diagnostic | None:
    if mistake.text != '"':
        return None
    end = mistake.place.text.find("\n", mistake.at)
    span = Span(mistake.at, mistake.place.end if end < 0 else end)
    return error(
        "RD012",
        "this text has no closing quote",
        span,
        'no `"` before the end of the line',
        'close it with `"`; text cannot run over several lines',
    )


def _quotes(mistake: Mistake) -> Diagnostic | None:
    if mistake.found is None or mistake.text not in _OTHER_QUOTES:
        return None
    text, span = mistake.place.text, mistake.found.span
    end = text.find("\n", span.end)
    rest = text[span.end : end if end >= 0 else len(text)]
    close = rest.find(_OTHER_QUOTES[mistake.text])
    fixes: tuple[Fix, ...] = ()
    if close >= 0 and '"' not in rest[:close]:
        at = span.end + close
        both = (Edit(span, '"'), Edit(Span(at, at + 1), '"'))
        fixes = (Fix("Use double quotes", both),)
    return error(
        "RD014",
        f"`{mistake.text}` does not quote text",
        span,
        "text stands between double quotes",
        'write "..." with plain double quotes',
        fixes=fixes,
    )


def _foreign_comment(mistake: Mistake) -> Diagnostic | None:
    mark = mistake.place.text[mistake.at : mistake.at + 2]
    if mark not in ("//", "/*", "--"):
        return None
    span = Span(mistake.at, mistake.at + 2)
    fixes = (replacement(span, "#"),) if mark != "/*" else ()
    message = f"`{mark}` does not start a comment"
    return error("RD013", message, span, "not here", "comments start with `#`", fixes=fixes)


def _foreign_sign(mistake: Mistake) -> Diagnostic | None:
    """A digit, a space or a minus sign that looks like a plain one and is another character."""
    sign, found = mistake.text, mistake.found
    if found is None or found.kind != "other" or sign.isascii():
        return None
    if sign.isdecimal():
        return _unlike(found, "digits are 0 to 9", str(unicodedata.decimal(sign)))
    if sign.isspace() or unicodedata.category(sign) == "Cf":
        return _unlike(found, "spaces are plain spaces", " " if sign.isspace() else "")
    if sign in _MINUS_SIGNS:
        return _unlike(found, "a minus sign is the plain `-`", "-")
    return None


def _unlike(found: Token, rule: str, plain: str) -> Diagnostic:
    """A character that looks like ``plain`` and has no meaning."""
    shown = _shown(found.text)
    help_text = f"write `{plain}`" if plain.strip() else "write a plain space, or nothing"
    fix = Fix(f"Replace {shown} with `{plain}`", (Edit(found.span, plain),))
    message = f"the character {shown} has no meaning here"
    return error("RD013", message, found.span, rule, help_text, fixes=(fix,))


def _shown(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"`{character}` ({code})" if character.isprintable() and character != " " else code


def _stray(mistake: Mistake) -> Diagnostic | None:
    if mistake.found is None or mistake.found.kind != "other" or mistake.text in ".,=:;%-*/+":
        return None
    character = mistake.text
    shown = f"`{character}`" if character.isprintable() else f"U+{ord(character):04X}"
    message = f"the character {shown} has no meaning here"
    span, label = mistake.found.span, f"expected {mistake.expected()}"
    fixes = (_deletion(mistake.found),)
    return error("RD013", message, span, label, "delete it", fixes=fixes)


def _deletion(token: Token) -> Fix:
    return Fix(f"Delete `{token.text}`", (Edit(token.span, ""),))


def _separator(mistake: Mistake) -> Diagnostic | None:
    between = mistake.begins_item or "RBRACE" in mistake.accepts
    if mistake.found is None or mistake.text not in (";", ",") or not between:
        return None
    return mistake.special(
        f"unexpected `{mistake.text}` between statements",
        "no separator is needed",
        f"delete the `{mistake.text}`; a new line or a space is enough",
        _deletion(mistake.found),
    )


def _unclosed(mistake: Mistake) -> Diagnostic | None:
    opening, found = mistake.unclosed, mistake.found
    closes = found is not None and found.kind == "close"
    begins = mistake.word in mistake.language.statements
    if opening is None or not (found is None or closes or begins):
        return None
    partner = _PAIRS[opening.text]
    if closes and mistake.text == partner:
        return None  # the right one, too early: something is missing inside
    end = mistake.ends.end
    place = found.span if found else Span(end, end)
    where = "this" if found else "the end of this statement"
    fixes: tuple[Fix, ...] = ()
    line = mistake.place.text.rfind("\n", 0, place.start) + 1
    if opening.text == "{" and (not found or not mistake.place.text[line : place.start].strip()):
        at = len(mistake.place.text[: place.start].rstrip())
        fixes = (Fix("Add `}`", (Edit(Span(at, at), "\n}"),)),)
    return error(
        "RD011",
        f"this `{opening.text}` is never closed",
        opening.span,
        f"it needs a `{partner}`",
        f"add `{partner}` where it should end",
        (Note(f"`{partner}` was expected before {where}", place),),
        fixes=fixes,
    )


def _closes_nothing(mistake: Mistake) -> Diagnostic | None:
    if mistake.found is None or mistake.found.kind != "close" or mistake.unclosed is not None:
        return None
    return mistake.special(
        f"this `{mistake.text}` closes nothing",
        "nothing is open here",
        "delete it, or look for one too many above",
        _deletion(mistake.found),
    )


# ---- numbers and values -----------------------------------------------------------------------


def _decimal_comma(mistake: Mistake) -> Diagnostic | None:
    last = mistake.last
    if last is None or last.kind != "number" or not mistake.begins_item or not mistake.touching:
        return None
    decimals = re.compile(r",([0-9]+%?)").match(mistake.place.text, mistake.at)
    if decimals is None:
        return None
    point = replacement(Span(mistake.at, mistake.at + 1), ".")
    return mistake.general(f"decimals follow a point: `{last.text}.{decimals[1]}`", point)


def _arithmetic(mistake: Mistake) -> Diagnostic | None:
    """``4+4``, ``1/3``: the grammar reads one number, and stops at the sign."""
    last = mistake.last
    if last is None or last.kind != "number" or mistake.accepts & JOIN:
        return None
    glued = re.compile(r"[-+][0-9]").match(mistake.place.text, mistake.at) and mistake.touching
    if mistake.text not in ("+", "-", "*", "/", "^") and not glued:
        return None
    if "DOTS" in mistake.accepts:
        return None  # a range is meant
    return mistake.general("a recipe does not calculate: write the result")


def _loose_percent(mistake: Mistake) -> Diagnostic | None:
    last = mistake.last
    if mistake.text != "%" or last is None or last.kind != "number":
        return None
    fix = Fix("Delete the space", (Edit(Span(last.span.end, mistake.at), ""),))
    return mistake.general(f"write `{last.text}%`, without a space", fix)


def _leading_dot(mistake: Mistake) -> Diagnostic | None:
    """``.5`` and ``-.5``."""
    number = re.compile(r"(-?)(\.[0-9]+%?)").match(mistake.place.text, mistake.at)
    if number is None or "NUMBER" not in mistake.accepts:
        return None
    at = number.start(2)
    fix = Fix("Add `0`", (Edit(Span(at, at), "0"),))
    return mistake.general(f"write `{number[1]}0{number[2]}`", fix)


def _range(mistake: Mistake) -> Diagnostic | None:
    last, found = mistake.last, mistake.found
    if "DOTS" not in mistake.accepts or last is None or found is None:
        return None
    if found.text == "," or found.kind in ("close", "string"):
        return _single_number(mistake, last)
    if "RBRACKET" in mistake.accepts and found.kind != "number":
        at = last.span.end
        close = Fix("Add `]`", (Edit(Span(at, at), "]"),))
        return mistake.general(f"close the list of images: `{last.text}]`", close)
    further = [found, *mistake.following]
    end = next((token for token in further if token.kind == "number"), None)
    written = end.text.lstrip("-") if end else "52"
    return mistake.general(f"a range is written with two dots: `{last.text}..{written}`")


def _single_number(mistake: Mistake, last: Token) -> Diagnostic:
    """``x 12.52`` and ``x 1252``: one number where two are needed."""
    halves = last.text.split(".")
    if len(halves) == 2 and all(half.isdigit() for half in halves):
        new = f"{halves[0]}..{halves[1]}"
        return mistake.general(
            f"a range is written with two dots: `{new}`", replacement(last.span, new)
        )
    example = "0..9" if mistake.unclosed and mistake.unclosed.text == "[" else "12..52"
    return mistake.general(f"a range has two ends, with two dots between them, as in `{example}`")


def _unit(mistake: Mistake) -> Diagnostic | None:
    last, found = mistake.last, mistake.found
    if found is None or last is None or last.kind != "number" or not mistake.touching:
        return None
    if mistake.word == "px":
        fix = Fix("Delete `px`", (Edit(found.span, ""),))
        return mistake.general(f"lengths are in pixels already: write `{last.text}`", fix)
    if mistake.word and "DOTS" not in mistake.accepts:
        fix = Fix("Add a space", (Edit(Span(mistake.at, mistake.at), " "),))
        return mistake.general("leave a space between a number and the next word", fix)
    return None


def _assignment(mistake: Mistake) -> Diagnostic | None:
    sign, last = mistake.text, mistake.last
    if sign not in ("=", ":") or last is None or mistake.found is None:
        return None
    if mistake.accepts >= {"NUMBER", "WORD"}:
        following = next(mistake.following, None)
        example = short(following.text) if following else "VALUE"
    elif mistake.accepts & {"IMAGE", "WORD"}:
        example = "..."
    else:
        return None
    return mistake.special(
        f"unexpected `{sign}` after `{last.text}`",
        "the value follows its key directly",
        f"write `{last.text} {example}`, without `{sign}`",
        _deletion(mistake.found),
    )


def _missing_value(mistake: Mistake) -> Diagnostic | None:
    """``rank`` with nothing behind it swallows the next word, and the grammar stops later."""
    rows = {row.name: row for row in mistake.language.settings}
    before, found = mistake.before, mistake.found
    if len(before) < 2 or found is None:
        return None
    at = len(before) - (1 if mistake.text == "[" else 0)  # `rank` `context` `z` `[`
    if mistake.accepts >= VALUE and before[-1].text in rows:
        key, value = before[-1], found
    elif at >= 2 and before[at - 1].text in (*rows, *mistake.language.lines):
        key, value = before[at - 2 : at]
    else:
        return None
    row = rows.get(key.text)
    if row is None or value.text in row.choices:
        return None
    what = "a number" if row.numeric else "a value"
    message = f"expected {what} after `{key.text}`, found `{short(value.text)}`"
    help_text = f"`{key.text}` needs a value on the same line"
    note = Note(f"`{key.text}` is here", key.span)
    return error("RD010", message, value.span, "", help_text, (note,))


# ---- images and regions -----------------------------------------------------------------------


def _missing_region(mistake: Mistake) -> Diagnostic | None:
    """``copy z[130]`` without a region takes the next word for a region's name."""
    language, before = mistake.language, mistake.before
    at = len(before) - (1 if mistake.text == "[" else 0)
    if at < 2 or before[at - 1].text not in (*language.setting_words, *language.lines):
        return None
    owner, word = before[at - 2], before[at - 1]
    if owner.text not in ("]", *words.OPERATORS) and not _names_images(
        before[:at], mistake.language.lines
    ):
        return None
    message = f"expected a region after `{tail(before[: at - 1])}`, found `{word.text}`"
    help_text = "a region is a shape such as `box(x 12..52, y 24..38)`, or a region's name"
    if _names_images(before[:at], mistake.language.lines):
        help_text = "say which image first, as in `z[116] box(x 12..52, y 24..38)`"
    return error("RD010", message, word.span, "", help_text)


def _names_images(before: tuple[Token, ...], lines: Container[str]) -> bool:
    """Whether a line ends in two words, the first of which was read as the name of images."""
    return len(before) >= 3 and before[-3].text in lines


def _missing_image(mistake: Mistake) -> Diagnostic | None:
    """``copy box(x 1..2, y 1..2)``: the shape's name was read as the name of images."""
    opening = mistake.unclosed
    before = tuple(token for token in mistake.before if opening and token.span < opening.span)
    if opening is None or len(before) < 2 or before[-1].text not in words.SHAPES:
        return None
    if before[-2].text not in mistake.language.lines:
        return None
    form = "say which image first, as `z[116]`, and then the region"
    message = f"expected `[` after `{tail(before)}`, found `{opening.text}`"
    return error("RD010", message, opening.span, "", form)


def _bare_index(mistake: Mistake) -> Diagnostic | None:
    """``copy z 116 all``: without brackets."""
    before = mistake.before
    if len(before) < 2 or before[-2].text not in (*mistake.language.lines, "like"):
        return None
    if mistake.found is None or mistake.found.kind != "number":
        return None
    form = f"{before[-1].text}[{mistake.text}]"
    message = f"expected `[` after `{tail(before)}`, found `{short(mistake.text)}`"
    help_text = f"an image is written with its number in brackets: `{form}`"
    return mistake.special(message, "", help_text)


def _unknown_line(mistake: Mistake) -> Diagnostic | None:
    """``contxt z[147]``: the grammar takes the two words for a setting and stops at the bracket."""
    if mistake.text != "[" or len(mistake.before) < 2:
        return None
    lines = mistake.language.lines
    key, image = mistake.before[-2:]
    if key.kind != "word" or image.kind != "word" or key.text in lines:
        return None
    near = closest(key.text, lines)
    known = f"images stand after {listing(lines)}"
    return error(
        "RD010",
        f"`{short(key.text)}` takes no image",
        key.span,
        "not a line that names an image",
        f"did you mean `{near}`?" if near else known,
        fixes=(replacement(key.span, near),) if near else (),
    )


def _operator(mistake: Mistake) -> Diagnostic | None:
    if mistake.found is None or not mistake.accepts & JOIN:
        return None
    if mistake.last is not None and mistake.last.text == "not":
        return mistake.general("write `all minus ...` for what lies outside a region")
    word = _OTHER_OPERATORS.get(mistake.text)
    if word is None:
        return None
    return mistake.general(
        f"regions are joined with `{word}`", replacement(mistake.found.span, word)
    )


def _word_operator(mistake: Mistake) -> Diagnostic | None:
    """``all or box(...)`` in a block: ``or box`` was read as a setting."""
    before = mistake.before
    if mistake.text not in ("(", "[") or len(before) < 3:
        return None
    word = _OTHER_OPERATORS.get(before[-2].text)
    if word is None or before[-1].text not in words.SHAPES:
        return None
    span = before[-2].span
    message = f"`{before[-2].text}` does not join regions"
    label, help_text = "not an operator", f"regions are joined with `{word}`"
    return error("RD010", message, span, label, help_text, fixes=(replacement(span, word),))


def _shape_form(mistake: Mistake) -> Diagnostic | None:
    """Inside a shape's parentheses, or just before them, its form is the best help."""
    opening, last = mistake.unclosed, mistake.last
    before = [each for each in mistake.before if opening is None or each.span < opening.span]
    shape = before[-1].text if before and opening is not None else ""
    if "LPAR" in mistake.accepts and last is not None and last.text in words.FORMS:
        shape = last.text
    if shape not in words.FORMS or mistake.accepts & JOIN:
        return None
    article = "an" if shape == "ellipse" else "a"
    return mistake.general(f"{article} {shape} is written `{words.FORMS[shape]}`")


def _unknown_shape(mistake: Mistake) -> Diagnostic | None:
    last = mistake.last
    if mistake.text != "(" or last is None or last.kind != "word" or not mistake.accepts & JOIN:
        return None
    near = _OTHER_SHAPES.get(last.text) or closest(last.text, words.SHAPES)
    shapes = "the shapes are `box`, `polygon`, `ellipse` and `mask`"
    return error(
        "RD010",
        f"there is no shape `{short(last.text)}`",
        last.span,
        "not a shape",
        f"did you mean `{words.FORMS[near]}`?" if near else shapes,
        fixes=(replacement(last.span, near),) if near else (),
    )


# ---- statements -------------------------------------------------------------------------------


def _mask_or_title(mistake: Mistake) -> Diagnostic | None:
    if "STRING" not in mistake.accepts or mistake.statement in _REUSE:
        return None
    if [token.text for token in mistake.before[-2:]] == ["mask", "("] and mistake.found:
        end = re.compile(r"[^\s)]*").match(mistake.place.text, mistake.at)
        name = end[0] if end else "file.png"
        return mistake.general(f'put the file in double quotes: `mask("{short(name)}")`')
    if "NUMBER" in mistake.accepts:
        return None
    form = 'a recipe needs a title, as in `recipe my-edit 1.0.0 "My edit"`'
    last = mistake.last
    if last is not None and not last.text[:1].isdigit():
        # The next statement was read as the version.
        return error(
            "RD010",
            f"expected a version and a title after `{tail(mistake.before[:-1])}`",
            last.span,
            f"found `{short(last.text)}`",
            form.replace("a title", "a version and a title"),
        )
    return mistake.general(form)


def _missing_version(mistake: Mistake) -> Diagnostic | None:
    """``use "./village.redraft" as village`` takes the word ``as`` for a version."""
    if mistake.last is None or mistake.last.text != "as" or "AS" not in mistake.accepts:
        return None
    return error(
        "RD128",
        "this recipe is used without a version",
        mistake.last.span,
        "expected a version such as `1.0.0`",
        'write the version that its own `recipe` line has: `use "./village.redraft" 2.0.0 as ...`',
    )


def _reserved(mistake: Mistake) -> Diagnostic | None:
    reserved = words.RESERVED_STATEMENTS
    if mistake.word not in reserved or not mistake.accepts & {"OPERATION", "RBRACE"}:
        return None
    assert mistake.found is not None  # it has a word
    return error(
        "RD015",
        f"`{mistake.word}` is reserved for a later edition",
        mistake.found.span,
        f"kept for {reserved[mistake.word]}",
        "edition 2026 has no such statement; leave it out",
    )


def _unknown_statement(mistake: Mistake) -> Diagnostic | None:
    if not mistake.word or not mistake.accepts >= STATEMENT or mistake.accepts & JOIN:
        return None
    assert mistake.found is not None  # it has a word
    statements = mistake.language.statements
    near = closest(mistake.word, (*statements, *words.RESERVED_STATEMENTS))
    if near is not None:
        return mistake.general(f"did you mean `{near}`?", replacement(mistake.found.span, near))
    return mistake.general(f"a statement starts with {listing(statements, len(statements))}")


def _quoted_name(mistake: Mistake) -> Diagnostic | None:
    found = mistake.found
    if found is None or found.kind != "string" or mistake.accepts & {"STRING", "NUMBER"}:
        return None
    if "WORD" not in mistake.accepts:
        return None
    if mistake.last is not None and mistake.last.text == "model":
        form = f"model mine {{ arch dcgan  weights {short(found.text)} }}"
        return mistake.general(f"a file has its place in a block: `{form}`")
    bare = found.text.strip('"')
    fixes = (Fix("Remove the quotes", (Edit(found.span, bare),)),) if " " not in bare else ()
    return mistake.general("names are written without quotes", *fixes)


_REUSE = {
    "use": 'another recipe is named `use "./village.redraft" 2.0.0 as village`',
    "param": "a parameter is written `param strength: int = 2 in 1..8`",
    "include": "a rule is included by `include village.spire with { rank = 4 }`",
    "sweep": "a sweep is written `sweep ranks { vary rank of glasses over 1, 4, 10 }`",
    "images": "images are named `images plain = z[5, 7, 26..34]`",
}


def _reuse_form(mistake: Mistake) -> Diagnostic | None:
    """A short statement's whole form is the best help."""
    if mistake.statement not in _REUSE:
        return None
    brace = mistake.text == "{" and "WITH" in mistake.accepts
    if "OPERATION" in mistake.accepts and not brace:
        return None
    return mistake.general(_REUSE[mistake.statement])


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


def _form(mistake: Mistake) -> Diagnostic | None:
    for terminal, help_text in _FORMS:
        if terminal in mistake.accepts:
            return mistake.general(help_text)
    return None


USUAL: tuple[Callable[[Mistake], Diagnostic | None], ...] = (
    _unterminated,
    _quotes,
    _foreign_comment,
    _foreign_sign,
    _decimal_comma,
    _loose_percent,
    _separator,
    _assignment,
    _leading_dot,
    _unit,
    _arithmetic,
    _missing_version,
    _word_operator,
    _missing_value,
    _missing_image,
    _missing_region,
    _bare_index,
    _reserved,
    _unclosed,
    _closes_nothing,
    _range,
    _mask_or_title,
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
"""In this order: the first that recognises a mistake describes it."""
