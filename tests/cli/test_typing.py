"""What a person meets while typing: completion, names, short forms, interrupts, JSON."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import redraft

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def completed(program: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What a shell offers at the end of a line."""

    def complete(line: str) -> list[str]:
        monkeypatch.setenv("_REDRAFT_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", f"redraft {line}")
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" "))))
        return [each.partition(",")[2] for each in program().stdout.split()]

    return complete


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("run glasses-", ["glasses-few", "glasses-from-one", "glasses-then-mask"]),
        ("run de", ["demo.redraft"]),
        ("check glasses demo", ["demo.redraft"]),
        ("explain RD66", [f"RD66{last}" for last in range(10)]),
        ("layers fac", ["faces"]),
        ("layers ti", ["tiny.pth"]),
        ("new nose --model stylegan2-ca", ["stylegan2-car", "stylegan2-cat"]),
        ("verify runs/", ["runs/demo"]),
        ("apply faces runs/", ["runs/demo"]),
        ("sample faces --edit runs/", ["runs/demo"]),
        ("unpack a", ["a.redraftpack"]),
        ("run --device c", ["cpu", "cuda"]),
        ("run stray", ["stray-glasses"]),
        ("match demo.redraft ", ["dot"]),
        ("locate demo.redraft d", ["dot"]),
        ("run demo.redraft --set dot.ra", ["dot.rank="]),
        ("sweep spectacles ", ["looks"]),
        ("run spectacles --set s", ["size=", "strong="]),
        ("sample faces --edit done --rule ", ["dot"]),
        ("apply tiny.pth done/edit.safetensors --rule ", ["dot"]),
        ("import ed", ["edit.json"]),
        ("diff don", ["done"]),
        ("pack runs/", ["runs/demo"]),
        ("export runs/", ["runs/demo"]),
        ("revert ti", ["tiny.pth"]),
        ("studio de", ["demo.redraft"]),
        ("bench solve --recipe glasses-", ["glasses-few", "glasses-from-one", "glasses-then-mask"]),
        ("layers tiny.pth --generator ma", ["make.py"]),
    ],
)
def test_every_argument_is_completed(
    completed: Callable[[str], list[str]],
    recipe: Path,
    finished: Path,
    line: str,
    offered: list[str],
) -> None:
    shutil.copytree(finished / "run", "done")
    Path("runs/demo").mkdir(parents=True)
    Path("runs/demo/run.json").touch()
    for name in ("a.redraftpack", "edit.json", "make.py"):
        Path(name).touch()
    found = [each.rstrip("/") for each in completed(line)]
    assert sorted(set(found)) == offered


def test_dir_shows_the_public_names() -> None:
    names = {name for name in dir(redraft) if not name.startswith("_")}
    assert names == set(redraft.__all__)


def test_what_is_printed_in_a_session_is_short(finished: Path) -> None:
    checked = redraft.load(finished / "demo.redraft")
    assert repr(checked) == "<Checked demo 1.0.0: no problems>"
    assert repr(redraft.loads("recipe")).startswith("<Checked <text>: 1 error")
    assert len(repr(redraft.plan(checked))) < 80
    edit = redraft.Edit.load(finished / "run" / "edit.safetensors")
    assert repr(edit) == "<Edit demo 1.0.0 of tiny: dot at layer6>"


def test_a_run_is_printed_in_a_line(finished: Path, tmp_path: Path) -> None:
    run = redraft.run(finished / "demo.redraft", tmp_path / "again", device="cpu")
    word = run.record.rules[0].judgement.word
    assert repr(run) == f"<Run demo 1.0.0 in {tmp_path / 'again'}: dot {word}>"


def test_an_interrupted_run_says_that_it_goes_on(recipe: Path) -> None:
    # Long enough not to be over before it is interrupted.
    text = recipe.read_text(encoding="utf-8").replace("count 60", "count 40000")
    recipe.write_text(text, encoding="utf-8")
    code = "import signal, sys, redraft.cli\n"
    # A program that was started in the background may have been told to ignore it.
    code += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "sys.exit(redraft.cli.main(['run', 'demo.redraft', '--out', 'run']))"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "REDRAFT_QUIET": ""}
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(("statistics", "rule dot")):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait(60) == 130
    assert "interrupted; the same command goes on from what is finished\n" in rest
    assert "Traceback" not in rest


def test_a_recipe_that_is_not_there_is_one_error(invoke: Invoke) -> None:
    shown = invoke("run", "folder/nothing.redraft")
    assert shown.exit_code == 1
    assert shown.stderr.count("error[") == 1
    assert "there is no such file" in shown.stderr


def test_json_of_what_writes_files(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "run", "run")
    shutil.copy(finished / "tiny.pth", ".")

    def said(*words: str) -> dict[str, object]:
        shown = invoke(*words, "--format", "json")
        assert shown.exit_code == 0, shown.stderr
        found: dict[str, object] = json.loads(shown.stdout)
        return found

    assert said("pack", "run", "-o", "a.redraftpack")["written"] == "a.redraftpack"
    assert said("unpack", "a.redraftpack")["unpacked"] == "a"
    applied = said("apply", "tiny.pth", "run", "--out", "new.pth")
    assert applied["changed"] == ["main.6.weight"]
    assert said("revert", "new.pth")["digest"] != applied["digest"]
    assert said("explain", "RD101")["code"] == "RD101"
    assert {"code": "RD101", "title": said("explain", "RD101")["title"]} in said("explain", "--all")
    shutil.copy(finished / "demo.redraft", ".")
    sampled = said("sample", "tiny.pth", "--images", "3,5", "--out", "sheet.png")
    assert (sampled["written"], sampled["images"]) == ("sheet.png", [3, 5])
    marks = said("show", "demo.redraft")["marks"]
    assert next(iter(marks.values()))[0] == "copy z[3]"  # type: ignore[attr-defined]
    assert said("new", "nose", "--model", "tiny.pth") == {"written": "nose.redraft"}
    assert said("export", "demo.redraft", "--json", "-o", "demo.json")["written"] == "demo.json"
    assert said("import", "demo.json", "-o", "back.redraft")["written"] == "back.redraft"
    lora = said("export", "run", "--lora", "-o", "lora.safetensors")
    assert [layer["rules"] for layer in lora["layers"]] == [["dot"]]  # type: ignore[attr-defined]
    assert said("schema", "-o", "schema.json") == {"written": "schema.json"}
    assert said("schema")["$schema"]
