"""What parameters can be, and which values they take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from redraft_dsl.language.words import TYPES
from redraft_dsl.report.diagnostics import Diagnostic, Note, error, replacement, unknown
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

Given: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values from outside a recipe, as in ``--set name=value``.

A name is a parameter's, or ``RULE.SETTING``, or ``RULE.layer``.
"""

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+\-]?[0-9]+)?%?")
_WORD = re.compile(r"[^\W\d][\w.\-]*")
_WRITTEN = {
    "int": "a whole number",
    "float": "a plain number",
    "percent": "a number in per cent, such as `5%`",
    "word": "a word",
}
_EXAMPLES = {"int": "2", "float": "0.3", "percent": "5%", "word": "goal"}


@dataclass(frozen=True)
class BoundParam:
    """A parameter and what it stands for; ``value`` and ``default`` as they would be written.

    ``given`` says that the value came from outside the recipe.
    """

    name: str
    type: Literal["int", "float", "percent", "word"]
    value: str
    default: str
    given: bool


def value_of(text: str, span: Span) -> s.Value:
    """A value as it would be read in a recipe; what is neither number nor word is text."""
    if _NUMBER.fullmatch(text):
        return s.Number(text, span=span)
    return s.Word(text, span=span) if _WORD.fullmatch(text) else s.Text(text, span=span)


def declaration(line: s.ParamLine) -> Iterator[Diagnostic]:
    """What is wrong with a ``param`` line itself."""
    kind = line.type.text
    if kind not in TYPES:
        yield unknown(
            "RD123",
            f"unknown type `{kind}`",
            line.type,
            "not a type of a parameter",
            TYPES,
            "types",
        )
        return
    limits = list(_bad_limits(line))
    yield from limits
    fault = None if limits else misfit(line.default, line)
    if fault is not None:
        yield unfit(line.default, line, fault, line.default.span)


def misfit(value: s.Value, line: s.ParamLine) -> str | None:
    """What a parameter takes in place of ``value``, or None when the value is fine."""
    kind = line.type.text
    if kind not in TYPES:
        return None  # reported at its declaration
    if not _is_of(value, kind):
        return f"expected {_WRITTEN[kind]}"
    if not line.limits:
        return None
    if isinstance(value, s.Number):
        low, high = line.limits[0], line.limits[-1]
        if isinstance(low, s.Number) and isinstance(high, s.Number):
            inside = low.value <= value.value <= high.value
            return None if inside else f"must be {low.text} to {high.text}"
        return None
    words = [limit.text for limit in line.limits]
    return None if value.text in words else f"must be one of {', '.join(words)}"


def unfit(value: s.Value, line: s.ParamLine, fault: str, span: Span) -> Diagnostic:
    """The error for a value that a parameter does not take."""
    name = line.name.text
    own = span in (line.default.span, line.span)
    notes = () if own else (Note(f"`{name}` is declared here", line.span),)
    return error(
        "RD124",
        f"`{name}` cannot be `{value.text}`",
        span,
        fault,
        f"a value of its type is `{_EXAMPLES.get(line.type.text, '1')}`"
        if fault.startswith("expected")
        else "choose a value within its limits, or widen them",
        notes,
    )


def _is_of(value: s.Value, kind: str) -> bool:
    if kind == "word":
        return isinstance(value, s.Word)
    if not isinstance(value, s.Number) or value.percent != (kind == "percent"):
        return False
    if not value.is_reasonable:
        return False
    return kind != "int" or value.value == int(value.value)


def _bad_limits(line: s.ParamLine) -> Iterator[Diagnostic]:
    if not line.limits:
        return
    kind = line.type.text
    span = line.limits[0].span.to(line.limits[-1].span)
    if not all(_is_of(limit, kind) for limit in line.limits):
        form = "words, as in `in goal, svd`" if kind == "word" else "a range, as in `in 1..8`"
        message = f"these are not limits of a parameter of type `{kind}`"
        yield error("RD125", message, span, f"expected {form}", _limits_help(kind))
        return
    low, high = line.limits[0], line.limits[-1]
    if isinstance(low, s.Number) and isinstance(high, s.Number) and low.value > high.value:
        turned = f"{high.text}..{low.text}"
        message, label = f"the range `{low.text}..{high.text}` is empty", "it ends before it starts"
        yield error(
            "RD125",
            message,
            span,
            label,
            f"write `in {turned}`",
            fixes=(replacement(span, turned),),
        )


def _limits_help(kind: str) -> str:
    if kind == "word":
        return "a word's limits are all its values, with commas between them"
    if kind == "percent":
        return "both ends are in per cent, as in `in 1%..10%`"
    both = "whole numbers" if kind == "int" else "plain numbers"
    return f"both ends are {both}"
