"""``redraft check``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
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
    # What is about a whole file has a place too, without which code scanning shows nothing.
    assert set(missing["locations"][0]["physicalLocation"]["region"].values()) == {1}


def uri_of(invoke: Invoke, path: str | Path) -> str:
    log = json.loads(invoke("check", str(path), "--format", "sarif").stdout)
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    uri: str = place["artifactLocation"]["uri"]
    return uri


def test_sarif_of_an_absolute_path(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a b" / "bad.redraft"
    path.parent.mkdir()
    path.write_text(BAD, encoding="utf-8")
    assert uri_of(invoke, path) == "a%20b/bad.redraft"
    monkeypatch.chdir(path.parent)
    assert uri_of(invoke, path) == "bad.redraft"
    assert uri_of(invoke, tmp_path / "gone.redraft") == (tmp_path / "gone.redraft").as_uri()


TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"minLength": 1}}}
WHOLE = {"type": "integer", "minimum": 1}
REGION = ("startLine", "startColumn", "endLine", "endColumn")
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "message": TEXT,
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {
                        # Relative, with `/`, and nothing in it that a URI does not hold as it is.
                        "uri": {
                            "type": "string",
                            "pattern": r"^(?!/)([A-Za-z0-9._~/-]|%[0-9A-F]{2})+$",
                        }
                    },
                    "additionalProperties": False,
                },
                "region": {
                    "type": "object",
                    "required": list(REGION),
                    "properties": dict.fromkeys(REGION, WHOLE),
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}
SCANNING = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "$schema": {"pattern": r"^https://.+sarif.*2\.1\.0.*\.json$"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "version", "rules"],
                                "properties": {
                                    "name": {"const": "redraft"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": [
                                                *("id", "shortDescription"),
                                                *("fullDescription", "help"),
                                            ],
                                            "properties": {
                                                "id": {"pattern": "^RD[0-9]{3}$"},
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                            },
                                            "additionalProperties": False,
                                        },
                                    },
                                },
                                "additionalProperties": False,
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "level", "message", "locations",
                                         "partialFingerprints"],
                            "properties": {
                                "ruleId": {"pattern": "^RD[0-9]{3}$"},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "locations": {
                                    "type": "array", "minItems": 1, "maxItems": 1,
                                    "items": LOCATION,
                                },
                                "relatedLocations": {"type": "array", "items": LOCATION},
                                "partialFingerprints": {
                                    "type": "object",
                                    "minProperties": 1,
                                    "additionalProperties": {"type": "string"},
                                },
                            },
                            "additionalProperties": False,
                        },
                    },
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}  # fmt: skip
"""What SARIF 2.1.0 says of the properties that are written here, and what GitHub's code scanning
wants besides. The schema that OASIS publishes has many more properties, and demands less."""

TWICE = BAD + BAD[BAD.index("rule") :]


def test_sarif_is_what_code_scanning_takes(invoke: Invoke) -> None:
    recipes = {
        "bad.redraft": BAD,
        "twice.redraft": TWICE,
        "unused.redraft": UNUSED,
        "a:b%, c#d?é.redraft": BAD,
        "below/at the end.redraft": GOOD.removesuffix("}\n"),
        "empty.redraft": "",
        "<odd>.redraft": 'edition 2026\nuse "./bad.redraft" 1.0.0 as bad\n',
        os.fsdecode(b"no-utf8-\xff.redraft"): BAD,
    }
    for name, text in recipes.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    Path("broken.redraftpack").write_bytes(b"PK")
    shown = invoke("check", ".", "gone.redraft", "broken.redraftpack", "--format", "sarif")
    assert shown.exit_code == 1
    log = json.loads(shown.stdout)
    jsonschema.validate(log, SCANNING)
    (run,) = log["runs"]
    told = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert set(told) == {result["ruleId"] for result in run["results"]}
    assert not any("no page" in rule["shortDescription"]["text"] for rule in told.values())
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    uris = {place["artifactLocation"]["uri"] for place in places}
    assert {unquote(uri, errors="surrogateescape") for uri in uris} >= {*recipes, "gone.redraft"}
    for place in places:
        region = place["region"]
        assert (region["startLine"], region["startColumn"]) <= (
            region["endLine"],
            region["endColumn"],
        )


def test_a_problem_keeps_its_fingerprint_when_lines_come_before_it(invoke: Invoke) -> None:
    def prints(text: str) -> list[tuple[str, str]]:
        Path("a.redraft").write_text(text, encoding="utf-8")
        log = json.loads(invoke("check", "a.redraft", "--format", "sarif").stdout)
        found = log["runs"][0]["results"]
        return [(each["ruleId"], each["partialFingerprints"]["recipeLine/v1"]) for each in found]

    before = prints(TWICE)
    assert len(before) == len(set(before)) > 1
    assert prints("# a comment\n\n" + TWICE) == before
    assert prints(TWICE.replace("layer7", "layer77")) != before


def test_sarif_points_at_what_else_belongs_to_a_problem(invoke: Invoke) -> None:
    Path("a.redraft").write_text(GOOD + GOOD[GOOD.index("rule") :], encoding="utf-8")
    log = json.loads(invoke("check", "a.redraft", "--format", "sarif").stdout)
    related = [
        each for result in log["runs"][0]["results"] for each in result.get("relatedLocations", ())
    ]
    assert related
    assert related[0]["physicalLocation"]["region"]["startLine"] == 5
    assert related[0]["message"]["text"]


def test_github(invoke: Invoke) -> None:
    Path("a,b.redraft").write_text(BAD, encoding="utf-8")
    shown = invoke("check", "a,b.redraft", "--format", "github")
    assert shown.exit_code == 1
    (line,) = shown.stdout.splitlines()
    assert line.startswith(
        "::error file=a%2Cb.redraft,line=5,col=17,endLine=5,endColumn=23,title=RD"
    )
    assert "%0A" in line.rpartition("::")[2]


@pytest.mark.parametrize("name", ["100%.redraft", "a:b,c::d.redraft", "two\nlines\r.redraft"])
def test_github_is_told_of_odd_names_in_one_line(invoke: Invoke, name: str) -> None:
    Path(name).write_text(BAD.replace("glasses", "error"), encoding="utf-8")
    shown = invoke("check", name, f"gone-{name}", "--format", "github").stdout
    assert shown.count("\n") == 2
    assert "\r" not in shown
    for line, wanted in zip(shown.splitlines(), (name, f"gone-{name}"), strict=True):
        found = re.fullmatch(r"::error file=([^,:]+)(?:,\w+=[^,:]+)*::(.+)", line)
        assert found is not None, line
        assert unquote(found[1]) == wanted
        assert not re.search(r"%(?!25|0A|0D)", found[2])


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
    Path("empty/run.json").write_text("{}")
    Path("empty/recipe.redraft").write_text("")
    shown = invoke("check", "empty")
    assert f"name {Path('empty/recipe.redraft')}" in shown.stderr


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
