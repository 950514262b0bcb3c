"""One run in several processes: the bits of one process, one cache, and nobody left waiting."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from redraft.disk.cache import Cache
from redraft.disk.digest import tensors_digest
from redraft.errors import RunError
from redraft.plans.record import RunRecord
from redraft.runs.processes import ALONE, Ranks, joined
from redraft.runs.recording import group_record, machine_record
from redraft.runs.verify import verify

EYES = "box(x 8..40, y 16..32)"
CHAIN = f"""
rule glasses at layer6 {{
  copy    z[1] {EYES}
  context z[2] {EYES}
  context z[3] {EYES}
  context like z[2] {EYES} top 4 among 10..40
}}
erase noise at layer3 {{
  context z[5] ellipse(30,30 radius 20,12)
  context z[6] {EYES}
  context z[7] {EYES}
  rank 2  units 4  strength 0.5
}}
zero stripe at layer6 {{ context z[8] {EYES}  rank 1  strength 0.4 }}
"""
ONE = f"""
rule glasses at layer6 {{
  copy    z[1] {EYES}
  context z[2] {EYES}
  context z[3] {EYES}
  context z[4] {EYES}
}}
"""

# Torch is loaded once and the processes of every group are forked from there, which is cheap.
HARNESS = """
import contextlib, io, json, os, shutil, signal, socket, sys, time
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
from redraft import load
from redraft.cli import main
from redraft.errors import RedraftError, RunError
from redraft.disk.digest import tensors_digest
from redraft.models import batches, latents
from redraft.plans.planner import make_plan
from redraft.runs.processes import joined
from redraft.runs.recording import group_record
from redraft.runs.runner import assist_run, finish, run_plan
from redraft.runs.session import open_session
from redraft.memory.moments import products, summed

CPU = torch.device("cpu")
torch.set_num_threads(1)
batches.POSITIONS = 7 * 64 * 64  # several batches of few pictures
recipe, out = Path(sys.argv[1]), Path(sys.argv[2])


def plan(path=recipe):
    return make_plan(load(path), path.parent)


def told_by(work, patience, join):
    if not join:
        return work()
    try:
        with joined(timedelta(seconds=patience)) as ranks:
            return work(ranks)
    except RedraftError as error:
        return [error.code, error.message]


def group(world, work, cache="cache", patience=100, join=True):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pipes = []
    for rank in range(world):
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.environ.update(
                RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1",
                MASTER_PORT=str(port), REDRAFT_CACHE=str(out / f"{cache}-{rank}"),
            )
            told = json.dumps(told_by(work, patience, join))
            os.write(writing, told.encode())
            sys.exit()  # not at once, so that coverage is written
        os.close(writing)
        pipes.append(reading)
    told = [open(pipe).read() for pipe in pipes]
    for _ in pipes:
        assert os.waitstatus_to_exitcode(os.wait()[1]) in (0, -signal.SIGKILL)
    return [json.loads(each) if each else "killed" for each in told]


def quiet(*_):
    pass


def runs(folder, tell=quiet, path=recipe):
    def work(ranks):
        if not ranks.first:
            return assist_run(plan(path), ranks, device="cpu")
        run = run_plan(plan(path), out=out / folder, device="cpu", progress=tell, ranks=ranks)
        finish(run)
        return list(run.resumed)
    return work


"""


@dataclass(frozen=True)
class Groups:
    """Runs programs that start groups of processes on a recipe; files lie below ``out``."""

    recipe: Path
    out: Path

    def __call__(self, program: str) -> Any:
        """What the program's ``say`` gets."""
        self.out.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", HARNESS + program, str(self.recipe), str(self.out)],
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def record(self, folder: str) -> RunRecord:
        return RunRecord.model_validate_json((self.out / folder / "run.json").read_text())

    def edit(self, folder: str) -> bytes:
        return (self.out / folder / "edit.safetensors").read_bytes()

    def cached(self, cache: str) -> dict[str, str]:
        """What one process's cache of statistics holds: the digest of each entry."""
        folder = self.out / cache / "statistics"
        return {path.name: tensors_digest(load_file(path)) for path in folder.glob("*")}


