"""The numbers that the explanation gives are those of the code."""

from __future__ import annotations

import inspect
import math
from fractions import Fraction
from pathlib import Path

import pytest

from redraft.judge import chance, intervals, leftout, scores, verdict, wish
from redraft.memory import match, moments
from redraft.plans import record, unseen
from redraft.runs import rule, verify
from redraft.solve import directions, folds, problem
from redraft.solve.exact import fit, levenberg
from redraft.solve.exact import solver as exact
from redraft_dsl.language.language import LANGUAGE, LATEST

UNIT = Fraction(problem.PRESERVE_UNIT).limit_denominator(100)
TOLD = {
    "the ridge": f"t_p)^2 + {directions.RIDGE:g} \\lVert X",
    "preserve's unit": "\\tfrac{{{}}}{{{}}}\\mu".format(*UNIT.as_integer_ratio()),
    "what preserve counts at the default": "the second term counts "
    + {0.5: "half"}[
        round(problem.PRESERVE_UNIT * LANGUAGE.block("rule")["preserve"].default(LATEST), 9)
    ],
    "the floor of a channel's size": f"at least {problem.SIZE_FLOOR:.0%} of".replace("%", " %"),
    "the slope of dead positions": f"a slope of {fit.DEAD_SLOPE:g} while solving",
    "steps by the chord": f"first {levenberg.CHORDS} steps the slope",
    "the damping": f"gains {levenberg.KEPT_WELL:g} of what it promised and raised where it gains "
    f"less than {levenberg.KEPT_BADLY:g}",
    "the annealing": f"it is ${fit.ANNEALING:g}^n$",
    "the easing": f"${fit.FIRST_PRESERVE:g} \\cdot {fit.EASING:g}^n$ in step $n$, for "
    f"{fit.MOST_EASED} steps",
    "what is too faint": f"amplitude is below {verdict.FAINT:g}",
    "who follows widely": f"that {verdict.WIDELY:.0%} of".replace("%", " %"),
    "who follows in part": f"from {verdict.PARTLY:.0%} on".replace("%", " %"),
    "random edits": f"{chance.DRAWS} are judged",
    "side's range": "between {:g} and {:g}".format(*rule.SIDE_RANGE),
    "a clear match": f"clear from {match.CLEAR_MARGIN:g} on",
    "folds": {3: "three"}[folds.FOLDS] + " folds",
    "pictures for folds": "fewer than " + {3: "three"}[leftout.LEAST] + " pictures",
    "a low gain": f"gain is below {record.LOW_GAIN:g}",
    "a low agreement": f"agreement is below {record.LOW_AGREEMENT:g}",
    "large pictures": f"above {unseen.EVALUATED_SIZE} px",
    "least pictures": f"at least {unseen.EVALUATED_LEAST})",
    "who follows": f"above {intervals.CORRELATION:g}",
    "what holds the thing": {1.0: "at least as large as"}[scores.HOLDS] + " the contexts' mean",
    "the grown region": "grown by " + {1 / 8: "an eighth"}[wish.MARGIN],
    "aligned pictures": f"with their mean region is {wish.ALIGNED:g} on average",
    "measured images": f"up to {unseen.EVALUATED} images",
}


@pytest.mark.parametrize("what", TOLD)
def test_the_page_gives_the_codes_number(root: Path, what: str) -> None:
    page = " ".join((root / "docs" / "method.md").read_text(encoding="utf-8").split())
    assert TOLD[what] in page


def test_the_powers_of_ten(root: Path) -> None:
    page = " ".join((root / "docs" / "method.md").read_text(encoding="utf-8").split())
    floor = inspect.signature(moments.Whitening).parameters["floor"].default
    for value, text in (
        (floor, "at least $10^{-6}$ of the largest"),
        (fit.WEIGHT_FLOOR, "until it reaches $10^{-3}$"),
    ):
        assert f"10^{{{round(math.log10(value))}}}" in text
        assert text in page


def test_when_the_solver_stops(root: Path) -> None:
    page = " ".join((root / "docs" / "method.md").read_text(encoding="utf-8").split())
    share = exact.ExactSolver().tolerance
    assert f"({levenberg.FEW} at least) would gain less than {share:.0%}".replace("%", " %") in page
    each = share / exact.ExactSolver().iterations
    assert f"a step gains less than {each:.1%}".replace("%", " %") in page


def test_the_promises_are_those_that_verify_keeps(root: Path) -> None:
    page = (root / "docs" / "how-to" / "reproduce-and-verify.md").read_text(encoding="utf-8")
    assert f"within {verify.ANGLE_TOLERANCE:.4f} radians" in page
    change = f"change within {verify.CHANGE_TOLERANCE:.1%}".replace("%", " %")
    assert change in " ".join(page.split())
    told = (root / "docs" / "calibration.md").read_text(encoding="utf-8")
    assert f"directions within {verify.ANGLE_TOLERANCE:.4f} radians" in " ".join(told.split())
    assert change in " ".join(told.split())
