"""Work on several cores, where torch alone would leave all but one of them idle."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Barrier, current_thread
from typing import Any, TypeVar

import torch

Value = TypeVar("Value")
NAME = "redraft-solve"
"""What the names of these threads begin with."""
Each = Callable[..., Iterator[Any]]
"""``map``, or what does the same on several threads."""


def side_by_side(device: torch.device) -> Each:
    """``map`` on as many threads as torch uses, each of which takes one core.

    LAPACK takes a batch of matrices one after another, and on two cores it is no faster, often
    slower, than on one. What is computed so has the same bits whatever the number of threads is.
    """
    threads = torch.get_num_threads()
    return map if device.type != "cpu" or threads == 1 else _single_threads(threads).map


def on_one_core(work: Callable[[torch.Tensor], Value], given: torch.Tensor) -> Value:
    """What ``work`` makes of a tensor, with the bits that it has on one core."""
    if current_thread().name.startswith(NAME):
        return work(given)
    found: Value = next(iter(side_by_side(given.device)(work, [given])))
    return found


def _take_one_core() -> None:
    """Have torch, and the MKL in it, take one core on this thread.

    MKL goes by a number for the whole process, which the main thread sets, unless a thread has one
    of its own. LAPACK on two cores gives other bits than on one.
    """
    torch.get_num_threads()  # what a thread begins with is set at its first use, so use it first
    torch.set_num_threads(1)
    for library in (Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*"):
        own = getattr(ctypes.CDLL(str(library)), "MKL_Set_Num_Threads_Local", None)
        if own is not None:
            own(1)


@cache
def _single_threads(count: int) -> ThreadPoolExecutor:
    """So many threads on each of which torch takes one core; they wait for all solves to come.

    They are started once, all of them, since what a thread sets for itself is also what later
    threads begin with: that is put back at once, and no solve touches it.
    """
    pool = ThreadPoolExecutor(count, NAME, _take_one_core)
    started = Barrier(count + 1)
    for _ in range(count):
        pool.submit(started.wait)
    started.wait()
    torch.set_num_threads(count)
    return pool
