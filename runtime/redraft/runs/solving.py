"""One rule, solved on the network that the earlier rules left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.judge.leftout import LEAST, LeftOut, left_out, reached
from redraft.memory import keys
from redraft.memory.places import ResolvedPlace
from redraft.models import latents
from redraft.models.batches import batch_size
from redraft.models.generator import LayerInputs
from redraft.plans.lock import LockedPlace
from redraft.rivals.compat import reproduce
from redraft.runs.memo import place_content
from redraft.runs.site import Site
from redraft.solve import goals
from redraft.solve.delta import Delta, zeroing
from redraft.solve.descent import GradientSolver, ProjectedAdam
from redraft.solve.directions import goal_directions
from redraft.solve.exact import ExactSolver
from redraft.solve.goals import Goal
from redraft.solve.problem import Problem, Solution, Solver, edited_weight
from redraft_dsl.recipe import model as checked
from redraft_dsl.recipe.model import Erase, Insert, Rule, Side, Zero

POPULATION = 100
"""Most pictures over which a unit's quantiles are counted (``directions units``)."""
SIDE_RANGE = (0.01, 100.0)
"""Least and most preserve that ``side`` chooses from."""
SIDE_STEPS = 8


@dataclass(frozen=True)
class SolvedRule:
    """What solving one rule leaves.

    Attributes:
        delta: the weight change, strength included.
        contexts: every context place, marked or found.
        pastes: the places that the goal was set in; for zero, the contexts.
        goal: the goal on those pictures; for zero, what the edit does there.
        preserve: the value that was used, chosen by ``side`` or as written; 0 for zero.
        loss_before: data term before the edit.
        loss_after: data term after it, at strength 1.
        left_out: gain and side effect on left-out pictures, None when they cannot be estimated.
        solve_seconds: wall time of directions and coefficients.

    """

    delta: Delta
    contexts: tuple[ResolvedPlace, ...]
    pastes: tuple[ResolvedPlace, ...]
    goal: Goal
    preserve: float
    loss_before: float
    loss_after: float
    left_out: LeftOut | None
    solve_seconds: float


def solve_rule(site: Site, rule: Rule) -> SolvedRule:
    """Solve one rule; changes nothing in the network.

    Raises:
        RunError: the rule cannot be solved; says why and what to change.

    """
    with torch.no_grad():
        contexts = contexts_of(site, rule)
        if isinstance(rule, Zero):
            return _zero(site, rule, contexts)
        return _solve(site, rule, contexts)


def contexts_of(site: Site, rule: Rule) -> tuple[ResolvedPlace, ...]:
    """Every context place of a rule; a match does not find the picture that the rule copies."""
    besides = (rule.copy_from,) if isinstance(rule, Insert) else ()
    written = [each.model_dump(mode="json") for each in (*rule.context, *besides)]
    locked = [[(p.latents, p.index, p.shift) for p in line] for line in site.locked]
    return site.common.once(
        "contexts",
        [written, len(besides), locked, str(site.folder)],
        lambda: site.contexts(rule.context, besides),
    )


def found_by(site: Site, rule: Rule) -> tuple[tuple[LockedPlace, ...], ...]:
    """What each match of a rule finds, best first, as a lock keeps it."""
    with torch.no_grad():
        besides = (rule.copy_from,) if isinstance(rule, Insert) else ()
        return tuple(
            tuple(LockedPlace(p.latents, p.index, p.shift or (0, 0)) for p in places)
            for places in site.found(rule.context, besides)
        )


