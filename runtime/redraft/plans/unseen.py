"""The pictures that no rule of a recipe uses: rules are judged on these. No torch."""

from __future__ import annotations

from redraft.memory.marked import places
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import Match, Recipe

EVALUATED = 400
"""Most unseen pictures that a rule is measured on."""
EVALUATED_SIZE = 128
"""Side in pixels of the largest pictures of which that many are taken."""
EVALUATED_LEAST = 24
"""No fewer are taken, however large the pictures are."""


def judged(recipe: Recipe, facts: ModelFacts) -> list[int]:
    """The images that rules are judged on: up to 400 of the unseen ones, fewer of large pictures.

    From 128 pixels on their number falls as the pictures grow, so that judging a rule never takes
    much longer than solving it.
    """
    height, width = facts.image_size
    most = round(EVALUATED * min(1.0, EVALUATED_SIZE**2 / (height * width)))
    return unseen(recipe, max(most, EVALUATED_LEAST))


def unseen(recipe: Recipe, most: int = EVALUATED) -> list[int]:
    """Images of the first latents block that no rule uses or searches, the last ``most`` of them.

    A removal or an insert is judged on these alone.
    """
    used = {place.index for rule in recipe.rules for place in places(rule)}
    for context in (context for rule in recipe.rules for context in rule.context):
        if isinstance(context, Match):
            used.update(range(context.first, context.last + 1))
    free = [index for index in range(recipe.latents[0].count) if index not in used]
    return free[:most] if len(free) <= most else free[-most:]
