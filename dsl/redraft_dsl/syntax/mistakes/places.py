"""Mistakes in images and regions."""

from __future__ import annotations

from collections.abc import Container

from redraft_dsl.language import words
from redraft_dsl.report.diagnostics import (
    Diagnostic,
    closest,
    error,
    listing,
    replacement,
)
from redraft_dsl.syntax.mistakes.mistake import JOIN, Mistake, Token, short, tail

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


def missing_region(mistake: Mistake) -> Diagnostic | None:
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


def missing_image(mistake: Mistake) -> Diagnostic | None:
    """``copy box(x 1..2, y 1..2)``: the shape's name was read as the name of images."""
    opening = mistake.unclosed
    before = tuple(token for token in mistake.before if opening and token.span < opening.span)
    if opening is None or len(before) < 2 or before[-1].text not in words.SHAPES:
        return None
    if before[-2].text not in mistake.language.lines:
        return None
    return error(
        "RD010",
        f"expected `[` after `{tail(before)}`, found `{opening.text}`",
        opening.span,
        "",
        "say which image first, as `z[116]`, and then the region",
    )


def bare_index(mistake: Mistake) -> Diagnostic | None:
    """``copy z 116 all``: without brackets."""
    before = mistake.before
    if len(before) < 2 or before[-2].text not in (*mistake.language.lines, "like"):
        return None
    if mistake.found is None or mistake.found.kind != "number":
        return None
    form = f"{before[-1].text}[{mistake.text}]"
    return mistake.special(
        f"expected `[` after `{tail(before)}`, found `{short(mistake.text)}`",
        "",
        f"an image is written with its number in brackets: `{form}`",
    )


def unknown_line(mistake: Mistake) -> Diagnostic | None:
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


def operator(mistake: Mistake) -> Diagnostic | None:
    """``eyes & chin``, ``eyes not chin``: other languages' operators."""
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


def word_operator(mistake: Mistake) -> Diagnostic | None:
    """``all or box(...)`` in a block: ``or box`` was read as a setting."""
    before = mistake.before
    if mistake.text not in ("(", "[") or len(before) < 3:
        return None
    word = _OTHER_OPERATORS.get(before[-2].text)
    if word is None or before[-1].text not in words.SHAPES:
        return None
    span = before[-2].span
    return error(
        "RD010",
        f"`{before[-2].text}` does not join regions",
        span,
        "not an operator",
        f"regions are joined with `{word}`",
        fixes=(replacement(span, word),),
    )


def shape_form(mistake: Mistake) -> Diagnostic | None:
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


def unknown_shape(mistake: Mistake) -> Diagnostic | None:
    """``rect(x 1..2, y 1..2)``: a shape that has another name here, or none."""
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
