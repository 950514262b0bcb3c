"""A run under way: the model as edited so far, and the statistics collected for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from redraft.disk.cache import Cache
from redraft.errors import RunError
from redraft.memory.moments import BATCH, Moment, second_moments
from redraft.memory.places import ResolvedPlace
from redraft.models import latents
from redraft.models.batches import batch_size
from redraft.models.open import OpenModel
from redraft.plans.planner import Plan, RuleStep, StatisticsStep
from redraft.plans.record import RuleRecord, StatisticsRecord
from redraft.runs.memo import Common, Shared
from redraft.runs.processes import ALONE, Ranks
from redraft.runs.site import Site
from redraft.solve.delta import Delta

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, in all)."""


@dataclass(frozen=True)
class FinishedRule:
    """One rule, solved or read back: its change, its figures, and the areas of its contexts.

    Attributes:
        delta: the change, strength included.
        record: its figures.
        contexts: the places it used, with their areas.
        pastes: the places its goal was set in.

    """

    delta: Delta
    record: RuleRecord
    contexts: tuple[ResolvedPlace, ...]
    pastes: tuple[ResolvedPlace, ...]


@dataclass
class Session:
    """A run under way: the model as edited so far, and what has been collected.

    Attributes:
        plan: what is run.
        model: opened from the plan's base, and edited rule by rule.
        cache: where statistics are kept.
        tell: told of progress.
        shared: what it has in common with other runs.
        ranks: this process among those that run the plan together.

    """

    plan: Plan
    model: OpenModel
    cache: Cache
    tell: Progress
    shared: Shared = field(default_factory=Shared)
    moments: dict[str, Moment] = field(default_factory=dict)
    statistics: list[StatisticsRecord] = field(default_factory=list)
    finished: list[FinishedRule] = field(default_factory=list)
    ranks: Ranks = ALONE

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.model.device


def open_session(
    plan: Plan,
    device: torch.device,
    cache: Cache | None = None,
    tell: Progress | None = None,
    shared: Shared | None = None,
    ranks: Ranks = ALONE,
) -> Session:
    """Open the plan's base, unedited; with ``shared``, that of a run before it.

    Nothing is shared with other runs where several processes run the plan: they would not all find
    the same things made.

    Raises:
        RunError: the processes do not have one plan.

    """
    _check_agreement(plan, ranks)
    shared = shared if shared is not None and ranks.alone else Shared()
    model = shared.model(plan.base, device)
    return Session(plan, model, cache or Cache(), tell or _silent, shared, ranks=ranks)


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


def collect(session: Session, step: StatisticsStep) -> None:
    """Statistics for one step, together with all others that the same weights can serve.

    Only the cache of the first process is read and written.
    """
    address = _address(step)
    if address in session.moments:
        return
    together = [
        each
        for each in session.plan.statistics
        if each.fields["edits"] == step.fields["edits"] and _address(each) not in session.moments
    ]
    missing = []
    for each in together:
        stored = session.ranks.from_first(partial(session.cache.get, "statistics", each.fields))
        if stored is None:
            missing.append(each)
        else:
            moment = Moment(stored["moment"].to(session.device), int(stored["keys"]))
            _keep(session, each, moment, cached=True, seconds=0.0)
    if missing:
        _collect_missing(session, missing)


def site_of(session: Session, step: RuleStep) -> Site:
    """Where a rule works, on the network as it is now."""
    moment = moment_of(session, step)
    return Site(
        session.model.generator,
        session.plan.recipe,
        session.plan.folder,
        step.facts,
        moment.matrix,
        step.locked,
        _common(session, step),
    )


def drawn_before(session: Session, step: RuleStep) -> Common:
    """What depends on the whole network as a rule finds it: pictures, and not only keys."""
    rules = session.plan.rules
    return _common(session, step).within([rule.digest for rule in rules[: rules.index(step)]])


def _common(session: Session, step: RuleStep) -> Common:
    """What depends on the keys and the weight of a rule's layer, and on its statistics."""
    plan = session.plan
    read = [rule.digest for rule in plan.rules if rule.rule.name in step.reads]
    blocks = [block.model_dump(mode="json") for block in plan.recipe.latents]
    statistics = statistics_of(plan, step).fields
    return Common(session.shared, (step.facts.name, read, blocks, statistics))


def moment_of(session: Session, step: RuleStep) -> Moment:
    """The statistics that a rule goes by: the latest of its layer before it."""
    return session.moments[_address(statistics_of(session.plan, step))]


def statistics_of(plan: Plan, step: RuleStep) -> StatisticsStep:
    """The step that collects the statistics that a rule goes by."""
    found = None
    for each in plan.steps:
        if isinstance(each, StatisticsStep) and each.layer == step.facts.name:
            found = each
        if each is step:
            break
    assert found is not None, "every rule is planned after its statistics"
    return found


def _collect_missing(session: Session, missing: Sequence[StatisticsStep]) -> None:
    block = missing[0].latents
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        session.tell(f"statistics of {layers}", done, block.count)

    layers = ", ".join(step.layer for step in missing)
    started = time.perf_counter()
    size = session.plan.base.facts.latent_size
    batch = batch_size(session.plan.base.facts, BATCH, [step.layer for step in missing])
    batches = (
        part.to(session.device) for part in latents.batches(block.seed, block.count, size, batch)
    )
    moments = second_moments(
        session.model.generator,
        batches,
        [step.layer for step in missing],
        advance,
        session.ranks,
    )
    seconds = time.perf_counter() - started
    for step in missing:
        moment = moments[step.layer]
        if session.ranks.first:
            tensors = {"moment": moment.matrix.cpu(), "keys": torch.tensor(moment.keys)}
            session.cache.put("statistics", step.fields, tensors)
        moment = Moment(moment.matrix.to(session.device), moment.keys)
        _keep(session, step, moment, cached=False, seconds=seconds)


def _keep(
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


def _silent(_what: str, _done: int, _total: int) -> None:
    return
