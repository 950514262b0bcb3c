"""A first answer to a changed rule: near what solving it will give, in a few steps.

It begins at the last solution, takes the directions of that one where new ones would take long,
and stops early. Nothing of it is ever saved.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from redraft.runs.rule import OpenRule
from redraft.solve.delta import Delta
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.results import Unshared
from redraft.solve.stages import Stages
from redraft_dsl.recipe.model import Side, Zero

STEPS = 1
"""Steps of the exact solver from the last solution."""
COLD_STEPS = 6
"""Steps where there is none."""


@torch.no_grad()
def preview(opened: OpenRule, last: Delta | None) -> Delta | None:
    """A rule's change, roughly.

    Args:
        opened: the rule as it is now.
        last: its change as it was solved last at this layer, at strength 1.

    Returns:
        None where only solving it will do: for a solver that descends, and for a crop.

    """
    rule, stages, device = opened.placed.rule, opened.stages, opened.layer.device
    if isinstance(rule, Zero) or not isinstance(stages.setup.solver, ExactSolver):
        return None
    if isinstance(rule.restraint, Side):
        return None
    if stages.setup.crop:
        return None
    own = _has_own_directions(stages, last)
    basis = stages.directions if own or last is None else last.directions.double()
    # What is made of other directions must not be found where the rule's own are asked for.
    once = stages.parts if own else Unshared(stages.results)
    start = None if last is None else _projected(last, basis, stages)
    solver = replace(stages.setup.solver, iterations=COLD_STEPS if start is None else STEPS)
    coefficients, *_ = solver.search(stages.guarded, basis.to(device), once, start)
    found = Delta(rule.name, opened.layer.facts.name, basis.float(), coefficients.float())
    return found.scaled(rule.strength)


def _has_own_directions(stages: Stages, last: Delta | None) -> bool:
    """Whether the rule's own directions are taken; else the last ones, as new ones take long."""
    asked = stages.setup
    if last is None or asked.directions != "goal":
        return True
    fits = last.directions.shape == (asked.rank, asked.form.weight.shape[1])
    return not fits or stages.holds("unconstrained") or stages.holds("spectrum")


def _projected(last: Delta, basis: Tensor, stages: Stages) -> Tensor:
    """The last coefficients (O, S, kh, kw) in other directions."""
    weight = stages.setup.form.weight
    turned = last.directions.to(basis) @ basis.T
    return torch.einsum("osyx,sr->oryx", last.coefficients.to(basis), turned).to(weight)
