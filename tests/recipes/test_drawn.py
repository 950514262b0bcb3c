"""The second generator: its script trains, and its recipes run on what the script made.

A few steps of training make no picture that anything could be measured on. That the rules follow
is measured on the whole training, in docs/how-to/second-generator.md.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import redraft
from redraft.cli import main
from redraft.models import latents
from redraft_dsl import format_text

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "drawn"
SCRIPT = FOLDER / "train.py"
RECIPES = sorted(FOLDER.glob("*.redraft"))
BY_NAME = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script, loaded as a module."""
    spec = importlib.util.spec_from_file_location("drawn_train", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipes, and a generator after three steps of training."""
    folder = tmp_path_factory.mktemp("drawn")
    for path in RECIPES:
        shutil.copy(path, folder)
    command = [sys.executable, str(SCRIPT), "--steps", "3", "--out", str(folder / "drawn.pth")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "written: " in done.stdout
    assert sorted(path.suffix for path in folder.iterdir()) == [".pth", *3 * [".redraft"]]
    return folder


# ---- the script -----------------------------------------------------------------------------


def test_redraft_reads_what_the_script_writes(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["layers", str(desk / "drawn.pth")]) == 0
    shown = capsys.readouterr().out
    assert "drawn.pth: dcgan, pictures 64 x 64, latents of 25 numbers" in shown
    assert "layer6, main.6" in shown


def test_training_repeats_on_one_machine(script: ModuleType, desk: Path) -> None:
    again = script.train(3, lambda line: None).state_dict()
    before = torch.load(desk / "drawn.pth", weights_only=True)
    assert before.keys() == again.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, again[name]), name


def test_training_teaches(script: ModuleType) -> None:
    rows = script.recipe_latents(64)
    told: list[str] = []
    short, longer = (script.error(script.train(steps, told.append), rows) for steps in (2, 30))
    assert longer < 0.85 * short
    assert [line.partition(":")[0] for line in told] == ["step 2 of 2", "step 30 of 30"]


def test_a_wrong_call_is_refused(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["--steps", "0"], "expected a whole number from 1 on, not 0"),
        (["--steps", "many"], "expected a whole number of up to 9 digits, not many"),
        (["--seed", "-1"], "expected a whole number of up to 9 digits, not -1"),
        (["--out", str(tmp_path / "no" / "a.pth")], "there is no folder"),
        (["--out", str(tmp_path)], "is a folder"),
    ):
        with pytest.raises(SystemExit) as stopped:
            script.main(words)
        assert stopped.value.code == 2
        assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# ---- the world ------------------------------------------------------------------------------


def test_latents_are_those_of_the_recipes(script: ModuleType) -> None:
    assert torch.equal(script.recipe_latents(40), latents.sample(1, 40, 25))


def test_drawing_depends_on_the_latent_alone(script: ModuleType) -> None:
    rows = script.recipe_latents(12)
    pictures = script.scenes(rows)
    assert pictures.shape == (12, 3, 64, 64)
    assert float(pictures.abs().max()) <= 1
    torch.testing.assert_close(script.scenes(rows[5:6]), pictures[5:6])
    for one, other in pairwise(pictures):
        assert float((one - other).abs().mean()) > 0.05


def test_drawing_is_smooth(script: ModuleType) -> None:
    rows = script.recipe_latents(40)
    near = rows + 1e-3 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(3))
    assert float((script.scenes(near) - script.scenes(rows)).abs().max()) < 0.1


@BY_NAME
def test_marked_regions_hold_the_thing(script: ModuleType, path: Path) -> None:
    """The copied picture has it whole, no context has any of it, and it would be in the region."""
    number = script.THINGS[path.stem].number
    found = [list(map(int, re.findall(r"\d+", line))) for line in script.places(path.stem)]
    places = [(index, *row[-4:]) for row in found for index in row[:-4]]
    assert len(places) == 25
    for place, (index, left, right, top, bottom) in enumerate(places):
        row = script.recipe_latents(index + 1)[index:]
        bare, full = row.clone(), row.clone()
        bare[:, number], full[:, number] = -3, 3
        assert torch.equal(script.scenes(row), script.scenes(full if place == 0 else bare))
        change = (script.scenes(full) - script.scenes(bare)).abs().sum((0, 1))
        assert float(change[top:bottom, left:right].sum()) > 0.85 * float(change.sum())


# ---- the recipes ----------------------------------------------------------------------------


def test_there_are_three() -> None:
    assert [path.stem for path in RECIPES] == ["chimney", "lights", "snow"]


@BY_NAME
def test_recipes_are_canonical_and_without_problems(path: Path) -> None:
    assert redraft.load(path).diagnostics == ()
    text = path.read_text(encoding="utf-8")
    assert format_text(text, str(path)).text == text


@BY_NAME
def test_recipes_set_nothing(path: Path) -> None:
    body = path.read_text(encoding="utf-8").partition("\nrule ")[2]
    assert set(re.findall(r"[a-z]+", body.partition("{")[2])) == {*"zxy", "copy", "context", "box"}


@BY_NAME
def test_recipes_hold_the_places_that_the_script_prints(
    script: ModuleType, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script.main(["--places", path.stem])
    printed = capsys.readouterr().out.splitlines()
    body = path.read_text(encoding="utf-8").partition("\nrule ")[2].partition("{")[2]
    assert " ".join(body.split()) == " ".join(" ".join(printed).split()) + " }"


@pytest.fixture(scope="module")
def runs(desk: Path) -> Path:
    """The folder that holds a run of each recipe."""
    folder = desk.parent / "drawn-runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDRAFT_CACHE", str(desk.parent / "drawn-cache"))
        for path in RECIPES:
            assert main(["run", str(desk / path.name), "--out", str(folder / path.stem)]) == 0
    return folder


@BY_NAME
def test_recipes_run_end_to_end(runs: Path, path: Path) -> None:
    (rule,) = json.loads((runs / path.stem / "run.json").read_text(encoding="utf-8"))["rules"]
    assert (rule["name"], rule["layer"], rule["rank"]) == (path.stem, "layer6", 8)
    assert rule["judged"] == 400
    assert len(rule["contexts"]) == 24
    assert np.isfinite([rule["share"], rule["amplitude"], rule["outside"]]).all()
    assert (runs / path.stem / "before-after.png").is_file()


def test_an_edit_is_judged_by_the_right_answer(judged: Callable[..., Any], desk: Path) -> None:
    done = judged("--weights", str(desk / "drawn.pth"))
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first == "305 unseen pictures without chimney, against the true pictures:"
    assert [line.split()[0] for line in rest] == ["share", "outside"]


@pytest.mark.parametrize("content", [None, b"no weights"])
def test_weights_that_cannot_be_judged_are_refused(
    judged: Callable[..., Any], tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "other.pth"
    if content is not None:
        path.write_bytes(content)
    refused = judged("--weights", str(path))
    assert refused.returncode == 2
    assert "judge.py: error: " in refused.stderr
    assert "other.pth" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.fixture
def judged(runs: Path, forking: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Has the edit of the chimney judged, by the script as a program of its own."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        edit = str(runs / "chimney" / "edit.safetensors")
        done: subprocess.CompletedProcess[str]
        done = forking.run(edit, "chimney", *words, module=str(FOLDER / "judge.py"))
        return done

    return run
