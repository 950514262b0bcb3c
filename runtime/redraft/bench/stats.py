"""``redraft bench stats``: the statistics pass against the bare forward pass to the same layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from torch import Tensor

from redraft.bench.architectures import NETWORKS, seeded_generator
from redraft.bench.cases import Case, Row
from redraft.bench.timing import peak_mib, timed
from redraft.explain.words import silent
from redraft.memory.moments import BATCH, second_moments
from redraft.models import latents
from redraft.models.batches import batch_size, device_of
from redraft.models.checkpoint.refusals import known_layer
from redraft.models.generator import Generator
from redraft.runs.watch import Progress

REPEATS = 5
COUNTS = (500, 1000, 2000, 4000)
"""Latents of the passes after which memory is looked at."""
BATCHES = 2
"""Batches in a pass over a network of the bench: enough of them, and no more than seconds each."""
MEMORY_BATCHES = (2, 4, 8)
"""The same for the passes after which memory is looked at."""
SEED = 1


@dataclass(frozen=True)
class _Passes:
    """Passes over a generator up to one layer, in the batches that a run takes.

    Attributes:
        generator: what is run.
        layer: canonical name.
        seed: of the latents.

    """

    generator: Generator
    layer: str
    seed: int

    @property
    def batch(self) -> int:
        """Latents in a batch."""
        return batch_size(self.generator.facts, BATCH, [self.layer])

    def batches(self, count: int) -> Iterator[Tensor]:
        """The first latents of the seed."""
        for part in latents.batches(self.seed, count, self.generator.facts.latent_size, self.batch):
            yield part.to(device_of(self.generator))

    def forward(self, count: int) -> None:
        """The bare pass."""
        for part in self.batches(count):
            self.generator.inputs(part, [self.layer])

    def statistics(self, count: int) -> None:
        """The pass that collects the second moment."""
        second_moments(self.generator, self.batches(count), [self.layer])


def bench_stats(case: Case, count: int = 2000) -> dict[str, Any]:
    """Time and memory of the statistics pass at the layer of a recipe's rule.

    Both passes draw the same latents and run the same network up to the layer; pairs are taken in
    turn, so that a machine whose speed drifts slows both. The ratio is the median of the pairs'.

    Returns:
        ``rows`` and ``memory``, lists of dictionaries.

    """
    seed = case.plan.recipe.latents[0].seed
    passes = _Passes(case.session.model.generator, case.step.facts.name, seed)
    return {"rows": [_timed(passes, count)], "memory": _peaks(passes, COUNTS)}


def bench_stats_of(
    names: Sequence[str],
    layer: str | None = None,
    count: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """The same for networks of seeded random weights (:data:`NETWORKS`), on the CPU.

    Args:
        names: architectures.
        layer: canonical name; None for the one that ``bench solve`` rewrites in each.
        count: latents in a timed pass; None for :data:`BATCHES` batches.
        progress: called with what is being done, done, and in all.

    Raises:
        ModelError: a network has no such layer.

    """
    rows: list[Row] = []
    memory: list[Row] = []
    for number, name in enumerate(names):
        progress(name, number, len(names))
        generator = seeded_generator(name)
        wanted = known_layer(generator.facts, layer or NETWORKS[name].layer)
        passes = _Passes(generator, wanted.name, SEED)
        rows.append(_timed(passes, count or BATCHES * passes.batch))
        memory += _peaks(passes, [times * passes.batch for times in MEMORY_BATCHES])
    return {"rows": rows, "memory": memory}


def _timed(passes: _Passes, count: int) -> Row:
    """One layer: medians over interleaved pairs, in one process."""
    passes.forward(count)
    pairs = [
        (
            timed(partial(passes.forward, count)).wall,
            timed(partial(passes.statistics, count)).wall,
        )
        for _ in range(REPEATS)
    ]
    return {
        "arch": passes.generator.facts.arch,
        "layer": passes.layer,
        "count": count,
        "seconds_forward": median(first for first, _ in pairs),
        "seconds_statistics": median(second for _, second in pairs),
        "ratio": median(second / first for first, second in pairs),
    }


def _peaks(passes: _Passes, counts: Sequence[int]) -> list[Row]:
    """Peak resident memory of the process (MiB) after passes over so many latents."""
    rows = []
    for count in counts:
        passes.statistics(count)
        rows.append({"arch": passes.generator.facts.arch, "count": count, "peak_mib": peak_mib()})
    return rows
