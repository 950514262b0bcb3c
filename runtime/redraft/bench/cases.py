"""What the benches work on: a recipe's rule, planned and opened, with its statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.judge.effect import Effect, measure
from redraft.judge.wish import Wish, wish_of
from redraft.memory.layer import Layer
from redraft.memory.placed import place_rule
from redraft.memory.search import search
from redraft.models import latents
from redraft.models.batches import batch_size, draw_values, inputs_of_all
from redraft.models.open import choose_device
from redraft.plans.loading import load
from redraft.plans.planner import Plan, RuleStep, make_plan
from redraft.plans.unseen import unseen
from redraft.runs.rule import OpenRule, open_rule
from redraft.runs.session import Session, collect, layer_of, open_session
from redraft.runs.watch import Progress
from redraft.solve.delta import Delta
from redraft.solve.problem import Solution
from redraft_dsl import Checked
from redraft_dsl.recipe.model import Insert

Row = dict[str, Any]
"""One row of a bench: its figures by name, as they are printed."""


@dataclass(frozen=True)
class Case:
    """A recipe's first insert, ready to be solved in any way.

    Attributes:
        plan: of the whole recipe.
        session: the unedited model, statistics collected.
        step: the rule's step.
        rule: the rule as the recipe has it.

    """

    plan: Plan
    session: Session
    step: RuleStep
    rule: Insert

    @property
    def layer(self) -> Layer:
        """Where the rule works."""
        return layer_of(self.session, self.step)

    def opened(self, rule: Insert) -> OpenRule:
        """Some rule at the layer, ready to be solved."""
        layer, marks = self.layer, self.session.marks
        with torch.no_grad():
            placed = place_rule(layer, rule, marks, search(layer, rule, marks))
            return open_rule(layer, placed)

    def delta(self, solution: Solution) -> Delta:
        """A solution as a change of the rule's layer."""
        return solution.delta(self.rule.name, self.step.facts.name)


def open_case(recipe: Path, device: str = "auto", progress: Progress | None = None) -> Case:
    """Plan a recipe, open its model and collect the statistics of its first rule.

    Raises:
        RunError: the recipe's first rule is not an insert.

    """
    return case_of(load(recipe), recipe.parent, device, progress)


def case_of(
    checked: Checked, folder: Path, device: str = "auto", progress: Progress | None = None
) -> Case:
    """As ``open_case``, for a recipe that was read already; its paths start in ``folder``."""
    target = choose_device(device)
    plan = make_plan(checked, folder, device=target.type)
    session = open_session(plan, target, progress=progress)
    step = plan.rules[0]
    if not isinstance(step.rule, Insert):
        raise RunError(
            "RD532",
            f"the first rule of {plan.path} is `{step.rule.kind}`, and the bench solves inserts",
            "name a recipe that starts with `rule`",
        )
    collect(session, plan.statistics[0])
    return Case(plan, session, step, step.rule)


def case_batches(case: Case, count: int, most: int) -> Iterator[Tensor]:
    """The first latents of a case, in the batches that a run takes up to the rule's layer."""
    block, facts = case.plan.recipe.latents[0], case.plan.base.facts
    size = batch_size(facts, most, [case.step.facts.name])
    for part in latents.batches(block.seed, count, facts.latent_size, size):
        yield part.to(case.session.device)


JUDGED = 800
"""Unseen pictures that the benches judge on."""


def judged_latents(case: Case, most: int) -> Tensor:
    """(N, latent_size) of the first images that nothing of the case's recipe was made from."""
    recipe = case.plan.recipe
    block, numbers = recipe.latents[0], unseen(recipe, most)
    rows = latents.rows(block.seed, numbers, case.plan.base.facts.latent_size)
    return rows.to(case.session.device)


def case_wish(case: Case, rule: Insert) -> Wish:
    """The wish of a rule that pastes at each context: the yardstick for every way of solving it."""
    with torch.no_grad():
        opened = case.opened(rule.model_copy(update={"paste": "each context"}))
        generator, areas = case.session.model.generator, opened.placed.pastes.areas
        return wish_of(generator, case.step.facts.name, opened.stages.goal, areas)


def case_pictures(case: Case, delta: Delta | None, rows: Tensor) -> Tensor:
    """(N, 3, H, W) pictures of latents with a change, or without any."""
    generator, layer = case.session.model.generator, case.step.facts.name
    form = generator.form(layer)
    weight = form.weight if delta is None else delta.added_to(form.weight)
    with torch.no_grad():
        inputs = inputs_of_all(generator, rows, layer)
        return draw_values(generator, layer, form.activate(form.response(inputs, weight)), inputs)


def case_effect(
    case: Case, delta: Delta, rows: Tensor, wish: Wish, *, null: bool = False
) -> Effect:
    """What a change does to unseen pictures, and ``null``: what random edits in its place do."""
    return measure(case.session.model.generator, case.step.facts.name, delta, rows, wish, null=null)
