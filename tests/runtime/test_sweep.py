"""Sweeps: every cell a run of its own, in the same bits, with what they share made once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from redraft import load
from redraft.disk.cache import Cache
from redraft.errors import ArtifactError, PlanError, RedraftError, RunError
from redraft.plans.loading import CheckFailedError
from redraft.plans.planner import make_plan
from redraft.plans.run_folder import finished_run, read_run
from redraft.runs.memo import MOST, Shared
from redraft.runs.processes import Ranks, joined
from redraft.runs.runner import run_plan
from redraft.solve.results import bytes_of
from redraft.sweep import cells as grid
from redraft.sweep.running import Task, make_task, run_sweep
from redraft.sweep.sheet import COLUMNS
from redraft.sweep.summary import SweepRecord
from redraft_dsl.check.sweeps import Axis, Sweep

EYES = "box(x 8..40, y 16..32)"
GRID = """\
sweep grid { vary rank of glasses over 1, 3  vary strength of stripe over 0.2, 0.4 }
"""
ONE = f"""
rule glasses at layer6 {{
  copy    z[1] {EYES}
  context z[2] {EYES}
  context z[3] {EYES}
  context z[4] {EYES}
  rank 1
}}
"""
RANKS = ONE + "sweep ranks { vary rank of glasses over 1, 2 }\n"
SIDES = ONE + "sweep sides { vary side of glasses over 0.0001%, 50% }\n"
pytestmark = pytest.mark.usefixtures("one_thread")


def task(path: Path, out: Path, name: str | None = None, **more: Any) -> Task:
    return make_task(
        load(path),
        lambda values: make_plan(load(path, values), path.parent, cache=Cache()),
        name,
        out=out,
        device="cpu",
        **more,
    )


def swept(path: Path, out: Path, shared: Shared | None = None, **more: Any) -> SweepRecord:
    done = run_sweep(partial(task, path, out, **more), shared=shared)
    assert done is not None
    return done[0]


def edits(out: Path) -> dict[str, bytes]:
    return {
        path.parent.name: path.read_bytes() for path in sorted(out.glob("cells/*/edit.safetensors"))
    }


def test_cells_are_the_runs_of_their_recipes_and_share_what_they_can(
    workshop: Any, tmp_path: Path
) -> None:
    path, out, shared = workshop.recipe(workshop.chain + GRID), tmp_path / "out", Shared(MOST)
    record = swept(path, out, shared)
    assert [cell.folder for cell in record.cells] == [
        "cells/001-rank1-strength0.2",
        "cells/002-rank1-strength0.4",
        "cells/003-rank3-strength0.2",
        "cells/004-rank3-strength0.4",
    ]
    for cell in record.cells:
        plan = make_plan(load(path, cell.values), path.parent, cache=Cache())
        alone = run_plan(plan, out=tmp_path / f"alone-{cell.number}", cache=Cache())
        assert (out / cell.folder / "edit.safetensors").read_bytes() == (
            alone.folder / "edit.safetensors"
        ).read_bytes()
        kept = read_run(out / cell.folder).record
        assert kept.rules == tuple(
            rule.model_copy(update={"solve_seconds": mine.solve_seconds})
            for rule, mine in zip(alone.record.rules, kept.rules, strict=True)
        )
        assert (out / cell.folder / "report.html").exists()
    # The weights are read once; a rule has one goal, whatever its rank is; and only the last rule
    # is solved in each cell, the others once for each rank.
    assert shared.made["model"] == 1
    # One of the insert; of the erase one, and one for each fold, whose contexts choose its units;
    # of the zero one for each cell, since its goal is what it does.
    assert shared.made["goal"] == 1 + (1 + 3) + 4
    assert shared.found["goal"] > 0
    assert (shared.made["rule"], shared.found["rule"]) == (8, 4)
    assert 0 < shared.held <= MOST


def test_pictures_that_rules_are_judged_on_are_drawn_once(workshop: Any, tmp_path: Path) -> None:
    shared = Shared(MOST)
    swept(workshop.recipe(RANKS), tmp_path / "out", shared)
    assert (shared.made["judged"], shared.found["judged"]) == (1, 1)
    # Found by the second cell, by what is said of each rule, and by the report of each.
    assert (shared.made["drawn"], shared.found["drawn"]) == (1, 5)
    assert shared.made["placed"] == 1


@pytest.mark.parametrize(
    ("setting", "made"),
    [
        # The rule and its three folds; of each cell what comes after the setting.
        ("strength over 1, 0.5", {"directions": 4, "design": 4, "solution": 4}),
        ("preserve over 0.3, 0.1", {"directions": 4, "design": 4, "solution": 8}),
        ("rank over 1, 2", {"normal": 12, "spectrum": 4, "directions": 8, "solution": 8}),
        ("contrast over 0.8, 0", {"goal": 1, "normal": 12, "factor": 32, "spectrum": 8}),
        ("keep over 1, 2", {"goal": 1, "weights": 8, "normal": 12, "spectrum": 8}),
    ],
)
def test_cells_share_the_stages_before_what_varies(
    workshop: Any, tmp_path: Path, setting: str, made: dict[str, int]
) -> None:
    name, values = setting.split(" over ")
    shared = Shared(MOST)
    path = workshop.recipe(f"{ONE}sweep s {{ vary {name} of glasses over {values} }}\n")
    record = swept(path, tmp_path / "out", shared)
    assert not record.failed
    assert {stage: shared.made[stage] for stage in made} == made
    for cell in record.cells:
        plan = make_plan(load(path, cell.values), path.parent, cache=Cache())
        alone = run_plan(plan, out=tmp_path / f"alone-{cell.number}", cache=Cache())
        assert (tmp_path / "out" / cell.folder / "edit.safetensors").read_bytes() == (
            alone.folder / "edit.safetensors"
        ).read_bytes()


def test_without_room_everything_is_made_again_and_is_the_same(
    workshop: Any, tmp_path: Path
) -> None:
    path, cramped = workshop.recipe(RANKS), Shared(100_000)
    swept(path, tmp_path / "cramped", cramped)
    swept(path, tmp_path / "roomy", Shared(MOST))
    assert cramped.made["judged"] == 2
    assert cramped.held <= 100_000
    assert edits(tmp_path / "cramped") == edits(tmp_path / "roomy")


# ---- what is shared --------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    rows: Tensor
    more: dict[str, Tensor]


def test_all_tensors_of_a_result_count() -> None:
    made = Made(torch.zeros(3), {"a": torch.zeros(2, dtype=torch.float64)})
    assert bytes_of([made, (torch.zeros(1),)]) == 12 + 16 + 4
    assert bytes_of("words") == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=40))
def test_kept_results_fit_and_are_never_wrong(asked: list[tuple[int, int]]) -> None:
    shared = Shared(100)
    for name, size in asked:
        found = shared.once("numbers", (name, size), lambda n=name, s=size: torch.full((s,), n))  # type: ignore[misc]
        assert torch.equal(found, torch.full((size,), name))
        assert shared.held <= 100


def test_the_one_that_was_not_asked_for_longest_goes_first() -> None:
    shared = Shared(20)
    ask = partial(shared.once, "numbers")
    for name in ("one", "two", "one", "three"):
        ask(name, lambda: torch.zeros(2))
    assert (shared.made["numbers"], shared.found["numbers"]) == (3, 1)
    ask("one", lambda: torch.zeros(2))
    assert shared.found["numbers"] == 2
    ask("two", lambda: torch.zeros(2))
    assert shared.made["numbers"] == 4


def test_another_truncation_is_another_model(workshop: Any, tmp_path: Path) -> None:
    plan = make_plan(load(workshop.recipe(ONE)), workshop.folder)
    shared, cpu = Shared(1000), torch.device("cpu")
    first = shared.model(plan.base, cpu)
    shared.once("numbers", 1, lambda: torch.zeros(3))
    first.generator.set_weight("layer6", 2 * first.generator.form("layer6").weight)
    again = shared.model(plan.base, cpu)
    assert again is first
    assert torch.equal(again.generator.state()["6.weight"], first.state.bare()["6.weight"])
    assert shared.held == 12
    other = shared.model(replace(plan.base, truncation=0.5), cpu)
    assert other is not first
    assert shared.held == 0


# ---- going on --------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from functools import partial
from pathlib import Path
import torch
from redraft import load
from redraft.plans.planner import make_plan
from redraft.sweep.running import make_task, run_sweep

torch.set_num_threads(1)
path, out, begin = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def die(what, done, total):
    if what.startswith(begin):
        os.kill(os.getpid(), signal.SIGKILL)

plan = lambda values: make_plan(load(path, values), path.parent)
run_sweep(lambda: make_task(load(path), plan, out=out, device="cpu", progress=die))
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("begin", ["rank 2: planned", "rank 2: rule glasses"])
def test_a_killed_sweep_goes_on(workshop: Any, tmp_path: Path, begin: str, forking: Any) -> None:
    path, out = workshop.recipe(RANKS), tmp_path / "out"
    killed = forking.run(str(path), str(out), begin, program=KILLED)
    assert killed.returncode == -signal.SIGKILL
    before = edits(out)
    assert sorted(before) == ["001-rank1"]
    assert not (out / "sweep.json").exists()
    told: list[tuple[str, int, int]] = []
    record = swept(path, out, progress=lambda *step: told.append(step))
    assert [cell.before for cell in record.cells] == [True, False]
    assert not any("rank 1: rule" in what for what, _, _ in told)
    assert ("rank 2: rule glasses", 1, 2) in told
    swept(path, tmp_path / "whole")
    assert edits(out) == edits(tmp_path / "whole")
    assert {name: edits(out)[name] for name in before} == before


def test_a_cell_is_run_again_when_it_is_no_longer_the_same(workshop: Any, tmp_path: Path) -> None:
    path, out = workshop.recipe(RANKS), tmp_path / "out"
    swept(path, out)
    assert all(cell.before for cell in swept(path, out).cells)
    (out / "cells/001-rank1/edit.safetensors").write_bytes(b"damaged")
    assert [cell.before for cell in swept(path, out).cells] == [False, True]
    (out / "cells/002-rank2/run.json").unlink()
    assert [cell.before for cell in swept(path, out).cells] == [True, False]


def test_fresh_runs_every_cell_again(workshop: Any, tmp_path: Path) -> None:
    path, out = workshop.recipe(RANKS), tmp_path / "out"
    swept(path, out)
    assert not any(cell.before for cell in swept(path, out, fresh=True).cells)


def test_another_recipe_or_model_is_another_cell(workshop: Any, tmp_path: Path) -> None:
    path, out = workshop.recipe(RANKS.replace("1, 2", "1")), tmp_path / "out"
    swept(path, out)
    path.write_text(path.read_text().replace("z[1] box", "z[9] box"))
    assert not any(cell.before for cell in swept(path, out).cells)
    assert all(cell.before for cell in swept(path, out).cells)
    state = torch.load(workshop.model, weights_only=True)
    state["netG_state_dict"]["main.0.weight"] *= 1.5
    torch.save(state, workshop.model)
    assert not any(cell.before for cell in swept(path, out).cells)


def test_a_cell_that_fails_is_told_and_the_others_go_on(workshop: Any, tmp_path: Path) -> None:
    record = swept(workshop.recipe(SIDES), tmp_path / "out")
    bad, good = record.cells
    assert record.failed == (bad,)
    assert bad.error is not None
    assert bad.error.code == "RD513"
    assert "no preserve keeps the side effect below" in bad.error.message
    assert (bad.rules, len(good.rules)) == ((), 1)
    assert not (tmp_path / "out" / bad.folder / "run.json").exists()
    page = (tmp_path / "out/sweep.md").read_text()
    assert "| 1 | 0.0001% | failed: RD513 |" in page
    assert "cell 1 failed: no preserve keeps" in page
    assert "(cells/002-side50pct/report.html)" in page


def test_a_sweep_of_failures_alone_is_told_too(workshop: Any, tmp_path: Path) -> None:
    path = workshop.recipe(SIDES.replace(", 50%", ""))
    record = swept(path, tmp_path / "out")
    assert len(record.failed) == len(record.cells) == 1
    assert record.shown == ()
    assert not (tmp_path / "out/sweep.png").exists()
    assert json.loads((tmp_path / "out/sweep.json").read_text())["cells"][0]["rules"] == []


def test_values_that_do_not_go_together_fail_with_the_recipes_own_fault(
    workshop: Any, tmp_path: Path
) -> None:
    body = "param first: int = 0\nparam last: int = 100\n" + ONE.replace(
        "rank 1", f"context like z[2] {EYES} top 2 among first..last\n  rank 1"
    )
    body += "sweep ends { vary first over 60  vary last over 50 }\n"
    record = swept(workshop.recipe(body), tmp_path / "out")
    (bad,) = record.failed
    assert bad.values == {"first": "60", "last": "50"}
    assert bad.error is not None
    assert bad.error.code == "RD215"


def test_the_sheet_has_the_originals_and_a_row_for_every_cell(
    workshop: Any, tmp_path: Path
) -> None:
    record = swept(workshop.recipe(RANKS), tmp_path / "out")
    assert len(record.shown) == COLUMNS
    used = {1, 2, 3, 4}
    assert not used & set(record.shown)
    sheet = Image.open(tmp_path / "out/sweep.png").convert("RGB")
    # Equal rows; the rows of two ranks are not the same pictures.
    pitch = (sheet.height - 16) // 3
    rows = [
        sheet.crop((0, 8 + row * pitch + 20, sheet.width, 8 + (row + 1) * pitch))
        for row in range(3)
    ]
    assert len({row.tobytes() for row in rows}) == 3
    gallery = (tmp_path / "out/sweep.html").read_text()
    assert "the goal: what is marked in z[1]" in gallery
    assert gallery.count('href="cells/') == 2


def test_a_sweep_of_removals_shows_pictures_that_change(workshop: Any, tmp_path: Path) -> None:
    body = f"""
