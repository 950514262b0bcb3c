"""From a recipe to its lock: hash its inputs, and search the places that its matches find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from redraft.disk.cache import Cache
from redraft.explain.words import silent
from redraft.memory.marked import matches_of
from redraft.models.code.reference import Code
from redraft.models.listed.download import Progress as Download
from redraft.models.open import choose_device
from redraft.plans import lock
from redraft.plans.lock import Lock, Record
from redraft.plans.obeying import match_records, records_of
from redraft.plans.planner import Plan, RuleStep, StatisticsStep, make_plan
from redraft.runs.rule import solve_rule
from redraft.runs.session import (
    Session,
    apply_delta,
    collect,
    open_session,
    opened_rule,
    placed_rule,
)
from redraft.runs.watch import Progress
from redraft_dsl import Checked


def make_lock(
    checked: Checked,
    folder: Path,
    *,
    device: str = "auto",
    cache: Cache | None = None,
    download: Download = silent,
    progress: Progress | None = None,
    generator: Code | None = None,
) -> Lock:
    """Lock a recipe: hash its inputs and search the contexts that are found by match.

    Rules are solved only where a later search depends on them.

    Args:
        checked: from ``redraft.load``.
        folder: where the recipe's paths start.
        device: where to search: auto, cpu or cuda.
        cache: where statistics are kept.
        download: called with how far a download is.
        progress: called with how far a search is.
        generator: the code of a torch module of somebody's own.

    Raises:
        RedraftError: the recipe has errors, its model cannot be had, or a match finds nothing.

    """
    chosen = choose_device(device)
    plan = make_plan(
        checked, folder, device=chosen.type, cache=cache, progress=download, generator=generator
    )
    session = open_session(plan, chosen, cache, progress)
    tensors = Record("model", f"{plan.base.name} tensors sha256 {session.model.digest}")
    return lock.make([*records_of(plan, checked), tensors, *_search(session)])


def _search(session: Session) -> Iterator[Record]:
    """A record for each place that a match finds, on the network that the run will search."""
    plan = session.plan
    searching = [step for step in plan.rules if matches_of(step.rule)]
    needed = _needed(plan, searching)
    applied: set[str] = set()
    for step in plan.steps[: plan.steps.index(searching[-1]) + 1] if searching else ():
        if isinstance(step, StatisticsStep):
            # Those of a network that is not made here would be wrong, and no search needs them.
            if applied.issuperset(step.fields["edits"]):
                collect(session, step)
            continue
        if step in searching:
            yield from match_records(step.rule.name, placed_rule(session, step).matches)
        if step in needed:
            apply_delta(session, step, solve_rule(opened_rule(session, step)).delta)
            applied.add(step.digest)


def _needed(plan: Plan, searching: Sequence[RuleStep]) -> list[RuleStep]:
    """The rules whose change a later search can see, directly or through another such rule."""
    layers = plan.base.facts.layers
    needed: list[RuleStep] = []
    reach = -1
    for step in reversed(plan.rules):
        place = layers.index(step.facts)
        # Solving reads the layer's own weight besides the keys, but nothing of later layers.
        if place <= reach:
            needed.append(step)
        if step in searching:
            reach = max(reach, place - 1)
    return needed
