"""Mistakes in numbers and values."""

from __future__ import annotations

import re

from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Fix,
    Note,
    error,
    replacement,
)
from redraft_dsl.source import Edit, Span
from redraft_dsl.syntax.mistakes.mistake import JOIN, VALUE, Mistake, Token, deletion, short


def decimal_comma(mistake: Mistake) -> Diagnostic | None:
    """``0,3``."""
    last = mistake.last
    if last is None or last.kind != "number" or not mistake.begins_item or not mistake.touching:
        return None
    decimals = re.compile(r",([0-9]+%?)").match(mistake.place.text, mistake.at)
    if decimals is None:
        return None
    return mistake.general(
        f"decimals follow a point: `{last.text}.{decimals[1]}`",
        replacement(Span(mistake.at, mistake.at + 1), "."),
    )


def arithmetic(mistake: Mistake) -> Diagnostic | None:
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


def loose_percent(mistake: Mistake) -> Diagnostic | None:
    """``5 %``."""
    last = mistake.last
    if mistake.text != "%" or last is None or last.kind != "number":
        return None
    return mistake.general(
        f"write `{last.text}%`, without a space",
        Fix("Delete the space", (Edit(Span(last.span.end, mistake.at), ""),)),
    )


def leading_dot(mistake: Mistake) -> Diagnostic | None:
    """``.5`` and ``-.5``."""
    number = re.compile(r"(-?)(\.[0-9]+%?)").match(mistake.place.text, mistake.at)
    if number is None or "NUMBER" not in mistake.accepts:
        return None
    at = number.start(2)
    return mistake.general(
        f"write `{number[1]}0{number[2]}`", Fix("Add `0`", (Edit(Span(at, at), "0"),))
    )


def not_a_range(mistake: Mistake) -> Diagnostic | None:
    """``12-52``, ``12 52``: a range is written with two dots."""
    last, found = mistake.last, mistake.found
    if "DOTS" not in mistake.accepts or last is None or found is None:
        return None
    if found.text == "," or found.kind in ("close", "string"):
        return _single_number(mistake, last)
    if "RBRACKET" in mistake.accepts and found.kind != "number":
        at = last.span.end
        return mistake.general(
            f"close the list of images: `{last.text}]`", Fix("Add `]`", (Edit(Span(at, at), "]"),))
        )
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


def unit(mistake: Mistake) -> Diagnostic | None:
    """``12px``: numbers have no units."""
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


def assignment(mistake: Mistake) -> Diagnostic | None:
    """``rank = 4``, ``rank: 4``."""
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
        deletion(mistake.found),
    )


def missing_value(mistake: Mistake) -> Diagnostic | None:
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
