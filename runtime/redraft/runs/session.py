"""A run under way: the model as edited so far, and the statistics collected for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from threading import Event

import numpy as np
import torch
from numpy.typing import NDArray

from redraft.disk.cache import Cache
from redraft.errors import RunError
from redraft.memory.layer import Layer
from redraft.memory.moments import BATCH, Moment, products, summed
from redraft.memory.placed import PlacedRule, place_rule
from redraft.memory.places import Marks, Matches
from redraft.memory.search import scored, search
from redraft.models.arithmetic import full_float32
from redraft.models.batches import batch_size
from redraft.models.open import OpenModel
from redraft.models.samplers import sampler_of
from redraft.plans.planner import Plan, RuleStep, StatisticsStep
from redraft.plans.record import RuleRecord, StatisticsRecord
from redraft.runs.memo import Shared
from redraft.runs.processes import ALONE, Ranks
from redraft.runs.rule import OpenRule, open_rule
from redraft.runs.watch import Progress, Watch
from redraft.solve.delta import Delta

Distance = Callable[[NDArray[np.float32], NDArray[np.float32]], float]
"""Mean distance of pictures (N, 3, H, W) of latents (N, width) to what they should be."""
PLACED_BY = {"kind", "context", "copy_from", "paste", "source", "cause", "protect"}
"""Fields that decide where a rule's places lie; of an invert also its units."""


@dataclass(frozen=True)
class FinishedRule:
    """One rule, solved or read back.

    Attributes:
        delta: the change, strength included.
        record: its figures.
        placed: the rule and its places.

    """

    delta: Delta
    record: RuleRecord
    placed: PlacedRule


@dataclass
class Session:
    """A run under way: the model as edited so far, and what has been collected.

    Attributes:
        plan: what is run.
        model: opened from the plan's base, and edited rule by rule.
        cache: where statistics are cached.
        progress: called with how far it is.
        marks: the marked places of the recipe.
        shared: what it shares with other runs.
        moments: the statistics that were collected, by the step that collects them.
        statistics: their records.
        placed: the rules that have been placed, by name.
        finished: the rules that have been solved or read back.
        ranks: this process among those that run the plan together.
        answers: distance to the right answer by the name of a rule, where that is known.

    """

    plan: Plan
    model: OpenModel
    cache: Cache
    progress: Progress
    marks: Marks
    shared: Shared = field(default_factory=Shared)
    moments: dict[str, Moment] = field(default_factory=dict)
    statistics: list[StatisticsRecord] = field(default_factory=list)
    placed: dict[str, PlacedRule] = field(default_factory=dict)
    finished: list[FinishedRule] = field(default_factory=list)
    ranks: Ranks = ALONE
    answers: Mapping[str, Distance] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.model.device


def open_session(
    plan: Plan,
    device: torch.device,
    cache: Cache | None = None,
    progress: Progress | None = None,
    shared: Shared | None = None,
    ranks: Ranks = ALONE,
    cancel: Event | None = None,
) -> Session:
    """Open the plan's base, unedited; with ``shared``, that of a run before it.

    Nothing is shared with other runs where several processes run the plan: they would not all find
    the same things made. Once ``cancel`` is set, whatever takes long raises ``CancelledError``.

    Raises:
        RunError: the processes do not have one plan.

    """
    _check_agreement(plan, ranks)
    shared = shared if shared is not None and ranks.alone else Shared()
    watch = Watch(progress, cancel)
    shared.check = watch.check
    model = shared.model(plan.base, device)
    marks = Marks(model.generator.facts, plan.folder)
    return Session(plan, model, cache or Cache(), watch, marks, shared, ranks=ranks)


def _check_agreement(plan: Plan, ranks: Ranks) -> None:
    steps = [
        step.fields if isinstance(step, StatisticsStep) else step.digest for step in plan.steps
    ]
    if len(set(ranks.everyone(json.dumps(steps, sort_keys=True)))) > 1:
        raise RunError(
            "RD766",
            "the processes do not have the same recipe, model, versions and kind of device",
            "give all of them the same files, and install the same versions everywhere",
        )


@full_float32()
def collect(session: Session, step: StatisticsStep, more: Sequence[StatisticsStep] = ()) -> None:
    """Statistics for one step, together with all others that the same weights can serve.

    Only the cache of the first process is read and written. ``more`` are steps of other plans that
    will be asked for.
    """
    address = _address(step)
    if address in session.moments:
        return
    alike = {
        _address(each): each
        for each in (*session.plan.statistics, *more)
        if each.fields["edits"] == step.fields["edits"]
    }
    together = [each for address, each in alike.items() if address not in session.moments]
    missing = []
    for each in together:
        stored = session.ranks.from_first(partial(session.cache.get, "statistics", each.fields))
        if stored is None:
            missing.append(each)
        else:
            moment = Moment(stored["moment"].to(session.device), int(stored["keys"]))
            _add(session, each, moment, cached=True, seconds=0.0)
    if missing:
        _collect_missing(session, missing)


