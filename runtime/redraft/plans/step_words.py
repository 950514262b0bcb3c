"""A plan's steps in words. No torch."""

from __future__ import annotations

from typing import NamedTuple

from redraft.explain.words import counted
from redraft.plans.planner import Plan, RuleStep, StatisticsStep, Step


class StepWords(NamedTuple):
    """What a step is, its layer, what it reads, and what is there for it already."""

    name: str
    layer: str
    reads: str
    state: str


def step_words(plan: Plan, step: Step) -> StepWords:
    """A step in words."""
    reads = ", ".join([plan.base.name, *rules_read(plan, step)])
    if isinstance(step, StatisticsStep):
        name = f"statistics over {step.latents.count} latents of {step.latents.name}"
        state = "in the cache" if step.cached else f"to collect: {step.reason}"
        return StepWords(name, step.layer, reads, state)
    state = counted(step.positions, "context")
    if step.locked:
        state += f", {step.matches} of them from the lock"
    elif step.matches:
        state += f" at most, {step.matches} of them by match"
    if step.unknowns:
        state += f"; {_problems(step)} a channel"
    return StepWords(f"{step.rule.kind} {step.rule.name}", step.facts.name, reads, state)


def rules_read(plan: Plan, step: Step) -> list[str]:
    """The rules whose change a step sees."""
    if isinstance(step, StatisticsStep):
        return [rule.rule.name for rule in plan.rules if rule.digest in step.fields["edits"]]
    return list(step.reads)


def _problems(step: RuleStep) -> str:
    """What is solved for each output channel."""
    if step.problems == 1:
        return f"{step.unknowns} unknowns"
    each, rest = divmod(step.unknowns, step.problems)
    size = f"{each} unknowns" if rest == 0 else f"about {each} unknowns"
    return f"{step.problems} problems of {size}"
