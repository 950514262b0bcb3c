"""Rules about what is expected of a run: of which figure, of which rule, and whether it can be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context
from redraft_dsl.check.expects import number_of
from redraft_dsl.language.words import MEASURES, SHARES
from redraft_dsl.report.diagnostics import Diagnostic, error, unknown, warning
from redraft_dsl.syntax import tree as s


def expectations(context: Context) -> Iterable[Diagnostic]:
    """An ``expect`` names a measure and a rule that runs, and a number that can be reached."""
    rules = {node.name.text: node for node in context.rules}
    for line in context.all(s.ExpectLine):
        name, rule = line.measure.text, line.rule.text
        if name not in MEASURES:
            message, label = f"unknown measure `{name}`", "nothing is measured by this name"
            yield unknown("RD144", message, line.measure, label, MEASURES, "measures")
        if rule not in rules and not context.may_be_declared(rule):
            message, label = f"unknown rule `{rule}`", "no rule of this name"
            yield unknown("RD144", message, line.rule, label, rules, "rules of this recipe")
        elif rule in rules and rules[rule].off is not None:
            yield warning(
                "RD145",
                f"`{rule}` is switched off, so this is not checked",
                line.span,
                "it does not run",
                "switch the rule on again, or delete the line",
            )
        yield from _value(line, name)


def _value(line: s.ExpectLine, name: str) -> Iterator[Diagnostic]:
    value = line.value
    if not isinstance(value, s.Number):
        yield error(
            "RD201",
            f"`expect` compares with a number, found `{value.text}`",
            value.span,
            "expected a number",
            f"write a number, as in `expect {name}({line.rule.text}) {line.comparison} 0.5`",
        )
        return
    found = number_of(value)
    share = name in SHARES
    if not share and value.text.endswith("%"):
        yield error(
            "RD201",
            f"`{name}` is no share, found `{value.text}`",
            value.span,
            "expected a number without `%`",
            "only `share` and `side` may be given per cent",
        )
    elif not math.isfinite(found) or (share and not 0 <= found <= 1):
        yield error(
            "RD202",
            f"`{name}` lies between 0 and 1" if share else "this number is too large",
            value.span,
            f"found {value.text}",
            "write a share such as `0.6` or `60%`" if share else "write a smaller number",
        )
