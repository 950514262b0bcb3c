"""The paper's experiments: methods at equal change elsewhere, rows found again, the page."""

from __future__ import annotations

import importlib.util
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import redraft
from redraft.bench.paper import methods as methods_of_paper
from redraft.bench.paper.curves import curves
from redraft.bench.paper.experiments import EXPERIMENTS, FULL, QUICK, Budget, Experiment
from redraft.bench.paper.ground import Ground, prepare
from redraft.bench.paper.methods import CHOSEN, OURS, methods
from redraft.bench.paper.page import MARK, NOT_MEASURED, Drawn, Made, page
from redraft.bench.paper.rows import FACTORS, Row, matched, rows_of
from redraft.bench.paper.running import Result, run_paper
from redraft.disk.cache import Cache
from redraft.explain.words import silent
from redraft.models import latents
from redraft.plans.shipped import shipped_folder
from redraft.world.answers import ANSWERS
from redraft.world.judging.followed import TASKS
from redraft.world.scene import scene
from redraft_dsl import format_text

RECIPES = shipped_folder()
assert RECIPES is not None
LITTLE = Budget("quick", choosing=6, judged=16, settings=2, steps=2, network_steps=1)
RULE = """edition 2026
recipe spires 1.0.0 "Spires"
model village-proggan
latents z { seed 1  count 100 }
rule spires at layer7 {
  copy z[0] box(x 38..54, y 7..23)
  context z[0] box(x 11..27, y 16..32)
  context z[3] box(x 6..22, y 14..30)
  context z[4] box(x 9..25, y 16..32)
  context z[6] box(x 14..30, y 14..30)
  rank 2
}
"""
OPENCV = importlib.util.find_spec("cv2") is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("paper")
    (found / "spires.redraft").write_text(RULE)
    return found


EXPERIMENT = Experiment("Domes become spires", "spires.redraft", "domes to spires")


@pytest.fixture(scope="module")
def ground(folder: Path) -> Ground:
    return prepare(EXPERIMENT, folder, LITTLE)


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    cache = Cache(folder / "cache")
    (found,) = run_paper([EXPERIMENT], folder, LITTLE, cache, silent)
    return found


def test_every_experiment_can_be_run() -> None:
    assert len({each.name for each in EXPERIMENTS}) == len(EXPERIMENTS)
    for each in EXPERIMENTS:
        path = RECIPES / each.recipe  # type: ignore[operator]
        text = path.read_text("utf-8")
        assert redraft.loads(text).diagnostics == (), each.recipe
        assert format_text(text).text == text, each.recipe
        assert each.answer is None or (each.answer in ANSWERS and each.answer in TASKS)
        if each.clean is not None:
            (mark,) = scene(latents.rows(1, [each.clean], 28).numpy()).watermark
            assert not mark, "what is copied in a watermark's place has none"
    models = {re.search(r"^model (\S+)", (RECIPES / each.recipe).read_text("utf-8"), re.M)[1]  # type: ignore[index,operator]
              for each in EXPERIMENTS}  # fmt: skip
    assert models == {"village", "village-proggan", "faces"}


def test_every_method_has_six_settings_and_ablation_tries_30_and_60_units(ground: Ground) -> None:
    whole = replace(ground, budget=FULL)
    for method in methods(whole)[1:]:
        assert method.missing or len(method.trials) == 6, method.name
        assert len({trial.setting for trial in method.trials}) == len(method.trials)
    ablation = next(each for each in methods(whole) if each.name == "unit ablation")
    assert {"30 units", "60 units"} <= {trial.setting for trial in ablation.trials}
    assert QUICK.settings < FULL.settings


def test_a_removal_is_compared_with_the_papers_ablations_and_with_a_clean_picture() -> None:
    (removal, *_) = (each for each in EXPERIMENTS if each.clean is not None)
    assert RECIPES is not None
    found = {each.name: each for each in methods(prepare(removal, RECIPES, LITTLE))}
    for units in (30, 60):
        (trial,) = found[f"unit ablation, the paper's {units}"].trials
        assert trial.setting == f"{units} units"
    assert found["edit transfer, pixels copied"].trials
    assert found["the authors' projected Adam, their goal"].missing == "the rule copies nothing"


def test_a_strength_is_found_that_changes_as_much_elsewhere(ground: Ground) -> None:
    method = methods(ground)[0]
    change, stand = method.trials[0].fit(), ground.choosing
    for share in (0.4, 1.7):
        asked = share * stand.outside(change(stand.subject, 1.0))
        strength = matched(change, stand, asked)
        assert stand.outside(change(stand.subject, strength)) == pytest.approx(asked, rel=0.06)