def problem_of(
    site: Site, rule: Insert | Erase, contexts: tuple[ResolvedPlace, ...]
) -> tuple[Problem, tuple[ResolvedPlace, ...]]:
    """The rule as an optimisation problem, and the places that its goal is set in."""
    with torch.no_grad():
        written = rule.paste if isinstance(rule, Insert) else rule.source
        pastes = contexts if isinstance(written, str) else tuple(map(site.place, written))
        goal = _goal(site, rule, contexts, pastes)
        # Running large pictures up to the layer once more takes longer than solving the rule.
        seen = goal.inputs if pastes is contexts else None
        moment = _mixed_moment(site, rule.contrast, contexts, seen)
        if rule.solver.goal == "crop":
            goal = goals.crop(site.form, goal, site.form.weight, site.key_cover(pastes[:1])[0])
        loss = rule.solver.loss if isinstance(rule.solver, checked.ExactSolver) else "l1"
        preserve = 0.0 if isinstance(rule.restraint, Side) else rule.restraint.weight
        problem = Problem(
            form=site.form,
            weight=site.form.weight,
            goal=goal,
            weights=goals.importance(goal, rule.keep),
            moment=moment,
            preserve=preserve,
            loss=loss,
        )
        return problem, pastes


def context_directions(site: Site, rule: Rule, contexts: tuple[ResolvedPlace, ...]) -> Tensor:
    """(rank, C) directions from the context alone, by the rule's method."""
    inputs, cover = site.inputs(contexts), site.key_cover(contexts)
    moment = _mixed_moment(site, rule.contrast, contexts)
    inside = keys.context_keys(inputs, cover)
    match rule.directions:
        case "svd":
            return keys.svd_directions(inside, moment, rule.rank)
        case "mean":
            return keys.mean_direction(inside, moment)
        case "units":
            return keys.unit_directions(inside, _population(site), rule.rank)
        case _:
            return keys.whitened_directions(inside, moment, rule.rank)


def solver_of(solver: checked.Solver) -> Solver:
    """The solver that a recipe's settings name."""
    match solver:
        case checked.ExactSolver():
            return ExactSolver(solver.iterations)
        case checked.GradientSolver():
            return GradientSolver(solver.steps, solver.rate)
        case checked.ProjectedAdamSolver():
            return ProjectedAdam(solver.steps, solver.rate, solver.every)


def _solve(site: Site, rule: Insert | Erase, contexts: tuple[ResolvedPlace, ...]) -> SolvedRule:
    problem, pastes = problem_of(site, rule, contexts)
    folds = _Folds(site, rule, contexts, pastes)
    estimate: LeftOut | None
    if isinstance(rule.restraint, Side):
        problem, estimate = _choose_preserve(problem, rule, folds, rule.restraint.percent / 100)
    else:
        estimate = None
    started = time.perf_counter()
    if rule.compat is None:
        solution = folds.solve(problem, None)
    else:
        solution = reproduce(site, rule, contexts)
    seconds = time.perf_counter() - started
    if estimate is None:
        estimate = _estimate(site, rule, problem, folds, solution)
    delta = solution.delta(rule.name, site.facts.name)
    return SolvedRule(
        delta=delta.scaled(rule.strength),
        contexts=contexts,
        pastes=pastes,
        # The goal on whole pictures, even where the layer was solved on a crop of them.
        goal=_goal(site, rule, contexts, pastes) if rule.solver.goal == "crop" else problem.goal,
        preserve=problem.preserve,
        loss_before=solution.loss_before,
        loss_after=solution.loss_after,
        left_out=estimate,
        solve_seconds=seconds,
    )


