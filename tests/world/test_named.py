"""Rules of the village that are named after a right answer: their distance to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from redraft.cli import main
from redraft.plans.loading import load
from redraft.plans.planner import make_plan
from redraft.plans.run_folder import read_run
from redraft.world.named import answers_for

RECIPE = """edition 2026

recipe few 1.0.0 "A few domes become spires"

model village-proggan
latents z { seed 1  count 120 }

rule domes-to-spires at layer7 {
  copy    z[0] box(x 38..54, y 7..23)
  context z[0] box(x 11..27, y 16..32)
  context z[1] box(x 41..57, y 15..31)
  context z[3] box(x 6..22, y 14..30)
  context z[4] box(x 9..25, y 16..32)
  rank    4
}

zero other at layer3 {
  context z[6] all
  rank     1
  strength 0.1
}

expect distance(domes-to-spires) <= 0.8
expect distance(domes-to-spires) <= 1%
expect distance(other) <= 2
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "few.redraft"
    path.write_text(RECIPE.replace("<= 1%", "<= 0.01"), encoding="utf-8")
    return path


def test_a_run_records_the_distance_and_checks_what_is_expected_of_it(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(recipe), "--out", "run"]) == 3
    record = read_run(Path("run")).record
    spires, other = record.rules
    # Unedited pictures are at 0.87.
    assert spires.distance is not None
    assert 0.05 < spires.distance < 0.8
    assert other.distance is None, "there is no answer of this name"
    assert [each.holds for each in record.expects] == [True, False, False]
    capsys.readouterr()
    assert main(["verify", "run", "--format", "json"]) == 0, "the distance is measured again"
    capsys.readouterr()
    assert main(["eval", str(recipe), "--format", "json"]) == 0
    first, later, zeroed = json.loads(capsys.readouterr().out)["rules"]
    # The same pictures of the same network: after itself the chain's figure is the run's.
    assert first["distance"] == pytest.approx(spires.distance, rel=1e-6)
    assert later["after"] == "other"
    assert later["distance"] != first["distance"]
    assert zeroed["distance"] is None


def test_answers_are_known_by_the_names_of_rules_of_the_village_alone(recipe: Path) -> None:
    plan = make_plan(load(recipe), recipe.parent, device="cpu")
    assert list(answers_for(plan)) == ["domes-to-spires"]


def test_a_distance_is_no_share(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.write_text(RECIPE, encoding="utf-8")
    assert main(["check", str(recipe)]) == 1
    assert "`distance` is no share, found `1%`" in capsys.readouterr().out