def test_methods_are_compared_at_equal_change_elsewhere(result: Result, ground: Ground) -> None:
    rows = {row.method: row for row in result.rows}
    assert list(rows)[:2] == [OURS, CHOSEN]
    ours = rows[OURS]
    assert ours.strength == 1.0
    assert len(ours.curve) == len(FACTORS)
    asked = ours.curve[1][0]
    for row in result.rows:
        if row.missing:
            continue
        halves, same, twice = (outside for outside, _ in row.curve)
        assert halves <= same * 1.05
        assert same <= twice * 1.05
        if row.method.startswith("edit transfer"):
            assert row.strength <= 1.0
        else:
            assert same == pytest.approx(asked, rel=0.35), row.method
    assert "only StyleGAN2" in rows["a single style channel"].missing
    assert rows["all weights fine-tuned"].figures is not None
    # A few contexts and two directions do part of it, which a change of a few steps cannot.
    assert result.ours.effect > rows["unit ablation"].effect
    if OPENCV:
        assert rows["edit transfer, pixels copied"].effect > 0.3


def test_figures_have_intervals_and_agree_with_their_curve(result: Result) -> None:
    for row in result.rows:
        if row.figures is None:
            continue
        assert row.figures["way"][0] == pytest.approx(row.effect, abs=1e-5)
        assert row.figures["outside_wish"][0] == pytest.approx(row.curve[1][0], rel=1e-5)
        for name, value in row.figures.items():
            if isinstance(value, list) and not math.isnan(value[0]):
                assert value[1] - 1e-9 <= value[0] <= value[2] + 1e-9, (row.method, name)
        assert row.figures["frechet"] > 0
        assert (row.figures["null"] is None) == ("edit transfer" in row.method
                                                 or "latent" in row.method
                                                 or "fine-tuned" in row.method)  # fmt: skip


def test_rows_are_found_again_and_not_made_anew(
    folder: Path, result: Result, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr("redraft.bench.paper.rows._made", never)
    cache = Cache(folder / "cache")
    again = list(rows_of(ground, cache, silent))
    for row, before in zip(again, result.rows, strict=True):
        assert (row.setting, row.strength, row.curve) == (
            before.setting, before.strength, before.curve,
        )  # fmt: skip
        if before.pictures is not None:
            assert row.pictures is not None
            assert torch.allclose(row.pictures, before.pictures.clamp(-1, 1), atol=0.005)
    monkeypatch.setattr(methods_of_paper, "UNITS", (7, 8))
    other = replace(ground, budget=replace(LITTLE, settings=1))
    with pytest.raises(AssertionError, match="made anew"):
        list(rows_of(other, cache, silent))


def made() -> Made:
    return Made("redraft paper --quick", QUICK, "a machine", {"torch": "2"}, 130.0)


def test_the_page_has_every_row_and_says_what_it_is(result: Result) -> None:
    text = page([result], made(), {"spires": Drawn("pictures/a.webp", "pictures/a.svg")})
    assert text.startswith(MARK)
    for row in result.rows:
        assert row.method in text
    for said in ("the quick form", "a machine; torch 2", "2 minutes", "(pictures/a.webp)",
                 "(pictures/a.svg)", "(../recipes/spires.redraft)"):  # fmt: skip
        assert said in text
    assert f"| {result.rows[2].method} | {result.rows[2].setting} |" in text
    heads = [line for line in text.splitlines() if line.startswith("| method | setting |")]
    assert "way" in heads[0]
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.M):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_rows_are_sorted_by_effect_and_losses_stay(result: Result) -> None:
    rows = [
        Row("a strong one", "s", 1.0, 6, 1.0, {"way": [0.9, 0.8, 1.0]}, ((0.01, 0.9),)),
        replace(result.rows[0], curve=((0.01, 0.5),)),
        replace(result.rows[1], curve=((0.01, 0.6),)),
    ]
    text = page([replace(result, rows=(rows[1], rows[2], rows[0]))], made(), {})
    assert text.index("| a strong one |") < text.index(f"| **{CHOSEN}** |")
    assert text.index(f"| **{CHOSEN}** |") < text.index(f"| **{OURS}** |")
    assert "| 0 of 1 |" in text


def test_what_no_network_measures_is_said_to_be_not_measured(result: Result) -> None:
    figures = {"share": [0.5, 0.4, 0.6], "amplitude": [0.3, 0.2, 0.4], "null": None}
    row = Row(OURS, "s", 1.0, 1, 1.0, figures, ((0.01, 0.3),))
    faces = replace(result, beside={}, rows=(row, row), model="faces")
    text = page([faces], made(), {})
    assert f"| {NOT_MEASURED} | {NOT_MEASURED} |" in text
    assert "unedited pictures are" not in text.split("## What the measures mean")[0]


def test_a_stronger_method_has_the_higher_curve(result: Result) -> None:
    rows = [row for row in result.rows if row.curve]
    root = ET.fromstring(curves(rows, "way"))
    name = "{http://www.w3.org/2000/svg}"
    lines = [each.attrib["points"].split() for each in root.iter(f"{name}polyline")]
    texts = [each.text for each in root.iter(f"{name}text")]
    assert len(lines) == len(rows)
    assert {row.method for row in rows} <= set(texts)
    for line in lines:
        assert len(line) == len(FACTORS) + 1, "from no strength on"
    heights = [float(line[2].split(",")[1]) for line in lines]
    by_effect = sorted(range(len(rows)), key=lambda place: rows[place].effect)
    assert [round(heights[place]) for place in by_effect] == sorted(
        (round(each) for each in heights), reverse=True
    )
