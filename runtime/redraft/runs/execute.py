"""Run a plan's steps: from the pinned base, rule by rule, to deltas and figures."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version

import torch
from torch import Tensor

from redraft.edit.artifact import Edit, EditFacts, RuleFacts
from redraft.errors import RunError
from redraft.judge.effect import (
    Effect,
    Judge,
    Unchanged,
    draw_unchanged,
    judged_batches,
    places_of,
    summarise,
)
from redraft.judge.finding import Finder, match_finder
from redraft.judge.leftout import left_out_scores
from redraft.judge.scores import PictureScores
from redraft.judge.wish import GoalPictures, Wish, draw_goal
from redraft.memory.places import Matches
from redraft.models.arithmetic import full_float32
from redraft.models.generator import Generator
from redraft.models.partners import partner_of
from redraft.models.samplers import sampler_of
from redraft.plans.planner import RuleStep, StatisticsStep
from redraft.plans.unseen import judged
from redraft.runs.advising import Outcome, advise
from redraft.runs.recording import rule_record
from redraft.runs.rule import OpenRule, SolvedRule, estimated, solve_rule
from redraft.runs.session import (
    Distance,
    FinishedRule,
    Session,
    apply_delta,
    collect,
    network_before,
    opened_rule,
    placed_rule,
    statistics_of,
)
from redraft.runs.watch import phase
from redraft.solve.delta import Delta
from redraft.solve.goals import OwnGoal, blended, cut
from redraft_dsl.recipe.model import Erase, Invert

CACHED_BYTES = 1 << 24
"""Most bytes of pictures in one entry of the cache: a batch of 200 with 64 pixels a side fits."""


@full_float32()
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
        store: stores a rule that was just finished.
        evaluate: measure every rule on left-out and on unseen pictures.

    Raises:
        RunError: a step failed; says which and why.

    """
    for step in session.plan.steps:
        if isinstance(step, StatisticsStep):
            collect(session, step)
            continue
        done = restore(step) if restore is not None else None
        if done is None:
            done = solve_step(session, step, evaluate=evaluate)
            if store is not None:
                store(step, done)
        else:
            session.ranks.send(Change(done.delta))
            apply_delta(session, step, done.delta)
        session.finished.append(done)
    return session.finished


@dataclass(frozen=True)
class Change:
    """What the first process sends to the others of a rule.

    Attributes:
        delta: the change, strength included.
        matches: what the rule's matches found.
        wish: of the rule; None where there is nothing to measure.

    """

    delta: Delta
    matches: Matches = ()
    wish: Wish | None = None


@full_float32()
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
        change: Change = session.ranks.received()
        if change.wish is not None:
            placed_rule(session, step, change.matches)
            opened, wish = opened_rule(session, step), change.wish.to(session.device)
            _measured(session, step, opened, change.delta, wish)
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
            partner=partner_of(session.model.generator, step.facts.name),
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
        weights_set=plan.base.header.asked,
    )
    return Edit(facts, plan.text, tuple(done.delta for done in session.finished))


def check_untouched(session: Session) -> None:
    """Prove that only the weights that the rules name have changed.

    Raises:
        RunError: another weight differs from the base.

    """
    named = {done.record.weight_name for done in session.finished}
    partners = (partner_of(session.model.generator, done.record.layer) for done in session.finished)
    named |= {partner.name for partner in partners if partner is not None}
    state = session.model.generator.state()
    for name, original in session.model.state.bare().items():
        if name not in named and not torch.equal(state[name].cpu(), original):
            raise RunError(
                "RD520",
                f"the weight `{name}` changed, and no rule names it",
                "this is a defect of redraft; please report it with the recipe",
            )


