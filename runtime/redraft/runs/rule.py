"""One rule on the network that the earlier rules left: opened at its layer, then solved."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial

import torch

from redraft.errors import RunError
from redraft.judge.leftout import LEAST, LeftOut, left_out, reached
from redraft.memory.layer import Layer
from redraft.memory.placed import PlacedRule
from redraft.models.arithmetic import full_float32
from redraft.rivals.table import rival
from redraft.solve.delta import Delta, zeroing
from redraft.solve.descent import GradientSolver
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.goals import Goal
from redraft.solve.problem import Solution, Solver, edited_weight
from redraft.solve.results import Results
from redraft.solve.sources import Copy, Silence, Zeroed
from redraft.solve.stages import Setup, Source, Stages
from redraft_dsl.recipe import model as checked
from redraft_dsl.recipe.model import Erase, Insert, Side, Zero

SIDE_RANGE = (0.01, 100.0)
"""Least and most preserve that ``side`` chooses from."""
SIDE_STEPS = 8
SIDE_BYTES = 1 << 28
"""Memory for what the trials of ``side`` have in common."""


@dataclass(frozen=True, eq=False)
class OpenRule:
    """A rule at its layer.

    Attributes:
        placed: the rule and its places.
        layer: of the network as the earlier rules left it.
        stages: of its solution; of a zero they give directions alone.

    """

    placed: PlacedRule
    layer: Layer
    stages: Stages


@dataclass(frozen=True)
class SolvedRule:
    """What solving one rule leaves.

    Attributes:
        placed: the rule and its places.
        delta: the weight change, strength included.
        goal: the goal on whole pictures; for zero, what the edit does there.
        preserve: the value that was used, chosen by ``side`` or as written; 0 for zero.
        loss_before: data term before the edit.
        loss_after: data term after it, at strength 1.
        left_out: gain and side effect on left-out pictures; None when they cannot be estimated, or
            have not been, see :func:`estimated`.
        solve_seconds: wall time of directions and coefficients.
        stages: of the solution.

    """

    placed: PlacedRule
    delta: Delta
    goal: Goal
    preserve: float
    loss_before: float
    loss_after: float
    left_out: LeftOut | None
    solve_seconds: float
    stages: Stages


def open_rule(
    layer: Layer, placed: PlacedRule, network: Hashable = (), results: Results | None = None
) -> OpenRule:
    """Make a placed rule ready to be solved.

    Args:
        layer: of the rule, on the network as it is now.
        placed: the rule and its places.
        network: as of :class:`redraft.solve.stages.Setup`.
        results: where stages are shared with other rules and runs.

    """
    rule = placed.rule
    setup = Setup(
        network=network,
        form=layer.form,
        whitening=layer.whitening,
        enter=layer.enter,
        population=layer.population,
        contexts=placed.contexts,
        pastes=placed.pastes,
        source=_source(placed),
        contrast=rule.contrast,
        directions=rule.directions,
        rank=rule.rank,
    )
    if not isinstance(rule, Zero):
        solver, side = rule.solver, isinstance(rule.restraint, Side)
        setup = replace(
            setup,
            keep=rule.keep,
            preserve=0.0 if isinstance(rule.restraint, Side) else rule.restraint.weight,
            loss=solver.loss if isinstance(solver, checked.ExactSolver) else "l1",
            solver=_solver(solver, layer, placed),
            crop=solver.goal == "crop",
        )
        if side and (results is None or not results.most):
            results = Results(SIDE_BYTES)
    return OpenRule(placed, layer, Stages(setup, results))


@torch.no_grad()
@full_float32()
def solve_rule(opened: OpenRule) -> SolvedRule:
    """Solve one rule; changes nothing in the network.

    Left-out figures are here only where ``side`` has chosen by them; else see :func:`estimated`.

    Raises:
        RunError: the rule cannot be solved; says why and what to change.

    """
    rule = opened.placed.rule
    return _zero(opened, rule) if isinstance(rule, Zero) else _solve(opened, rule)


@torch.no_grad()
def estimated(solved: SolvedRule) -> SolvedRule:
    """A solved rule with its left-out figures, for which it is solved again without some pictures.

    Raises:
        RunError: it cannot be solved without them.

    """
    if solved.left_out is not None or isinstance(solved.placed.rule, Zero):
        return solved
    return replace(solved, left_out=_estimate(solved.placed, solved.stages))


def _solve(opened: OpenRule, rule: Insert | Erase) -> SolvedRule:
    stages = opened.stages
    estimate: LeftOut | None = None
    if isinstance(rule.restraint, Side):
        stages, estimate = _choose_preserve(stages, rule.restraint.percent / 100)
    _, started = stages.problem, time.perf_counter()
    solution = stages.solution
    seconds = time.perf_counter() - started
    delta = solution.delta(rule.name, opened.layer.facts.name)
    return SolvedRule(
        placed=opened.placed,
        delta=delta.scaled(rule.strength),
        # On whole pictures, even where the layer was solved on a crop of them.
        goal=stages.goal,
        preserve=stages.setup.preserve,
        loss_before=solution.loss_before,
        loss_after=solution.loss_after,
        left_out=estimate,
        solve_seconds=seconds,
        stages=stages,
    )


def _zero(opened: OpenRule, rule: Zero) -> SolvedRule:
    started = time.perf_counter()
    setup, directions = opened.stages.setup, opened.stages.directions
    layer = opened.layer.facts.name
    delta = zeroing(rule.name, layer, setup.form.weight, directions, rule.strength)
    seconds = time.perf_counter() - started
    goal = setup.source.goal(opened.stages, setup.contexts)
    return SolvedRule(opened.placed, delta, goal, 0.0, 0.0, 0.0, None, seconds, opened.stages)


def _source(placed: PlacedRule) -> Source:
    rule = placed.rule
    if placed.copy is not None:
        return Copy(placed.copy)
    return Silence(rule.units) if isinstance(rule, Erase) else Zeroed(rule.strength)


def _solver(settings: checked.Solver, layer: Layer, placed: PlacedRule) -> Solver:
    """The solver that a recipe's settings name."""
    match settings:
        case checked.ExactSolver():
            return ExactSolver(settings.iterations)
        case checked.GradientSolver():
            return GradientSolver(settings.steps, settings.rate)
        case checked.ProjectedAdamSolver():
            return rival(settings, layer, placed)


