"""redraft: rewrite the rules of deep generative models by recipe.

The public interface::

    checked = redraft.load("glasses.redraft")  # read and check; no torch
    plan = redraft.plan(checked)               # what will run, what is cached
    run = redraft.run(plan)                    # solve; writes runs/.../
    edit = redraft.Edit.load(run.folder / "edit.safetensors")
    with edit.applied(module):                 # any torch module that holds the layers
        ...

Names are imported when they are first used, so that checking a recipe never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.errors import RedraftError

if TYPE_CHECKING:
    from redraft.edit.artifact import Applied, Edit
    from redraft.plans.loading import load, loads
    from redraft.plans.planner import Plan
    from redraft.runs.runner import Run
    from redraft.runs.verify import Verified
    from redraft_dsl import Checked

__version__ = "0.1.0"
__all__ = [
    "Applied",
    "Checked",
    "Edit",
    "Plan",
    "RedraftError",
    "Run",
    "Verified",
    "load",
    "loads",
    "plan",
    "run",
    "verify",
]

_HOMES = {
    "Applied": "redraft.edit.artifact",
    "Checked": "redraft_dsl",
    "Edit": "redraft.edit.artifact",
    "Plan": "redraft.plans.planner",
    "Run": "redraft.runs.runner",
    "Verified": "redraft.runs.verify",
    "load": "redraft.plans.loading",
    "loads": "redraft.plans.loading",
}


def plan(recipe: Checked | str | Path, *, device: str = "auto") -> Plan:
    """Plan a recipe: find its model, check that it fits, look up what is cached.

    Args:
        recipe: a checked recipe, or a recipe file.
        device: auto, cpu or cuda.

    Raises:
        RedraftError: the recipe has errors, or the model cannot be found.

    """
    from redraft.models.open import choose_device
    from redraft.plans.planner import make_plan

    checked, folder = _read(recipe)
    return make_plan(checked, folder, device=choose_device(device).type)


def run(
    recipe: Plan | Checked | str | Path,
    out: str | Path | None = None,
    *,
    device: str = "auto",
    fresh: bool = False,
) -> Run:
    """Run a recipe, and write its edit, pictures, report and record into a folder.

    Args:
        recipe: a plan, a checked recipe, or a recipe file. A lock beside the file is obeyed; a
            plan is run as it is.
        out: the run folder; by default ``runs/NAME-VERSION-DIGEST``.
        device: auto, cpu or cuda.
        fresh: solve every rule anew, whatever an interrupted run has finished.

    Raises:
        RedraftError: says what went wrong and what to do.

    """
    from redraft.models.open import choose_device
    from redraft.plans.planner import Plan
    from redraft.runs.locking import plan_obeying
    from redraft.show.report.outputs import run_and_report

    if isinstance(recipe, Plan):
        planned = recipe
    else:
        checked, folder = _read(recipe)
        planned = plan_obeying(checked, folder, device=choose_device(device).type)
    return run_and_report(
        planned, out=None if out is None else Path(out), device=device, fresh=fresh
    )


def _read(recipe: Checked | str | Path) -> tuple[Checked, Path]:
    """A checked recipe, and the folder that its paths start in."""
    from redraft.plans.loading import load

    checked = load(recipe) if isinstance(recipe, str | Path) else recipe
    return checked, Path(checked.source.path).parent


def verify(folder: str | Path, *, device: str = "auto") -> Verified:
    """Solve a run's recipe again from its base, and compare with the edit that it left.

    Raises:
        RedraftError: the folder is not a finished run, or its inputs have changed.

    """
    from redraft.runs.verify import verify as repeat

    return repeat(Path(folder), device=device)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `redraft` has no attribute `{name}`")
    return getattr(import_module(_HOMES[name]), name)
