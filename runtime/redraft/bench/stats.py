"""``redraft bench stats``: the statistics pass against the bare forward pass to the same layer."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from redraft.bench.cases import Case, case_batches
from redraft.statistics import BATCH, second_moments

REPEATS = 5
COUNTS = (500, 1000, 2000, 4000)


@dataclass(frozen=True)
class StatsRow:
    """One layer: medians over interleaved pairs, in one process."""

    layer: str
    count: int
    seconds_forward: float
    seconds_statistics: float
    ratio: float


@dataclass(frozen=True)
class MemoryRow:
    """Peak resident memory of the process (MiB) after a pass over ``count`` latents."""

    count: int
    peak_mib: float


def bench_stats(case: Case, count: int = 2000) -> dict[str, Any]:
    """Time and memory of the statistics pass.

    Both passes draw the same latents and run the same network up to the layer; pairs are taken in
    turn, so that a machine whose speed drifts slows both. The ratio is the median of the pairs'.

    Returns:
        ``rows`` and ``memory``, lists of dictionaries.

    """
    layer = case.step.facts.name
    _forward(case, layer, count)
    pairs = [(_forward(case, layer, count), _statistics(case, layer, count)) for _ in
             range(REPEATS)]  # fmt: skip
    ratios = sorted(second / first for first, second in pairs)
    row = StatsRow(
        layer=layer,
        count=count,
        seconds_forward=sorted(first for first, _ in pairs)[REPEATS // 2],
        seconds_statistics=sorted(second for _, second in pairs)[REPEATS // 2],
        ratio=ratios[REPEATS // 2],
    )
    memory = []
    for each in COUNTS:
        _statistics(case, layer, each)
        memory.append(MemoryRow(each, peak_mib()))
    return {"rows": [asdict(row)], "memory": [asdict(each) for each in memory]}


def peak_mib() -> float:
    """The most memory that the process has held so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _forward(case: Case, layer: str, count: int) -> float:
    started = time.perf_counter()
    for part in case_batches(case, count, BATCH):
        case.session.model.generator.inputs(part, [layer])
    _wait(case)
    return time.perf_counter() - started


def _statistics(case: Case, layer: str, count: int) -> float:
    started = time.perf_counter()
    second_moments(case.session.model.generator, case_batches(case, count, BATCH), [layer])
    _wait(case)
    return time.perf_counter() - started


def _wait(case: Case) -> None:
    if case.session.device.type == "cuda":
        torch.cuda.synchronize()
