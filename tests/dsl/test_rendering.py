"""What people and machines see of a diagnostic, to the letter.

The golden texts hold the rendering of every code's wrong recipe. After a change of wording, run
the tests once with REDRAFT_WRITE_GOLDEN=1 and read the difference.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.check import Checked
from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import MAX_BYTES, decode, load
from redraft_dsl.report.diagnostics import Note, error, warning
from redraft_dsl.report.explain import codes, page
from redraft_dsl.report.machine import to_github, to_json, to_object, to_sarif
from redraft_dsl.report.terminal import render, summary, visible
from redraft_dsl.source import Source, Span

GOLDEN = Path(__file__).parent / "golden"
# What has no text to show on a page: the wrong file is made by hand.
BYTES = {
    "RD001": b"edition 2026 # caf\xe9\n",
    "RD002": b"edition 2026\0\n",
    "RD003": None,
    "RD004": b"#" * (MAX_BYTES + 1),
    "RD100": b"# nothing yet\n",
}
SHOWN = [code for code in codes() if (explained := page(code)) and explained.wrong]


@pytest.mark.parametrize("code", SHOWN)
def test_golden(code: str, check_text: Callable[[str], Checked]) -> None:
    explained = page(code)
    assert explained is not None
    assert explained.wrong is not None
    checked = check_text(explained.wrong)
    compare(code, render(checked.diagnostics, checked.source))


@pytest.mark.parametrize("code", sorted(BYTES))
def test_golden_of_a_file_that_is_not_text(
    code: str, models: KnownModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = BYTES[code]
    if data is not None:
        Path("demo.redraft").write_bytes(data)
    checked = load("demo.redraft", models)
    assert [diagnostic.code for diagnostic in checked.diagnostics] == [code]
    assert checked.recipe is None
    compare(code, render(checked.diagnostics, checked.source))


def compare(code: str, text: str) -> None:
    file = GOLDEN / f"{code}.txt"
    if os.environ.get("REDRAFT_WRITE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_no_golden_text_is_left_over() -> None:
    assert sorted(file.stem for file in GOLDEN.glob("*.txt")) == sorted([*SHOWN, *BYTES])


def test_the_shape_of_a_diagnostic_with_a_note() -> None:
    source = Source("a/b.redraft", "one two\nthree\n")
    note = Note("first here", Span(0, 3))
    found = error("RD999", "a thing is wrong", Span(8, 13), "this one", "correct it", (note,))
    assert render([found], source) == (
        "error[RD999]: a thing is wrong\n"
        " --> a/b.redraft:2:1\n"
        "  |\n"
        "2 | three\n"
        "  | ^^^^^ this one\n"
        "  |\n"
        "  = help: correct it\n"
        "note: first here\n"
        " --> a/b.redraft:1:1\n"
        "  |\n"
        "1 | one two\n"
        "  | ---\n"
    )


def test_a_whole_file_has_no_line() -> None:
    found = error("RD003", "no such file", None, "", "look again", (Note("and so on"),))
    assert render([found], Source("x", "")) == (
        "error[RD003]: no such file\n --> x\n  = help: look again\n  = note: and so on\n"
    )


def test_colours_only_when_asked_for() -> None:
    found = [warning("RD120", "unused", Span(0, 3), "here", "drop it")]
    source = Source("x", "abc")
    coloured = render(found, source, color=True)
    assert "\x1b[1;33mwarning[RD120]\x1b[0m" in coloured
    plain = render(found, source)
    assert "\x1b" not in plain
    stripped = coloured
    for style in ("0", "1", "1;31", "1;33", "1;34", "1;36"):
        stripped = stripped.replace(f"\x1b[{style}m", "")
    assert stripped == plain


@pytest.mark.parametrize(
    ("text", "span", "line", "caret"),
    [
        ("\tab", Span(1, 3), "1 |     ab", "  |     ^^"),
        ("漢字 x", Span(3, 4), "1 | 漢字 x", "  |      ^"),
        ("漢字", Span(0, 2), "1 | 漢字", "  | ^^^^"),
        ("e\u0301x", Span(2, 3), "1 | e\u0301x", "  |  ^"),
        ("a\x1b[31mb", Span(1, 2), "1 | a\\u{1b}[31mb", "  |  ^^^^^^"),
        ("\u202eab", Span(1, 2), "1 | \\u{202e}ab", "  |         ^"),
        ("ab", Span(2, 2), "1 | ab", "  |   ^"),
        ("ab\ncd", Span(1, 5), "1 | ab", "  |  ^"),
        ("", Span(0, 0), "1 |", "  | ^"),
    ],
)
def test_the_caret_stands_under_its_place(text: str, span: Span, line: str, caret: str) -> None:
    shown = render([error("RD999", "m", span)], Source("x", text)).splitlines()
    assert shown[3:5] == [line, caret]


@pytest.mark.parametrize("at", [0, 30, 99, 500, 99_990])
def test_a_long_line_is_cut_around_the_caret(at: int) -> None:
    text = "." * at + "HERE" + "." * (100_000 - at)
    shown = render([error("RD999", "m", Span(at, at + 4))], Source("x", text)).splitlines()
    line, caret = shown[3][4:], shown[4][4:]
    assert len(line) <= 101
    assert line[caret.index("^") :].startswith("HERE")
    assert caret.strip() == "^^^^"


@given(st.text(), st.integers(0, 40), st.integers(0, 40))
def test_nothing_in_a_text_reaches_the_terminal_unseen(text: str, start: int, length: int) -> None:
    source = decode("x", text.encode("utf-8", "surrogatepass"))[0]
    found = error("RD999", text, Span(start, start + length), text, text)
    shown = render([found], source)
    assert not [
        c
        for c in shown
        if c != "\n" and not c.isprintable() and c not in "\xa0\u3000" and not c.isspace()
    ]
    assert not any(ord(c) < 32 for c in shown.replace("\n", ""))
    assert all(c < "\ud800" or c > "\udfff" for c in shown)


def test_newlines_in_a_message_cannot_forge_a_second_one() -> None:
    assert visible("a\nerror[RD001]: b") == "a\\u{a}error[RD001]: b"


@pytest.mark.parametrize(
    ("errors", "warnings", "said"),
    [(0, 0, "no problems"), (1, 0, "1 error"), (2, 1, "2 errors, 1 warning"), (0, 3, "3 warnings")],
)
def test_summary(errors: int, warnings: int, said: str) -> None:
    found = [error("RD1", "", None)] * errors + [warning("RD2", "", None)] * warnings
    assert summary(found) == said


SOURCE = Source("a, b/50%.redraft", "one\ntwo three\n")
FOUND = error("RD102", "unknown: 50%,\nreally", Span(8, 13), "here", "try `two`")


def test_json_has_the_place_in_lines_and_columns() -> None:
    note = Note("first here", Span(0, 3))
    found = error("RD102", "unknown: 50%,\nreally", FOUND.span, "here", "try `two`", (note,))
    (data,) = json.loads(to_json([(SOURCE, [found])]))
    assert data == {
        "code": "RD102",
        "severity": "error",
        "message": "unknown: 50%,\nreally",
        "file": "a, b/50%.redraft",
        "line": 2,
        "column": 5,
        "end_line": 2,
        "end_column": 10,
        "label": "here",
        "help": "try `two`",
        "notes": [
            {"message": "first here", "line": 1, "column": 1, "end_line": 1, "end_column": 4}
        ],
    }


def test_json_of_a_whole_file_has_no_place() -> None:
    data = to_object(error("RD003", "m", None), SOURCE)
    assert [data[key] for key in ("line", "column", "end_line", "end_column")] == [None] * 4
    assert (data["label"], data["help"], data["notes"]) == (None, None, [])


def test_github_annotations_are_escaped() -> None:
    assert to_github([(SOURCE, [FOUND])]) == (
        "::error file=a%2C b/50%25.redraft,line=2,col=5,endLine=2,endColumn=10,title=RD102::"
        "unknown: 50%25,%0Areally%0Ahere%0Atry `two`"
    )


def test_github_gets_no_column_of_another_line() -> None:
    shown = to_github([(SOURCE, [warning("RD120", "m", Span(1, 6))])])
    assert shown == "::warning file=a%2C b/50%25.redraft,line=1,col=2,endLine=2,title=RD120::m"


def test_sarif_names_its_rules_and_places() -> None:
    log = json.loads(to_sarif([(SOURCE, [FOUND, warning("RD120", "m", Span(0, 3))])], "1.2.3"))
    assert log["version"] == "2.1.0"
    run = log["runs"][0]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("redraft", "1.2.3")
    assert [rule["id"] for rule in driver["rules"]] == ["RD102", "RD120"]
    assert driver["rules"][0]["shortDescription"]["text"] == "unknown layer"
    first, second = run["results"]
    assert (first["ruleId"], first["level"]) == ("RD102", "error")
    assert second["level"] == "warning"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%2C%20b/50%25.redraft"},
        "region": {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 10},
    }


def test_sarif_names_files_of_any_name() -> None:
    def uri(path: str) -> str:
        log = json.loads(to_sarif([(Source(path, ""), [error("RD003", "m", None)])], "1"))
        place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
        # Code scanning shows nothing that is nowhere in a file.
        assert place["region"]["startLine"] == 1
        return str(place["artifactLocation"]["uri"])

    assert uri("/a b.redraft") == "file:///a%20b.redraft"
    assert uri("\udcff.redraft") == "%FF.redraft"
