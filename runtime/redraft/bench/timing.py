"""Time and memory of pieces of work."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from redraft.models.batches import batch_size
from redraft.models.generator import Generator
from redraft.models.open import choose_device, open_base
from redraft.models.samplers import sampler_of
from redraft.plans.costs import Speeds
from redraft.plans.planner import Plan

MOST_DRAWN = 16
"""Pictures that are drawn at once; fewer where one takes long."""
LONG = 0.3
"""Seconds for one picture from which it is measured alone."""
SIDE = 384
"""Of the square matrices that are multiplied."""


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


@torch.no_grad()
def measure_speeds(plan: Plan, device: str) -> Speeds:
    """Draw some pictures with the plan's model, and multiply two matrices.

    Raises:
        ModelError: the model cannot be opened.

    """
    target = choose_device(device)
    generator = open_base(plan.base, target).generator
    block = plan.recipe.latents[0]
    rows = sampler_of(generator).rows(block, range(min(MOST_DRAWN, block.count))).to(target)
    count = len(rows) if _seconds(lambda: generator.sample(rows[:1]), target, 1) < LONG else 1
    some = rows[: min(count, batch_size(generator.facts))]
    layers = sorted({step.layer for step in plan.statistics} | {s.facts.name for s in plan.rules})
    return Speeds(
        _seconds(lambda: generator.sample(some), target) / len(some),
        {name: _seconds(_way_to(generator, name, some), target) / len(some) for name in layers},
        _gflops(target),
    )


def _way_to(generator: Generator, layer: str, rows: Tensor) -> Callable[[], object]:
    return lambda: generator.inputs(rows, [layer])


def _gflops(device: torch.device) -> float:
    matrix = torch.ones(SIDE, SIDE, dtype=torch.float64, device=device)
    return 2e-9 * SIDE**3 / _seconds(lambda: matrix @ matrix, device)


def _seconds(work: Callable[[], object], device: torch.device, times: int = 3) -> float:
    """The shortest of some times, after one that is not counted: others may be at work too."""
    found = []
    for _ in range(times + 1):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - begun)
    return max(min(found[1:]), 1e-7)
