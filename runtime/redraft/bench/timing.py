"""Time and memory of pieces of work."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import torch


class Timed(NamedTuple):
    """Wall and processor time of a piece of work, in seconds."""

    wall: float
    processor: float


def timed(work: Callable[[], object]) -> Timed:
    """How long a piece of work takes, whatever a GPU still has to do for it included."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return Timed(time.perf_counter() - wall, time.process_time() - processor)


def peak_mib() -> float:
    """The most memory that the process has held so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