def solve_step(session: Session, step: RuleStep, *, evaluate: bool = True) -> FinishedRule:
    """Solve one rule on the network as it is now, and apply it.

    Raises:
        RunError: it cannot be solved, or changes nothing.

    """
    number, plan = len(session.finished), session.plan
    session.progress(f"rule {step.rule.name}", number, len(plan.rules))
    # An earlier run may have solved the very same rule, and judged it on the same pictures.
    indices = tuple(judged(plan.recipe, plan.base.facts)) if evaluate else None
    key = (network_before(plan, step), step.digest, indices)
    done = session.shared.once("rule", key, partial(_solved_step, session, step, evaluate))
    session.placed[step.rule.name] = done.placed
    apply_delta(session, step, done.delta)
    answer = session.answers.get(step.rule.name)
    if answer is None or not indices:
        return done
    record = done.record.model_copy(update={"distance": _distance(session, indices, answer)})
    return replace(done, record=record)


def _distance(session: Session, indices: Sequence[int], answer: Distance) -> float:
    """From the unseen pictures, as the network draws them now, to the right answer."""
    generator = session.model.generator
    rows = sampler_of(generator).rows(session.plan.recipe.latents[0], indices)
    batches = judged_batches(generator, rows.to(session.device))
    pictures = torch.cat([generator.sample(part) for part in batches])
    return answer(pictures.cpu().numpy(), rows.cpu().numpy())


def _solved_step(session: Session, step: RuleStep, evaluate: bool) -> FinishedRule:
    name, progress = step.rule.name, session.progress
    searched = bool(step.matches) and not step.locked
    with phase(progress, f"{name}: searching for contexts" if searched else f"{name}: reading"):
        opened = opened_rule(session, step)
    with phase(progress, f"{name}: solving"):
        solved = solve_rule(opened)
    _check_change(step, solved.delta)
    solved, wish = _judgement(session, step, opened, solved) if evaluate else (solved, None)
    session.ranks.send(Change(solved.delta, solved.placed.matches, wish))
    effect = None if wish is None else _measured(session, step, opened, solved.delta, wish)
    drawn = partial(goal_pictures, session, step, opened)
    outcome = Outcome(step, opened, solved, effect, drawn)
    record = rule_record(session, step, solved, effect, advise(outcome))
    return FinishedRule(solved.delta, record, solved.placed)


def _check_change(step: RuleStep, delta: Delta) -> None:
    """An edit that returns unedited weights is a failure, not a result."""
    if step.rule.strength != 0 and delta.norm() == 0:
        raise RunError(
            "RD521",
            f"the rule `{step.rule.name}` changes nothing",
            "its goal is what the layer gives already, or `preserve` is too high",
        )


def _judgement(
    session: Session, step: RuleStep, opened: OpenRule, solved: SolvedRule
) -> tuple[SolvedRule, Wish | None]:
    """The rule with its left-out figures, and its wish for unseen pictures, if there are any.

    The pictures of its goal are drawn once for both.
    """
    drawn = cache(partial(goal_pictures, session, step, opened))
    with phase(session.progress, f"{step.rule.name}: solving without some contexts"):
        solved = left_out_of(session, step, solved, drawn)
    indices = judged(session.plan.recipe, session.plan.base.facts)
    return solved, drawn().wish(partial(_finder, opened)) if indices else None


def left_out_of(
    session: Session, step: RuleStep, solved: SolvedRule, drawn: Callable[[], GoalPictures]
) -> SolvedRule:
    """A solved rule with its left-out figures, on the network as it was solved on.

    Args:
        session: where it was solved.
        step: of the rule.
        solved: the rule.
        drawn: gives the pictures of its goal.

    """
    solved = estimated(solved)
    left = solved.left_out
    if left is None or not left.folds:
        return solved
    generator, own = session.model.generator, isinstance(step.rule, Erase | Invert)
    scores = left_out_scores(generator, step.facts.name, solved.goal, drawn(), left.folds, own=own)
    return replace(solved, left_out=left.agreeing(scores))


def goal_pictures(session: Session, step: RuleStep, opened: OpenRule) -> GoalPictures:
    """The pictures of a rule's goal, on the network as the rule finds it; drawn once."""
    key = (network_before(session.plan, step), opened.stages.goal_key)
    draw = partial(_goal_pictures, session.model.generator, opened)
    return session.shared.once("drawn", key, draw)