forks = pytest.mark.skipif(sys.platform != "linux", reason="forks after torch is loaded")

# ---- the same bits -----------------------------------------------------------------------------

BITS = """
def moments(count, size):
    def work(ranks):
        generator = open_session(plan(), CPU).model.generator
        seen = []
        layers = ["layer3", "layer6"]
        found = ranks.combined(
            latents.batches(3, count, 10, size),
            partial(products, generator, layers),
            lambda parts: summed(parts, layers, seen.append),
        )
        digest = tensors_digest({layer: each.matrix for layer, each in found.items()})
        return [digest, [each.keys for each in found.values()], seen]
    return work


def die(what, *_):
    if what == "rule noise":
        os.kill(os.getpid(), signal.SIGKILL)


told = [group(world, runs(f"run{world}"), f"cache{world}") for world in (1, 2)]
# Only the second of three processes finds statistics; then, of two, only the first.
shutil.copytree(out / "cache1-0", out / "cache3-1")
told += [group(3, runs("run3"), "cache3")]
print(json.dumps({
    "moments": [
        [group(world, moments(count, size)) for world in (1, 2, 3)]
        for count, size in ((40, 6), (9, 5), (3, 5))
    ],
    "told": told,
    "killed": group(2, runs("killed", die), "cache2"),
    "resumed": group(2, runs("killed"), "cache2"),
}))
"""


@forks
def test_a_run_has_the_bits_of_one_process_and_one_cache(workshop: Any, tmp_path: Path) -> None:
    groups = Groups(workshop.recipe(CHAIN, count=60), tmp_path / "out")
    told = groups(BITS)
    check_moments(told["moments"])
    assert told["told"] == [[[]], [[], None], [[], None, None]]
    one, entries = groups.record("run1"), groups.cached("cache1-0")
    assert len(entries) == 3
    for folder, cached in (("run2", False), ("run3", False), ("killed", True)):
        assert groups.edit(folder) == groups.edit("run1")
        record = groups.record(folder)
        assert record.machine == one.machine
        assert [_lasting(each) for each in record.rules] == [_lasting(each) for each in one.rules]
        assert [each.cached for each in record.statistics] == [cached] * 3
        assert [each.keys for each in record.statistics] == [each.keys for each in one.statistics]
    # Only the first process writes into its cache, and the entries are those of one process.
    caches = {name: groups.cached(name) for name in ("cache2-0", "cache3-0", "cache3-1")}
    assert caches == dict.fromkeys(caches, entries)
    assert groups.cached("cache2-1") == groups.cached("cache3-2") == {}
    # A first process that is killed leaves what it had finished, and the other does not wait.
    assert told["killed"][0] == "killed"
    assert told["killed"][1][0] == "RD765"
    assert told["resumed"] == [["glasses"], None]


def check_moments(told: list[list[list[Any]]]) -> None:
    # Shares are uneven; of two batches one process of three has none, of one batch two have none.
    for groups, batches in zip(told, ([6] * 6 + [4], [5, 4], [3]), strict=True):
        ((digest, keys, progress),) = groups[0]
        assert progress == batches
        assert keys == [sum(batches) * 4 * 4, sum(batches) * 8 * 8]
        for group in groups:
            assert [each[:2] for each in group] == [[digest, keys]] * len(group)
            assert [each[2] for each in group] == [batches, [], []][: len(group)]


def _lasting(rule: Any) -> dict[str, object]:
    return {**rule.model_dump(), "solve_seconds": None}


def test_a_run_under_torchrun_is_one_run(
    workshop: Any, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    path = workshop.recipe(ONE)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "redraft", "run", path.name, "--out", "two"],
        cwd=path.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("demo 1.0.0: A demonstration") == 1
    assert "seconds on cpu, 2 processes\n" in done.stdout
    assert done.stdout.count("edit    two/edit.safetensors") == 1
    assert (path.parent / "two" / "report.html").exists()
    # What two processes made is verified, without their statistics, by one.
    monkeypatch.chdir(path.parent)
    found = verify(Path("two"), cache=Cache(path.parent / "empty"))
    assert found.differences == ()
    assert found.rules[0].identical


