"""``redraft pack`` and ``unpack``, and the commands that take a pack."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from redraft.edit.artifact import Edit
from redraft.errors import ArtifactError

Invoke = Callable[..., Result]


@pytest.fixture
def pack(finished: Path, tmp_path: Path, invoke: Invoke) -> Path:
    """A pack of a finished run, beside its model, in the current folder."""
    shutil.copy(finished / "tiny.pth", tmp_path / "tiny.pth")
    done = invoke("pack", str(finished / "run"), "-o", "demo.redraftpack")
    assert done.exit_code == 0, done.output
    return Path("demo.redraftpack")


def test_a_run_is_packed_and_unpacked(invoke: Invoke, pack: Path, finished: Path) -> None:
    shown = invoke("unpack", "demo.redraftpack", "-o", "mine")
    assert shown.exit_code == 0
    assert shown.stdout == (
        "unpacked: mine (7 files)\ndemo 1.0.0: A demonstration\nto repeat it: redraft verify mine\n"
    )
    edit = (finished / "run" / "edit.safetensors").read_bytes()
    assert Path("mine/edit.safetensors").read_bytes() == edit
    again = invoke("unpack", "demo.redraftpack", "-o", "mine")
    assert again.exit_code == 1
    assert "error[RD726]: the folder mine is not empty" in again.stderr
    assert invoke("unpack", "demo.redraftpack", "-o", "mine", "--force").exit_code == 0


def test_a_lock_that_the_run_did_not_obey_is_named(invoke: Invoke, recipe: Path) -> None:
    assert invoke("run", "demo.redraft", "--out", "runs/free").exit_code == 0
    assert "lock" not in invoke("pack", "demo.redraft", "-o", "none.redraftpack").output
    assert invoke("lock", "demo.redraft").exit_code == 0
    for source in ("demo.redraft", "runs/free"):
        shown = invoke("pack", source, "-o", "later.redraftpack")
        assert "demo.lock is not in it, for the run was made without that lock" in shown.stderr
    assert invoke("run", "demo.redraft", "--out", "runs/free").exit_code == 0
    again = invoke("pack", "demo.redraft", "-o", "both.redraftpack", "--format", "json")
    found = json.loads(again.stdout)
    assert found["lock_left"] is None
    assert "recipe.lock" in found["files"]


def test_an_edit_is_not_loaded_from_a_pack_and_the_way_to_it_is_told(pack: Path) -> None:
    with pytest.raises(ArtifactError, match=r"demo\.redraftpack is a pack") as caught:
        Edit.load(pack)
    assert caught.value.code == "RD656"
    assert "`redraft unpack demo.redraftpack`, and load demo/edit.safetensors" in (
        caught.value.help or ""
    )


def test_an_unpacked_run_is_verified_with_an_empty_cache(
    invoke: Invoke, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "empty"))
    assert invoke("unpack", "demo.redraftpack").stdout.startswith("unpacked: demo (")
    Path("tiny.pth").rename("demo/tiny.pth")
    monkeypatch.chdir(tmp_path / "demo")
    shown = invoke("verify", ".")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("promise: ")
    assert "verified: the promise holds for every rule" in shown.stdout


def test_commands_work_straight_from_a_pack(
    invoke: Invoke, pack: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model lies beside the pack, wherever one stands."""
    (tmp_path / "far").mkdir()
    monkeypatch.chdir(tmp_path / "far")
    name = "../demo.redraftpack"
    checked = invoke("check", name)
    assert checked.exit_code == 0
    assert f"{name}:recipe.redraft: " in checked.stdout
    verified = json.loads(invoke("verify", name, "--format", "json").stdout)
    assert verified["holds"]
    ran = invoke("run", name, "--out", "out")
    assert ran.exit_code == 0, ran.stderr
    edit = (finished / "run" / "edit.safetensors").read_bytes()
    assert Path("out/edit.safetensors").read_bytes() == edit
    assert json.loads(Path("out/run.json").read_text())["recipe_path"] == name
    assert invoke("verify", "out").exit_code == 0
    applied = invoke("apply", "../tiny.pth", name, "--out", "edited.pth")
    assert applied.exit_code == 0, applied.stderr
    assert "changed weights: main.6.weight" in applied.stdout


def test_a_recipe_is_packed_without_a_run_and_says_so(invoke: Invoke, recipe: Path) -> None:
    shown = invoke("pack", "demo.redraft")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("written: demo-1.0.0.redraftpack (3 files, ")
    assert "warning: there is no finished run of this recipe in runs/" in shown.stderr
    applied = invoke("apply", "tiny.pth", "demo-1.0.0.redraftpack", "--out", "edited.pth")
    assert applied.exit_code == 1
    assert "error[RD727]: demo-1.0.0.redraftpack does not hold an edit" in applied.stderr
    assert "redraft run demo-1.0.0.redraftpack" in applied.stderr
    assert (
        "redraft run demo-1.0.0/recipe.redraft" in invoke("unpack", "demo-1.0.0.redraftpack").stdout
    )


