"""Why a rule takes little effect on new pictures, and what to change first. No torch.

The limits were set on the recipes and trials that come with redraft, at three layers of the face
model; docs/how-to/when-it-does-not-work.md has the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from redraft.judge.verdict import FAINT, PARTLY, Verdict

PAGE = "RD430"
"""The page that tells more, by ``redraft explain``."""
LEAST_FOUND = 3
"""Fewer found places than this say nothing of the filter that found them."""
WEAK = 0.25
"""Amplitude below which a change is hard to see, even where many pictures agree with it."""
ALIKE = 0.3
"""Least mean correlation of what a context asks for with what the others ask for."""
FEW = 5
"""Contexts up to which more of them help first."""
LARGE = 0.3
"""Share of a layer's grid from which a copy is large."""
COARSE = 1.3
"""Cells along a region's shorter side up to which the layer's grid is coarse for it. Above it later
layers were worse as often as better."""
FINE = 4.0
"""Cells from which its grid is fine for it: each key sees a small piece only."""
REACHED = 0.5
"""Amplitude on a rule's own contexts from which the layer can draw what is copied."""
STRONG = 2.0
"""A strength up to which one more is advised: it gave 2 to 3 times the amplitude on every rule that
was tried, on more pictures, at twice the change elsewhere."""
RANK, KEEP, PRESERVE = 32, 0.5, 0.03
"""Settings under which rules that do not reach their goal came 1.2 to 4 times as far."""
SPREAD = 0.12
"""Change elsewhere, as a share of the amplitude, from which a boxed copy brings its surroundings
along: the same copy in a mask halved it."""


@dataclass(frozen=True)
class Case:
    """What is known of a rule that was measured on new pictures.

    Attributes:
        verdict: on the rule.
        share: of new pictures that change as meant.
        amplitude: on new pictures.
        outside: the change elsewhere in them, pictures in -1..1.
        strength: the setting.
        rank: the setting.
        preserve: the setting, or what was chosen for it.
        contexts: how many there are.
        alike: mean correlation of what one context asks for with what the others ask for.
        copied: share of the layer's grid, 0 to 1, that the goal covers in a context.
        cells: of the layer's keys along a context's shorter side, on the mean.
        own: amplitude on the contexts themselves.
        removes: whether it takes something away; contexts may hold very different things then.
        searched: whether the recipe has found contexts by `context like` already.
        boxed: whether what is copied is marked by boxes alone.
        earlier: whether the model has an earlier layer.
        later: whether it has a later one.

    """

    verdict: Verdict
    share: float
    amplitude: float
    outside: float
    strength: float
    rank: int
    preserve: float
    contexts: int
    alike: float
    copied: float
    cells: float
    own: float
    removes: bool = False
    searched: bool = False
    boxed: bool = False
    earlier: bool = True
    later: bool = True


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
            f"tell what new pictures have in common with them; {more(searched=case.searched)}"
        )
    return _of_the_layer(case) + _of_the_copy(case)


def more(*, searched: bool) -> str:
    """How to come to more contexts."""
    if searched:
        return "mark more, or raise the `top` of `context like`"
    return "mark more, or find some with `context like`"


def _of_the_layer(case: Case) -> str:
    """What a rule is warned with whose contexts are many and alike."""
    reached = case.own >= REACHED
    if case.copied > LARGE and not reached:
        return (
            f"what is copied covers {100 * case.copied:.0f} % of the layer, more than one change "
            "of its weight can draw; copy a smaller part"
        )
    if not reached and case.cells >= FINE and case.earlier:
        return (
            f"its contexts are {case.cells:.1f} cells of the layer high or wide, and a change of "
            "this layer draws small pieces; write the rule at an earlier layer: `redraft locate` "
            "tries them all"
        )
    if case.share >= PARTLY:
        louder, freer = _louder(case), None if reached else _freer(case)
        if louder and freer:  # both at once smear
            louder, freer = f"{louder}; or {freer} in its place", None
        return "it goes the right way on most new pictures, but faintly; " + _or_locate(
            louder, freer
        )
    if case.cells <= COARSE and case.later:
        return (
            f"its contexts are {case.cells:.1f} cells of the layer high or wide, too few to know "
            "them by in other pictures; write the rule at a later layer: `redraft locate` tries "
            "them all"
        )
    if not reached:
        return "it does not reach its goal on its own contexts either; " + _or_locate(_freer(case))
    return (
        "its own contexts change as meant, and other pictures do not look like them to this layer; "
        + _or_locate(more(searched=case.searched))
    )


def _louder(case: Case) -> str | None:
    if not 0 < case.strength < STRONG:
        return None
    return f"raise `strength` to {STRONG:g}, which changes more elsewhere too"


def _freer(case: Case) -> str | None:
    if case.rank >= RANK and case.preserve <= PRESERVE:
        return None
    return f"take `rank {RANK}`, `keep {KEEP:g}` and `preserve {PRESERVE:g}`"


def _or_locate(*remedies: str | None) -> str:
    """Remedies in the order in which to try them; the last one is another layer."""
    some = [each for each in remedies if each is not None]
    return "; then ".join([*some, "try other layers with `redraft locate`"])


def _of_the_copy(case: Case) -> str:
    """What is added where a copy brings its surroundings along."""
    if not case.boxed or case.outside < SPREAD * max(case.amplitude, 0.0):
        return ""
    return (
        "; its copy is marked by a box and brings its surroundings along: draw it tighter, with "
        "`polygon`, `ellipse` or `mask`"
    )


def misaimed(scores: Sequence[float]) -> bool:
    """Whether most of the places that a match found score higher than the marked one."""
    return len(scores) >= LEAST_FOUND and median(scores) > 1.0


def misled(scores: Sequence[float]) -> tuple[str, ...]:
    """The warning where most places that a match found score higher than the marked one.

    A filter is to find what is like its mark; where others answer to it more than the mark itself,
    it answers to something else. Scores are of contexts that were found, 1 is the marked place.
    New pictures are searched by the same filter, so the measures do not show it; the verdict says
    that nothing is known then.
    """
    if not misaimed(scores):
        return ()
    return (
        "the places that match found stand out more than the one that was marked (median score "
        f"{median(scores):.2f}), so they may have something else in common; look at them with "
        "`redraft match`, mark a clearer place, take another layer, or name contexts by hand "
        f"(redraft explain {PAGE})",
    )
