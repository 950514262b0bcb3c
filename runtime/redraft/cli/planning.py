"""From the words on the command line to a plan, with progress where it takes a while."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from redraft.cli.arguments.generators import named_generator
from redraft.cli.packs import is_picture, loaded
from redraft.cli.screen import Reporter, Screen
from redraft.disk.cache import cache_warning
from redraft.errors import PlanError
from redraft.models.device import device_name
from redraft.plans.obeying import plan_obeying
from redraft.plans.planner import Plan, RuleStep, make_plan
from redraft.share.pack import is_pack
from redraft_dsl.check.parameters import Given


def plan_file(
    name: str,
    device: str,
    reporter: Reporter,
    *,
    lock: bool = False,
    given: Given = (),
    planner: Callable[..., Plan] | None = None,
) -> Plan:
    """Plan the recipe that a user means by ``name``; fetches its model if need be.

    With ``lock`` the plan obeys the lock beside the recipe, where there is one. ``given`` are
    values for the recipe's parameters and settings. A pack stands for the recipe in it; a model
    that is given by its file then lies beside the pack. ``planner`` stands in for ``make_plan``.

    Raises:
        RedraftError: the recipe has errors, its model cannot be had, or its lock differs.

    """
    warn_of_cache()
    home = Path(name).parent if is_pack(name) else None
    checked = loaded(name, given)
    # A picture has no lock of its own; what lies beside it is another recipe's.
    plan = planner or (plan_obeying if lock and not is_picture(name) else make_plan)
    made = plan(
        checked,
        Path(checked.source.path).parent,
        device=device_name(device),
        progress=reporter.download,
        home=home,
        generator=named_generator(),
    )
    return made if home is None else replace(made, path=name)


def warn_of_cache() -> None:
    """Warn where the cache may not be written to."""
    standing_in = cache_warning()
    if standing_in is not None:
        Screen.current().warn(standing_in)


def step_named(plan: Plan, name: str) -> RuleStep:
    """The step of a rule; raises PlanError where the recipe has no such rule."""
    names = [step.rule.name for step in plan.rules]
    if name in names:
        return plan.rules[names.index(name)]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"its rules are {', '.join(names)}"
    raise PlanError("RD402", f"the recipe has no rule `{name}`", hint)
