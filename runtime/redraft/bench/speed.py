"""``redraft bench speed``: solving at two sizes, and match against the bare forward pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch

from redraft.bench.cases import Case, Row, case_batches
from redraft.bench.timing import peak_mib, timed
from redraft.explain.words import silent
from redraft.memory.search import MATCH_BATCH, ranking
from redraft.runs.watch import Progress
from redraft.solve.directions import goal_directions
from redraft.solve.stages import Stages
from redraft_dsl.recipe.model import Insert, Match, Place

REPEATS = 7
PAIRS = 5


@dataclass(frozen=True)
class Size:
    """A rule's size: its rank, and how many contexts it pastes in."""

    rank: int
    pastes: int


SMALL, LARGE = Size(8, 24), Size(16, 160)


def bench_speed(
    case: Case,
    sizes: tuple[Size, ...] = (SMALL, LARGE),
    count: int = 2000,
    among: int = 1600,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Time and memory of solving, then of match.

    Args:
        case: a rule with its statistics.
        sizes: smallest first, since memory is that of the process so far.
        count: images that match looks at.
        among: images among which further contexts are found where the rule marks too few.
        progress: called with what is being done, done, and in all.

    Returns:
        ``solve`` and ``match``, lists of dictionaries.

    """
    rows = []
    for number, size in enumerate(sizes):
        progress(f"rank {size.rank}, {size.pastes} pastes", number, len(sizes) + 1)
        rows.append(_solve_row(case, size, among))
    progress("match", len(sizes), len(sizes) + 1)
    return {"solve": rows, "match": [_match_row(case, count)]}


def enlarged(rule: Insert, size: Size, among: int) -> Insert:
    """The rule with as many contexts as asked for, pasted into each of them.

    Marked ones come first; the others are the best matches of the first one.
    """
    marked = [context for context in rule.context if isinstance(context, Place)]
    contexts: tuple[Place | Match, ...] = tuple(marked[: size.pastes])
    if len(contexts) < size.pastes:
        more = size.pastes - len(contexts)
        contexts += (Match(like=marked[0], top=more, first=0, last=among - 1),)
    update = {"context": contexts, "rank": size.rank, "paste": "each context"}
    return rule.model_copy(update=update)


def _solve_row(case: Case, size: Size, among: int) -> Row:
    """Directions and coefficients of one rule, statistics and context keys given.

    The shortest time is the one that other work on the machine disturbs least. Memory is the most
    that the process has held so far, torch and the model included.
    """
    rule = enlarged(case.rule, size, among)
    with torch.no_grad():
        stages = case.opened(rule).stages
        problem, inputs = stages.problem, stages.inputs(stages.setup.contexts)
        setup = replace(stages.setup, enter=lambda _: inputs)

        def solve() -> None:
            asked = replace(problem)  # without what an earlier solve has made of it
            if rule.directions == "goal":
                directions = goal_directions(asked, rule.rank)
            else:
                directions = Stages(setup).directions
            setup.solver(asked, directions)

        times = [timed(solve) for _ in range(REPEATS)]
    return {
        "rank": rule.rank,
        "pastes": len(problem.goal.inputs),
        "seconds": median(each.wall for each in times),
        "seconds_least": min(each.wall for each in times),
        "seconds_processor": median(each.processor for each in times),
        "peak_mib": peak_mib(),
    }


def _match_row(case: Case, count: int) -> Row:
    """Match against the forward pass to the layer: medians over pairs taken in turn.

    Ratios are the medians of the pairs' own, of wall time and of processor time.
    """
    like = next(context for context in case.rule.context if isinstance(context, Place))
    wanted = Match(like=like, top=count, first=0, last=count - 1)

    def forward() -> None:
        for rows in case_batches(case, count, MATCH_BATCH):
            case.session.model.generator.inputs(rows, [case.step.facts.name])

    def match() -> None:
        ranking(case.layer, wanted, case.session.marks(like))

    with torch.no_grad():
        pairs = [(timed(forward), timed(match)) for _ in range(PAIRS)]
    ratios = [[two[k] / max(one[k], 1e-9) for one, two in pairs] for k in (0, 1)]
    return {
        "count": count,
        "seconds_forward": median(one.wall for one, _ in pairs),
        "seconds_match": median(two.wall for _, two in pairs),
        "ratio": median(ratios[0]),
        "ratio_processor": median(ratios[1]),
    }