# ---- failures ----------------------------------------------------------------------------------

FAILURES = """
def counting(rank, fail):
    def work(ranks):
        def square(number):
            if ranks.rank == rank and number > 3:
                fail()
            return number * number
        return list(ranks.in_order(range(10), square))
    return work


def refuse():
    raise RunError("RD502", "the keys hold NaN", "try another model")


def stumble():
    raise TypeError("no number")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def strayed(ranks):
    return runs("strayed", path=recipe if ranks.first else recipe.with_name("other.redraft"))(
        ranks
    )


def sleep():
    time.sleep(6)


def missing():
    spoken, remarked = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(spoken), contextlib.redirect_stderr(remarked):
        status = main(["run", "nothing.redraft"])
    return [status, spoken.getvalue(), remarked.getvalue()]


def machines(ranks):
    torch.set_num_threads(1 + ranks.rank // 2)
    return group_record(CPU, ranks).platform


print(json.dumps({
    "none": group(3, counting(5, die)),
    "first": group(3, counting(0, refuse)),
    "other": group(3, counting(2, refuse)),
    "defect": group(2, counting(1, stumble)),
    "killed": group(3, counting(1, die)),
    "silent": group(2, counting(1, sleep), patience=3),
    "strayed": group(2, strayed),
    "missing": group(2, missing, join=False),
    "machines": group(3, machines),
}))
"""


@forks
def test_what_happens_to_one_process_is_told_and_nobody_waits(
    workshop: Any, tmp_path: Path
) -> None:
    path = workshop.recipe(ONE)
    workshop.recipe(ONE.replace("z[1]", "z[9]"), name="other")
    told = Groups(path, tmp_path / "out")(FAILURES)
    assert told["none"] == [[number * number for number in range(10)], [], []]
    refused = "the keys hold NaN"
    assert told["first"] == [["RD502", refused], None, None]
    assert told["other"] == [["RD502", f"process 2 of 3: {refused}"], None, None]
    assert told["defect"] == [["RD765", "process 1 of 2: TypeError: no number"], None]
    lost = ["RD765", "another process has ended or does not answer"]
    assert told["killed"] == [lost, "killed", lost]
    assert told["silent"][0] == lost
    assert told["strayed"][0][0] == "RD766"
    assert told["strayed"][1] is None
    assert not (tmp_path / "out" / "strayed" / "run.json").exists()
    status, spoken, remarked = told["missing"][0]
    assert (status, spoken, remarked.count("error[")) == (1, "", 1)
    assert "process 1" not in remarked
    assert told["missing"][1] == [0, "", ""]
    # Machines that differ are not held to the same bits: the record of each names them.
    assert len(set(told["machines"])) == 1
    assert told["machines"][0].endswith(", together with another (threads 1 -> 2)")


def test_nobody_waits_for_processes_that_were_never_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in {**known, "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with (
        pytest.raises(RunError, match=r"cannot find each other: .*1/2") as caught,
        joined(meeting=timedelta(seconds=1)),
    ):
        pass
    assert caught.value.code == "RD764"


# ---- alone ---------------------------------------------------------------------------------------


def test_alone_everything_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    with joined() as ranks:
        assert ranks == ALONE == Ranks(0, 1)
        assert list(ranks.in_order("abc", str.upper)) == ["A", "B", "C"]
        assert ranks.from_first(lambda: "made") == "made"
        assert ranks.after_first(lambda: "made") == "made"
        assert ranks.everyone("value") == ["value"]
        cpu = torch.device("cpu")
        assert group_record(cpu, ranks) == machine_record(cpu)
    with pytest.raises(RunError, match="seen by all"), joined():
        raise RunError("RD500", "seen by all")
