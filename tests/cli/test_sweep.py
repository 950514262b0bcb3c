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
    assert heads[:5] == ["cell", "rank", "share", "amplitude", "outside"]
    assert [line.split()[:2] for line in lines[3:5]] == [["1", "1"], ["2", "2"]]
    assert "measured on 60 " in shown.stdout
    for name in ("sweep.png", "sweep.md", "sweep.json"):
        assert str(Path("out") / name) in shown.stdout
        assert (Path("out") / name).exists()
    page = Path("out/sweep.md").read_text()
    assert "| cell | rank | share |" in page
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
        assert rule.pop("misaimed") is False
        assert rule == {name: record["rules"][0][name] for name in rule}
        assert rule["rank"] == int(rank)
        assert {path.name for path in folder.iterdir()} == {
            *("run.json", "edit.safetensors", "recipe.redraft", "before-after.png", "report.html"),
        }
    applied = invoke("explain", "RD763")
    assert "a value for what a sweep varies" in applied.stdout


WHOLE = "\nsweep whole { vary rank of dot over 1, 2, 3, 4, 40 }\n"


def test_cells_side_by_side_are_those_of_one_after_another(invoke: Invoke, recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + WHOLE)
    told = {}
    for jobs in ("1", "2"):
        shown = invoke("sweep", "demo.redraft", "--out", jobs, "--jobs", jobs, "--threads", "1",
                       "--format", "json")  # fmt: skip
        assert shown.exit_code == 1, "rank 40 is refused"
        told[jobs] = json.loads(shown.stdout)
    assert (told["1"]["processes"], told["2"]["processes"]) == (1, 2)
    for one, other in zip(told["1"]["cells"], told["2"]["cells"], strict=True):
        assert one["error"] == other["error"]
        assert [_lasting(each) for each in one["rules"]] == [
            _lasting(each) for each in other["rules"]
        ]
        assert not other["before"]
        if one["error"] is None:
            edits = [Path(jobs) / one["folder"] / "edit.safetensors" for jobs in ("1", "2")]
            assert edits[0].read_bytes() == edits[1].read_bytes()
    again = invoke("sweep", "demo.redraft", "--out", "2", "--jobs", "2", "--threads", "1")
    assert "4 of 5 cells were finished before" in again.stdout


def _lasting(rule: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in rule.items() if "seconds" not in name}


