"""Fixtures shared by the tests of the command line."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from redraft.cli.app import app

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Invoke = Callable[..., Result]

RECIPE = """edition 2026

recipe demo 1.0.0 "A demonstration"

model tiny {
  arch    dcgan
  weights "tiny.pth"
}

latents z { seed 1  count 60 }

rule dot at layer6 {
  copy    z[3] box(x 8..40, y 8..40)
  context z[5] box(x 8..40, y 8..40)
  context like z[5] box(x 8..40, y 8..40) top 6 among 0..39
  rank     2
  solver   exact { loss l2 }
}
"""
SECOND = """
rule later at layer9 {
  copy    z[7] box(x 8..40, y 8..40)
  context like z[9] box(x 8..40, y 8..40) top 5 among 0..39
  context z[9] box(x 8..40, y 8..40)
  rank     2
  solver   exact { loss l2 }
}
"""


def tiny_state() -> dict[str, torch.Tensor]:
    """A DCGAN of true shape with 16 latent numbers and pictures of 64 pixels, always the same."""
    random = torch.Generator().manual_seed(0)
    sizes = (16, 32, 16, 8, 8, 3)
    state: dict[str, torch.Tensor] = {}
    for place, (inner, outer) in enumerate(pairwise(sizes)):
        shape = (inner, outer, 4, 4)
        state[f"main.{3 * place}.weight"] = torch.randn(shape, generator=random) / inner**0.5
        if outer != 3:
            norm = nn.BatchNorm2d(outer)
            state |= {f"main.{3 * place + 1}.{n}": t.clone() for n, t in norm.state_dict().items()}
    return state


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the tests' own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test in a folder of its own, with nothing of the user's settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDRAFT_CACHE", str(cache))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("NO_COLOR", "REDRAFT_DEBUG", "COLUMNS", "_REDRAFT_COMPLETE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of one rule and its model, in the current folder."""
    torch.save(tiny_state(), tmp_path / "tiny.pth")
    path = tmp_path / "demo.redraft"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def two_rules(recipe: Path) -> Path:
    """The same with a second rule at a later layer, whose keys the first one changes."""
    recipe.write_text(RECIPE + SECOND, encoding="utf-8")
    return recipe


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A run folder beside its recipe and model; tests must not change it."""
    folder = tmp_path_factory.mktemp("finished")
    torch.save(tiny_state(), folder / "tiny.pth")
    (folder / "demo.redraft").write_text(RECIPE, encoding="utf-8")
    environment = {**os.environ, "REDRAFT_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "redraft", "run", str(folder / "demo.redraft")]
    done = subprocess.run(
        [*command, "--out", str(folder / "run")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    (folder / "stderr.txt").write_text(done.stderr, encoding="utf-8")
    return folder


@pytest.fixture
def program(forking: Any) -> Run:
    """Runs the program as a process of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = forking.run(*arguments, module="redraft")
        return done

    return run


@pytest.fixture
def on_a_terminal(forking: Any) -> Callable[..., str]:
    """Runs the program on a terminal of so many columns and returns what it prints there."""

    def run(*arguments: str, width: int = 0, **environment: str) -> str:
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        forking.start(
            *arguments,
            module="redraft",
            streams=(follower, follower, follower),
            environment={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(follower)
        parts = []
        try:
            while part := os.read(leader, 4096):
                parts.append(part)
        except OSError:
            pass  # what Linux gives at the end of a terminal's output
        forking.wait()
        os.close(leader)
        return b"".join(parts).decode()

    return run


@pytest.fixture
def invoke() -> Invoke:
    """Runs a command inside the test's process."""

    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=text, prog_name="redraft")

    return run


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder of one's own, and no power to write what permissions forbid (root has it)."""
    folder = Path(tempfile.mkdtemp(prefix="redraft-test-"))
    folder.chmod(0o777)
    privileged = os.geteuid() == 0
    if privileged:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if privileged:
            os.seteuid(0)
        for inner in (folder, *folder.rglob("*")):
            inner.chmod(0o700)
        for inner in sorted(folder.rglob("*"), reverse=True):
            inner.unlink()
        folder.rmdir()