def _estimate(placed: PlacedRule, stages: Stages) -> LeftOut | None:
    """Left-out gain: by folds, or on the contexts where the goal is set elsewhere."""
    setup, problem, solution = stages.setup, stages.problem, stages.solution
    # Where descent would take minutes for each fold, the contexts serve as left-out pictures.
    by_folds = not setup.crop and isinstance(setup.solver, ExactSolver | GradientSolver)
    if by_folds and (placed.pasted_everywhere or len(placed.pastes) >= LEAST):
        return left_out(problem, lambda rows: stages.part(rows).solution)
    pasted = set(placed.pastes.pictures)
    rest = [row for row, each in enumerate(placed.contexts.pictures) if each not in pasted]
    if len(rest) < LEAST:
        return None
    goal = stages.goal_in(placed.contexts.part(rest))
    weight = edited_weight(problem.weight, solution.coefficients, solution.directions)
    found = reached(problem, goal, weight)
    spread = float(found.per_picture.std(correction=0))
    return LeftOut(found.gain, found.side, spread, 0.0, tuple(found.per_picture.tolist()))


def _choose_preserve(stages: Stages, side: float) -> tuple[Stages, LeftOut]:
    """The smallest preserve whose left-out side effect stays below ``side``, by bisection."""
    problem = stages.problem
    if len(problem.goal.inputs) < LEAST:
        raise RunError(
            "RD512",
            f"`side` needs {LEAST} pictures or more to leave some out, and this rule has "
            f"{len(problem.goal.inputs)}",
            "add contexts, or write `preserve` instead",
        )
    parts: dict[tuple[int, ...], Stages] = {}
    low, high = SIDE_RANGE
    best: tuple[float, LeftOut] | None = None
    for _ in range(SIDE_STEPS):
        middle = (low * high) ** 0.5
        estimate = left_out(problem, partial(_solve_part, stages, parts, middle))
        assert estimate is not None, "there are enough pictures"
        if estimate.side <= side:
            best, high = (middle, estimate), middle
        else:
            low = middle
    if best is None:
        raise RunError(
            "RD513",
            f"no preserve keeps the side effect below {side:.1%}",
            "allow more, mark more contexts, or choose another layer",
        )
    return stages.changed(preserve=best[0]), best[1]


def _solve_part(
    stages: Stages, parts: dict[tuple[int, ...], Stages], preserve: float, rows: tuple[int, ...]
) -> Solution:
    """The rule on some of its pictures; ``parts`` holds what does not depend on preserve."""
    part = parts[rows] if rows in parts else stages.part(rows)
    parts[rows] = part.changed(preserve=preserve)
    return parts[rows].solution