erase noise at layer3 {{
  context z[5] {EYES}
  context z[6] {EYES}
  context z[7] {EYES}
  units 4
}}
sweep units {{ vary units of noise over 2, 6 }}
"""
    record = swept(workshop.recipe(body), tmp_path / "out")
    assert len(record.shown) == COLUMNS
    assert list(record.shown) == sorted(record.shown)
    assert list(record.shown) != list(range(120 - COLUMNS, 120))


# ---- which sweep, which cells -----------------------------------------------------------------


def test_a_recipe_with_errors_has_no_sweep_to_run(workshop: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError):
        task(workshop.recipe(RANKS.replace("layer6", "layer66 at")), tmp_path)


@pytest.mark.parametrize(
    ("body", "name", "code", "said"),
    [
        (ONE, None, "RD760", "has no sweep"),
        (RANKS + "sweep b { vary keep of glasses over 1, 2 }", None, "RD761", "has 2 sweeps"),
        (RANKS, "rank", "RD762", "has no sweep `rank`"),
    ],
)
def test_which_sweep_is_meant_must_be_clear(
    workshop: Any, tmp_path: Path, body: str, name: str | None, code: str, said: str
) -> None:
    with pytest.raises(PlanError, match=said) as caught:
        task(workshop.recipe(body), tmp_path, name)
    assert caught.value.code == code
    if code == "RD762":
        assert "ranks" in str(caught.value.help)


def test_folders_are_named_after_values() -> None:
    sweep = Sweep("s", (Axis("a.rank", ("1",)), Axis("b.rank", ("2",)), Axis("side", ("5%",))))
    (cell,) = grid.cells_of(sweep)
    assert cell.folder == "cells/001-a.rank1-b.rank2-side5pct"
    assert cell.label == "a.rank 1, b.rank 2, side 5%"
    many = grid.cells_of(Sweep("s", (Axis("x", tuple(map(str, range(1000)))),)))
    assert many[0].folder == "cells/0001-x0"
    assert len({each.folder for each in many}) == 1000
    long = Sweep("s", (Axis("x", ("w" * 300,)), Axis("y", ("../..", "/"))))
    names = [each.folder.removeprefix("cells/") for each in grid.cells_of(long)]
    assert all(len(name) <= 100 and "/" not in name for name in names)


def test_a_default_folder_is_named_after_recipe_and_sweep(workshop: Any) -> None:
    path = workshop.recipe(RANKS)
    made = make_task(load(path), lambda values: make_plan(load(path, values), path.parent))
    assert made.folder.parent == Path("runs")
    assert made.folder.name.startswith("demo-1.0.0-ranks-")
    given = load(path, {"glasses.strength": "2"})
    assert make_task(given, made.plan).folder != made.folder
    with pytest.raises(PlanError, match="which `--set` gives a value"):
        make_task(load(path, {"glasses.rank": "2"}), made.plan)


def test_a_folder_that_cannot_be_made_is_told(workshop: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be made"):
        swept(workshop.recipe(RANKS), tmp_path / "file" / "out")


def test_no_folder_is_no_finished_cell(workshop: Any, tmp_path: Path) -> None:
    plan = make_plan(load(workshop.recipe(ONE)), workshop.folder)
    assert finished_run(tmp_path / "nothing", plan) is None


# ---- several processes -------------------------------------------------------------------------


def spread(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in two processes."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [sys.executable, *command, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )


def test_two_processes_give_the_bits_of_one(workshop: Any, tmp_path: Path) -> None:
    path = workshop.recipe(RANKS)
    done = spread(path.parent, "-m", "redraft", "sweep", path.name, "--out", "two")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("sweep ranks") == 1
    assert "in 2 processes" in done.stdout
    swept(path, tmp_path / "one")
    assert len(edits(tmp_path / "one")) == 2
    assert edits(path.parent / "two") == edits(tmp_path / "one")
    two, one = (
        SweepRecord.model_validate_json((folder / "sweep.json").read_text())
        for folder in (path.parent / "two", tmp_path / "one")
    )
    assert two.shown == one.shown
    assert (two.processes, one.processes) == (2, 1)
    assert [cell.number for cell in two.cells] == [1, 2]


def test_a_failure_in_one_process_does_not_hold_up_the_others(workshop: Any) -> None:
    # The second cell, which the second process runs, fails.
    path = workshop.recipe(SIDES.replace("0.0001%, 50%", "50%, 0.0001%, 40%"))
    done = spread(path.parent, "-m", "redraft", "sweep", path.name, "--out", "out")
    assert done.returncode == 1
    assert done.stderr.count("cell 2 (glasses.side = 0.0001%) failed: RD513") == 1
    assert sorted(edits(path.parent / "out")) == ["001-side50pct", "003-side40pct"]


ONE_FAILS = """
import os