def wish_of_rule(session: Session, step: RuleStep, opened: OpenRule) -> Wish:
    """The wish of a rule for pictures that it never saw, on the network as it finds it."""
    return goal_pictures(session, step, opened).wish(partial(_finder, opened))


def wish_of_opened(generator: Generator, opened: OpenRule) -> Wish:
    """The wish of a rule for pictures that it never saw; of a rule that no session shares."""
    return _goal_pictures(generator, opened).wish(partial(_finder, opened))


def _goal_pictures(generator: Generator, opened: OpenRule) -> GoalPictures:
    layer, pastes, copy = opened.layer.facts.name, opened.placed.pastes, opened.placed.copy
    drawn = draw_goal(generator, layer, opened.stages.goal, pastes.areas)
    if copy is None:
        return drawn
    picture = generator.sample(copy.latents.to(opened.layer.device))[0]
    patch = cut(picture, copy.areas[0].to(picture))
    return replace(drawn, pasted=blended(drawn.present, patch, list(pastes.areas))[0])


def _finder(opened: OpenRule, wish: Wish, drawn: GoalPictures) -> Finder:
    """What finds the places of a rule, by the places where its goal is set."""
    stages, pastes = opened.stages, opened.placed.pastes
    inverse = stages.whitening.inverse_root
    assert drawn.spots is not None, "places are found where no region is fixed"
    return match_finder(
        stages.inputs(pastes),
        pastes.on_keys,
        inverse @ inverse,
        drawn.present,
        wish.inside,
        drawn.spots,
    )


def _measured(
    session: Session, step: RuleStep, opened: OpenRule, delta: Delta, wish: Wish
) -> Effect:
    """The effect of a change on unseen pictures, with the help of the other processes."""
    plan, generator = session.plan, session.model.generator
    block, indices = plan.recipe.latents[0], judged(plan.recipe, plan.base.facts)
    rows = sampler_of(generator).rows(block, indices).to(session.device)
    stages = opened.stages
    key: tuple[Hashable, ...] = (network_before(plan, step), tuple(indices))
    if wish.finder is not None:
        key = (*key, stages.goal_key, stages.setup.contrast)
    own = stages.setup.source.anywhere(stages)
    if own is not None:
        key = (*key, stages.setup.source.content(stages))
    judge = Judge.of(generator, delta, wish)

    def scores(batch: tuple[int, Tensor]) -> PictureScores:
        number, part = batch
        done = min(number * len(part), len(indices))
        session.progress(f"{step.rule.name}: measuring on new pictures", done, len(indices))
        draw = partial(_unchanged, session, step, number, part, wish, own)
        pictures = session.shared.once("judged", (*key, number), draw)
        return judge.scores(number, pictures)

    batches = enumerate(judged_batches(generator, rows))
    joined = session.ranks.combined(batches, scores, lambda parts: PictureScores.joined([*parts]))
    return replace(summarise(joined), places=places_of(wish))


def _unchanged(
    session: Session,
    step: RuleStep,
    number: int,
    part: Tensor,
    wish: Wish,
    own: OwnGoal | None,
) -> Unchanged:
    """A batch of the pictures that rules are judged on, drawn or found in the cache.

    Those of the base itself are cached: every recipe of a model with the same latents has the same.
    Large ones are not, for drawing them is quick beside all else.
    """
    plan, draw = session.plan, partial(draw_unchanged, session.model.generator, step.facts.name)
    height, width = plan.base.facts.image_size
    fits = 3 * height * width * len(part) * part.element_size() <= CACHED_BYTES
    if step is not plan.rules[0] or not fits or not session.ranks.alone:
        return draw(part, wish, own)
    fields = {
        **{n: v for n, v in statistics_of(plan, step).fields.items() if n != "estimator"},
        "pictures": judged(plan.recipe, plan.base.facts),
        "batch": number,
    }
    stored = session.cache.get("pictures", fields)
    if stored is not None:
        return draw(part, wish, own, stored["before"].to(part))
    found = draw(part, wish, own)
    session.cache.put("pictures", fields, {"before": found.before.cpu()})
    return found
