"""What a person sees of a rule on new pictures, in words. No torch."""

from __future__ import annotations

from redraft.judge.verdict import Verdict

_STRENGTHS = (
    (0.2, "at less than a fifth of full strength"),
    (0.29, "at a quarter of full strength"),
    (0.42, "at a third of full strength"),
    (0.58, "at half of full strength"),
    (0.71, "at two thirds of full strength"),
    (0.88, "at three quarters of full strength"),
    (1.2, "at full strength"),
)
"""Amplitudes in words, each up to a limit; at 1 a picture changes as much as the goal asks for."""


def percent(value: float, space: str = " ") -> str:
    """A share as per cent, with a digit more where it is small: ``93 %``, ``2.4 %``."""
    # Of the two decimals that tables show, so that both say the same: 0.785 is 0.79 and 79 %.
    scaled = 100 * (value if abs(value) < 0.0995 else float(f"{value:.2f}"))
    digits = 1 if 0 < abs(scaled) < 9.95 else 0
    return f"{scaled:.{digits}f}{space}%"


def headline(
    verdict: Verdict,
    share: float | None,
    amplitude: float | None,
    *,
    removes: bool = False,
    space: str = " ",
) -> str:
    """What a person sees of a rule: ``visible on 91 % of new pictures, at full strength``.

    Args:
        verdict: on the rule.
        share: of new pictures that change as meant; None where it was not measured.
        amplitude: how strongly, on the mean.
        removes: whether the rule takes something away.
        space: what stands before a per cent sign.

    """
    if share is None or amplitude is None:
        return "not measured on new pictures"
    if verdict.word == "too faint":
        at = percent(max(amplitude, 0.0), space)
        return f"too faint to see on new pictures, at {at} of full strength"
    if verdict.word == "no more than chance":
        return f"no more than chance on new pictures, on {percent(share, space)} of them"
    pictures = "the new pictures that hold what it removes" if removes else "new pictures"
    strengths = (text for limit, text in _STRENGTHS if amplitude < limit)
    strength = next(strengths, "at more than full strength")
    return f"visible on {percent(share, space)} of {pictures}, {strength}"
