"""Expectations: what the figures of a run must be."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from redraft_dsl.syntax import tree as s

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
"""How a figure may be compared."""


@dataclass(frozen=True)
class Expectation:
    """``expect MEASURE(RULE) >= VALUE``.

    Attributes:
        measure: a name of :data:`redraft_dsl.language.words.MEASURES`.
        rule: whose figure it is.
        comparison: a key of :data:`COMPARISONS`.
        value: what the figure is compared with; per cent as a share.
        written: the statement, with no parameter in it.

    """

    measure: str
    rule: str
    comparison: str
    value: float
    written: str

    def holds(self, figure: float | None) -> bool:
        """Whether a figure is as expected; what was not measured is not."""
        return figure is not None and COMPARISONS[self.comparison](figure, self.value)


def expectations(
    statements: tuple[s.ExpectLine, ...], running: frozenset[str]
) -> tuple[Expectation, ...]:
    """What is expected of the rules that run; there is no error in the statements."""
    return tuple(
        Expectation(
            measure=line.measure.text,
            rule=line.rule.text,
            comparison=line.comparison,
            value=number_of(line.value),
            written=f"{line.measure.text}({line.rule.text}) {line.comparison} {line.value.text}",
        )
        for line in statements
        if line.rule.text in running
    )


def number_of(value: s.Value) -> float:
    """A number as written, per cent as a share."""
    text = value.text
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)
