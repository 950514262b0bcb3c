"""``redraft sweep`` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Invoke = Callable[..., Result]
RANKS = "\nsweep ranks { vary rank of dot over 1, 2 }\n"
KEEPS = "\nsweep keeps { vary keep of dot over 0.5, 2 }\n"
SIDES = "\nsweep sides { vary side of dot over 0.0001%, 90% }\n"


@pytest.fixture
def ranks(recipe: Path) -> Path:
    """The recipe with a sweep of two cells."""
    recipe.write_text(recipe.read_text() + RANKS)
    return recipe


def test_a_sweep_prints_one_table_and_goes_on(invoke: Invoke, ranks: Path) -> None:
    shown = invoke("sweep", "demo.redraft", "--out", "out")
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == "demo 1.0.0: A demonstration; sweep ranks"
    heads = lines[1].split()
    assert heads[:5] == ["cell", "rank", "effect", "amplitude", "outside"]
    assert [line.split()[:2] for line in lines[3:5]] == [["1", "1"], ["2", "2"]]
    assert "measured on 2" in shown.stdout
    for name in ("sweep.png", "sweep.md", "sweep.json"):
        assert str(Path("out") / name) in shown.stdout
        assert (Path("out") / name).exists()
    page = Path("out/sweep.md").read_text()
    assert "| cell | rank | effect |" in page
    assert "![the same pictures after every cell's edit](sweep.png)" in page
    assert "finished before" not in shown.stdout
    again = invoke("sweep", "demo.redraft", "ranks", "--out", "out")
    assert "2 of 2 cells were finished before" in again.stdout
    assert again.stdout.splitlines()[:5] == lines[:5]


def test_each_cell_is_a_whole_run(invoke: Invoke, ranks: Path) -> None:
    shown = invoke("sweep", "demo.redraft", "--out", "out", "--set", "dot.strength=2",
                   "--format", "json")  # fmt: skip
    told = json.loads(shown.stdout)
    assert told["sweep_dir"] == "out"
    assert told["format"] == "redraft-sweep-1"
    assert (told["axes"], told["given"]) == ({"dot.rank": ["1", "2"]}, {"dot.strength": "2"})
    assert told == {"sweep_dir": "out", **json.loads(Path("out/sweep.json").read_text())}
    for cell, rank in zip(told["cells"], ("1", "2"), strict=True):
        assert cell["values"] == {"dot.rank": rank}
        folder = Path("out") / cell["folder"]
        record = json.loads((folder / "run.json").read_text())
        assert record["given"] == {"dot.strength": "2", "dot.rank": rank}
        (rule,) = cell["rules"]
        assert rule == {name: record["rules"][0][name] for name in rule}
        assert rule["rank"] == int(rank)
        assert {path.name for path in folder.iterdir()} == {
            *("run.json", "edit.safetensors", "recipe.redraft", "before-after.png", "report.html"),
        }
    applied = invoke("explain", "RD763")
    assert "a value for what a sweep varies" in applied.stdout


def test_a_failed_cell_is_told_and_ends_in_status_1(invoke: Invoke, recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + SIDES)
    shown = invoke("sweep", "demo.redraft", "--out", "out")
    assert shown.exit_code == 1
    assert "cell 1 (dot.side = 0.0001%) failed: RD513: no preserve keeps" in shown.stderr
    assert "failed: RD513" in shown.stdout
    assert "Traceback" not in shown.output
    assert Path("out/cells/002-side90pct/run.json").exists()


@pytest.mark.parametrize(
    ("more", "arguments", "code", "remedy"),
    [
        ("", (), "RD760", "vary rank of RULE over 1, 4, 10"),
        (RANKS + KEEPS, (), "RD761", "name the one to run: ranks, keeps"),
        (RANKS, ("rank",), "RD762", "did you mean `ranks`?"),
        (RANKS, ("--set", "dot.rank=2"), "RD763", "leave out `--set`"),
        (RANKS, ("--set", "dot.rnk=2"), "RD115", "did you mean `rank`?"),
    ],
)
def test_what_cannot_be_swept_is_taught(
    invoke: Invoke, recipe: Path, more: str, arguments: tuple[str, ...], code: str, remedy: str
) -> None:
    recipe.write_text(recipe.read_text() + more)
    shown = invoke("sweep", "demo.redraft", *arguments, "--out", "out")
    assert shown.exit_code == 1
    assert f"error[{code}]" in shown.stderr
    assert remedy in shown.stderr
    assert not Path("out").exists()


def test_progress_is_one_line_for_the_whole() -> None:
    from rich.progress import Progress

    from redraft.cli.screen import Reporter

    with Progress(disable=True) as bars:
        reporter = Reporter(bars)
        reporter.overall("rank 1: planned", 0, 3)
        reporter.overall("rank 4: rule dot", 1, 3)
        (task,) = bars.tasks
        assert task.description == "1 of 3 done; rank 4: rule dot"
        assert (task.completed, task.total) == (1, 3)
    Reporter(None).overall("nothing is drawn", 0, 1)