from redraft.errors import RedraftError, RunError
from redraft.runs.processes import joined

def say(*words):
    # Both processes write to one pipe: a line and its end at once, or they would mix.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def work(rank):
    if rank == 1:
        raise RunError("RD762", "no such sweep", "name another")
    return rank

with joined() as ranks:
    try:
        say(ranks.together(lambda: work(ranks.rank)))
    except RedraftError as error:
        say(ranks.rank, error.code, error)
    say(ranks.together(lambda: ranks.rank))
"""


def test_what_keeps_one_process_from_working_is_told_by_the_first(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(ONE_FAILS)
    done = spread(tmp_path, "program.py")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "0 RD762 process 1 of 2: no such sweep (name another)",
        "[0, 1]",
        "[]",
        "[]",
    ]


def test_processes_that_do_not_find_each_other_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RunError, match="cannot find each other") as caught, joined():
        pass
    assert caught.value.code == "RD764"


def test_alone_there_is_nobody_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as ranks:
        assert ranks == Ranks(0, 1)
        assert ranks.together(lambda: "work") == ["work"]
        assert list(ranks.mine([1, 2, 3])) == [1, 2, 3]

        def fail() -> str:
            raise RunError("RD500", "no")

        with pytest.raises(RedraftError, match="no"):
            ranks.together(fail)


def test_cells_are_dealt_out_in_turn() -> None:
    assert [list(Ranks(rank, 3).mine("abcdefg")) for rank in range(3)] == [
        ["a", "d", "g"],
        ["b", "e"],
        ["c", "f"],
    ]
