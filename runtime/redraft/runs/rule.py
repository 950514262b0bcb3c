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
from redraft.models.batches import inputs_of_all
from redraft.rivals.table import rival
from redraft.solve.delta import Delta, zeroing
from redraft.solve.descent import GradientSolver
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.folds import dealt
from redraft.solve.goals import Goal
from redraft.solve.problem import Solution, Solver, edited_weight
from redraft.solve.results import Results
from redraft.solve.setup import Setup, Source
from redraft.solve.sources import Copy, Silence, Swapped, Zeroed
from redraft.solve.stages import Stages
from redraft_dsl.recipe import model as checked
from redraft_dsl.recipe.model import Erase, Rule, Side, Solved, Zero

SIDE_RANGE = (0.01, 100.0)
"""Least and most preserve that ``side`` chooses from."""
SIDE_STEPS, FOLD_STEPS = 8, 6
"""Steps of its bisection: on all pictures, and anew without each fold of them. What the left-out
figures say of a fold must not have been chosen by that fold's own."""
OWN_BYTES = 1 << 28
"""Memory for what a rule and its folds have in common, and a ``side``'s trials, where no other is
given."""


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
        converged: whether the solver stopped because little was left to gain.
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
    converged: bool
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
        source=_source(layer, placed),
        protected=placed.protected,
        contrast=rule.contrast,
        directions=rule.directions,
        rank=rule.rank,
    )
    if not isinstance(rule, Zero):
        solver = rule.solver
        setup = replace(
            setup,
            keep=rule.keep,
            preserve=0.0 if isinstance(rule.restraint, Side) else rule.restraint.weight,
            loss=solver.loss if isinstance(solver, checked.ExactSolver) else "l1",
            solver=_solver(solver, layer, placed),
            crop=solver.goal == "crop",
        )
    if results is None or not results.most:
        results = Results(OWN_BYTES)
    return OpenRule(placed, layer, Stages(setup, results))


@torch.no_grad()
@full_float32()
def solve_rule(opened: OpenRule) -> SolvedRule:
    """Solve one rule; changes nothing in the network.

    Its left-out figures take longer, see :func:`estimated`.

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


def _solve(opened: OpenRule, rule: Solved) -> SolvedRule:
    stages = opened.stages
    if isinstance(rule.restraint, Side):
        stages = _choose_preserve(stages, rule.restraint.percent / 100)
    _, started = stages.guarded, time.perf_counter()
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
        converged=solution.converged,
        left_out=None,
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
    return SolvedRule(opened.placed, delta, goal, 0.0, 0.0, 0.0, True, None, seconds, opened.stages)


def _source(layer: Layer, placed: PlacedRule) -> Source:
    rule = placed.rule
    if placed.copy is not None:
        return Copy(placed.copy)
    if placed.drive is not None:
        return Swapped(
            placed.drive, partial(inputs_of_all, layer.generator, layer=layer.facts.name)
        )
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
    if by_folds and (placed.pasted_everywhere or _can_be_dealt(setup)):
        return left_out(problem, partial(_without, stages, placed.rule), setup.pastes.drawn)
    pasted = set(placed.pastes.drawn)
    rest = [row for row, each in enumerate(placed.contexts.drawn) if each not in pasted]
    if len(rest) < LEAST:
        return None
    goal = stages.goal_in(placed.contexts.part(rest))
    weight = edited_weight(problem.weight, solution.coefficients, solution.directions)
    found = reached(problem, goal, weight)
    spread = float(found.per_picture.std(correction=0))
    return LeftOut(found.gain, found.side, spread, 0.0, tuple(found.per_picture.tolist()))


def _can_be_dealt(setup: Setup) -> bool:
    """Whether each fold of the pictures of the goal leaves some of them, and a context."""
    pictures, contexts = setup.pastes.drawn, set(setup.contexts.drawn)
    folds = ({pictures[row] for row in held} for held in dealt(pictures))
    return len(set(pictures)) >= LEAST and all(contexts - fold for fold in folds)


def _without(stages: Stages, rule: Rule, rows: tuple[int, ...]) -> Solution:
    """A rule solved on some of its pictures, which also choose ``preserve`` where it has a side."""
    part = stages.part(rows)
    if not isinstance(rule, Zero) and isinstance(rule.restraint, Side):
        chosen = _smallest(part, rule.restraint.percent / 100, FOLD_STEPS)
        part = part.changed(preserve=SIDE_RANGE[1] if chosen is None else chosen)
    return part.solution


def _choose_preserve(stages: Stages, side: float) -> Stages:
    """The rule with the smallest preserve whose left-out side effect stays below ``side``."""
    pictures = len(set(stages.setup.pastes.drawn))
    if pictures < LEAST:
        raise RunError(
            "RD512",
            f"`side` needs {LEAST} pictures or more to leave some out, and this rule has "
            f"{pictures}",
            "add contexts, or write `preserve` instead",
        )
    chosen = _smallest(stages, side, SIDE_STEPS)
    if chosen is None:
        raise RunError(
            "RD513",
            f"no preserve keeps the side effect below {side:.1%}",
            "allow more, mark more contexts, or choose another layer",
        )
    return stages.changed(preserve=chosen)


def _smallest(stages: Stages, side: float, steps: int) -> float | None:
    """The smallest preserve whose left-out side effect stays below ``side``, by bisection."""
    problem, pictures = stages.problem, stages.setup.pastes.drawn
    parts: dict[tuple[int, ...], Stages] = {}
    low, high = SIDE_RANGE
    best: float | None = None
    for _ in range(steps):
        middle = (low * high) ** 0.5
        found = left_out(problem, partial(_solve_part, stages, parts, middle), pictures, least=2)
        assert found is not None, "there are enough pictures"
        if found.side <= side:
            best = high = middle
        else:
            low = middle
    return best


def _solve_part(
    stages: Stages, parts: dict[tuple[int, ...], Stages], preserve: float, rows: tuple[int, ...]
) -> Solution:
    """The rule on some of its pictures; ``parts`` holds what does not depend on preserve."""
    part = parts[rows] if rows in parts else stages.part(rows)
    parts[rows] = part.changed(preserve=preserve)
    return parts[rows].solution
