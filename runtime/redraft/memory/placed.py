"""A placed rule: what a rule says of pictures, as latents and coverage."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from redraft.memory.drive import Drive, find_drive
from redraft.memory.layer import Layer, Places
from redraft.memory.marked import goal_places, matches_of
from redraft.memory.places import Marks, Matches, ResolvedPlace, contexts_of
from redraft_dsl.recipe.model import Insert, Invert, Rule, Solved


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

        drive: what drives the cause of an invert; None for other operations.
        protected: where values must stay as they are; None where nothing is protected.

    """

    rule: Rule
    contexts: Places
    pastes: Places
    copy: Places | None
    examples: tuple[ResolvedPlace, ...]
    matches: Matches
    drive: Drive | None = None
    protected: Places | None = None

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
    contexts, written = layer.places(contexts_of(rule, marks, matches)), goal_places(rule)
    pastes = contexts if written is None else layer.places(map(marks, written))
    drive = None
    if isinstance(rule, Invert):
        drive = find_drive(layer, layer.places(map(marks, rule.cause)), rule.units)
        pastes = swapped(contexts, drive)
    protected = rule.protect if isinstance(rule, Solved) else ()
    return PlacedRule(
        rule=rule,
        contexts=contexts,
        pastes=pastes,
        copy=layer.places([marks(rule.copy_from)]) if isinstance(rule, Insert) else None,
        examples=tuple(marks(match.like) for match in matches_of(rule)),
        matches=matches,
        drive=drive,
        protected=layer.places(map(marks, protected)) if protected else None,
    )


def swapped(effects: Places, drive: Drive) -> Places:
    """The places of N effects in 2 N pictures: with the cause high, then with it low."""
    rows = effects.latents
    moved = torch.cat([drive.driven(rows, side) for side in (1.0, -1.0)])
    return Places(effects.each * 2, moved, effects.facts, torch.cat([rows, rows]))
