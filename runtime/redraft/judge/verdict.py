"""What is said of a rule: one function for the terminal, the report, the record and the card.

A share alone is blind to size, and says nothing without what chance would give. So the verdict is
made of the share, of its two nulls and of the amplitude together. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FAINT = 0.15
"""Amplitude below which no rule is called effective, however many pictures agree with its wish."""
WIDELY, PARTLY = 0.8, 0.5
"""Shares of unseen pictures from which a rule is said to follow widely, or in part."""

Word = Literal[
    "takes effect widely",
    "takes effect in part",
    "seldom takes effect",
    "too faint",
    "no more than chance",
    "not known",
    "not measured",
]
"""The verdict; ``takes effect ...`` alone are effective."""
FIXED = "fixed"
"""How the places of a rule are come by that is judged at one region of all pictures."""
MISAIMED = "its match finds places that stand out more than the marked one, and it was judged there"
"""Why nothing is known of a rule that changes most pictures where its match says."""
FORMER: dict[str, Word] = {
    "follows widely": "takes effect widely",
    "follows in part": "takes effect in part",
    "seldom follows": "seldom takes effect",
}
"""Words of older records."""
Tone = Literal["good", "middling", "poor", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """A verdict in two or three words, and how good that is.

    ``reason`` says what of the figures it hangs on where it is not the share; else it is empty.
    """

    word: Word
    tone: Tone
    reason: str = ""


def by_chance(*shares: float | None) -> float | None:
    """The largest share that chance may give, of those that are known; None where none is."""
    return max((each for each in shares if each is not None), default=None)


def verdict(
    share: float | None,
    amplitude: float | None,
    lowest: float | None = None,
    null: float | None = None,
    *,
    misaimed: bool = False,
) -> Verdict:
    """The verdict on a rule.

    Args:
        share: of the unseen pictures that it takes effect on; None where it was not measured.
        amplitude: how strongly, on the mean.
        lowest: the lower end of the share's interval; by default the share.
        null: the larger of the shares that a random edit may have and that the rule has where
            nothing was wished for; None where they are not known.
        misaimed: whether the places that it was judged at were found by what answers to something
            else than the marked place. Nothing good can be said of it then.

    """
    if share is None or amplitude is None:
        return Verdict("not measured", "unknown")
    if amplitude < FAINT:
        # With a digit more where two would round it up to the limit.
        shown = f"{amplitude:.2f}" if round(amplitude, 2) < FAINT else f"{amplitude:.3f}"
        return Verdict("too faint", "poor", f"its amplitude is {shown}, below {FAINT}")
    lowest = share if lowest is None else lowest
    if null is not None and lowest <= null:
        reason = f"its share may be as low as {lowest:.2f}, and chance gives up to {null:.2f}"
        return Verdict("no more than chance", "poor", reason)
    if misaimed and share >= PARTLY:
        return Verdict("not known", "unknown", MISAIMED)
    if share >= WIDELY:
        return Verdict("takes effect widely", "good")
    if share >= PARTLY:
        return Verdict("takes effect in part", "middling")
    return Verdict("seldom takes effect", "poor")