def test_a_process_that_is_lost_costs_nothing_but_time(
    invoke: Invoke, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe.write_text(recipe.read_text() + "\nsweep whole { vary rank of dot over 1, 2, 3 }\n")
    monkeypatch.setattr("redraft.sweep.beside.sys.executable", "/bin/false")
    shown = invoke("sweep", "demo.redraft", "--out", "out", "--jobs", "2", "--fresh")
    assert shown.exit_code == 0, shown.stderr
    assert "finished before" not in shown.stdout
    assert len(list(Path("out/cells").iterdir())) == 3


def test_only_a_share_is_a_share(invoke: Invoke, ranks: Path) -> None:
    for text in ("3/2", "0/2", "x", "1"):
        shown = invoke("sweep", "demo.redraft", "--part", text)
        assert shown.exit_code == 2
        assert f"`{text}` is no share" in shown.stderr


def test_a_run_says_that_it_leaves_sweeps_out(invoke: Invoke, ranks: Path) -> None:
    shown = invoke("run", "demo.redraft", "--out", "out").stdout
    assert shown.endswith(
        "its sweep ranks is not run by this; to run it: redraft sweep demo.redraft\n"
    )
    ranks.write_text(ranks.read_text() + KEEPS)
    shown = invoke("run", "demo.redraft", "--out", "out").stdout.splitlines()[-1]
    assert shown == (
        "its sweeps ranks, keeps are not run by this; to run it: redraft sweep demo.redraft NAME"
    )
    told = invoke("run", "demo.redraft", "--out", "out", "--format", "json").stdout
    assert "sweep" not in told


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


OTHER_PLACE = "match dot line 1 place 1 z[39] x +8 y 0"


@pytest.fixture
def relocated(invoke: Invoke, ranks: Path) -> Path:
    """The swept recipe with a lock that has a place which no search would find there."""
    assert invoke("lock", "demo.redraft").exit_code == 0
    lines = Path("demo.lock").read_text().splitlines()
    first = next(line for line in lines if line.startswith("match dot line 1 place 1 "))
    assert not any("z[39]" in line for line in lines)
    lines[lines.index(first)] = OTHER_PLACE
    Path("demo.lock").write_text("\n".join(lines) + "\n")
    return ranks


def test_cells_take_their_places_from_the_lock(invoke: Invoke, relocated: Path) -> None:
    shown = invoke("sweep", "demo.redraft", "--out", "out")
    assert shown.exit_code == 0, shown.stderr
    assert "\nits lock was obeyed\n" in shown.stdout
    assert "searched anew" not in shown.stdout
    for folder, rank in (("001-rank1", 1), ("002-rank2", 2)):
        cell = Path("out/cells") / folder
        record = json.loads((cell / "run.json").read_text())
        contexts = record["rules"][0]["contexts"]
        assert {"index": 39, "box": [16, 8, 48, 40]}.items() <= contexts[1].items()
        # Each cell keeps the lock of what it is, which holds for its recipe as it stands alone.
        kept = (cell / "recipe.lock").read_text()
        assert f"\nrule dot rank {rank}\n" in kept
        assert f"\n{OTHER_PLACE}\n" in kept
        (cell / "tiny.pth").symlink_to(Path("tiny.pth").resolve())
        assert invoke("lock", "--check", str(cell / "recipe.redraft")).exit_code == 0
    assert invoke("verify", "out/cells/001-rank1").exit_code == 0
    again = invoke("sweep", "demo.redraft", "--out", "out")
    assert "2 of 2 cells were finished before" in again.stdout
    free = invoke("sweep", "demo.redraft", "--out", "out", "--no-lock", "--format", "json")
    told = json.loads(free.stdout)
    assert told["lock"] is None
    assert not any(cell["before"] for cell in told["cells"])


def test_a_lock_that_says_what_was_found_leaves_cells_finished(invoke: Invoke, ranks: Path) -> None:
    assert invoke("sweep", "demo.redraft", "--out", "out").exit_code == 0
    assert invoke("lock", "demo.redraft").exit_code == 0
    again = invoke("sweep", "demo.redraft", "--out", "out")
    assert "2 of 2 cells were finished before" in again.stdout
    lock = Path("demo.lock")
    lines = lock.read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("match dot line 1 place 1 "))
    lines[place] = OTHER_PLACE
    lock.write_text("\n".join(lines) + "\n")
    other = invoke("sweep", "demo.redraft", "--out", "out")
    assert "finished before" not in other.stdout


def test_a_sweep_stops_where_the_lock_differs(invoke: Invoke, relocated: Path) -> None:
    relocated.write_text(relocated.read_text().replace("count 60", "count 61"))
    shown = invoke("sweep", "demo.redraft", "--out", "out")
    assert shown.exit_code == 1
    assert "error[RD410]: demo.lock differs" in shown.stderr
    assert "latents z: the lock says seed 1 count 60" in shown.stderr
    assert not Path("out").exists()


def test_what_a_sweep_searches_otherwise_is_searched_anew(invoke: Invoke, recipe: Path) -> None:
    text = recipe.read_text().replace("top 6", "top many")
    text = text.replace("latents z {", "param many: int = 6 in 1..9\n\nlatents z {")
    recipe.write_text(text + "\nsweep tops { vary many over 2, 6 }\n")
    assert invoke("lock", "demo.redraft", "--set", "many=6").exit_code == 0
    shown = invoke("sweep", "demo.redraft", "--out", "out")
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert "searched anew, since the sweep varies what is searched: dot" in lines
    record = json.loads(Path("out/cells/001-many2/run.json").read_text())
    assert len(record["rules"][0]["contexts"]) == 1 + 2
    assert "\nmatch" not in Path("out/cells/001-many2/recipe.lock").read_text()
    assert "\nmatch dot line 1 place 6 " in Path("out/cells/002-many6/recipe.lock").read_text()


def test_a_value_of_the_lock_may_be_what_is_varied(invoke: Invoke, ranks: Path) -> None:
    assert invoke("lock", "demo.redraft", "--set", "dot.rank=1").exit_code == 0
    shown = invoke("sweep", "demo.redraft", "--out", "out", "--format", "json")
    assert shown.exit_code == 0, shown.stderr
    assert len(json.loads(shown.stdout)["lock"]) == 64
    other = invoke("sweep", "demo.redraft", "--set", "dot.strength=2", "--out", "other")
    assert "error[RD419]: demo.lock was made with `--set dot.rank=1`" in other.stderr


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
