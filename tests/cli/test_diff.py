"""``redraft diff``."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def other(recipe: Path) -> str:
    """The small recipe with another rank."""
    text = recipe.read_text(encoding="utf-8").replace("rank     2", "rank     3")
    Path("other.redraft").write_text(text, encoding="utf-8")
    return "other.redraft"


def test_recipes_that_differ(recipe: Path, other: str, invoke: Invoke) -> None:
    done = invoke("diff", "demo.redraft", other)
    assert done.exit_code == 1
    assert done.stdout == "changed  rank of dot: 2 -> 3\n"


def test_recipes_that_mean_the_same(recipe: Path, invoke: Invoke) -> None:
    text = recipe.read_text(encoding="utf-8").replace("rank     2", "\n\n # two\n rank 2")
    Path("loose.redraft").write_text(text, encoding="utf-8")
    done = invoke("diff", "demo.redraft", "loose.redraft")
    assert (done.exit_code, done.stdout) == (0, "the recipes mean the same\n")


@pytest.fixture
def alias(recipe: Path) -> Path:
    """The small recipe, which names the same layer as the model's file does."""
    text = recipe.read_text(encoding="utf-8").replace("at layer6", "at main.6")
    path = Path("alias.redraft")
    path.write_text(text, encoding="utf-8")
    return path


def test_two_names_of_one_layer_are_no_difference(
    recipe: Path, alias: Path, invoke: Invoke
) -> None:
    done = invoke("diff", "demo.redraft", "alias.redraft")
    assert (done.exit_code, done.stdout) == (0, "the recipes mean the same\n")
    alias.write_text(alias.read_text().replace("at main.6", "at main.9"), encoding="utf-8")
    done = invoke("diff", "demo.redraft", "alias.redraft")
    assert (done.exit_code, done.stdout) == (1, "changed  layer of dot: layer6 -> layer9\n")
    assert done.stderr == ""


def test_the_file_beside_one_of_two_recipes_serves_both(
    recipe: Path, alias: Path, invoke: Invoke
) -> None:
    sha256 = hashlib.sha256(Path("tiny.pth").read_bytes()).hexdigest()
    for path in (recipe, alias):
        pinned = path.read_text().replace('"tiny.pth"', f'"tiny.pth" sha256 "{sha256}"')
        path.write_text(pinned, encoding="utf-8")
    Path("far").mkdir()
    alias.rename("far/alias.redraft")
    assert invoke("diff", "demo.redraft", "far/alias.redraft").exit_code == 0


def test_without_the_file_layers_are_compared_by_name_and_it_says_so(
    recipe: Path, alias: Path, other: str, invoke: Invoke
) -> None:
    Path("tiny.pth").unlink()
    done = invoke("diff", "demo.redraft", "alias.redraft")
    assert (done.exit_code, done.stdout) == (1, "changed  layer of dot: layer6 -> main.6\n")
    assert "two names may be of one layer: tiny.pth is not there" in done.stderr
    told = json.loads(invoke("diff", "demo.redraft", "alias.redraft", "--format", "json").stdout)
    assert told["note"] in " ".join(done.stderr.split())
    assert invoke("diff", "demo.redraft", other).stderr == ""  # nothing hangs on it


def test_runs_are_compared_by_layers_whatever_these_are_called(
    recipe: Path, alias: Path, invoke: Invoke
) -> None:
    alias.write_text(alias.read_text().replace("rank     2", "rank     1"), encoding="utf-8")
    for path in (recipe, alias):
        assert invoke("run", path.name, "--out", path.stem).exit_code == 0
    Path("tiny.pth").unlink()
    told = json.loads(invoke("diff", "demo", "alias", "--format", "json").stdout)
    assert [each["what"] for each in told["recipe"]] == ["rank of dot"]


def test_recipes_as_json(recipe: Path, other: str, invoke: Invoke) -> None:
    told = json.loads(invoke("diff", "demo.redraft", other, "--format", "json").stdout)
    assert told == {
        "kind": "recipe",
        "same": False,
        "differences": [
            {"kind": "changed", "what": "rank of dot", "before": "2", "after": "3"}
        ],
    }  # fmt: skip


def test_shipped_recipes_go_by_name(invoke: Invoke) -> None:
    done = invoke("diff", "glasses", "glasses-from-one")
    assert done.exit_code == 1
    assert "of glasses" in done.stdout


