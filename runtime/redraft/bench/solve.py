"""``redraft bench solve``: the exact solver against the paper authors' projected Adam."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from redraft.bench.cases import Case, case_effect, case_wish, judged_latents
from redraft.explain.words import silent
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.runs.rule import solve_rule
from redraft.runs.session import Progress
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem, Solution
from redraft_dsl.recipe.model import ExactSolver as ExactSettings
from redraft_dsl.recipe.model import Insert, Place, Preserve

RATES = (0.05, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""Learning rates tried for the authors' method; .05 is their default."""
REPEATS = 3
JUDGED = (200, 999)


@dataclass(frozen=True)
class SolveRow:
    """One rank: both solvers on the same goal and directions, preserve 0."""

    arch: str
    layer: str
    rank: int
    seconds_exact: float
    seconds_adam: float
    ratio: float
    loss_start: float
    loss_exact: float
    loss_adam: float
    rate_adam: float


@dataclass(frozen=True)
class FollowRow:
    """One way of solving a rule, measured on unseen pictures."""

    rank: int
    method: str
    share: float
    amplitude: float
    outside: float


def bench_solve(
    case: Case, ranks: Sequence[int], *, steps: int = 2001, progress: Progress = silent
) -> dict[str, Any]:
    """Time both solvers, and compare what they do to unseen pictures.

    The timed problem is the paper's: one paste, directions from the context, C alone, preserve
    and keep 0, the L1 loss, on the crop of the keys that the goal depends on, so that neither
    solver works on what does not count. The authors' solver is run at every learning rate; its
    time is that of its default rate, its loss the lowest of all. The exact solver's time is the
    median of three.

    Returns:
        ``rows`` and ``follow``, lists of dictionaries.

    """
    rows: list[SolveRow] = []
    follow: list[FollowRow] = []
    wish = case_wish(case, case.rule)
    judged = judged_latents(case, case.plan.recipe, *JUDGED)
    for number, rank in enumerate(ranks):
        progress(f"rank {rank}", number, len(ranks))
        problem, directions = papers_problem(case, rank)
        site = (case.plan.base.facts.arch, case.step.facts.name)
        row, trials = time_solvers(site, problem, directions, steps)
        rows.append(row)
        effects = {
            rate: case_effect(case, case.delta(solution), judged, wish)
            for rate, solution in trials.items()
        }
        best = max(effects, key=lambda rate: effects[rate].share.value)
        ours = solve_rule(case.opened(case.rule.model_copy(update={"rank": rank}))).delta
        effects_ours = case_effect(case, ours, judged, wish)
        for method, effect in (
            (f"projected Adam, rate {best:g}", effects[best]),
            ("redraft, defaults", effects_ours),
        ):
            follow.append(
                FollowRow(
                    rank, method, effect.share.value, effect.amplitude.value, effect.outside.value
                )
            )
    return {"rows": [asdict(row) for row in rows], "follow": [asdict(row) for row in follow]}


def papers_rule(rule: Insert, rank: int) -> Insert:
    """The rule in the paper's way: one paste, the context's directions, nothing kept."""
    marked = [context for context in rule.context if isinstance(context, Place)]
    return rule.model_copy(
        update={
            "rank": rank,
            "paste": (marked[0],),
            "keep": 0.0,
            "contrast": 0.0,
            "restraint": Preserve(weight=0.0),
            "directions": "context",
            "solver": ExactSettings(loss="l1"),
        }
    )


def papers_problem(case: Case, rank: int) -> tuple[Problem, Tensor]:
    """The paper's problem for a case, on the crop that counts as the authors take it.

    Returns:
        The problem, and its directions (rank, C).

    """
    stages = case.opened(papers_rule(case.rule, rank)).stages
    with torch.no_grad():
        return stages.problem.focused(), stages.directions


def time_solvers(
    site: tuple[str, str],
    problem: Problem,
    directions: Tensor,
    steps: int,
    rates: Sequence[float] = RATES,
) -> tuple[SolveRow, dict[float, Solution]]:
    """Both solvers on one problem.

    Args:
        site: architecture and layer, for the row.
        problem: what to solve.
        directions: (S, C).
        steps: of the authors' method.
        rates: learning rates of the authors' method; the first is the one that is timed.

    Returns:
        The row, and the authors' solution at each rate.

    """
    exact, seconds = _timed(partial(ExactSolver(), problem, directions), REPEATS)
    # The first optimiser of a process loads more of torch, which takes seconds and is not its time.
    ProjectedAdam(2)(problem, directions)
    trials = {
        rate: _timed(partial(ProjectedAdam(steps, rate), problem, directions), 1) for rate in rates
    }
    best = min(trials, key=lambda rate: trials[rate][0].loss_after)
    slow = trials[rates[0]][1]
    row = SolveRow(
        arch=site[0],
        layer=site[1],
        rank=len(directions),
        seconds_exact=seconds,
        seconds_adam=slow,
        ratio=slow / seconds,
        loss_start=exact.loss_before,
        loss_exact=exact.loss_after,
        loss_adam=trials[best][0].loss_after,
        rate_adam=best,
    )
    return row, {rate: solution for rate, (solution, _) in trials.items()}


def _timed(solve: Callable[[], Solution], repeats: int) -> tuple[Solution, float]:
    """The solution and the median time, after one call that is not counted when there are more."""
    if repeats > 1:
        solve()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        solution = solve()
        times.append(time.perf_counter() - started)
    return solution, sorted(times)[len(times) // 2]
