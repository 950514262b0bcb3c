"""Every rule of a chain, scored after each later rule against the frozen original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.edit.artifact import Edit
from redraft.judge.effect import draw_unchanged, judged_batches, summarise
from redraft.judge.scores import PictureScores, score_pictures
from redraft.judge.spots import Spots
from redraft.judge.wish import Wish
from redraft.models.arithmetic import full_float32
from redraft.models.samplers import sampler_of
from redraft.plans.planner import RuleStep, StatisticsStep
from redraft.plans.record import RuleRecord
from redraft.plans.run_folder import FinishedRun
from redraft.plans.unseen import judged
from redraft.runs.execute import solve_step, wish_of_rule
from redraft.runs.session import (
    Distance,
    FinishedRule,
    Session,
    apply_delta,
    collect,
    opened_rule,
)
from redraft.solve.delta import Delta

Made = tuple[Delta, RuleRecord]
"""The change of a rule that was solved before, and its figures."""


@dataclass(frozen=True)
class ChainScore:
    """What a rule does once a later rule, or itself, is the last that was applied.

    Attributes:
        name: of the rule.
        after: name of the rule that was applied last.
        share: of the unseen pictures that show it.
        null_share: that of random edits in its place, on the network that it found; None where it
            was not measured.
        amplitude: how strongly they show it.
        outside: mean absolute change of the pictures outside its region, by all rules so far.
        distance: to the right answer, where that is known; else None.

    """

    name: str
    after: str
    share: float
    null_share: float | None
    amplitude: float
    outside: float
    distance: float | None


@dataclass(frozen=True)
class _Target:
    """What a rule wants of the unseen pictures, on the network that it found.

    ``wanted`` and ``spots`` are those of each batch, see
    :class:`redraft.judge.effect.Unchanged`.
    """

    name: str
    null_share: float | None
    wish: Wish
    wanted: tuple[Tensor | None, ...]
    spots: tuple[Spots | None, ...]


@torch.no_grad()
@full_float32()
def score_chain(
    session: Session,
    answers: Mapping[str, Distance] | None = None,
    made: Mapping[str, Made] | None = None,
) -> tuple[ChainScore, ...]:
    """Apply every rule of a plan in turn, and score all so far after each of them.

    A rule is scored by its own wish, taken on the network that it found; what it is compared with
    are the pictures of the network without any rule.

    Args:
        session: freshly opened; afterwards its model is wholly edited.
        answers: distance to the right answer by the name of a rule, where that is known.
        made: the rules that a run of the plan has solved, by name; all others are solved.

    Raises:
        RunError: a rule cannot be solved, or there are no pictures to judge it by.

    """
    plan, generator = session.plan, session.model.generator
    indices = judged(plan.recipe, plan.base.facts)
    rows = sampler_of(generator).rows(plan.recipe.latents[0], indices)
    batches = judged_batches(generator, rows.to(session.device))
    original = [generator.sample(part) for part in batches]
    targets: list[_Target] = []
    found: list[ChainScore] = []
    for step in plan.steps:
        if isinstance(step, StatisticsStep):
            collect(session, step)
            continue
        targets.append(_applied(session, step, batches, (made or {}).get(step.rule.name)))
        session.progress(f"scoring after {step.rule.name}", 0, len(targets))
        edited = [generator.sample(part) for part in batches]
        distances = _distances(answers or {}, targets, edited, rows)
        found += [
            _scored(target, step.rule.name, original, edited, distances.get(target.name))
            for target in targets
        ]
    return tuple(found)


def made_by(run: FinishedRun) -> dict[str, Made]:
    """The rules of a finished run, by name."""
    deltas = Edit.load(run.edit).deltas
    return {
        record.name: (delta, record) for delta, record in zip(deltas, run.record.rules, strict=True)
    }


def _applied(
    session: Session, step: RuleStep, batches: Sequence[Tensor], made: Made | None
) -> _Target:
    """Apply a rule, solved here or before; what it wants is taken on the network as it found it."""
    opened, generator = opened_rule(session, step), session.model.generator
    wish = wish_of_rule(session, step, opened)
    own = opened.stages.setup.source.anywhere(opened.stages)
    drawn = [draw_unchanged(generator, step.facts.name, part, wish, own) for part in batches]
    if made is None:
        done = solve_step(session, step)
    else:
        done = FinishedRule(*made, opened.placed)
        apply_delta(session, step, done.delta)
    session.finished.append(done)
    wanted, spots = tuple(each.wanted for each in drawn), tuple(each.spots for each in drawn)
    return _Target(step.rule.name, done.record.null, wish, wanted, spots)


def _scored(
    target: _Target,
    after: str,
    original: Sequence[Tensor],
    edited: Sequence[Tensor],
    distance: float | None,
) -> ChainScore:
    parts = zip(original, edited, target.wanted, target.spots, strict=True)
    scores = [
        score_pictures(before, now, target.wish, wanted, spots)
        for before, now, wanted, spots in parts
    ]
    effect = summarise(PictureScores.joined(scores))
    return ChainScore(
        name=target.name,
        after=after,
        share=effect.share.value,
        null_share=target.null_share,
        amplitude=effect.amplitude.value,
        outside=effect.outside.value,
        distance=distance,
    )


def _distances(
    answers: Mapping[str, Distance],
    targets: Sequence[_Target],
    edited: Sequence[Tensor],
    rows: Tensor,
) -> dict[str, float]:
    known = [target.name for target in targets if target.name in answers]
    if not known:
        return {}
    pictures = torch.cat(list(edited)).cpu().numpy()
    return {name: answers[name](pictures, rows.cpu().numpy()) for name in known}
