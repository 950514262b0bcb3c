"""Which rules of a recipe have a right answer.

A rule that has the name of an answer, with hyphens for its spaces, is to reach that answer.
"""

from __future__ import annotations

from functools import partial

from redraft.plans.planner import Plan
from redraft.runs.session import Distance
from redraft.world.answers import ANSWERS, distance
from redraft.world.drawing import SIDE
from redraft.world.scene import LATENT_SIZE


def draws_villages(plan: Plan) -> bool:
    """Whether the latents and pictures of a plan's model have the size of a village's."""
    facts = plan.base.facts
    return facts.latent_size == LATENT_SIZE and facts.image_size == (SIDE, SIDE)


def answers_for(plan: Plan) -> dict[str, Distance]:
    """Distance to the right answer, by the name of each rule of the village that has one."""
    if not draws_villages(plan):
        return {}
    known = {name.replace(" ", "-"): rules for name, rules in ANSWERS.items()}
    named = [step.rule.name for step in plan.rules]
    return {name: partial(distance, rules=known[name]) for name in named if name in known}
