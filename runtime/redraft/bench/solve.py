"""``redraft bench solve``: the exact solver against the paper authors' projected Adam."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor

from redraft.bench.cases import JUDGED, Case, Row, case_effect, case_wish, judged_latents
from redraft.bench.timing import timed
from redraft.explain.words import silent
from redraft.models.arithmetic import full_float32
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.runs.rule import solve_rule
from redraft.runs.watch import Progress
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem, Solution
from redraft_dsl.recipe.model import ExactSolver as ExactSettings
from redraft_dsl.recipe.model import Insert, Place, Preserve

RATES = (0.05, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""Learning rates tried for the authors' method; .05 is their default."""
REPEATS = 3
EXACT = 0.0
"""Stands for the exact solver, which has no learning rate."""


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
    rows: list[Row] = []
    follow: list[Row] = []
    wish = case_wish(case, case.rule)
    judged = judged_latents(case, JUDGED)
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
            names = ("share", "amplitude", "outside")
            figures = {name: getattr(effect, name).value for name in names}
            follow.append({"rank": rank, "method": method, **figures})
    return {"rows": rows, "follow": follow}


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


@full_float32()
def time_solvers(
    site: tuple[str, str],
    problem: Problem,
    directions: Tensor,
    steps: int,
    rates: Sequence[float] = RATES,
) -> tuple[Row, dict[float, Solution]]:
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
    solved: dict[float, Solution] = {}
    seconds: dict[float, float] = {}

    def solve(rate: float) -> None:
        solver = ProjectedAdam(steps, rate) if rate else ExactSolver()
        solved[rate] = solver(problem, directions)

    solve(EXACT)  # the first call is not counted
    fast = median(timed(partial(solve, EXACT)).wall for _ in range(REPEATS))
    # The first optimiser of a process loads more of torch, which takes seconds and is not its time.
    ProjectedAdam(2)(problem, directions)
    for rate in rates:
        seconds[rate] = timed(partial(solve, rate)).wall
    exact, slow = solved.pop(EXACT), seconds[rates[0]]
    best = min(solved, key=lambda rate: solved[rate].loss_after)
    row = {
        "arch": site[0],
        "layer": site[1],
        "rank": len(directions),
        "seconds_exact": fast,
        "seconds_adam": slow,
        "ratio": slow / fast,
        "loss_start": exact.loss_before,
        "loss_exact": exact.loss_after,
        "loss_adam": solved[best].loss_after,
        "rate_adam": best,
    }
    return row, solved
