"""``protect``: values that stay as they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.runtime.test_demodulated import make_problem

from redraft.models.open import choose_device
from redraft.plans.loading import load
from redraft.plans.planner import make_plan
from redraft.runs.execute import FinishedRule, solve_all
from redraft.runs.session import Session, open_session, placed_rule
from redraft.solve.delta import Delta
from redraft.solve.problem import edited_weight, protecting

pytestmark = pytest.mark.usefixtures("one_thread")
RULE = """
rule dot at layer6 {{
  copy    z[3] box(x 8..40, y 8..40)
  context z[5, 8, 9, 11] box(x 8..40, y 8..40)
  rank    4
{more}}}
"""
PROTECT = "  protect z[20, 21] box(x 8..40, y 8..40)\n"


def solved(workshop: Any, more: str) -> tuple[Session, FinishedRule]:
    plan = make_plan(load(workshop.recipe(RULE.format(more=more))), workshop.folder, device="cpu")
    session = open_session(plan, choose_device("cpu"))
    return session, solve_all(session)[0]


def moved(session: Session, delta: Delta) -> float:
    """Mean absolute change that a delta makes to what the session's rule protects."""
    step = session.plan.rules[0]
    places = placed_rule(session, step).protected
    assert places is not None
    generator = open_session(session.plan, choose_device("cpu")).model.generator  # not edited
    form = generator.form(step.facts.name)
    inputs = generator.inputs(places.latents, [step.facts.name])[step.facts.name]
    before, after = (
        form.activate(form.response(inputs, weight))
        for weight in (form.weight, delta.added_to(form.weight))
    )
    inside = places.on_values[:, None].expand_as(before)
    return float((after - before).abs()[inside > 0].mean())


@torch.no_grad()
def test_protected_values_change_far_less_and_the_rest_of_the_rule_stays(workshop: Any) -> None:
    _, plain = solved(workshop, "")
    session, careful = solved(workshop, PROTECT)
    assert plain.record.protected is None
    assert careful.record.protected is not None
    assert careful.record.protected < 0.1
    assert moved(session, careful.delta) < 0.3 * moved(session, plain.delta)
    assert float(careful.delta.norm()) > 0.3 * float(plain.delta.norm())
    assert careful.record.left_out is not None


def test_a_change_of_protected_values_is_a_loss_and_nothing_else() -> None:
    problem = make_problem(keep=0.0)
    cover = torch.zeros(2, 8, 8, dtype=torch.float64)
    cover[:, 2:5, 3:6] = 1.0
    inputs = problem.goal.inputs.select([0, 1])
    whole = protecting(problem, inputs, cover)
    assert float(whole.weights[-2:].sum()) == pytest.approx(30.0)
    assert torch.equal(whole.size, problem.size)
    assert torch.equal(whole.goal.values[-2:], whole.goal.before[-2:])
    nothing = torch.zeros(*problem.weight.shape[:1], 1, *problem.weight.shape[2:])
    direction = torch.eye(problem.weight.shape[1])[:1]
    assert torch.equal(edited_weight(problem.weight, nothing, direction), problem.weight)
