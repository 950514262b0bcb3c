"""The cause and the remedy that a rule of little effect is warned with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from redraft.judge.advice import Case, advice, misled, needs_advice
from redraft.judge.verdict import verdict
from redraft.judge.words import headline

SELDOM = verdict(0.23, 0.22, 0.2, 0.01)
CASE = Case(
    SELDOM,
    share=0.23,
    amplitude=0.22,
    outside=0.01,
    strength=1.0,
    rank=8,
    preserve=0.3,
    contexts=24,
    alike=0.7,
    copied=0.12,
    cells=3.0,
    own=0.8,
)


def case(**changes: Any) -> Case:
    return replace(CASE, **changes)


@pytest.mark.parametrize(
    ("changes", "cause", "remedy"),
    [
        ({"strength": 0.05, "amplitude": 0.03}, "its strength is 0.05", "raise `strength`"),
        ({"alike": 0.14}, "unlike each other", "mark places that look alike"),
        ({"removes": True, "alike": 0.1}, "silences too little", "raise `units`"),
        ({"contexts": 3}, "it saw 3 contexts only", "mark more"),
        ({"contexts": 1}, "it saw 1 context only", "find some with `context like`"),
        ({"contexts": 4, "searched": True}, "it saw 4 contexts only", "raise the `top`"),
        ({"copied": 0.44, "own": 0.3}, "covers 44 % of the layer", "copy a smaller part"),
        ({"own": 0.3}, "does not reach its goal on its own contexts", "`rank 32`"),
        ({"own": 0.3, "share": 0.6}, "the right way on most", "raise `strength` to 2"),
        ({"cells": 1.0}, "1.0 cells of the layer", "at a later layer"),
        ({"cells": 1.0, "later": False}, "its own contexts change as meant", "`redraft locate`"),
        ({"cells": 6.0, "own": 0.2}, "draws small pieces", "at an earlier layer"),
        ({"cells": 6.0, "own": 0.2, "earlier": False}, "does not reach its goal", "`rank 32`"),
        ({}, "its own contexts change as meant", "find some with `context like`"),
        ({"searched": True}, "its own contexts change as meant", "raise the `top`"),
        ({"boxed": True, "outside": 0.05}, "its own contexts", "brings its surroundings along"),
    ],
)
def test_the_remedy_fits_the_case(changes: dict[str, Any], cause: str, remedy: str) -> None:
    why, _, what = advice(case(**changes)).partition("; ")
    assert cause in why
    assert remedy in what


# Measured on the face model, at strength 1, rank 8, keep 1 and preserve 0.3.
MEASURED = {
    # a red headband, in a mask, at the layer that `redraft locate` recommends
    "headband": case(
        share=0.79, amplitude=0.20, outside=0.0132, contexts=61, alike=0.75, copied=0.09, cells=2.0,
        own=0.49, searched=True,
    ),
    "headband in a box": case(
        share=0.66, amplitude=0.17, outside=0.0259, contexts=61, alike=0.75, copied=0.13, cells=1.5,
        own=0.39, searched=True, boxed=True,
    ),
    "headband of few contexts": case(
        share=0.71, amplitude=0.15, outside=0.0209, contexts=13, alike=0.85, copied=0.09, cells=1.5,
        own=0.56, searched=True,
    ),
    "headband too early": case(
        share=0.22, amplitude=0.04, outside=0.0117, contexts=13, alike=0.78, copied=0.09, cells=0.8,
        own=0.62, searched=True, earlier=False,
    ),
    "beard": case(
        share=0.73, amplitude=0.16, outside=0.0133, alike=0.65, copied=0.22, cells=3.0, own=0.22,
        boxed=True,
    ),
    "beard too late": case(
        share=0.15, amplitude=0.05, outside=0.0141, alike=0.65, copied=0.22, cells=6.0, own=0.05,
        boxed=True, later=False,
    ),
    "glasses too late": case(
        share=0.73, amplitude=0.11, outside=0.0170, alike=0.78, copied=0.12, cells=4.0, own=0.14,
        boxed=True, later=False,
    ),
    "cap": case(
        share=0.78, amplitude=0.19, outside=0.0266, alike=0.72, copied=0.38, cells=3.5, own=0.31,
        boxed=True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "advised", "not_advised"),
    [
        # strength 2: share .86, amplitude .57; rank 32, keep .5, preserve .03: .84, .35
        ("headband", ("`strength` to 2", "`rank 32`"), ("later", "earlier", "tighter", "like`")),
        # in a mask, all else equal: share .79, amplitude .20, outside .0140
        ("headband in a box", ("`strength` to 2", "draw it tighter"), ("later", "earlier")),
        # a later layer, which was advised once: share .67, amplitude .08; strength 2: .79, .41
        ("headband of few contexts", ("`strength` to 2",), ("later", "`rank 32`")),
        # at the next layer: share .71, amplitude .15
        ("headband too early", ("at a later layer", "`redraft locate`"), ("strength", "tighter")),
        # strength 2: share .87, amplitude .36; the three settings: share .92, amplitude .47
        ("beard", ("`strength` to 2", "`keep 0.5`", "`preserve 0.03`"), ("tighter", "later")),
        # at the layer before: share .73, amplitude .16
        ("beard too late", ("at an earlier layer", "`redraft locate`"), ("strength",)),
        # at the layer before: share .96, amplitude .50; with strength 2 here .82, .26
        ("glasses too late", ("at an earlier layer", "`redraft locate`"), ("strength",)),
        ("cap", ("copy a smaller part",), ("strength", "later")),
    ],
)
def test_what_was_measured_is_advised(
    name: str, advised: tuple[str, ...], not_advised: tuple[str, ...]
) -> None:
    said = advice(MEASURED[name])
    assert all(each in said for each in advised), said
    assert not any(each in said for each in not_advised), said


def test_what_was_tried_already_is_not_advised() -> None:
    tried = replace(MEASURED["beard"], strength=2.0, rank=32, preserve=0.03)
    assert "strength" not in advice(tried)
    assert "rank 32" not in advice(tried)
    assert "`redraft locate`" in advice(tried)


def test_a_weak_rule_at_low_strength_is_not_told_to_be_stronger() -> None:
    assert "strength" not in advice(replace(CASE, strength=0.5, amplitude=0.02))


@pytest.mark.parametrize(
    ("share", "amplitude", "needed"),
    [
        (0.96, 0.5, False),
        (0.96, 0.2, False),
        (0.7, 0.4, False),
        (0.73, 0.16, True),
        (0.23, 0.48, True),
        (0.55, 0.03, True),
        (None, None, False),
    ],
)
def test_advice_is_given_where_a_person_would_be_disappointed(
    share: float | None, amplitude: float | None, needed: bool
) -> None:
    assert needs_advice(verdict(share, amplitude), amplitude) is needed


@pytest.mark.parametrize(
    ("share", "amplitude", "said"),
    [
        (0.91, 0.5, "visible on 91 % of new pictures, at half of full strength"),
        (0.91, 0.49, "visible on 91 % of new pictures, at half of full strength"),
        (0.91, 0.5804, "visible on 91 % of new pictures, at half of full strength"),
        (0.91, 0.59, "visible on 91 % of new pictures, at two thirds of full strength"),
        (0.91, 0.3, "visible on 91 % of new pictures, at a third of full strength"),
        (0.91, 0.2, "visible on 91 % of new pictures, at a fifth of full strength"),
        (0.91, 0.24, "visible on 91 % of new pictures, at a quarter of full strength"),
        (0.91, 0.19, "visible on 91 % of new pictures, at less than a fifth of full strength"),
        (0.96, 1.0, "visible on 96 % of new pictures, at full strength"),
        (0.96, 1.5, "visible on 96 % of new pictures, at more than full strength"),
        (0.55, 0.03, "too faint to see on new pictures, at 3.0 % of full strength"),
        (0.55, -0.1, "too faint to see on new pictures, at 0 % of full strength"),
        (None, None, "not measured on new pictures"),
    ],
)
def test_what_a_person_sees(share: float | None, amplitude: float | None, said: str) -> None:
    assert headline(verdict(share, amplitude), share, amplitude) == said


def test_what_chance_gives_is_said_so() -> None:
    found = verdict(0.6, 0.4, 0.55, 0.58)
    assert headline(found, 0.6, 0.4) == "no more than chance on new pictures, on 60 % of them"


@pytest.mark.parametrize("scores", [[], [1.3, 1.4], [0.3, 0.9, 1.09], [1.0, 1.0, 1.0]])
def test_found_places_that_are_no_better_than_their_mark_are_no_matter(
    scores: list[float],
) -> None:
    assert misled(scores) == ()


def test_found_places_that_stand_out_more_than_their_mark_are_warned_of() -> None:
    (warning,) = misled([0.9, 1.27, 1.33, 1.51])
    assert "(median score 1.30)" in warning
    assert "`redraft match`" in warning
