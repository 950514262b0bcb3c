"""What a person sees of a rule on new pictures, in words. No torch."""

from __future__ import annotations

from redraft.explain.words import percent
from redraft.judge.verdict import Verdict

_FRACTIONS = (
    (1 / 5, "a fifth of full strength"),
    (1 / 4, "a quarter of full strength"),
    (1 / 3, "a third of full strength"),
    (1 / 2, "half of full strength"),
    (2 / 3, "two thirds of full strength"),
    (3 / 4, "three quarters of full strength"),
    (1.0, "full strength"),
)
"""Amplitudes in words; at 1 a picture changes as much as the goal asks for."""
_LEAST, _MOST = 0.2, 1.2
"""Amplitudes below and above which no word is near enough."""


def headline(
    verdict: Verdict,
    share: float | None,
    amplitude: float | None,
    *,
    removes: bool = False,
    found: int | None = None,
    space: str = " ",
) -> str:
    """What a person sees of a rule: ``visible on 91 % of new pictures, at full strength``.

    Args:
        verdict: on the rule.
        share: of new pictures that change as meant; None where it was not measured.
        amplitude: how strongly, on the mean.
        removes: whether the rule takes something away.
        found: how many new pictures have a place that the rule's match finds, where the rule was
            judged at such places: the share is one of these pictures.
        space: what stands before a per cent sign.

    """
    if share is None or amplitude is None:
        return "not measured on new pictures"
    at = strength_words(verdict, amplitude, space)
    pictures = "new pictures"
    if found is not None:
        pictures = f"the {found:,} new pictures where its match finds a place"
    if verdict.word == "too faint":
        return f"too faint to see on {pictures}, at {at}"
    if verdict.word == "no more than chance":
        return f"no more than chance on {pictures}, on {percent(share, space)} of them"
    if verdict.word == "not known":
        return "not known on new pictures: its match finds something else than the marked place"
    if removes:
        pictures = "the new pictures that hold what it removes"
    return f"visible on {percent(share, space)} of {pictures}, at {at}"


def strength_words(verdict: Verdict, amplitude: float, space: str = " ") -> str:
    """How strong a rule is: the nearest word, and of one that is too faint the figure."""
    if verdict.word == "too faint":
        return f"{percent(max(amplitude, 0.0), space)} of full strength"
    # Of the two decimals that tables show, so that a reader finds the nearest word there, too.
    shown = float(f"{amplitude:.2f}")
    if shown < _LEAST:
        return "less than a fifth of full strength"
    if shown >= _MOST:
        return "more than full strength"
    return min(_FRACTIONS, key=lambda each: abs(each[0] - shown))[1]
