"""A process that takes damaged files one after another, under limits, and notes what fails."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from tests.fuzz.cases import KINDS

SECONDS, STUCK = 10.0, 300.0
MEMORY = 2 << 30
FORBIDDEN = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen"}
FORBIDDEN |= {"socket.connect", "ctypes.dlopen", "pty.spawn", "webbrowser.open"}
NOTED = 200
"""Cases after which the present number is written down."""


class TooLongError(BaseException):
    """A case took longer than it may; not an Exception, so that no handler swallows it."""


class ExecutedError(BaseException):
    """A file made something run."""


def work(name: str, seed: int, first: int, last: int, state: Path) -> None:
    """Take the files ``first`` to ``last`` (not included) of a kind; writes ``state``."""
    kind = KINDS[name]
    armed = False

    def hook(event: str, _arguments: object) -> None:
        if armed and event in FORBIDDEN:
            raise ExecutedError(event)

    sys.addaudithook(hook)
    signal.signal(signal.SIGPROF, _too_long)
    signal.signal(signal.SIGALRM, _too_long)
    warnings.simplefilter("ignore")
    # Libraries below Python write what they think of damaged pictures straight to the terminal.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with tempfile.TemporaryDirectory() as inner:
        folder = Path(inner)
        good = kind.seeds(folder)
        kind.take(good[0], folder)
        _limit_memory()
        failures: list[dict[str, object]] = []
        with state.open("w", encoding="utf-8") as noted:
            for number in range(first, last):
                if number % NOTED == 0:
                    _note(noted.fileno(), number, failures)
                data = kind.case(seed, number, good)
                _note_number(noted.fileno(), number)
                armed = True
                fault = _fault(partial(kind.take, data, folder))
                armed = False
                if fault is not None:
                    failures.append({"number": number, "fault": fault})
                    _note(noted.fileno(), number, failures)
            _note(noted.fileno(), last, failures)


def _fault(take: Callable[[], None]) -> str | None:
    # Of the processor: on a machine that does other things too, the clock says little.
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, STUCK)
    try:
        take()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return "".join(traceback.format_exception(error))[-2000:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TooLongError(f"more than {SECONDS:g} seconds")


def _limit_memory() -> None:
    """From here on 2 GiB more at most."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _note(file: int, number: int, failures: list[dict[str, object]]) -> None:
    data = json.dumps({"next": number, "failures": failures}).encode()
    os.pwrite(file, b" " * 24 + data, 0)
    os.ftruncate(file, 24 + len(data))


def _note_number(file: int, number: int) -> None:
    """Where a crash would be: written before each case, in one small call."""
    os.pwrite(file, f"{number:<24d}".encode(), 0)


if __name__ == "__main__":
    work(sys.argv[1], *map(int, sys.argv[2:5]), Path(sys.argv[5]))
