"""What the language says about a recipe: codes, places, remedies."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from redraft_dsl.source import Edit, Source, Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Note:
    """A second place, or a fact without a place, that explains a diagnostic."""

    message: str
    span: Span | None = None


@dataclass(frozen=True)
class Fix:
    """A change of the text that removes a problem.

    ``preferred`` says that it is most probably what was meant, so that an editor may make it at
    once.
    """

    title: str
    edits: tuple[Edit, ...]
    preferred: bool = True

    def within(self, source: Source) -> Fix:
        """The same change as ``source`` sees it."""
        edits = tuple(Edit(each.span.within(source), each.text) for each in self.edits)
        return Fix(self.title, edits, self.preferred)


def replacement(span: Span, new: str, *, preferred: bool = True) -> Fix:
    """The fix that puts ``new`` in a place."""
    return Fix(f"Replace with `{new}`", (Edit(span, new),), preferred)


@dataclass(frozen=True)
class Diagnostic:
    """One problem in a recipe.

    ``code`` is stable: RD0xx reading and syntax, RD1xx names, RD2xx settings, RD3xx regions. The
    runtime's own are RD4xx plan, RD5xx run, RD6xx files. ``message`` is lower case and one
    sentence; ``label`` stands at the caret and adds something to it; ``help`` names the remedy.
    ``span`` is None only when there is no text to point at. ``fixes`` are changes of the text that
    remove the problem, the best one first.
    """

    code: str
    message: str
    span: Span | None
    label: str = ""
    help: str | None = None
    notes: tuple[Note, ...] = ()
    severity: Severity = "error"
    fixes: tuple[Fix, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether it stops the recipe."""
        return self.severity == "error"


error = partial(Diagnostic, severity="error")
"""A diagnostic that stops the recipe."""

warning = partial(Diagnostic, severity="warning")
"""A diagnostic that the recipe survives."""


def in_order(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By place, then by code; the same code at the same place is reported once."""
    unique: dict[tuple[str, Span | None], Diagnostic] = {}
    for diagnostic in found:
        unique.setdefault((diagnostic.code, diagnostic.span), diagnostic)
    return tuple(sorted(unique.values(), key=lambda d: ((d.span or Span(-1, -1))[:2], d.code)))


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` was probably meant to be, or None.

    Case, and ``_`` against ``-``, never count as a difference; a longer word may have more of them.
    """
    folded = {_fold(candidate): candidate for candidate in sorted(known, reverse=True)}
    target = _fold(word[:80])
    if target in folded:
        return folded[target]
    cutoff = 0.6 if len(target) > 3 else 0.5
    matches = difflib.get_close_matches(target, list(folded), n=1, cutoff=cutoff)
    return folded[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str], what: str) -> str:
    """A help line: the closest known word, or the whole list when nothing is close.

    ``what`` names the list in the plural, as in "layers of this model".
    """
    names = list(known)
    near = closest(word, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if not names:
        return f"there are no {what}"
    return f"{what}: {listing(names)}"


class Spelled(Protocol):
    """A word at its place."""

    @property
    def text(self) -> str:
        """The word."""
        ...

    @property
    def span(self) -> Span:
        """Where it stands."""
        ...


def unknown(
    code: str,
    message: str,
    word: Spelled,
    label: str,
    known: Iterable[str],
    what: str,
    more: str = "",
) -> Diagnostic:
    """The error for a word that is none of the known ones, with the nearest of them as a fix.

    ``what`` names the known ones as for ``did_you_mean``; ``more`` is added to the help line.
    """
    names = list(known)
    near = closest(word.text, names)
    fixes = () if near is None else (replacement(word.span, near),)
    help_text = did_you_mean(word.text, names, what) + more
    return error(code, message, word.span, label, help_text, fixes=fixes)


def listing(names: Iterable[str], limit: int = 12) -> str:
    """Names in backticks, joined by commas, cut after ``limit``."""
    quoted = [f"`{name}`" for name in names]
    rest = len(quoted) - limit
    shown = quoted if rest <= 0 else [*quoted[:limit], f"and {rest} more"]
    return ", ".join(shown)


def alternatives(phrases: Iterable[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    items = list(phrases)
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} or {items[-1]}"


def location(source: Source, span: Span | None) -> str:
    """``file:line:column``, or the file alone when there is no place."""
    if span is None:
        return source.path
    line, column = source.position(span.start)
    return f"{source.path}:{line}:{column}"


def _fold(word: str) -> str:
    return word.lower().replace("_", "-")