def test_recipes_are_compared_without_torch(recipe: Path, other: str) -> None:
    program = (
        "import sys\nfrom redraft.cli import main\n"
        f"status = main(['diff', 'demo.redraft', {other!r}])\n"
        "assert 'torch' not in sys.modules\nsys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""


def test_a_recipe_with_errors_is_a_failure(recipe: Path, invoke: Invoke) -> None:
    Path("wrong.redraft").write_text("edition 2026\nrule", encoding="utf-8")
    done = invoke("diff", "demo.redraft", "wrong.redraft")
    assert done.exit_code == 2
    assert "error[RD400]" in done.stderr
    assert "wrong.redraft:2" in done.stderr
    told = json.loads(invoke("diff", "demo.redraft", "none.redraft", "--format", "json").stdout)
    assert told["error"]["code"] == "RD638"


def test_an_edit_and_itself(finished: Path, invoke: Invoke) -> None:
    edit = str(finished / "run" / "edit.safetensors")
    done = invoke("diff", edit, edit)
    assert done.exit_code == 0
    assert "the edits are the same" in done.stdout
    told = json.loads(invoke("diff", edit, edit, "--format", "json").stdout)
    assert told["same"] is True
    assert told["rules"][0]["cosine"] == pytest.approx(1.0)


def test_runs_and_edits_that_differ(recipe: Path, other: str, invoke: Invoke) -> None:
    for name, folder in (("demo.redraft", "one"), (other, "two")):
        assert invoke("run", name, "--out", folder).exit_code == 0
    done = invoke("diff", "one", "two")
    assert done.exit_code == 1
    for words in (
        "changed  rank of dot: 2 -> 3\n",
        "2 -> 3 ",
        "norm",
        "different results: the recipe differed\n",
    ):
        assert words in done.stdout
    edits = invoke("diff", "one/edit.safetensors", "two/edit.safetensors")
    assert edits.exit_code == 1
    assert "changed  the recipe's meaning: " in edits.stdout
    assert "the edits differ" in edits.stdout
    assert invoke("diff", "one", "one/run.json").exit_code == 0
    told = json.loads(invoke("diff", "one", "two", "--format", "json").stdout)
    assert told["kind"] == "run"
    assert told["causes"] == ["the recipe"]
    assert told["edits"]["rules"][0]["ranks"] == [2, 3]


def test_machines_and_models_are_told(finished: Path, invoke: Invoke) -> None:
    shutil.copytree(finished / "run", "moved")
    record = json.loads(Path("moved/run.json").read_text(encoding="utf-8"))
    record["machine"]["threads"] = 64
    record["model"]["name"] = "village"
    record["rules"][0]["left_out"] = None
    Path("moved/run.json").write_text(json.dumps(record), encoding="utf-8")
    done = invoke("diff", str(finished / "run"), "moved")
    assert done.exit_code == 1
    assert "changed  the model's name: tiny -> village\n" in done.stdout
    assert "-> 64\n" in done.stdout
    assert "different results: the model and the machine or versions differed" in done.stdout


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        ("run", "demo.redraft", "a recipe in it to compare with: run/recipe.redraft"),
        ("demo.redraft", "run/run.json", "a recipe in it to compare with: run/recipe.redraft"),
        ("run/edit.safetensors", "run", "an edit in it to compare with: run/edit.safetensors"),
        ("run/edit.safetensors", "demo.redraft", "name two recipes, two edits or two run folders"),
    ],
)
def test_mixed_kinds_are_refused_with_what_to_name(
    finished: Path, recipe: Path, invoke: Invoke, one: str, two: str, words: str
) -> None:
    shutil.copytree(finished / "run", "run")
    done = invoke("diff", one, two)
    assert done.exit_code == 2
    assert done.stderr.startswith("error[RD695]")
    assert words in done.stderr


def test_a_folder_that_is_no_run_is_a_failure(finished: Path, invoke: Invoke) -> None:
    Path("empty").mkdir()
    done = invoke("diff", str(finished / "run"), "empty")
    assert done.exit_code == 2
    assert "RD660" in done.stderr


def test_two_runs_are_compared_on_a_page(finished: Path, tmp_path: Path, invoke: Invoke) -> None:
    for name in ("tiny.pth", "demo.redraft"):
        shutil.copy(finished / name, tmp_path)
    ran = invoke("run", "demo.redraft", "--out", "thin", "--set", "dot.rank=1")
    assert ran.exit_code == 0, ran.stderr
    first = str(finished / "run")
    done = invoke("diff", first, "thin", "--html", "both.html")
    assert done.exit_code == 1, "they differ"
    assert "written: both.html\n" in done.stdout
    page = Path("both.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert "rank of dot: 2 -&gt; 1" in page
    assert not re.search(r"https?:|<script", page)
    again = invoke("diff", first, "thin", "--html", "both.html")
    assert again.exit_code == 2
    assert "RD681" in again.stderr
    recipes = invoke("diff", "demo.redraft", "demo.redraft", "--html", "other.html")
    assert "--html compares two runs" in recipes.stderr
    assert not Path("other.html").exists()
