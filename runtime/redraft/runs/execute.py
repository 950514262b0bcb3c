"""Run a plan's steps: from the pinned base, rule by rule, to deltas and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version

import torch

from redraft.edit.artifact import Edit, EditFacts, RuleFacts
from redraft.errors import RunError
from redraft.judge.effect import Effect, GoalPictures, Wish, draw_goal, measure
from redraft.judge.leftout import left_out_scores
from redraft.memory.places import ResolvedPlace
from redraft.models import latents
from redraft.plans.planner import RuleStep, StatisticsStep
from redraft.plans.unseen import judged
from redraft.runs.recording import rule_record
from redraft.runs.session import FinishedRule, Session, apply_delta, collect, drawn_before, site_of
from redraft.runs.solving import SolvedRule, goal_content, removal_goal, solve_rule
from redraft.solve.delta import Delta
from redraft_dsl.recipe.model import Erase, Zero


def solve_all(
    session: Session,
    restore: Callable[[RuleStep], FinishedRule | None] | None = None,
    store: Callable[[RuleStep, FinishedRule], None] | None = None,
    *,
    evaluate: bool = True,
) -> list[FinishedRule]:
    """Run every step of the plan; afterwards the session's model is wholly edited.

    Args:
        session: freshly opened.
        restore: gives a finished rule of an earlier, interrupted run, or None.
        store: keeps a rule that was just finished.
        evaluate: measure every rule on unseen pictures.

    Raises:
        RunError: a step failed; says which and why.

    """
    for step in session.plan.steps:
        if isinstance(step, StatisticsStep):
            collect(session, step)
            continue
        done = restore(step) if restore is not None else None
        if done is None:
            done = _solve_step(session, step, evaluate)
            if store is not None:
                store(step, done)
        else:
            session.ranks.tell(Change(done.delta))
            apply_delta(session, step, done.delta)
        session.finished.append(done)
    return session.finished


@dataclass(frozen=True)
class Change:
    """What the first process tells the others of a rule.

    Attributes:
        delta: the change, strength included.
        wish: of the rule; None where there is nothing to measure.
        contexts: the places it used, where each picture has a wish of its own.

    """

    delta: Delta
    wish: Wish | None = None
    contexts: tuple[ResolvedPlace, ...] = ()


def assist(session: Session) -> None:
    """The part that any process but the first has in :func:`solve_all`.

    It draws its share of the pictures for statistics and measures. Everything is decided in the
    first process: what is cached, what was finished before, and every rule, which it solves.

    Raises:
        RunError: a step failed, here or in another process.

    """
    for step in session.plan.steps:
        if isinstance(step, StatisticsStep):
            collect(session, step)
            continue
        change: Change = session.ranks.told()
        if change.wish is not None:
            on_device = replace(change, wish=change.wish.to(session.device))
            _measured(session, step, on_device)
        apply_delta(session, step, change.delta)


def edit_of(session: Session) -> Edit:
    """The finished rules as an artifact."""
    plan = session.plan
    rules = tuple(
        RuleFacts(
            name=done.record.name,
            layer=done.record.layer,
            weight_name=done.record.weight_name,
            axes=session.model.generator.weight_axes(step.facts.name),
            rank=done.delta.rank,
            weight_before=done.record.weight_before,
            weight_after=done.record.weight_after,
        )
        for step, done in zip(plan.rules, session.finished, strict=True)
    )
    facts = EditFacts(
        recipe=plan.recipe.name,
        version=plan.recipe.version,
        recipe_digest=plan.recipe.digest(),
        model=plan.base.name,
        arch=plan.base.facts.arch,
        tensors_digest=session.model.digest,
        redraft=version("redraft"),
        rules=rules,
    )
    return Edit(facts, plan.text, tuple(done.delta for done in session.finished))


def check_untouched(session: Session) -> None:
    """Prove that only the weights that the rules name have changed.

    Raises:
        RunError: another weight differs from the base.

    """
    named = {done.record.weight_name for done in session.finished}
    state = session.model.generator.state()
    for name, original in session.model.state.bare().items():
        if name not in named and not torch.equal(state[name].cpu(), original):
            raise RunError(
                "RD520",
                f"the weight `{name}` changed, and no rule names it",
                "this is a defect of redraft; please report it with the recipe",
            )


def _solve_step(session: Session, step: RuleStep, evaluate: bool) -> FinishedRule:
    number = len(session.finished)
    session.tell(f"rule {step.rule.name}", number, len(session.plan.rules))
    applied: list[FinishedRule] = []

    def make() -> FinishedRule:
        applied.append(_solved_step(session, step, evaluate))
        return applied[0]

    # An earlier run may have solved the very same rule, and judged it on the same pictures.
    indices = judged(session.plan.recipe, session.plan.base.facts) if evaluate else None
    done = drawn_before(session, step).once("rule", [step.digest, indices], make)
    if not applied:
        apply_delta(session, step, done.delta)
    return done


def _solved_step(session: Session, step: RuleStep, evaluate: bool) -> FinishedRule:
    site = site_of(session, step)
    solved = solve_rule(site, step.rule)
    _check_change(step, solved.delta)
    before = site.form.weight.clone()
    solved, wish = _judgement(session, step, solved) if evaluate else (solved, None)
    contexts = solved.contexts if isinstance(step.rule, Erase) else ()
    change = Change(solved.delta, wish, contexts)
    session.ranks.tell(change)
    effect = None if wish is None else _measured(session, step, change)
    apply_delta(session, step, solved.delta)
    record = rule_record(session, step, solved, before, effect)
    return FinishedRule(solved.delta, record, solved.contexts, solved.pastes)


def _check_change(step: RuleStep, delta: Delta) -> None:
    """An edit that returns unedited weights is a failure, not a result."""
    if step.rule.strength != 0 and delta.norm() == 0:
        raise RunError(
            "RD521",
            f"the rule `{step.rule.name}` changes nothing",
            "its goal is what the layer gives already, or `preserve` is too high",
        )


def _judgement(
    session: Session, step: RuleStep, solved: SolvedRule
) -> tuple[SolvedRule, Wish | None]:
    """The rule with the agreement of its left-out pictures, and its wish for unseen ones, if any.

    The pictures of its goal are drawn once for both.
    """
    indices = judged(session.plan.recipe, session.plan.base.facts)
    left = solved.left_out
    folds = () if left is None else left.folds
    if not indices and not folds:
        return solved, None
    generator, layer = session.model.generator, step.facts.name
    drawn = _drawn(session, step, solved)
    if left is not None and folds:
        own = isinstance(step.rule, Erase)
        scores = left_out_scores(generator, layer, solved.goal, drawn, folds, own=own)
        solved = replace(solved, left_out=left.agreeing(scores))
    return solved, drawn.wish() if indices else None


def _drawn(session: Session, step: RuleStep, solved: SolvedRule) -> GoalPictures:
    """The pictures of a rule's goal."""

    def make() -> GoalPictures:
        areas = torch.stack([torch.from_numpy(place.area) for place in solved.pastes])
        return draw_goal(session.model.generator, step.facts.name, solved.goal, areas)

    if isinstance(step.rule, Zero):
        return make()  # its goal is what it does, which is its own
    content = goal_content(site_of(session, step), step.rule, solved.contexts, solved.pastes)
    return drawn_before(session, step).once("drawn", content, make)


def _measured(session: Session, step: RuleStep, change: Change) -> Effect:
    """The effect of a change that has a wish, with the help of the other processes."""
    assert change.wish is not None, "asked for only where there is something to measure"
    indices = judged(session.plan.recipe, session.plan.base.facts)
    block = session.plan.recipe.latents[0]
    rows = latents.rows(block.seed, indices, session.plan.base.facts.latent_size)
    own, wanted = None, None
    if isinstance(step.rule, Erase):
        site = site_of(session, step)
        own = removal_goal(site, step.rule, change.contexts)
        wanted = goal_content(site, step.rule, change.contexts, ())
    return measure(
        session.model.generator,
        step.facts.name,
        change.delta,
        rows.to(session.device),
        change.wish,
        own_goal=own,
        common=drawn_before(session, step).within(indices, wanted),
        ranks=session.ranks,
    )
