"""From the words on the command line to a plan, with progress where it takes a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redraft.shipped import locate_recipe

if TYPE_CHECKING:
    from redraft.cli.screen import Reporter
    from redraft.planner import Plan


def plan_file(name: str, device: str, reporter: Reporter) -> Plan:
    """Plan the recipe that a user means by ``name``; fetches its model if need be.

    Raises:
        RedraftError: the recipe has errors, or its model cannot be had.

    """
    from redraft.loading import load
    from redraft.models.opening import choose_device
    from redraft.planner import make_plan

    path = locate_recipe(name)
    return make_plan(
        load(path),
        path.parent,
        device=choose_device(device).type,
        progress=reporter.download,
    )
