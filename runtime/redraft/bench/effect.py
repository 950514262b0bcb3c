"""``redraft bench effect``: what each piece of the method adds, on pictures that no rule saw."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from redraft.bench.cases import Case, case_effect, case_wish, judged_latents
from redraft.bench.solve import RATES, papers_problem, papers_rule
from redraft.delta import Delta
from redraft.evaluate.effect import Effect, Interval
from redraft.session import Progress
from redraft.solve.descent import ProjectedAdam
from redraft.solving import contexts_of, solve_rule
from redraft_dsl.recipe import Insert, Preserve

JUDGED = (200, 999)
PAPER_RANKS = (1, 4, 8)


@dataclass(frozen=True)
class EffectRow:
    """One way of solving one rule. Intervals are 95 %, by bootstrap over pictures."""

    rule: str
    method: str
    rank: int
    contexts: int
    share: float
    share_interval: tuple[float, float]
    amplitude: float
    amplitude_interval: tuple[float, float]
    outside: float
    outside_interval: tuple[float, float]
    seconds: float


@dataclass(frozen=True)
class Variant:
    """A named way of solving a rule with the exact solver."""

    method: str
    rule: Insert


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
    cases: Sequence[tuple[str, Case]], *, steps: int = 2001, tell: Progress | None = None
) -> dict[str, Any]:
    """Measure every way of solving the first rule of some recipes.

    Args:
        cases: a label ("" for none) and a case each; only unlabelled ones are taken apart, the
            others are solved as written.
        steps: of projected Adam.
        tell: told of progress.

    Returns:
        ``rows``, a list of dictionaries.

    """
    rows: list[EffectRow] = []
    for number, (label, case) in enumerate(cases):
        if tell is not None:
            tell(f"{case.rule.name} {label}".strip(), number, len(cases))
        if label:
            rows.append(_solved_row(case, Variant(label, case.rule)))
            continue
        rows.extend(_authors(case, steps))
        rows.extend(_solved_row(case, variant) for variant in variants(case.rule))
    return {"rows": [asdict(row) for row in rows]}


def _solved_row(case: Case, variant: Variant) -> EffectRow:
    solved = solve_rule(case.site, variant.rule)
    wish = case_wish(case, case.rule)
    judged = judged_latents(case, case.plan.recipe, *JUDGED)
    effect = case_effect(case, solved.delta, judged, wish)
    return _row(case, variant.method, solved.delta.rank, len(solved.contexts), effect,
                solved.solve_seconds)  # fmt: skip


def _authors(case: Case, steps: int) -> Iterator[EffectRow]:
    """Projected Adam on the paper's objective, at the best of several rates for each rank."""
    wish = case_wish(case, case.rule)
    judged = judged_latents(case, case.plan.recipe, *JUDGED)
    count = len(contexts_of(case.site, case.rule))
    for rank in PAPER_RANKS:
        problem, directions = papers_problem(case, rank)
        trials: list[tuple[float, Effect, float]] = []
        ProjectedAdam(2)(problem, directions)  # loads the rest of torch, which is not to be timed
        for rate in RATES:
            started = time.perf_counter()
            solution = ProjectedAdam(steps, rate)(problem, directions)
            seconds = time.perf_counter() - started
            delta = Delta(
                case.rule.name,
                case.step.facts.name,
                solution.directions.float(),
                solution.coefficients.float(),
            )
            with torch.no_grad():
                trials.append((rate, case_effect(case, delta, judged, wish), seconds))
        rate, effect, seconds = max(trials, key=lambda trial: trial[1].share.value)
        yield _row(case, f"authors, rate {rate:g}", rank, count, effect, seconds)


def _row(
    case: Case, method: str, rank: int, contexts: int, effect: Effect, seconds: float
) -> EffectRow:
    return EffectRow(
        rule=case.rule.name,
        method=method,
        rank=rank,
        contexts=contexts,
        share=effect.share.value,
        share_interval=_ends(effect.share),
        amplitude=effect.amplitude.value,
        amplitude_interval=_ends(effect.amplitude),
        outside=effect.outside.value,
        outside_interval=_ends(effect.outside),
        seconds=seconds,
    )


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high
