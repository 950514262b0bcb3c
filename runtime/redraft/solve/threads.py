"""Work on several cores, where torch alone would leave all but one of them idle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import Any

import torch

Each = Callable[..., Iterator[Any]]
"""``map``, or what does the same on several threads."""


def side_by_side(device: torch.device) -> Each:
    """``map`` on as many threads as torch uses, each of which takes one core.

    LAPACK takes a batch of matrices one after another, and on two cores it is no faster, often
    slower, than on one. What is computed so has the same bits whatever the number of threads is.
    """
    threads = torch.get_num_threads()
    return map if device.type != "cpu" or threads == 1 else _single_threads(threads).map


@cache
def _single_threads(count: int) -> ThreadPoolExecutor:
    """So many threads on each of which torch takes one core; they wait for all solves to come.

    They are started once, all of them, since what a thread sets for itself is also what later
    threads begin with: that is put back at once, and no solve touches it.
    """
    pool = ThreadPoolExecutor(count, "redraft-solve", torch.set_num_threads, (1,))
    started = Barrier(count + 1)
    for _ in range(count):
        pool.submit(started.wait)
    started.wait()
    torch.set_num_threads(count)
    return pool
