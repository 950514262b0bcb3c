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


def test_what_is_as_expected_is_said_in_colour_too(
    workshop: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workshop.recipe(f"{RULE}expect rank(glasses) > 1\nexpect rank(glasses) > 2\n")
    out = workshop.folder / "run"
    assert main(["--color", "always", "run", str(path), "--out", str(out)]) == 3
    said = capsys.readouterr().out
    assert "\x1b[2mas expected: rank(glasses) > 1, and it is 2\x1b[0m" in said
    assert "\x1b[1mNOT as expected: rank(glasses) > 2, and it is 2\x1b[0m" in said


def test_a_run_of_included_rules_with_expectations_is_verified(
    workshop: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    own = workshop.recipe(RULE)
    used = own.rename(own.with_name("used.redraft"))
    text = used.read_text(encoding="utf-8")
    head = text[: text.index("rule glasses")]
    name = head.split("recipe ")[1].split()
    use = f'use "./used.redraft" {name[1]} as it\n'
    lines = head.splitlines(keepends=True)
    after = next(n for n, line in enumerate(lines) if line.startswith("recipe ")) + 1
    body = "".join([*lines[:after], "\n", use, *lines[after:]])
    own.write_text(f"{body}include it.glasses\nexpect rank(glasses) <= 2\n", encoding="utf-8")
    out = workshop.folder / "run"
    assert main(["run", str(own), "--out", str(out)]) == 0
    assert main(["verify", str(out)]) == 0
    assert "verified" in capsys.readouterr().out
