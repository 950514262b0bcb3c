"""The places that a rule's matches find, before the recipe is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from redraft.memory.layer import Layer
from redraft.memory.marked import Picture, marked_pictures, matches_of
from redraft.memory.match import Candidate
from redraft.memory.places import Marks, ResolvedPlace, moved
from redraft.memory.search import best_of, ranking, scored
from redraft.plans.planner import Plan, RuleStep, StatisticsStep
from redraft.runs.session import Session, collect, layer_of
from redraft_dsl.recipe.model import Match, Rule


@dataclass(frozen=True)
class MatchPreview:
    """One ``context like`` line resolved, and the images that were left out.

    Attributes:
        match: what the line says.
        places: what it finds, best first.
        unclear: images without a place that stands out.
        used: images that the rule names already.
        beyond: images that match clearly, but less well than the best ``top``.
        locked: whether the lock says the places, so that nothing was searched.

    """

    match: Match
    places: tuple[ResolvedPlace, ...]
    unclear: int
    used: int
    beyond: int
    locked: bool = False

    def left_out(self) -> str:
        """How many images were left out, and why, in words."""
        reasons = (
            (self.unclear, "without a clear place"),
            (self.used, "used by the rule already"),
            (self.beyond, f"below the best {self.match.top}"),
        )
        return ", ".join(f"{count} {reason}" for count, reason in reasons if count) or "none"


def disturbed(plan: Plan, step: RuleStep) -> bool:
    """Whether an earlier rule changes the keys that this rule reads: one at an earlier layer."""
    layers = plan.base.facts.layers
    earlier = plan.rules[: plan.rules.index(step)]
    return any(layers.index(each.facts) < layers.index(step.facts) for each in earlier)


def needed_before(plan: Plan, step: RuleStep) -> Plan:
    """The plan cut down to what must be done before the keys of a rule can be searched.

    A rule that nothing disturbs needs its statistics alone; any other one needs the rules
    before it solved.
    """
    before = plan.steps[: plan.steps.index(step)]
    if not disturbed(plan, step):
        before = tuple(
            each
            for each in before
            if isinstance(each, StatisticsStep) and each.layer == step.facts.name
        )
    return replace(plan, steps=before)


def undisturbed_layers(session: Session) -> dict[str, Layer]:
    """The layers of the rules whose matches can be found on the base itself, by rule.

    Collects the statistics that they need.
    """
    plan = session.plan
    steps = [step for step in plan.rules if step.matches and not disturbed(plan, step)]
    layers = {step.facts.name for step in steps}
    for each in plan.statistics:
        if each.layer in layers and not each.fields["edits"]:
            collect(session, each)
    return {step.rule.name: layer_of(session, step) for step in steps}


def preview_matches(
    layer: Layer, rule: Rule, marks: Marks, matches: Sequence[Match]
) -> tuple[MatchPreview, ...]:
    """Matches of a rule resolved, one after the other, just as the run will do it.

    Raises:
        PlanError: a match finds nothing.

    """
    used = marked_pictures(rule)
    resolved = []
    for match in matches:
        resolved.append(_preview(layer, match, marks, used))
        used |= {(place.latents, place.index) for place in resolved[-1].places}
    return tuple(resolved)


def locked_matches(layer: Layer, step: RuleStep, marks: Marks) -> tuple[MatchPreview, ...]:
    """The places that a lock says, each with its score here."""
    found = scored(layer, step.rule, marks, step.locked)
    return tuple(
        MatchPreview(
            match, tuple(moved(marks(match.like), one) for one in places), 0, 0, 0, locked=True
        )
        for match, places in zip(matches_of(step.rule), found, strict=True)
    )


def _preview(layer: Layer, match: Match, marks: Marks, used: set[Picture]) -> MatchPreview:
    """One match: the places that it finds, and how many images it leaves out."""
    example = marks(match.like)
    ranked = ranking(layer, match, example)
    places = tuple(moved(example, place) for place in best_of(layer, match, ranked, used))
    clear = [found for found in ranked if found.clear]
    taken = _among(clear, match.like.latents, used)
    return MatchPreview(
        match=match,
        places=places,
        unclear=len(ranked) - len(clear),
        used=taken,
        beyond=len(clear) - taken - len(places),
    )


def _among(found: Sequence[Candidate], latents: str, used: set[Picture]) -> int:
    return sum((latents, each.index) in used for each in found)