class _Folds:
    """Solves a rule's problem on all its pictures, or on those of a fold.

    Directions do not depend on ``preserve``, so each part's are found once, however many values
    of it are tried.
    """

    def __init__(
        self,
        site: Site,
        rule: Insert | Erase,
        contexts: tuple[ResolvedPlace, ...],
        pastes: tuple[ResolvedPlace, ...],
    ) -> None:
        self.site = site
        self.rule = rule
        self.contexts = contexts
        self.pastes = pastes
        self._directions: dict[tuple[int, ...] | None, Tensor] = {}

    @property
    def pasted_everywhere(self) -> bool:
        """Whether the goal's pictures are the contexts, so that both can be left out together."""
        return self.pastes is self.contexts

    def solve(self, problem: Problem, rows: tuple[int, ...] | None) -> Solution:
        """Directions, then coefficients, for the pictures ``rows`` (None: all)."""
        if rows not in self._directions:
            self._directions[rows] = self._choose(problem, rows)
        return solver_of(self.rule.solver)(problem, self._directions[rows])

    def _choose(self, problem: Problem, rows: tuple[int, ...] | None) -> Tensor:
        if self.rule.directions == "goal":
            return goal_directions(problem, self.rule.rank)
        contexts = self.contexts
        if rows is not None and self.pasted_everywhere:
            contexts = tuple(contexts[row] for row in rows)
        return context_directions(self.site, self.rule, contexts)


def _estimate(
    site: Site, rule: Insert | Erase, problem: Problem, folds: _Folds, solution: Solution
) -> LeftOut | None:
    """Left-out gain: by folds, or on the contexts when the goal was set elsewhere."""
    if rule.solver.goal == "crop" or isinstance(rule.solver, checked.ProjectedAdamSolver):
        # Folds would take minutes of descent each; the contexts serve as left-out pictures.
        return _on_contexts(site, rule, problem, folds, solution)
    if folds.pasted_everywhere or len(folds.pastes) >= LEAST:
        return left_out(problem, rule.keep, folds.solve)
    return _on_contexts(site, rule, problem, folds, solution)


def _on_contexts(
    site: Site, rule: Insert | Erase, problem: Problem, folds: _Folds, solution: Solution
) -> LeftOut | None:
    pasted = {(place.latents, place.index) for place in folds.pastes}
    rest = tuple(p for p in folds.contexts if (p.latents, p.index) not in pasted)
    if len(rest) < LEAST:
        return None
    goal = _goal(site, rule, folds.contexts, rest)
    weight = edited_weight(problem.weight, solution.coefficients, solution.directions)
    found = reached(problem, goal, weight)
    spread = float(found.per_picture.std(correction=0))
    return LeftOut(found.gain, found.side, spread, 0.0, tuple(found.per_picture.tolist()))


def _choose_preserve(
    problem: Problem, rule: Insert | Erase, folds: _Folds, side: float
) -> tuple[Problem, LeftOut]:
    """The smallest preserve whose left-out side effect stays below ``side``, by bisection."""
    if len(problem.goal.inputs) < LEAST:
        raise RunError(
            "RD512",
            f"`side` needs {LEAST} pictures or more to leave some out, and this rule has "
            f"{len(problem.goal.inputs)}",
            "add contexts, or write `preserve` instead",
        )
    low, high = SIDE_RANGE
    best: tuple[Problem, LeftOut] | None = None
    for _ in range(SIDE_STEPS):
        middle = (low * high) ** 0.5
        trial = problem.with_preserve(middle)
        estimate = left_out(trial, rule.keep, folds.solve)
        assert estimate is not None
        if estimate.side <= side:
            best, high = (trial, estimate), middle
        else:
            low = middle
    if best is None:
        raise RunError(
            "RD513",
            f"no preserve keeps the side effect below {side:.1%}",
            "allow more, mark more contexts, or choose another layer",
        )
    return best


def _zero(site: Site, rule: Zero, contexts: tuple[ResolvedPlace, ...]) -> SolvedRule:
    started = time.perf_counter()
    directions = context_directions(site, rule, contexts)
    form = site.form
    delta = zeroing(rule.name, site.facts.name, form.weight, directions, rule.strength)
    seconds = time.perf_counter() - started
    inputs = site.inputs(contexts)
    before = form.activate(form.response(inputs, form.weight))
    after = form.activate(form.response(inputs, delta.added_to(form.weight)))
    cover = site.value_cover(contexts).to(before)
    goal = Goal(inputs, before, after, cover, torch.stack([goals.box_mask(c) for c in cover]))
    return SolvedRule(delta, contexts, contexts, goal, 0.0, 0.0, 0.0, None, seconds)


