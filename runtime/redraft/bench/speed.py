"""``redraft bench speed``: solving at two sizes, and match against the bare forward pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from redraft.bench.cases import Case, case_batches
from redraft.bench.stats import peak_mib
from redraft.explain.words import silent
from redraft.memory.search import MATCH_BATCH, ranking
from redraft.runs.session import Progress
from redraft.solve.directions import goal_directions
from redraft.solve.stages import Stages
from redraft_dsl.recipe.model import Insert, Match, Place

REPEATS = 3
PAIRS = 5


@dataclass(frozen=True)
class Size:
    """A rule's size: its rank, and how many contexts it pastes in."""

    rank: int
    pastes: int


SMALL, LARGE = Size(8, 24), Size(16, 160)


@dataclass(frozen=True)
class SolveRow:
    """Directions and coefficients of one rule, statistics and context keys at hand.

    Attributes:
        rank: of the rule.
        pastes: how many contexts there are; the goal is set in all of them.
        seconds: median wall time.
        seconds_least: shortest wall time, which other work on the machine disturbs least.
        seconds_processor: median processor time, over all threads.
        peak_mib: the most memory that the process has held so far, torch and the model included.

    """

    rank: int
    pastes: int
    seconds: float
    seconds_least: float
    seconds_processor: float
    peak_mib: float


@dataclass(frozen=True)
class MatchRow:
    """Match against the forward pass to the layer: medians over pairs taken in turn.

    Ratios are the medians of the pairs' own, of wall time and of processor time.
    """

    count: int
    seconds_forward: float
    seconds_match: float
    ratio: float
    ratio_processor: float


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
    return {"solve": [asdict(row) for row in rows], "match": [asdict(_match_row(case, count))]}


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


def _solve_row(case: Case, size: Size, among: int) -> SolveRow:
    rule = enlarged(case.rule, size, among)
    with torch.no_grad():
        stages = case.opened(rule).stages
        problem, inputs = stages.problem, stages.inputs(stages.setup.contexts)
        setup = replace(stages.setup, enter=lambda _: inputs)

        def solve() -> None:
            if rule.directions == "goal":
                directions = goal_directions(problem, rule.rank)
            else:
                directions = Stages(setup).directions
            setup.solver(problem, directions)

        times = sorted(_timed(case, solve) for _ in range(REPEATS))
    processor = sorted(each[1] for each in times)
    return SolveRow(
        rank=rule.rank,
        pastes=len(problem.goal.inputs),
        seconds=times[REPEATS // 2][0],
        seconds_least=times[0][0],
        seconds_processor=processor[REPEATS // 2],
        peak_mib=peak_mib(),
    )


def _match_row(case: Case, count: int) -> MatchRow:
    like = next(context for context in case.rule.context if isinstance(context, Place))
    wanted = Match(like=like, top=count, first=0, last=count - 1)
    with torch.no_grad():
        pairs = [
            (_timed(case, lambda: _forward(case, count)),
             _timed(case, lambda: _match(case, wanted)))
            for _ in range(PAIRS)
        ]  # fmt: skip
    ratios = [sorted(second[k] / max(first[k], 1e-9) for first, second in pairs) for k in (0, 1)]
    return MatchRow(
        count=count,
        seconds_forward=sorted(first[0] for first, _ in pairs)[PAIRS // 2],
        seconds_match=sorted(second[0] for _, second in pairs)[PAIRS // 2],
        ratio=ratios[0][PAIRS // 2],
        ratio_processor=ratios[1][PAIRS // 2],
    )


def _forward(case: Case, count: int) -> None:
    for rows in case_batches(case, count, MATCH_BATCH):
        case.session.model.generator.inputs(rows, [case.step.facts.name])


def _match(case: Case, wanted: Match) -> None:
    ranking(case.layer, wanted, case.session.marks(wanted.like))


def _timed(case: Case, work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time of a piece of work, in seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    if case.session.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - processor
