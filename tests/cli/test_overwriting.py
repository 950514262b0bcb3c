"""Nothing of another origin is replaced: runs, sweeps, packs, pictures and models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

Invoke = Callable[..., Result]


@pytest.fixture
def desk(finished: Path, tmp_path: Path) -> Path:
    """A recipe, its model and its finished run, for a test to change."""
    for name in ("tiny.pth", "demo.redraft"):
        shutil.copy(finished / name, tmp_path)
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path


def renamed(desk: Path, name: str) -> Path:
    text = (desk / "demo.redraft").read_text("utf-8").replace("recipe demo", f"recipe {name}")
    path = desk / f"{name}.redraft"
    path.write_text(text, "utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_run_of_another_recipe_stays(invoke: Invoke, desk: Path) -> None:
    before = contents(desk / "run")
    refused = invoke("run", str(renamed(desk, "other")), "--out", "run")
    assert refused.exit_code == 1
    assert "error[RD667]: the folder run holds a finished run of another recipe, demo 1.0.0" in (
        refused.stderr
    )
    assert contents(desk / "run") == before
    done = invoke("run", "other.redraft", "--out", "run", "--force")
    assert done.exit_code == 0, done.stderr
    assert json.loads((desk / "run" / "run.json").read_text())["recipe"] == "other"


def test_a_run_of_the_same_recipe_is_renewed(invoke: Invoke, desk: Path) -> None:
    done = invoke("run", "demo.redraft", "--out", "run")
    assert done.exit_code == 0, done.stderr


def test_a_run_of_other_settings_stays(invoke: Invoke, desk: Path) -> None:
    path = desk / "demo.redraft"
    path.write_text(path.read_text().replace("rank     2", "rank     1"))
    before = contents(desk / "run")
    refused = invoke("run", "demo.redraft", "--out", "run")
    assert (
        "error[RD667]: the folder run holds a finished run of demo 1.0.0 with other settings"
        in (refused.stderr)
    )
    assert contents(desk / "run") == before
    done = invoke("run", "demo.redraft", "--out", "run", "--force")
    assert done.exit_code == 0, done.stderr
    assert json.loads((desk / "run" / "run.json").read_text())["rules"][0]["rank"] == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("recipe.redraft", "another recipe, recipe.redraft"),
        ("report.html", "a file of no finished run, report.html"),
    ],
)
def test_files_that_no_run_wrote_stay(invoke: Invoke, desk: Path, name: str, said: str) -> None:
    (desk / "mine").mkdir()
    (desk / "mine" / name).write_text("mine")
    refused = invoke("run", "demo.redraft", "--out", "mine")
    assert f"error[RD667]: the folder mine holds {said}" in refused.stderr
    assert contents(desk / "mine") == {name: b"mine"}


def test_a_sweep_of_another_recipe_stays(invoke: Invoke, desk: Path) -> None:
    sweep = "\nsweep ranks {\n  vary rank of dot over 1, 2\n}\n"
    for name in ("one", "two"):
        path = renamed(desk, name)
        path.write_text(path.read_text() + sweep)
    assert invoke("sweep", "one.redraft", "--out", "swept").exit_code == 0
    before = contents(desk / "swept")
    refused = invoke("sweep", "two.redraft", "--out", "swept")
    assert "error[RD667]: the folder swept holds the sweep ranks of one" in refused.stderr
    assert contents(desk / "swept") == before
    again = invoke("sweep", "one.redraft", "--out", "swept")
    assert "2 of 2 cells were finished before" in again.stdout
    over_a_run = invoke("sweep", "one.redraft", "--out", "run")
    assert "error[RD667]: the folder run holds a run" in over_a_run.stderr


def test_a_pack_gives_way_to_its_like_alone(invoke: Invoke, desk: Path) -> None:
    first = invoke("pack", "run", "-o", "a.redraftpack")
    assert first.stdout.startswith("written: a.redraftpack")
    assert invoke("pack", "run", "-o", "a.redraftpack").stdout.startswith("is there already: a.")
    before = (desk / "a.redraftpack").read_bytes()
    renamed(desk, "other")
    refused = invoke("pack", "other.redraft", "-o", "a.redraftpack")
    assert "error[RD681]: a.redraftpack is there already" in refused.stderr
    assert (desk / "a.redraftpack").read_bytes() == before
    assert invoke("pack", "other.redraft", "-o", "a.redraftpack", "--force").exit_code == 0
    (desk / "note.txt").write_text("mine")
    assert "RD681" in invoke("pack", "run", "-o", "note.txt").stderr
    assert (desk / "note.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "words", [("sample", "tiny.pth", "--images", "0..3"), ("match", "demo.redraft", "dot")]
)
def test_a_painted_picture_stays(invoke: Invoke, desk: Path, words: tuple[str, ...]) -> None:
    for _ in range(2):  # a picture that nobody touched gives way
        done = invoke(*words, "--out", "sheet.png")
        assert done.exit_code == 0, done.stderr
    with Image.open("sheet.png") as sheet:
        painted = sheet.convert("RGB")
        information = sheet.info
    assert "redraft" in information
    painted.putpixel((3, 3), (255, 0, 0))
    painted.info = information
    painted.save("sheet.png")
    before = Path("sheet.png").read_bytes()
    refused = invoke(*words, "--out", "sheet.png")
    assert "error[RD681]: sheet.png is there already, so nothing was written" in refused.stderr
    assert Path("sheet.png").read_bytes() == before
    assert invoke(*words, "--out", "sheet.png", "--force").exit_code == 0


def test_a_model_of_ones_own_stays(invoke: Invoke, desk: Path) -> None:
    shutil.copy("tiny.pth", "mine.pth")
    before = Path("mine.pth").read_bytes()
    refused = invoke("apply", "tiny.pth", "run", "--out", "mine.pth")
    assert "error[RD681]: mine.pth is there already" in refused.stderr
    assert Path("mine.pth").read_bytes() == before
    assert not Path("mine.pth.undo.safetensors").exists()
    for strength in ("1", "0.5"):  # what apply wrote gives way to what it writes
        done = invoke("apply", "tiny.pth", "run", "--out", "new.pth", "--strength", strength)
        assert done.exit_code == 0, done.stderr
    assert "RD681" in invoke("revert", "new.pth", "--out", "mine.pth").stderr
    assert Path("mine.pth").read_bytes() == before
    assert invoke("revert", "new.pth").exit_code == 0
    assert invoke("apply", "tiny.pth", "run", "--out", "new.pth").exit_code == 0