def _goal(
    site: Site,
    rule: Insert | Erase,
    contexts: tuple[ResolvedPlace, ...],
    pastes: tuple[ResolvedPlace, ...],
) -> Goal:
    return site.common.once(
        "goal",
        goal_content(site, rule, contexts, pastes),
        lambda: _make_goal(site, rule, contexts, pastes),
    )


def goal_content(
    site: Site,
    rule: Insert | Erase,
    contexts: tuple[ResolvedPlace, ...],
    pastes: tuple[ResolvedPlace, ...],
) -> list[object]:
    """All that a goal depends on besides the network, as JSON can hold it."""
    pasted = [place_content(place) for place in pastes]
    if isinstance(rule, Insert):
        return ["insert", place_content(site.place(rule.copy_from)), pasted]
    return ["erase", rule.units, [place_content(place) for place in contexts], pasted]


def _make_goal(
    site: Site,
    rule: Insert | Erase,
    contexts: tuple[ResolvedPlace, ...],
    pastes: tuple[ResolvedPlace, ...],
) -> Goal:
    form = site.form
    inputs, regions = site.inputs(pastes), site.value_cover(pastes)
    if isinstance(rule, Insert):
        patch = copied(site, rule)
        return goals.paste(form, inputs, form.weight, patch, list(regions.to(patch.values)))
    return goals.silence(form, inputs, form.weight, _units(site, rule, contexts), regions)


def copied(site: Site, rule: Insert) -> goals.Patch:
    """The values that an insert copies."""
    form, source = site.form, site.place(rule.copy_from)
    values = form.activate(form.response(site.inputs([source]), form.weight))[0]
    return goals.cut(values, site.value_cover([source])[0].to(values))


def _units(site: Site, rule: Erase, contexts: tuple[ResolvedPlace, ...]) -> Tensor:
    inside = keys.context_keys(site.inputs(contexts), site.key_cover(contexts))
    return keys.unusual_units(inside, site.moment, rule.units)


def removal_goal(
    site: Site, rule: Erase, contexts: tuple[ResolvedPlace, ...]
) -> Callable[[LayerInputs], Tensor]:
    """What an erase wants of any picture: values (N, O, H, W) with its units silenced.

    They are silenced where most of the contexts have their region.
    """
    form, units = site.form, _units(site, rule, contexts)
    mean = site.value_cover(contexts).mean(0)
    region = (mean >= 0.5 * mean.max()).to(mean.dtype)

    def values(inputs: LayerInputs) -> Tensor:
        regions = region.expand(len(inputs), *region.shape)
        return goals.silence(form, inputs, form.weight, units, regions).values

    return values


def _mixed_moment(
    site: Site,
    contrast: float,
    contexts: tuple[ResolvedPlace, ...],
    seen: LayerInputs | None = None,
) -> Tensor:
    """The moment that a rule goes by; ``seen`` is what enters the layer for its contexts."""
    if contrast == 0:
        return site.moment
    inputs = site.inputs(contexts) if seen is None else seen
    elsewhere = keys.elsewhere_moment(inputs, site.key_cover(contexts))
    return keys.mix_moments(site.moment, elsewhere, contrast)


def _population(site: Site) -> Tensor:
    block = site.recipe.latents[0]
    # Fewer where the layer's maps are large: it is keys that are counted, and those are many.
    most = batch_size(site.generator.facts, POPULATION, [site.facts.name])
    rows = latents.sample(block.seed, min(block.count, most), site.generator.facts.latent_size)
    found: LayerInputs = site.generator.inputs(rows.to(site.moment.device), [site.facts.name])[
        site.facts.name
    ]
    return found.keys.permute(0, 2, 3, 1).reshape(-1, found.keys.shape[1])
