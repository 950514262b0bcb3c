"""The pictures that no rule of a recipe has seen: rules are judged on these. No torch."""

from __future__ import annotations

import itertools

from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import Match, Recipe

EVALUATED = 400
"""Most unseen pictures that a rule is measured on."""
EVALUATED_SIZE = 128
"""Side in pixels of the largest pictures of which that many are taken."""
EVALUATED_LEAST = 24
"""No fewer are taken, however large the pictures are."""


def judged(recipe: Recipe, facts: ModelFacts) -> list[int]:
    """The images that rules are judged on: up to 400 unseen ones, fewer of large pictures.

    From 128 pixels on their number falls as the pictures grow, so that judging a rule never takes
    much longer than solving it.
    """
    height, width = facts.image_size
    most = round(EVALUATED * min(1.0, EVALUATED_SIZE**2 / (height * width)))
    return unseen(recipe, max(most, EVALUATED_LEAST))


def measured_on(recipe: Recipe) -> str:
    """What those pictures are, in words."""
    block = recipe.latents[0]
    return f"held-out pictures of {block.name}, from {block.count} on"


def unseen(recipe: Recipe, most: int = EVALUATED) -> list[int]:
    """Images of the first latents block that are held out: from ``count`` on.

    Statistics are taken over the images before, and rules mark and search among them; so no rule
    has seen these, by its second moment either. An image that a rule uses under another name of the
    same seed is left out.

    Args:
        recipe: whose rules are judged.
        most: how many; no more than statistics are taken over.

    """
    block = recipe.latents[0]
    same = {each.name for each in recipe.latents if each.seed == block.seed}
    used = {
        place.index for rule in recipe.rules for place in rule.places() if place.latents in same
    }
    for context in (context for rule in recipe.rules for context in rule.context):
        if isinstance(context, Match) and context.like.latents in same:
            used.update(range(context.first, context.last + 1))
    free = (index for index in itertools.count(block.count) if index not in used)
    return list(itertools.islice(free, min(most, block.count)))
