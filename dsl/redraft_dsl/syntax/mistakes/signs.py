"""Mistakes in signs: quotes, comments, foreign characters, separators and brackets."""

from __future__ import annotations

import unicodedata

from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Fix,
    Note,
    error,
    replacement,
)
from redraft_dsl.source import Edit, Span
from redraft_dsl.syntax.mistakes.mistake import Mistake, Token, deletion, short

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
_MINUS_SIGNS = "\u2212\u2010\u2011\u2012\u2013\u2014\uff0d"


def unterminated(mistake: Mistake) -> Diagnostic | None:
    """``"A title``: a text that does not end on its line."""
    if mistake.text != '"':
        return None
    end = mistake.place.text.find("\n", mistake.at)
    span = Span(mistake.at, mistake.place.end if end < 0 else end)
    return error(
        "RD012",
        f"the text `{short(mistake.place.text[span.start : span.end])}` has no closing quote",
        span,
        'no `"` before the end of the line',
        'close it with `"`; text cannot run over several lines',
    )


def quotes(mistake: Mistake) -> Diagnostic | None:
    """``'A title'``: other quotation marks."""
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


def foreign_comment(mistake: Mistake) -> Diagnostic | None:
    """``// so``: a comment of another language."""
    mark = mistake.place.text[mistake.at : mistake.at + 2]
    if mark not in ("//", "/*", "--"):
        return None
    span = Span(mistake.at, mistake.at + 2)
    fixes = (replacement(span, "#"),) if mark != "/*" else ()
    return error(
        "RD013",
        f"`{mark}` does not start a comment",
        span,
        "not here",
        "comments start with `#`",
        fixes=fixes,
    )


def foreign_sign(mistake: Mistake) -> Diagnostic | None:
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
    return error(
        "RD013",
        f"the character {shown} has no meaning here",
        found.span,
        rule,
        help_text,
        fixes=(fix,),
    )


def _shown(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"`{character}` ({code})" if character.isprintable() and character != " " else code


def stray(mistake: Mistake) -> Diagnostic | None:
    """A character that has no place there."""
    if mistake.found is None or mistake.found.kind != "other" or mistake.text in ".,=:;%-*/+":
        return None
    character = mistake.text
    shown = f"`{character}`" if character.isprintable() else f"U+{ord(character):04X}"
    return error(
        "RD013",
        f"the character {shown} has no meaning here",
        mistake.found.span,
        f"expected {mistake.expected()}",
        "delete it",
        fixes=(deletion(mistake.found),),
    )


def separator(mistake: Mistake) -> Diagnostic | None:
    """``rank 4;``: lines need no separators."""
    between = mistake.begins_item or "RBRACE" in mistake.accepts
    if mistake.found is None or mistake.text not in (";", ",") or not between:
        return None
    return mistake.special(
        f"unexpected `{mistake.text}` between statements",
        "no separator is needed",
        f"delete the `{mistake.text}`; a new line or a space is enough",
        deletion(mistake.found),
    )


def unclosed(mistake: Mistake) -> Diagnostic | None:
    """A brace or bracket that is not closed."""
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


def closes_nothing(mistake: Mistake) -> Diagnostic | None:
    """A brace or bracket that nothing opens."""
    if mistake.found is None or mistake.found.kind != "close" or mistake.unclosed is not None:
        return None
    return mistake.special(
        f"this `{mistake.text}` closes nothing",
        "nothing is open here",
        "delete it, or look for one too many above",
        deletion(mistake.found),
    )
