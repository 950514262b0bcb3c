"""How torch computes: threads that sleep while they wait, counts that stay, and full precision."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch

import redraft
from redraft.disk.cache import Cache
from redraft.models.arithmetic import full_float32, on_threads
from redraft.plans.planner import make_plan
from redraft.runs.runner import finish, run_plan
from redraft.runs.verify import verify
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem

EYES = "box(x 8..40, y 16..32)"


@pytest.fixture(autouse=True)
def counted() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def said_by_openmp(program: str, **environment: str) -> str:
    """What the OpenMP library says of itself when torch loads it."""
    kept = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, "OMP_DISPLAY_ENV": "TRUE", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the library's words are those of GNU's")
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise() -> None:
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in said_by_openmp("import redraft, torch")
    kept = said_by_openmp("import redraft, torch", OMP_WAIT_POLICY="ACTIVE")
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in kept


def test_a_solve_changes_no_count_of_any_thread(make_problem: Callable[..., Problem]) -> None:
    torch.set_num_threads(3)
    problem = make_problem(dtype=torch.float32)
    basis = torch.eye(2, problem.weight.shape[1], dtype=torch.float64)
    ExactSolver(1)(problem, basis)  # starts the threads that all solves share
    seen, done = set(), Event()

    def watch() -> None:
        while not done.is_set():
            with ThreadPoolExecutor(1) as fresh:
                seen.add(fresh.submit(torch.get_num_threads).result())

    watcher = Thread(target=watch)
    watcher.start()
    for _ in range(5):
        ExactSolver(8, 0.0)(problem, basis)
    done.set()
    watcher.join()
    assert seen == {3}
    assert torch.get_num_threads() == 3


def test_a_count_holds_inside_and_is_put_back_after_a_failure() -> None:
    torch.set_num_threads(2)

    def fail() -> None:
        with on_threads(1):
            assert torch.get_num_threads() == 1
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert torch.get_num_threads() == 2
    with on_threads(None):
        assert torch.get_num_threads() == 2


def test_products_are_full_float32_inside_and_as_before_afterwards() -> None:
    torch.set_float32_matmul_precision("high")
    before = torch.backends.cudnn.allow_tf32
    try:
        with full_float32():
            if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
                conv: Any = torch.backends.cudnn
                assert torch.backends.cuda.matmul.fp32_precision == "ieee"
                assert conv.conv.fp32_precision == "ieee"
            else:
                assert not torch.backends.cudnn.allow_tf32
                assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32 == before
    finally:
        torch.set_float32_matmul_precision("highest")


def test_a_run_is_verified_on_the_threads_that_it_took(workshop: Any) -> None:
    body = f"rule hat at layer6 {{ copy z[1] {EYES}  context z[2] {EYES}  rank 2 }}"
    path: Path = workshop.recipe(body)
    plan = make_plan(redraft.load(path), path.parent, cache=Cache())
    with on_threads(2):
        run = run_plan(plan, out=workshop.folder / "run", cache=Cache())
    finish(run)
    assert run.record.machine.threads == 2
    assert run.record.machine.tf32 is False
    torch.set_num_threads(1)
    same = verify(run.folder, cache=Cache())
    assert same.same_machine
    assert same.holds
    other = verify(run.folder, cache=Cache(), threads=3)
    assert other.differences == ("threads 2 -> 3",)
    assert torch.get_num_threads() == 1
