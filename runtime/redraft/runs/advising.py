"""What a run warns of: what was seen on new pictures first, else what left-out contexts say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from redraft.judge.advice import PAGE, Case, advice, misled, more, needs_advice
from redraft.judge.effect import Effect
from redraft.judge.scores import score_pictures
from redraft.judge.verdict import FIXED
from redraft.judge.wish import GoalPictures
from redraft.judge.words import headline
from redraft.models.batches import draw_values
from redraft.plans.planner import RuleStep
from redraft.plans.record import LOW_AGREEMENT, LOW_GAIN, CauseRecord
from redraft.runs.rule import OpenRule, SolvedRule
from redraft.solve.delta import Delta
from redraft_dsl.recipe.model import Box, Erase, Insert, Zero

MOST = 48
"""Contexts on which a rule's own amplitude is taken."""


@dataclass(frozen=True)
class Outcome:
    """A rule that was solved, and what came of it.

    Attributes:
        step: of the rule.
        opened: the rule, on the network as it was solved on.
        solved: its change, strength included.
        effect: on new pictures; None where it was not measured.
        drawn: gives the pictures of its goal.

    """

    step: RuleStep
    opened: OpenRule
    solved: SolvedRule
    effect: Effect | None
    drawn: Callable[[], GoalPictures]


def advise(outcome: Outcome) -> tuple[tuple[str, ...], CauseRecord | None]:
    """What to warn of, and what the causes of little effect are read off."""
    contexts = outcome.solved.placed.contexts
    said, cause = _seen(outcome)
    scores = [place.score for place in contexts if place.score is not None]
    return (*misled(scores), *said), cause


def _seen(outcome: Outcome) -> tuple[tuple[str, ...], CauseRecord | None]:
    """What is to be said of a rule's effect; see :func:`advise`."""
    step, opened, solved, effect = outcome.step, outcome.opened, outcome.solved, outcome.effect
    if effect is None or not effect.judged:
        return _estimated(step, solved), None
    share, amplitude = effect.share.value, effect.amplitude.value
    found = effect.verdict
    removes = isinstance(step.rule, Erase)
    some = None if effect.places == FIXED else effect.judged
    seen = headline(found, share, amplitude, removes=removes, found=some)
    needed = needs_advice(found, amplitude, removes=removes)
    if isinstance(step.rule, Zero):
        return ((f"{seen} (redraft explain {PAGE})",) if needed else ()), None
    pictures = outcome.drawn()
    first = _alike(opened, len(pictures.present))
    cause = CauseRecord(
        alike=pictures.select(first).likeness(),
        copied=float(solved.goal.alpha.double().mean()),
        cells=_cells(step, opened),
        own=_own_amplitude(step, opened, solved.delta, pictures, first) if needed else None,
    )
    if cause.own is None:
        return (), cause
    case = _case(step, opened, solved, effect, cause, cause.own)
    return (f"{seen}: {advice(case)} (redraft explain {PAGE})",), cause


def _case(
    step: RuleStep,
    opened: OpenRule,
    solved: SolvedRule,
    effect: Effect,
    cause: CauseRecord,
    own: float,
) -> Case:
    """What is known of a rule that was measured; ``own`` is its amplitude on its own contexts."""
    layers = opened.layer.generator.facts.layer_names()
    place = layers.index(step.facts.name)
    copy = step.rule.copy_from if isinstance(step.rule, Insert) else None
    return Case(
        effect.verdict,
        effect.share.value,
        effect.amplitude.value,
        effect.outside.value,
        step.rule.strength,
        rank=solved.delta.rank,
        preserve=solved.preserve,
        contexts=len(solved.placed.contexts),
        removes=isinstance(step.rule, Erase),
        alike=cause.alike,
        copied=cause.copied,
        cells=cause.cells,
        own=own,
        searched=bool(step.matches),
        boxed=copy is not None and isinstance(copy.region, Box),
        earlier=place > 0,
        later=place < len(layers) - 1,
    )


def _estimated(step: RuleStep, solved: SolvedRule) -> tuple[str, ...]:
    """What left-out contexts say, where no new picture was drawn."""
    if solved.left_out is None:
        if solved.loss_before == 0:
            return ()
        return (
            "it was not measured, and with fewer than three contexts no estimate can be made; "
            + more(searched=bool(step.matches)),
        )
    agreement = solved.left_out.agreement
    what, value, least = ("gain", solved.left_out.gain, LOW_GAIN)
    if agreement is not None:
        what, value, least = ("agreement", agreement, LOW_AGREEMENT)
    if value >= least:
        return ()
    return (
        f"it was not measured, and its left-out {what} is {value:.2f}: below {least} rules seldom "
        "take effect on new pictures; mark more contexts, or try another layer with "
        f"`redraft locate` (redraft explain {PAGE})",
    )


def _cells(step: RuleStep, opened: OpenRule) -> float:
    """Cells of the layer's keys along a context's shorter side, on the mean."""
    height, width = opened.layer.generator.facts.image_size
    down, across = (step.facts.key_size[0] / height, step.facts.key_size[1] / width)
    boxes = [place.box() for place in opened.placed.contexts]
    sides = [min((y1 - y0) * down, (x1 - x0) * across) for x0, y0, x1, y1 in boxes]
    return sum(sides) / max(len(sides), 1)


def _alike(opened: OpenRule, count: int) -> range:
    """Pictures of a goal that ask for one thing: of an invert those with the cause high."""
    return range(count if opened.placed.drive is None else count // 2)


@torch.no_grad()
def _own_amplitude(
    step: RuleStep, opened: OpenRule, delta: Delta, pictures: GoalPictures, first: range
) -> float:
    """The rule's amplitude on the first of the pictures that it was solved for."""
    layer, goal = opened.layer, opened.stages.goal
    rows = list(first[:MOST])
    inputs, form = goal.inputs.select(rows), layer.form
    values = form.activate(form.response(inputs, delta.added_to(form.weight)))
    after = draw_values(layer.generator, step.facts.name, values, inputs)
    some = pictures.select(rows)
    scores = score_pictures(some.present, after, some.wish(), spots=some.spots)
    return float(scores.amplitude.mean())
