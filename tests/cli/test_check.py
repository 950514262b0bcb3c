"""``redraft check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Invoke = Callable[..., Result]

GOOD = """edition 2026
recipe good 1.0.0 "Good"
model faces
latents z { seed 1 count 200 }
rule glasses at layer6 {
  copy z[1] box(x 12..52, y 24..38)
  context z[2] box(x 12..52, y 24..38)
}
"""
BAD = GOOD.replace("layer6", "layer7")
UNUSED = GOOD.replace("rule", "region spare = all\nrule")


def test_a_good_recipe(invoke: Invoke) -> None:
    Path("good.redraft").write_text(GOOD, encoding="utf-8")
    shown = invoke("check", "good.redraft")
    assert (shown.exit_code, shown.stdout) == (0, "good.redraft: no problems\n")


def test_an_error_is_shown_with_its_place(invoke: Invoke) -> None:
    Path("bad.redraft").write_text(BAD, encoding="utf-8")
    shown = invoke("check", "bad.redraft")
    assert shown.exit_code == 1
    assert shown.stdout.startswith("error[RD")
    assert " --> bad.redraft:5:17\n" in shown.stdout
    assert "5 | rule glasses at layer7 {\n" in shown.stdout
    assert shown.stdout.endswith("\nbad.redraft: 1 error\n")


def test_a_warning_alone_is_no_failure(invoke: Invoke) -> None:
    Path("unused.redraft").write_text(UNUSED, encoding="utf-8")
    shown = invoke("check", "unused.redraft")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("warning[RD")
    assert shown.stdout.endswith("\nunused.redraft: 1 warning\n")


def test_several_files(invoke: Invoke) -> None:
    Path("bad.redraft").write_text(BAD, encoding="utf-8")
    Path("good.redraft").write_text(GOOD, encoding="utf-8")
    shown = invoke("check", "bad.redraft", "good.redraft", "missing.redraft")
    assert shown.exit_code == 1
    assert shown.stdout.endswith("3 recipes: 2 errors\n")


def test_json(invoke: Invoke) -> None:
    Path("bad.redraft").write_text(BAD, encoding="utf-8")
    shown = invoke("check", "bad.redraft", "--format", "json")
    assert shown.exit_code == 1
    (found,) = json.loads(shown.stdout)
    assert set(found) == {
        *("code", "severity", "message", "file", "line", "column", "end_line", "end_column"),
        *("label", "help", "notes"),
    }
    assert found["severity"] == "error"
    assert found["file"] == "bad.redraft"
    place = [found[name] for name in ("line", "column", "end_line", "end_column")]
    assert place == [5, 17, 5, 23]
    assert found["label"] == "this model has no such layer"
    assert found["notes"] == []
    assert found["help"].startswith("did you mean `layer9`?")


def test_json_of_nothing_wrong(invoke: Invoke) -> None:
    Path("good.redraft").write_text(GOOD, encoding="utf-8")
    shown = invoke("check", "good.redraft", "--format", "json")
    assert (shown.exit_code, json.loads(shown.stdout)) == (0, [])


def test_json_of_a_file_that_is_not_there(invoke: Invoke) -> None:
    (found,) = json.loads(invoke("check", "no/such.redraft", "--format", "json").stdout)
    assert (found["code"], found["line"], found["end_column"]) == ("RD003", None, None)


def test_sarif(invoke: Invoke) -> None:
    Path("odd name.redraft").write_text(BAD, encoding="utf-8")
    shown = invoke("check", "odd name.redraft", "no/such.redraft", "--format", "sarif")
    log: dict[str, Any] = json.loads(shown.stdout)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["tool"]["driver"]["name"] == "redraft"
    result, missing = run["results"]
    assert result["ruleId"] in {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "odd%20name.redraft"
    assert place["region"] == {
        "startLine": 5,
        "startColumn": 17,
        "endLine": 5,
        "endColumn": 23,
    }
    assert "region" not in missing["locations"][0]["physicalLocation"]


def test_sarif_of_an_absolute_path(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "bad.redraft"
    path.write_text(BAD, encoding="utf-8")
    log = json.loads(invoke("check", str(path), "--format", "sarif").stdout)
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == path.as_uri()


def test_github(invoke: Invoke) -> None:
    Path("a,b.redraft").write_text(BAD, encoding="utf-8")
    shown = invoke("check", "a,b.redraft", "--format", "github")
    assert shown.exit_code == 1
    (line,) = shown.stdout.splitlines()
    assert line.startswith(
        "::error file=a%2Cb.redraft,line=5,col=17,endLine=5,endColumn=23,title=RD"
    )
    assert "%0A" in line.rpartition("::")[2]


def test_github_says_nothing_of_a_good_recipe(invoke: Invoke) -> None:
    Path("good.redraft").write_text(GOOD, encoding="utf-8")
    shown = invoke("check", "good.redraft", "--format", "github")
    assert (shown.exit_code, shown.stdout) == (0, "")


def test_standard_input(invoke: Invoke) -> None:
    assert invoke("check", "-", text=GOOD).stdout == "<stdin>: no problems\n"
    shown = invoke("check", "-", text=BAD)
    assert shown.exit_code == 1
    assert " --> <stdin>:5:17\n" in shown.stdout


def test_standard_input_that_is_no_text(program: Callable[..., Any]) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "redraft", "check", "-"],
        input=b"edition \xff",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith(b"error[RD001]: the text is not valid UTF-8\n")


def test_a_folder_is_searched(invoke: Invoke) -> None:
    for name in ("a/one.redraft", "a/b/two.redraft", "a/.hidden/no.redraft", "a/run/no.redraft"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BAD if path.stem == "no" else GOOD, encoding="utf-8")
    Path("a/run/run.json").write_text("{}", encoding="utf-8")
    Path("a/notes.txt").write_text("not a recipe", encoding="utf-8")
    shown = invoke("check", "a")
    assert (shown.exit_code, shown.stdout) == (0, "2 recipes: no problems\n")


def test_a_folder_without_recipes(invoke: Invoke) -> None:
    Path("empty").mkdir()
    shown = invoke("check", "empty")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD641]: there is no recipe in the folder empty\n")


def test_a_bare_name_that_means_nothing(invoke: Invoke) -> None:
    shown = invoke("check", "nothing-of-the-kind")
    assert shown.exit_code == 1
    assert "error[RD638]: there is no recipe `nothing-of-the-kind`" in shown.stdout


@pytest.mark.parametrize("name", ["we\x1b[31mird.redraft", "new\nline.redraft"])
def test_names_cannot_take_over_the_terminal(invoke: Invoke, name: str) -> None:
    Path(name).write_text(GOOD, encoding="utf-8")
    shown = invoke("check", name)
    assert len(shown.stdout.splitlines()) == 1
    assert "\x1b" not in shown.stdout
