"""``redraft eval``: every rule of a chain, scored after each later one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redraft.chains import scoring
from redraft.cli import main
from redraft.plans.run_folder import read_run

EYES = "box(x 8..40, y 16..32)"
CHAIN = f"""
rule glasses at layer6 {{
  copy    z[1] {EYES}
  context z[2] {EYES}
  context z[3] {EYES}
  context z[4] {EYES}
  rank 2
}}
erase noise at layer3 {{
  context z[5] {EYES}
  context z[6] {EYES}
  context z[7] {EYES}
  rank 2  units 4
}}
"""
FIGURES = {"name", "after", "share", "null_share", "amplitude", "outside", "distance"}
pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_rule_is_scored_after_itself_and_after_later_ones(
    workshop: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workshop.folder)
    path = workshop.recipe(CHAIN)
    assert main(["run", str(path), "--out", "run"]) == 0
    record = read_run(workshop.folder / "run").record
    capsys.readouterr()
    assert main(["eval", str(path), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rules = found["rules"]
    assert [(each["name"], each["after"]) for each in rules] == [
        ("glasses", "glasses"), ("glasses", "noise"), ("noise", "noise")
    ]  # fmt: skip
    assert all(set(each) == FIGURES for each in rules)
    # Before any other rule the original is what a run compares with, too.
    first, glasses = rules[0], record.rules[0]
    assert first["share"] == glasses.share
    # The layer is run alone there, and the whole network here: last digits may differ.
    assert first["amplitude"] == pytest.approx(glasses.amplitude, rel=1e-5)
    assert first["outside"] == pytest.approx(glasses.outside, rel=1e-5)
    assert first["null_share"] == glasses.null
    # The erase lies at an earlier layer, and changes all of what the first rule left.
    assert rules[1]["outside"] != first["outside"]
    assert all(each["distance"] is None for each in rules)
    # The run lies elsewhere, so there is no folder of a run for them; nothing half-made is left.
    assert not (workshop.folder / "runs").exists()


def test_the_edit_of_a_finished_run_is_scored_and_not_solved_again(
    workshop: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workshop.folder)
    path = str(workshop.recipe(CHAIN))
    assert main(["eval", path, "--out", "solved.json"]) == 0
    assert main(["run", path]) == 0
    (folder,) = (workshop.folder / "runs").iterdir()
    files = sorted(each.name for each in folder.iterdir())

    def never(*_: object) -> None:
        raise AssertionError("it is solved already")

    monkeypatch.setattr(scoring, "solve_step", never)
    capsys.readouterr()
    assert main(["eval", path]) == 0
    said = capsys.readouterr().out
    assert f"the finished run runs/{folder.name}" in said
    saved = (folder / "eval.json").read_text()
    assert json.loads(saved) == json.loads((workshop.folder / "solved.json").read_text())
    assert sorted(each.name for each in folder.iterdir()) == sorted([*files, "eval.json"])
    # Another rank is another recipe, which no run has solved.
    assert main(["eval", path, "--set", "noise.rank=1", "--out", "other.json"]) != 0


def test_answers_are_known_in_the_village_alone(
    workshop: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workshop.recipe(CHAIN)
    assert main(["eval", str(path), "--answer", "glasses=domes to spires"]) == 2
    assert "village" in capsys.readouterr().err
