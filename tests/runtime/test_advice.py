"""The cause and the remedy that a rule of little effect is warned with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from redraft.judge.advice import Case, advice, needs_advice
from redraft.judge.verdict import verdict
from redraft.judge.words import headline

SELDOM = verdict(0.23, 0.22, 0.2, 0.01)
CASE = Case(SELDOM, 0.22, 1.0, contexts=24, alike=0.7, copied=0.12, cells=3.0, own=0.8)


@pytest.mark.parametrize(
    ("changes", "cause", "remedy"),
    [
        ({"strength": 0.05, "amplitude": 0.03}, "its strength is 0.05", "raise `strength`"),
        ({"alike": 0.14}, "unlike each other", "mark places that look alike"),
        ({"removes": True, "alike": 0.1}, "silences too little", "raise `units`"),
        ({"contexts": 3}, "it saw 3 contexts only", "mark more"),
        ({"contexts": 1}, "it saw 1 context only", "`context like`"),
        ({"copied": 0.44, "own": 0.3}, "covers 44 % of the layer", "copy a smaller part"),
        ({"own": 0.3}, "does not reach its goal on its own contexts", "raise `rank`"),
        ({"cells": 1.0}, "1.0 cells of the layer", "at a later layer"),
        ({"cells": 6.0, "own": 0.2}, "draws small pieces", "at an earlier layer"),
        ({}, "its own contexts change as meant", "`redraft locate`"),
    ],
)
def test_the_remedy_fits_the_case(changes: dict[str, float], cause: str, remedy: str) -> None:
    why, _, what = advice(replace(CASE, **changes)).partition("; ")  # type: ignore[arg-type]
    assert cause in why
    assert remedy in what


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
