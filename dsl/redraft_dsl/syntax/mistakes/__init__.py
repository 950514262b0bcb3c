"""Syntax errors in human words: the usual mistakes, each with its remedy."""

from __future__ import annotations

from collections.abc import Callable

from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.syntax.mistakes import places, signs, statements, values
from redraft_dsl.syntax.mistakes.mistake import Mistake

USUAL: tuple[Callable[[Mistake], Diagnostic | None], ...] = (
    signs.unterminated,
    signs.quotes,
    signs.foreign_comment,
    signs.foreign_sign,
    values.decimal_comma,
    values.loose_percent,
    signs.separator,
    values.assignment,
    values.leading_dot,
    values.unit,
    values.arithmetic,
    statements.missing_version,
    places.word_operator,
    values.missing_value,
    places.missing_image,
    places.missing_region,
    places.bare_index,
    signs.unclosed,
    signs.closes_nothing,
    values.not_a_range,
    statements.mask_or_title,
    places.unknown_shape,
    places.unknown_line,
    places.operator,
    statements.quoted_name,
    statements.unknown_statement,
    places.shape_form,
    signs.stray,
    statements.reuse_form,
    statements.form,
)
"""In this order: the first that recognises a mistake describes it."""


def describe(mistake: Mistake) -> Diagnostic:
    """The most helpful thing to say about a mistake."""
    for recognise in USUAL:
        diagnostic = recognise(mistake)
        if diagnostic is not None:
            return diagnostic
    return mistake.general()
