"""A placed rule: what a rule says of pictures, as latents and coverage."""

from __future__ import annotations

from dataclasses import dataclass

from redraft.memory.layer import Layer, Places
from redraft.memory.marked import goal_places, matches_of
from redraft.memory.places import Marks, Matches, ResolvedPlace, moved
from redraft_dsl.recipe.model import Insert, Match, Rule


@dataclass(frozen=True, eq=False)
class PlacedRule:
    """A rule at a layer, with its places as numbers; it is made once for all of a run.

    Attributes:
        rule: as checked.
        contexts: every context, marked or matched, in the order of the recipe.
        pastes: where the goal is set: the very ``contexts`` where it is set in each of them.
        copy: the one picture that an insert copies from; None for other operations.
        examples: the marked place of each match.
        matches: what each match found.

    """

    rule: Rule
    contexts: Places
    pastes: Places
    copy: Places | None
    examples: tuple[ResolvedPlace, ...]
    matches: Matches

    @property
    def pasted_everywhere(self) -> bool:
        """Whether the goal is set in every context, so that both can be left out together."""
        return self.pastes is self.contexts


def place_rule(layer: Layer, rule: Rule, marks: Marks, matches: Matches = ()) -> PlacedRule:
    """Place a rule whose matches have been found.

    Args:
        layer: of the rule.
        rule: as checked.
        marks: of the recipe.
        matches: what each match of the rule found.

    Raises:
        PlanError: as :func:`redraft.memory.places.resolve`.

    """
    examples = tuple(marks(match.like) for match in matches_of(rule))
    found = iter(zip(examples, matches, strict=True))
    every: list[ResolvedPlace] = []
    for context in rule.context:
        if isinstance(context, Match):
            example, places = next(found)
            every += [moved(example, place) for place in places]
        else:
            every.append(marks(context))
    contexts, written = layer.places(every), goal_places(rule)
    return PlacedRule(
        rule=rule,
        contexts=contexts,
        pastes=contexts if written is None else layer.places(map(marks, written)),
        copy=layer.places([marks(rule.copy_from)]) if isinstance(rule, Insert) else None,
        examples=examples,
        matches=matches,
    )