def layer_of(session: Session, step: RuleStep) -> Layer:
    """The layer that a rule works at, on the network as it is now."""
    generator, blocks = session.model.generator, session.plan.recipe.latents
    return Layer(generator, step.facts, blocks, moment_of(session, step).whitening)


def placed_rule(session: Session, step: RuleStep, matches: Matches | None = None) -> PlacedRule:
    """A rule and its places. It is placed once, on the network as the rules before it left it.

    Args:
        session: under way.
        step: the rule.
        matches: what its matches found, where that is known; else they are searched, or taken
            from the lock.

    Raises:
        PlanError: a match finds no clear place, or a mask file is no longer the one that was
            checked.

    """
    rule = step.rule
    if rule.name not in session.placed:
        units = {"units"} if rule.kind == "invert" else set()
        places = rule.model_dump_json(include=PLACED_BY | units)
        key = (network_of(session.plan, step), places, step.locked, matches)
        found = session.shared.once("placed", key, partial(_place, session, step, matches))
        session.placed[rule.name] = replace(found, rule=rule)
    return session.placed[rule.name]


@torch.no_grad()
def _place(session: Session, step: RuleStep, matches: Matches | None) -> PlacedRule:
    layer, rule, marks = layer_of(session, step), step.rule, session.marks
    if matches is None:
        find = partial(scored, matches=step.locked) if step.locked else search
        matches = find(layer, rule, marks)
    return place_rule(layer, rule, marks, matches)


def opened_rule(session: Session, step: RuleStep) -> OpenRule:
    """A rule ready to be solved, on the network as it is now."""
    placed = placed_rule(session, step)
    layer, network = layer_of(session, step), network_of(session.plan, step)
    return open_rule(layer, placed, network, session.shared)


def network_of(plan: Plan, step: RuleStep) -> Hashable:
    """What a rule's layer depends on: its keys, its weight and its statistics."""
    read = tuple(rule.digest for rule in plan.rules if rule.rule.name in step.reads)
    blocks = tuple(block.model_dump_json() for block in plan.recipe.latents)
    return step.facts.name, read, blocks, _address(statistics_of(plan, step))


def network_before(plan: Plan, step: RuleStep) -> Hashable:
    """What the whole network depends on as a rule finds it: pictures, and not only keys."""
    earlier = tuple(rule.digest for rule in plan.rules[: plan.rules.index(step)])
    return network_of(plan, step), earlier


def moment_of(session: Session, step: RuleStep) -> Moment:
    """The statistics that a rule goes by: the latest of its layer before it."""
    return session.moments[_address(statistics_of(session.plan, step))]


def statistics_of(plan: Plan, step: RuleStep) -> StatisticsStep:
    """The step that collects the statistics that a rule goes by."""
    before = takewhile(lambda each: each is not step, plan.steps)
    own = (each for each in before if isinstance(each, StatisticsStep))
    return [each for each in own if each.layer == step.facts.name][-1]


def _collect_missing(session: Session, missing: Sequence[StatisticsStep]) -> None:
    block = missing[0].latents
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        session.progress(f"statistics of {', '.join(layers)}", done, block.count)

    layers = [step.layer for step in missing]
    started = time.perf_counter()
    sampler = sampler_of(session.model.generator)
    batch = batch_size(session.plan.base.facts, BATCH, layers)
    batches = (part.to(session.device) for part in sampler.batches(block, block.count, batch))
    moments = session.ranks.combined(
        batches,
        partial(products, session.model.generator, layers),
        lambda parts: summed(parts, layers, advance),
    )
    seconds = time.perf_counter() - started
    for step in missing:
        moment = moments[step.layer]
        if session.ranks.first:
            tensors = {"moment": moment.matrix.cpu(), "keys": torch.tensor(moment.keys)}
            session.cache.put("statistics", step.fields, tensors)
        moment = Moment(moment.matrix.to(session.device), moment.keys)
        _add(session, step, moment, cached=False, seconds=seconds)


def _add(
    session: Session, step: StatisticsStep, moment: Moment, *, cached: bool, seconds: float
) -> None:
    session.moments[_address(step)] = moment
    session.statistics.append(
        StatisticsRecord(
            layer=step.layer,
            latents=step.latents.name,
            count=step.latents.count,
            keys=moment.keys,
            cached=cached,
            seconds=seconds,
        )
    )


def apply_delta(session: Session, step: RuleStep, delta: Delta) -> None:
    """Write a rule's change into the session's model."""
    generator = session.model.generator
    weight = generator.form(step.facts.name).weight
    generator.set_weight(step.facts.name, delta.added_to(weight))


def restore_base(session: Session) -> None:
    """Put the base's own weights back into the session's model, bit for bit."""
    session.model.generator.restore(session.model.state.bare())


def _address(step: StatisticsStep) -> str:
    return json.dumps(step.fields, sort_keys=True)
