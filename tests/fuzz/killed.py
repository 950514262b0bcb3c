"""Runs that are killed at a random point: resumed, they must end in the same bits.

A child is forked from a process that has everything loaded, and killed; another one then goes on in
the same folder. The fresh kind starts a program for each of the two.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from tests.fuzz import seeds

import redraft

STILL = 0.2
"""Seconds beside those of a whole run within which a child is killed."""


class Killed:
    """A small recipe, run once whole, then killed again and again.

    Args:
        folder: to work in.
        fresh: start a program for each run in place of a fork.

    """

    def __init__(self, folder: Path, *, fresh: bool) -> None:
        torch.set_num_threads(1)
        self.recipe, self.fresh, self.folder = seeds.workshop(folder), fresh, folder
        whole = folder / "whole"
        self._run(whole)  # the first one also fills the cache
        shutil.rmtree(whole)
        begun = time.perf_counter()
        self._start(whole)()
        self.seconds = time.perf_counter() - begun
        self.edit = (whole / "edit.safetensors").read_bytes()

    def fault(self, seed: int, number: int) -> str | None:
        """What is wrong after a run was killed and gone on with; None where nothing is."""
        source = random.Random(f"killed {seed} {number}")
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        for _ in range(source.randint(1, 3)):
            self._start(out, kill=source.uniform(0, self.seconds + STILL))()
            broken = self._broken(out)
            if broken is not None:
                return f"after a kill: {broken}"
        self._start(out)()
        if not (out / "run.json").exists():
            return "gone on with, it did not end"
        if (out / "edit.safetensors").read_bytes() != self.edit:
            return "gone on with, it ended in other bits"
        return self._broken(out)

    def _run(self, out: Path) -> None:
        redraft.run(self.recipe, out, device="cpu", threads=1)

    def _start(self, out: Path, kill: float | None = None) -> Callable[[], None]:
        started = self._program if self.fresh else self._fork
        return lambda: started(out, kill)

    def _fork(self, out: Path, kill: float | None) -> None:
        child = os.fork()
        if child == 0:
            try:
                self._run(out)
                os._exit(0)
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
                os._exit(1)
        if kill is not None:
            time.sleep(kill)
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def _program(self, out: Path, kill: float | None) -> None:
        command = [sys.executable, "-m", "redraft", "run", str(self.recipe), "--out", str(out)]
        with subprocess.Popen(
            [*command, "--threads", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            if kill is not None:
                time.sleep(kill)
                process.kill()

    def _broken(self, out: Path) -> str | None:
        """A file that stands and cannot be read."""
        for path in sorted(out.rglob("*")):
            if not path.is_file() or path.name.startswith("."):
                continue
            try:
                if path.suffix == ".json":
                    json.loads(path.read_text(encoding="utf-8"))
                elif path.suffix == ".safetensors":
                    with safe_open(str(path), framework="pt") as held:
                        held.metadata()
                elif path.suffix == ".png":
                    data = path.read_bytes()
                    if not data.endswith(b"IEND\xaeB`\x82"):
                        return f"{path.name} is cut short"
            except Exception as error:
                return f"{path.relative_to(out)}: {type(error).__name__}: {error}"
        return None
