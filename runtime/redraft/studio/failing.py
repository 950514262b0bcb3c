"""Rules that cannot be applied as they are: which they are, and the text without them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from redraft.explain.failure import failure_of
from redraft.studio.text.view import is_unfinished
from redraft_dsl import Checked
from redraft_dsl.source import Source
from redraft_dsl.syntax import edit as e
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.parse import parse


def said(error: Exception) -> dict[str, str | None]:
    """Any exception as a page is told of it."""
    failure = failure_of(error)
    return {"code": failure.code, "message": failure.message, "help": failure.help}


@dataclass(frozen=True)
class Left:
    """A rule that is left out, and why.

    Attributes:
        rule: its name.
        message: what is wrong with it; empty where something is still to come.
        help: the remedy.
        problem: its number among the problems of the text; None where solving has found it.

    """

    rule: str
    message: str = ""
    help: str | None = None
    problem: int | None = None

    def said(self) -> dict[str, Any]:
        """As a page is told."""
        return asdict(self)


def faulty(checked: Checked) -> tuple[Left, ...] | None:
    """The rules in which all errors of a text lie; None where one lies elsewhere."""
    found: dict[str, Left] = {}
    rules = [each for each in checked.tree.statements if isinstance(each, s.Operation)]
    for number, problem in enumerate(checked.diagnostics):
        if not problem.is_error:
            continue
        span = problem.span
        owner = None if span is None else next(
            (r for r in rules if r.span.start <= span.start and span.end <= r.span.end), None
        )  # fmt: skip
        if owner is None:
            return None
        name = owner.name.text
        if is_unfinished(problem):
            found.setdefault(name, Left(name))
        elif not getattr(found.get(name), "message", ""):
            found[name] = Left(name, problem.message, problem.help, number)
    return tuple(found.values())


def without(text: str, names: Iterable[str]) -> str | None:
    """The text without some rules; None where no other is left that is on."""
    try:
        for name in names:
            text = e.edit(text, e.Drop(name))
    except e.NoSuchPartError:
        return None
    on = any(
        isinstance(each, s.Operation | s.Include) and each.off is None
        for each in parse(Source("<text>", text)).tree.statements
    )
    return text if on else None
