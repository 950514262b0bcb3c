"""For all tests: one thread each, a cache of their own, and second processes that start at once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

os.environ["REDRAFT_QUIET"] = "1"  # what takes how long differs, so progress is not compared
SECONDS = 300
FORKING = """
import atexit, gc, json, os, runpy, socket, sys, traceback
import numpy, safetensors.torch, torch
import redraft.cli.process, redraft.runs.runner

def run(order):
    sys.argv = ["-c", *order["arguments"]]
    try:
        if order["module"].endswith(".py"):
            sys.argv[0] = order["module"]
            sys.path[0] = os.path.dirname(order["module"])
            runpy.run_path(order["module"], run_name="__main__")
        elif order["module"]:
            runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
        else:
            exec(order["program"], {"__name__": "__main__"})
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

gc.freeze()  # else every child goes through all that is loaded, and owns a copy of it
line = socket.socket(fileno=int(sys.argv[1]))
while True:
    order, streams, _, _ = socket.recv_fds(line, 1 << 20, 3)
    if not order:
        break
    if process := os.fork():
        for stream in streams:
            os.close(stream)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        line.send(str(status).encode())
        continue
    line.close()
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    order = json.loads(order)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.stdin, sys.stdout = open(0), open(1, "w")
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")
    status = run(order)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)
"""
"""Starts processes, one at a time, that have torch at hand: to load it anew takes seconds each."""


class Forking:
    """A process that waits to be forked; each child has streams, settings and an end of its own.

    What Python and its libraries do at their start has been done once for all of them. A test that
    is about this start, or about what is loaded, needs a process from its beginning.
    """

    def __init__(self) -> None:
        self._line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(SECONDS)
        with other:
            place = other.fileno()
            command = [sys.executable, "-c", FORKING, str(place)]
            self._process = subprocess.Popen(command, pass_fds=[place])

    def start(
        self,
        *arguments: str,
        module: str = "",
        program: str = "",
        streams: tuple[int, int, int],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a module, a file or a program on these three streams, which are left open here."""
        order = {
            "arguments": arguments,
            "module": module,
            "program": program,
            "folder": os.getcwd(),  # noqa: PTH109
            "environment": dict(os.environ if environment is None else environment),
        }
        socket.send_fds(self._line, [json.dumps(order).encode()], streams)

    def wait(self) -> int:
        """Wait for the one that was started; returns its exit status."""
        return int(self._line.recv(64))

    def run(
        self, *arguments: str, module: str = "", program: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a module, a file or a program with nothing to read and pipes to write to."""
        (out_end, out), (errors_end, errors) = os.pipe(), os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        self.start(*arguments, module=module, program=program, streams=(nothing, out, errors))
        for ours in (nothing, out, errors):
            os.close(ours)
        with ThreadPoolExecutor() as readers:
            stdout, stderr = readers.map(_read, (out_end, errors_end))
        return subprocess.CompletedProcess(arguments, self.wait(), stdout, stderr)

    def end(self) -> None:
        """Send the waiting process away."""
        self._line.close()
        self._process.wait(SECONDS)


def _read(end: int) -> str:
    with open(end, encoding="utf-8") as stream:
        return stream.read()


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """Starts processes of their own that have torch at hand."""
    forking = Forking()
    yield forking
    forking.end()


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage is not measured in the processes that a test starts, which doubles their time.

    For processes that run other programs, or what is also run inside of a test.
    """
    for name in [name for name in os.environ if name.startswith("COVERAGE_PROCESS")]:
        monkeypatch.delenv(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What is covered must not hang on chance, and measuring doubles the time of random examples.
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("no_cover")


def pytest_configure(config: pytest.Config) -> None:
    # Two workers with two threads each would fight over two cores. Set before torch is loaded, and
    # inherited by every process that a test starts.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Tables are as wide as the terminal, and tests must not depend on whose terminal that is.
    os.environ["COLUMNS"] = "160"
    # The user's cache is left alone; this one outlives a run, so that the model is fetched once.
    os.environ.setdefault("REDRAFT_CACHE", str(Path(config.rootpath) / ".pytest_cache" / "redraft"))
