"""The cells of a sweep: which one is meant, what each is called and where it lies. No torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from redraft.errors import PlanError
from redraft.plans.run_files import CELLS
from redraft_dsl import Checked
from redraft_dsl.check.parameters import Given
from redraft_dsl.check.sweeps import Sweep
from redraft_dsl.report.diagnostics import did_you_mean

LONGEST = 100
"""No folder of a cell has a longer name, in characters."""


@dataclass(frozen=True)
class Cell:
    """One combination of values.

    Attributes:
        number: counted from 1, as in the names of the folders.
        values: what is varied with its value, as ``--set`` would have them.
        label: the values in words, for people.
        folder: where it lies, below the sweep's folder.

    """

    number: int
    values: Given
    label: str
    folder: str


def choose(checked: Checked, name: str | None, given: Given = ()) -> Sweep:
    """The sweep of a recipe that is meant; ``name`` may be None where there is only one.

    Raises:
        PlanError: there is no such sweep, or it varies what ``given`` has set.

    """
    sweeps = {sweep.name: sweep for sweep in checked.sweeps}
    if not sweeps:
        raise PlanError(
            "RD760",
            f"{checked.source.path} has no sweep",
            "add one, such as `sweep ranks { vary rank of RULE over 1, 4, 10 }`; or use "
            "`redraft run`",
        )
    if name is None and len(sweeps) > 1:
        raise PlanError(
            "RD761",
            f"{checked.source.path} has {len(sweeps)} sweeps",
            f"name the one to run: {', '.join(sweeps)}",
        )
    chosen = next(iter(sweeps.values())) if name is None else sweeps.get(name)
    if chosen is None:
        raise PlanError(
            "RD762",
            f"{checked.source.path} has no sweep `{name}`",
            did_you_mean(name or "", list(sweeps), "sweeps of this recipe"),
        )
    for axis in chosen.axes:
        if axis.target in dict(given):
            raise PlanError(
                "RD763",
                f"the sweep `{chosen.name}` varies `{axis.target}`, which `--set` gives a value",
                "leave out `--set`, or take the line out of the sweep",
            )
    return chosen


def cells_of(sweep: Sweep) -> tuple[Cell, ...]:
    """Every cell, in the order of the grid."""
    names = names_of(axis.target for axis in sweep.axes)
    every = tuple(sweep.cells())
    width = max(3, len(str(len(every))))
    return tuple(
        Cell(
            number,
            values,
            ", ".join(f"{names[target]} {value}" for target, value in values),
            f"{CELLS}/{_folder_name(number, width, values, names)}",
        )
        for number, values in enumerate(every, 1)
    )


def names_of(targets: Iterable[str]) -> dict[str, str]:
    """What each axis is called: the setting alone, where no other axis is called the same."""
    last = {target: target.rpartition(".")[2] for target in targets}
    times = Counter(last.values())
    return {target: name if times[name] == 1 else target for target, name in last.items()}


def _folder_name(number: int, width: int, values: Given, names: dict[str, str]) -> str:
    parts = [f"{names[target]}{value}" for target, value in values]
    plain = [re.sub(r"[^\w.\-]+", "_", part.replace("%", "pct")) for part in parts]
    return "-".join([f"{number:0{width}}", *plain])[:LONGEST].rstrip(".")
