"""Why a rule takes little effect on new pictures, and what to change first. No torch.

The limits were set on the recipes and trials that come with redraft, at three layers of the face
model; docs/how-to/when-it-does-not-work.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass

from redraft.judge.verdict import FAINT, Verdict

PAGE = "RD430"
"""The page that tells more, by ``redraft explain``."""
WEAK = 0.25
"""Amplitude below which a change is hard to see, even where many pictures agree with it."""
ALIKE = 0.3
"""Least mean correlation of what a context asks for with what the others ask for."""
FEW = 5
"""Contexts up to which more of them help first."""
LARGE = 0.3
"""Share of a layer's grid from which a copy is large."""
COARSE = 2.0
"""Cells along a region's shorter side up to which the layer's grid is coarse for it."""
FINE = 4.0
"""Cells from which its grid is fine for it: each key sees a small piece only."""
REACHED = 0.5
"""Amplitude on a rule's own contexts from which the layer can draw what is copied."""


@dataclass(frozen=True)
class Case:
    """What is known of a rule that was measured on new pictures.

    Attributes:
        verdict: on the rule.
        amplitude: on new pictures.
        strength: the setting.
        contexts: how many there are.
        alike: mean correlation of what one context asks for with what the others ask for.
        copied: share of the layer's grid, 0 to 1, that the goal covers in a context.
        cells: of the layer's keys along a context's shorter side, on the mean.
        own: amplitude on the contexts themselves.
        removes: whether it takes something away; contexts may hold very different things then.

    """

    verdict: Verdict
    amplitude: float
    strength: float
    contexts: int
    alike: float
    copied: float
    cells: float
    own: float
    removes: bool = False


def needs_advice(verdict: Verdict, amplitude: float | None, *, removes: bool = False) -> bool:
    """Whether a person who looks at new pictures would be disappointed.

    What a rule takes away may be small, and is seen all the same.
    """
    if amplitude is None or verdict.tone in ("good", "unknown"):
        return False
    return verdict.tone == "poor" or (amplitude < WEAK and not removes)


def advice(case: Case) -> str:
    """The likeliest cause, a semicolon, and the remedy that fits it."""
    strong_enough = case.strength <= 0 or case.amplitude / case.strength >= max(FAINT, WEAK)
    if case.strength < 1 and strong_enough:
        return f"its strength is {case.strength:g}; raise `strength`, to 1 at first"
    if case.removes:
        return (
            "it silences too little of what its contexts hold; raise `units`, or find the layer "
            "that draws it with `redraft locate`"
        )
    if case.contexts > 1 and case.alike < ALIKE:
        return (
            "its contexts are unlike each other: what one of them asks for says little of the "
            f"others (mean correlation {case.alike:.2f}); mark places that look alike, at the same "
            "part of the picture"
        )
    if case.contexts <= FEW:
        return (
            f"it saw {case.contexts} context{'' if case.contexts == 1 else 's'} only, too few to "
            "tell what new pictures have in common with them; mark more, or find some with "
            "`context like`"
        )
    return _of_the_layer(case)


def _of_the_layer(case: Case) -> str:
    """What a rule is warned with whose contexts are many and alike."""
    reached = case.own >= REACHED
    if case.copied > LARGE and not reached:
        return (
            f"what is copied covers {100 * case.copied:.0f} % of the layer, more than one change "
            "of its weight can draw; copy a smaller part"
        )
    if case.cells >= FINE and not reached:
        return (
            f"its contexts are {case.cells:.1f} cells of the layer high or wide, and a change of "
            "this layer draws small pieces; write the rule at an earlier layer, or with a much "
            "higher `rank`"
        )
    if not reached:
        return (
            "it does not reach its goal on its own contexts either; raise `rank` or lower "
            "`preserve`, and see with `redraft locate` whether another layer draws it"
        )
    if case.cells <= COARSE:
        return (
            f"its own contexts change as meant, but they are {case.cells:.1f} cells of the layer "
            "high or wide, too few to know them by in other pictures; write the rule at a later "
            "layer"
        )
    return (
        "its own contexts change as meant, and other pictures do not look like them to this layer; "
        "find more contexts with `context like`, or another layer with `redraft locate`"
    )