def test_the_run_of_a_recipe_is_found(invoke: Invoke, finished: Path, recipe: Path) -> None:
    shutil.copytree(finished / "run", "runs/demo")
    shown = invoke("pack", "demo.redraft")
    assert shown.stdout.splitlines()[2] == "run:     runs/demo"
    assert shown.stderr == ""


@pytest.mark.parametrize("words", [["fmt"], ["fmt", "--check"], ["migrate"], ["lock"], ["pack"]])
def test_no_command_changes_what_is_in_a_pack(invoke: Invoke, pack: Path, words: list[str]) -> None:
    before = pack.read_bytes()
    shown = invoke(*words, pack.name)
    assert shown.exit_code == 1
    assert f"error[RD696]: {pack.name} is a pack" in shown.stderr
    assert f"`redraft unpack {pack.name}`, then `redraft {words[0]} demo/recipe.redraft`" in (
        shown.stderr
    )
    assert pack.read_bytes() == before
    assert sorted(path.name for path in Path().iterdir() if path.suffix == ".lock") == []


def test_a_pack_is_flattened_and_exported_as_its_recipe(invoke: Invoke, pack: Path) -> None:
    assert invoke("unpack", pack.name, "-o", "open").exit_code == 0
    for words in (["flatten"], ["export", "--json"]):
        shown = invoke(*words, pack.name)
        assert shown.exit_code == 0, shown.stderr
        assert shown.stdout == invoke(*words, "open/recipe.redraft").stdout


def test_a_pack_is_compared_as_what_the_other_one_is(invoke: Invoke, pack: Path) -> None:
    assert invoke("unpack", pack.name, "-o", "open").exit_code == 0
    both = invoke("diff", pack.name, pack.name)
    assert (both.exit_code, both.stdout.splitlines()[-1]) == (0, "the runs are the same")
    Path("open/recipe.redraft").write_text(
        Path("open/recipe.redraft").read_text().replace("rank     2", "rank     3")
    )
    shown = invoke("diff", pack.name, "open/recipe.redraft")
    assert (shown.exit_code, shown.stdout) == (1, "changed  rank of dot: 2 -> 3\n")
    assert invoke("diff", "open/edit.safetensors", pack.name).exit_code == 0
    # Of runs, what was run counts, and not what was done to the recipe afterwards.
    assert invoke("diff", pack.name, "open").exit_code == 0


def test_packs_without_runs_are_compared_by_their_recipes(invoke: Invoke, recipe: Path) -> None:
    assert invoke("pack", "demo.redraft").exit_code == 0
    shown = invoke("diff", "demo-1.0.0.redraftpack", "demo-1.0.0.redraftpack")
    assert (shown.exit_code, shown.stdout) == (0, "the recipes mean the same\n")


def test_the_lock_in_a_pack_is_checked_and_its_sweep_is_run(invoke: Invoke, recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + "\nsweep ranks { vary rank of dot over 1 }\n")
    assert invoke("lock", "demo.redraft", "--set", "dot.keep=2").exit_code == 0
    assert invoke("pack", "demo.redraft", "-o", "a.redraftpack").exit_code == 0
    shown = invoke("lock", "--check", "a.redraftpack")
    assert (shown.exit_code, shown.stdout) == (
        *(0, "a.redraftpack:recipe.lock: agrees, with `--set dot.keep=2`\n"),
    )
    # What is packed has the values of its lock written out, and its sweep is in source/.
    none = invoke("sweep", "a.redraftpack")
    assert (none.exit_code, "error[RD760]" in none.stderr) == (1, True)
    assert invoke("lock", "demo.redraft").exit_code == 0
    assert invoke("pack", "demo.redraft", "-o", "b.redraftpack").exit_code == 0
    swept = invoke("sweep", "b.redraftpack", "--out", "out")
    assert swept.exit_code == 0, swept.stderr
    assert "\nits lock was obeyed\n" in swept.stdout


def test_a_damaged_pack_is_refused_by_every_command(invoke: Invoke, pack: Path) -> None:
    data = pack.read_bytes()
    pack.write_bytes(data.replace(b"edition 2026", b"edition 2027"))
    for words in (["check"], ["verify"], ["run"], ["unpack"], ["apply", "tiny.pth"]):
        more = ["--out", "edited.pth"] if words[0] == "apply" else []
        shown = invoke(*words, "demo.redraftpack", *more)
        assert shown.exit_code == 1, words
        assert "error[RD722]" in shown.output
        assert "Traceback" not in shown.output
    assert sorted(path.name for path in Path().iterdir()) == ["demo.redraftpack", "tiny.pth"]


def test_a_pack_that_is_not_there_is_told(invoke: Invoke) -> None:
    shown = invoke("unpack", "none.redraftpack")
    assert shown.exit_code == 1
    assert "error[RD713]: the pack none.redraftpack cannot be read" in shown.stderr
