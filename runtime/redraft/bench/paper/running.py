"""All experiments in turn: their rows, what stands beside them, and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from redraft.bench.paper.experiments import Budget, Experiment
from redraft.bench.paper.ground import Ground, prepare
from redraft.bench.paper.rows import Row, rows_of, shown
from redraft.disk.cache import Cache
from redraft.judge.frechet import frechet
from redraft.show.pictures import Picture
from redraft.show.sheets import comparison
from redraft.world.judging.features import pooled

SIDE = 128
"""Pixels of a picture on a sheet."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Result:
    """What came of an experiment.

    Attributes:
        experiment: which.
        model: its name.
        layer: of the rule.
        kind: of the rule: ``rule``, ``erase`` or ``invert``.
        contexts: how many the rule has.
        rows: of the methods, the recipe's own first.
        beside: in the village: distance of the unedited pictures and of the generator that is
            asked for the answer, and Fréchet distances of the unedited and of drawn pictures.
        sheet: the pictures of all rows.

    """

    experiment: Experiment
    model: str
    layer: str
    kind: str
    contexts: int
    rows: tuple[Row, ...]
    beside: dict[str, float | None]
    sheet: Picture

    @property
    def ours(self) -> Row:
        """The better of the rule as its recipe has it and of its own sweep."""
        return max(self.rows[:2], key=lambda row: row.effect)

    @property
    def rivals(self) -> tuple[Row, ...]:
        """The rows of other methods, best first; those without figures last."""
        return tuple(sorted(self.rows[2:], key=lambda row: -row.effect))


def run_paper(
    experiments: Sequence[Experiment],
    recipes: Path,
    budget: Budget,
    cache: Cache,
    progress: Progress,
) -> Iterator[Result]:
    """The results of experiments, one after another; what is cached is not made again.

    Raises:
        RedraftError: a recipe of an experiment cannot be run.

    """
    for number, experiment in enumerate(experiments):
        what = f"experiment {number + 1} of {len(experiments)}"

        def inner(name: str, done: int, total: int, what: str = what) -> None:
            progress(f"{what}, {name}", done, total)

        yield _result(prepare(experiment, recipes, budget), cache, inner)


def _result(ground: Ground, cache: Cache, progress: Progress) -> Result:
    rows = tuple(rows_of(ground, cache, progress))
    plan, step = ground.session.plan, ground.step
    return Result(
        experiment=ground.experiment,
        model=plan.base.name,
        layer=step.facts.name,
        kind=step.rule.kind,
        contexts=len(ground.opened.placed.contexts),
        rows=rows,
        beside=_beside(ground),
        sheet=_sheet(ground, rows),
    )


def _beside(ground: Ground) -> dict[str, float | None]:
    village, reference = ground.judged.village, ground.judged.reference
    if village is None or reference is None:
        return {}
    distance = partial(frechet, second=reference)
    answer = torch.from_numpy(village.answer.pictures)
    return {
        "unedited": village.unedited,
        "floor": village.floor,
        "frechet_unedited": distance(pooled(village.judge, village.before)),
        "frechet_drawn": distance(pooled(village.judge, answer)),
    }


def _sheet(ground: Ground, rows: Sequence[Row]) -> Picture:
    """The same pictures by every method, best first."""
    some = shown(ground.judged)
    bands = [("as the model draws them", list(ground.judged.subject.before[some]))]
    if ground.judged.village is not None:
        right = torch.from_numpy(ground.judged.village.answer.pictures[some])
        bands.append(("the right answer, drawn", list(right)))
    ranked = sorted((row for row in rows if row.pictures is not None), key=lambda r: -r.effect)
    for row in ranked:
        assert row.pictures is not None
        bands.append((f"{row.method} ({row.setting}): {row.effect:.2f}", list(row.pictures)))
    return comparison(bands, SIDE)
