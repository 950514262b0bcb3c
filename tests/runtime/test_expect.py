"""Expectations of a run, and the exit status."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redraft.cli import main
from redraft.plans.run_folder import read_run

EYES = "box(x 8..40, y 16..32)"
RULE = f"""
rule glasses at layer6 {{
  copy    z[1] {EYES}
  context z[2] {EYES}
  context z[3] {EYES}
  context z[4] {EYES}
  rank 2
}}
zero stripe at layer6 {{ context z[8] {EYES}  rank 1  strength 0.4 }}
"""
pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_run_is_finished_and_says_what_is_not_as_expected(
    workshop: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workshop.recipe(
        f"{RULE}expect rank(glasses) <= 2\nexpect outside(glasses) < 0\nexpect side(stripe) < 1\n"
    )
    out = workshop.folder / "run"
    assert main(["run", str(path), "--out", str(out)]) == 3
    said = capsys.readouterr().out
    assert "as expected: rank(glasses) <= 2, and it is 2" in said
    assert "NOT as expected: outside(glasses) < 0, and it is 0." in said
    assert "NOT as expected: side(stripe) < 1, and it is not measured" in said
    record = read_run(out).record
    assert [each.holds for each in record.expects] == [True, False, False]
    assert record.expects[1].figure == record.rules[0].outside
    # The same recipe without expectations is the same run: nothing is solved anew.
    workshop.recipe(RULE)
    assert main(["run", str(path), "--out", str(out), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe_digest"] == record.recipe_digest
    assert found["rules"][0]["delta_digest"] == record.rules[0].delta_digest
    assert found["expects"] == []


def test_a_run_as_expected_ends_well(workshop: Any) -> None:
    path = workshop.recipe(f"{RULE}expect rank(glasses) > 1\n")
    assert main(["run", str(path), "--out", str(workshop.folder / "run")]) == 0
