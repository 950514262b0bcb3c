"""Rough costs: multiplications and additions of forward passes. No torch."""

from __future__ import annotations

from redraft.plans.planner import Plan, StatisticsStep, Step
from redraft.plans.unseen import EVALUATED
from redraft_dsl.facts import LayerFacts, ModelFacts
from redraft_dsl.recipe.model import Match

NOMINAL_GFLOPS = 50.0
"""Thousand million operations a second: a laptop's core or two. Real machines differ widely."""


def gigaflops(plan: Plan, step: Step) -> float:
    """Forward passes of one step: sampling, searching, measuring. The solver is not counted."""
    facts = plan.base.facts
    if isinstance(step, StatisticsStep):
        layer = facts.layer(step.layer)
        return 0.0 if step.cached else pass_gigaflops(facts, layer) * step.latents.count
    searched = sum(
        context.last - context.first + 1
        for context in step.rule.context
        if isinstance(context, Match)
    )
    # Measured pictures are drawn once before the rule and once after it.
    drawn = 2 * min(EVALUATED, plan.recipe.latents[0].count)
    to_layer = pass_gigaflops(facts, step.facts)
    return (searched + step.positions) * to_layer + drawn * pass_gigaflops(facts, None)


def seconds(operations: float) -> float:
    """At the nominal speed."""
    return operations / NOMINAL_GFLOPS


def pass_gigaflops(facts: ModelFacts, stop: LayerFacts | None) -> float:
    """One latent's way through the editable layers before ``stop``, or through all of them."""
    total = 0.0
    for layer in facts.layers:
        if stop is not None and layer.name == stop.name:
            break
        taps = layer.kernel[0] * layer.kernel[1]
        positions = layer.key_size[0] * layer.key_size[1]
        total += 2e-9 * layer.in_channels * layer.out_channels * taps * positions
    return total
