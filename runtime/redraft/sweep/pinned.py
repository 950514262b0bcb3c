"""What a lock still says of the cells of a sweep, which differ from the locked recipe by design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from redraft.plans import lock
from redraft.plans.lock import Lock
from redraft.plans.obeying import lock_of, still_held
from redraft.plans.planner import Plan, make_plan
from redraft_dsl import Checked
from redraft_dsl.check.parameters import Given
from redraft_dsl.check.sweeps import Sweep
from redraft_dsl.recipe.model import Recipe


@dataclass(frozen=True)
class Pins:
    """A lock that the recipe agrees with, and what of it holds for a cell.

    The model, the latents, the masks and the imports were compared with the recipe. A cell takes
    from the lock the places of each rule whose search is the one that was locked: the same marked
    places and ``context like`` lines, at the same layer. It does so too where an earlier rule is
    varied, so that cells differ in nothing else.

    Attributes:
        lock: beside the recipe.
        recipe: what the lock was found to agree with.

    """

    lock: Lock
    recipe: Recipe

    def plan(self, checked: Checked, folder: Path, **options: Any) -> Plan:
        """Plan a cell; the arguments are those of :func:`redraft.plans.planner.make_plan`.

        The plan's lock is the cell's own: what the cell is run with, and the places it was given.
        """
        recipe = checked.recipe
        places = None if recipe is None else still_held(self.lock, self.recipe, recipe)
        made = make_plan(checked, folder, lock=places, **options)
        return replace(made, lock=lock_of(made, checked, self.lock))


def pins_of(checked: Checked, sweep: Sweep, plan: Callable[[Given], Plan]) -> Pins | None:
    """What the lock beside a recipe pins for a sweep; None where there is no lock.

    Args:
        checked: the recipe with the values that hold for all cells.
        sweep: which of its sweeps.
        plan: plans the recipe with some values as its lock says.

    Raises:
        LockDiffersError: the recipe, with these values, is not what the lock says. Where the lock
            was made with a value for what the sweep varies, that value is taken.
        RedraftError: as for ``redraft.plans.obeying.plan_obeying``.

    """
    held = lock.read(lock.lock_path(Path(checked.source.path)))
    if held is None or checked.recipe is None:
        return None
    varied = {axis.target for axis in sweep.axes}
    own = tuple((name, value) for name, value in held.given if name in varied)
    return Pins(held, plan((*own, *checked.given)).recipe)


def searched_anew(plans: list[Plan]) -> tuple[str, ...]:
    """The rules that search in at least one of these plans, by name, in the recipe's order."""
    steps = (step for plan in plans if plan.lock is not None for step in plan.rules)
    return tuple(dict.fromkeys(s.rule.name for s in steps if s.matches and not s.locked))
