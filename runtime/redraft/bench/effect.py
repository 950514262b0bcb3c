"""``redraft bench effect``: what each piece of the method adds, on pictures that no rule saw."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from redraft.bench.cases import (
    JUDGED,
    Case,
    Row,
    case_effect,
    case_pictures,
    case_wish,
    judged_latents,
)
from redraft.bench.solve import RATES, papers_problem, papers_rule
from redraft.disk.cache import make_folder
from redraft.disk.files import write_bytes
from redraft.explain.words import silent
from redraft.judge.effect import Effect
from redraft.judge.wish import Wish
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.runs.rule import solve_rule
from redraft.runs.watch import Progress
from redraft.show.pictures import png
from redraft.show.sheets import comparison
from redraft.solve.delta import Delta
from redraft_dsl.recipe.model import Insert, Preserve

PAPER_RANKS = (1, 4, 8)
MEASURES = ("share", "amplitude", "outside")
COLUMNS = 12
"""Pictures in a row of a comparison."""


@dataclass(frozen=True)
class Trial:
    """A way of solving a rule that was tried: its figures, and the change that it made."""

    row: Row
    delta: Delta


@dataclass(frozen=True)
class Variant:
    """A named way of solving a rule with the exact solver."""

    method: str
    rule: Insert


@dataclass(frozen=True)
class Yardstick:
    """What all ways of solving a rule are measured by.

    Attributes:
        case: the rule, ready to be solved.
        wish: what it should do.
        judged: (N, latent_size) of the pictures that it is measured on.

    """

    case: Case
    wish: Wish
    judged: Tensor

    @classmethod
    def of(cls, case: Case) -> Yardstick:
        """The yardstick of a case, on the first ``JUDGED`` held-out pictures."""
        return cls(
            case,
            case_wish(case, case.rule),
            judged_latents(case, JUDGED),
        )

    def effect(self, delta: Delta) -> Effect:
        """The measures of one change."""
        with torch.no_grad():
            return case_effect(self.case, delta, self.judged, self.wish, null=True)

    def solved(self, variant: Variant) -> Trial:
        """Solve the rule in one way."""
        found = solve_rule(self.case.opened(variant.rule))
        effect = self.effect(found.delta)
        row = _row(variant.rule.name, variant.method, found.delta.rank, len(found.placed.contexts),
                   effect, found.solve_seconds)  # fmt: skip
        return Trial(row, found.delta)


def variants(rule: Insert) -> tuple[Variant, ...]:
    """The paper's objective first, then one piece after another, up to the recipe's own rule."""
    paper = papers_rule(rule, rule.rank)
    preserved = paper.model_copy(update={"restraint": Preserve(weight=0.3), "solver": rule.solver})
    everywhere = preserved.model_copy(update={"paste": "each context"})
    contrasted = everywhere.model_copy(update={"contrast": rule.contrast})
    kept = contrasted.model_copy(update={"keep": rule.keep})
    return (
        Variant("exact, one paste, preserve 0", paper),
        Variant("+ preserve", preserved),
        Variant("+ paste each context", everywhere),
        Variant("+ contrast", contrasted),
        Variant("+ keep", kept),
        Variant("+ directions from the goal (the recipe)", rule),
        Variant("the recipe at rank 1", rule.model_copy(update={"rank": 1})),
        Variant("the recipe at rank 4", rule.model_copy(update={"rank": 4})),
    )


def bench_effect(
    case: Case, label: str = "", *, steps: int = 2001, progress: Progress = silent
) -> list[Trial]:
    """Measure every way of solving the first rule of a recipe.

    Args:
        case: the recipe.
        label: what to call its rule when it is to be solved only as it is written; "" takes it
            apart.
        steps: of projected Adam.
        progress: called with what is being done, done, and in all.

    """
    yardstick = Yardstick.of(case)
    if label:
        return [yardstick.solved(Variant(label, case.rule))]
    trials = list(_authors(yardstick, steps, progress))
    return trials + [yardstick.solved(variant) for variant in variants(case.rule)]


def _authors(yardstick: Yardstick, steps: int, progress: Progress) -> Iterator[Trial]:
    """Projected Adam on the paper's objective, at the best of several rates for each rank."""
    case = yardstick.case
    count = len(case.opened(case.rule).placed.contexts)
    for rank in PAPER_RANKS:
        problem, directions = papers_problem(case, rank)
        ProjectedAdam(2)(problem, directions)  # loads the rest of torch, which is not to be timed
        trials = []
        for number, rate in enumerate(RATES):
            progress(f"projected Adam on {case.rule.name}, rank {rank}", number, len(RATES))
            started = time.perf_counter()
            solution = ProjectedAdam(steps, rate)(problem, directions)
            seconds = time.perf_counter() - started
            delta = case.delta(solution)
            row = _row(case.rule.name, f"authors, rank {rank}, rate {rate:g}", rank, count,
                       yardstick.effect(delta), seconds)  # fmt: skip
            trials.append(Trial(row, delta))
        yield max(trials, key=lambda trial: float(trial.row["share"]))


def _row(rule: str, method: str, rank: int, contexts: int, effect: Effect, seconds: float) -> Row:
    """One way of solving one rule. Intervals are 95 %; ``null`` is the share of random edits."""
    row: Row = {"rule": rule, "method": method, "rank": rank, "contexts": contexts}
    for name in MEASURES:
        found = getattr(effect, name)
        row |= {name: found.value, f"{name}_interval": (found.low, found.high)}
        if name == "share":
            row["null"] = None if effect.null is None else effect.null.value
    return row | {"seconds": seconds}


def save_comparison(path: Path, shown: Sequence[tuple[Case, str, Delta]]) -> None:
    """Write one sheet: the last unseen pictures as they are, and a row for each change.

    Args:
        path: a PNG file; its folder is made.
        shown: cases of one model, with a name and a change each.

    """
    first = shown[0][0]
    # Every case leaves out other pictures; those of the first are shown for all.
    latents = judged_latents(first, JUDGED)[-COLUMNS:]
    rows = [("as the model draws them", tuple(case_pictures(first, None, latents)))]
    for case, name, delta in shown:
        rows.append((name, tuple(case_pictures(case, delta, latents))))
    make_folder(path.parent)
    write_bytes(path, png(comparison(rows)))
