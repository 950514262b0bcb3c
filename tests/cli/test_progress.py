"""What a person sees while something takes long: phases on a pipe, bars on a terminal."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from redraft.cli.progress import Reporter, bars_on

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRAFT_QUIET", "")


@pytest.mark.usefixtures("loud")
def test_a_pipe_gets_a_line_for_each_phase(program: Run, recipe: Path) -> None:
    recipe.write_text(recipe.read_text("utf-8").replace("count 60", "count 67"), "utf-8")
    lines = program("run", "demo.redraft", "--out", "run").stderr.splitlines()
    assert lines[0] == "reading demo.redraft"
    phases = [line for line in lines if not line.startswith("warning")]
    assert phases[1:] == [
        "statistics of layer6: 67 pictures",
        "rule dot",
        "dot: searching for contexts",
        "dot: solving",
        "dot: solving without some contexts",
        "dot: measuring on 67 new pictures",
        "drawing the report",
    ]


@pytest.mark.usefixtures("loud")
def test_json_stays_alone_on_standard_output(program: Run, recipe: Path) -> None:
    done = program("plan", "demo.redraft", "--format", "json")
    assert done.stdout.startswith("{")
    assert done.stderr.startswith("reading demo.redraft\n")


@pytest.mark.usefixtures("loud")
def test_a_sweep_gets_a_line_for_each_cell(program: Run, recipe: Path) -> None:
    sweep = "\nsweep ranks {\n  vary rank of dot over 1, 2\n}\n"
    recipe.write_text(recipe.read_text("utf-8") + sweep, "utf-8")
    lines = program("sweep", "demo.redraft", "--out", "out").stderr.splitlines()
    assert [line for line in lines if "done" in line] == [
        "0 of 2 done; rank 1",
        "1 of 2 done; rank 2",
    ]


def test_quiet_where_that_is_asked_for(program: Run, recipe: Path) -> None:
    assert program("plan", "demo.redraft", "--quick").stderr == ""


@pytest.mark.usefixtures("loud")
def test_a_terminal_gets_bars(on_a_terminal: Callable[..., str], recipe: Path) -> None:
    shown = on_a_terminal("run", "demo.redraft", "--out", "run", width=80)
    assert shown.startswith("reading demo.redraft\r\n")
    assert re.search(r"dot: measuring on new pictures.*%", shown)


def test_a_pipe_is_told_what_is_counted() -> None:
    lines: list[str] = []
    told = Reporter(None, lines.append)
    told.download("verify", 0, 14_322_251)
    told.step("rule dot", 0, 2)
    told.step("rule later", 1, 2)
    told.step("scoring after later", 0, 2)
    assert lines == [
        "checking the model's hash: 14.3 MB",
        "rule dot: 1 of 2",
        "rule later: 2 of 2",
        "scoring after later",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_is_over_is_taken_away(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    sent = io.StringIO()
    monkeypatch.setattr("sys.stderr", sent)
    with bars_on(color=False) as bars:
        told = Reporter(bars)
        told.step("rule a-rule-with-a-long-name", 0, 2)
        told.step("a-rule-with-a-long-name: solving without some contexts", 0, 1)
        told.step("a-rule-with-a-long-name: measuring on new pictures", 200, 400)
        shown = [(task.description, task.fields["share"]) for task in bars.tasks]
        assert shown == [
            ("rule a-rule-with-a-long-name, 1 of 2", "  0 %"),
            ("a-rule-with-a-long-name: measuring on new pictures", " 50 %"),
        ]
        with bars.console.capture() as drawn:
            bars.console.print(bars.get_renderable())
        assert re.findall(r"\d:\d\d:\d\d", drawn.get()) == ["0:00:00", "0:00:00"]
        assert "…" not in drawn.get()
        told.step("drawing the report", 0, 1)
        assert [(task.description, task.total) for task in bars.tasks] == [
            ("drawing the report", None)
        ]
