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

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from redraft.errors import CancelledError, RedraftError
from redraft.notebook import install

if TYPE_CHECKING:
    from redraft.edit.artifact import Applied, Edit
    from redraft.live.answer import Answer
    from redraft.live.live import Live
    from redraft.live.model import Model
    from redraft.live.samples import Pictures
    from redraft.models.hooked.described import Generator
    from redraft.plans.loading import load, loads
    from redraft.plans.planner import Plan
    from redraft.runs.runner import Run
    from redraft.runs.verify import Verified
    from redraft.verbs import plan, run, verify
    from redraft_dsl import Checked

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Applied",
    "CancelledError",
    "Checked",
    "Edit",
    "Generator",
    "Live",
    "Model",
    "Pictures",
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
    "Answer": "redraft.live.answer",
    "Applied": "redraft.edit.artifact",
    "Checked": "redraft_dsl",
    "Edit": "redraft.edit.artifact",
    "Generator": "redraft.models.hooked.described",
    "Live": "redraft.live.live",
    "Model": "redraft.live.model",
    "Pictures": "redraft.live.samples",
    "Plan": "redraft.plans.planner",
    "Run": "redraft.runs.runner",
    "Verified": "redraft.runs.verify",
    "load": "redraft.plans.loading",
    "loads": "redraft.plans.loading",
    "plan": "redraft.verbs",
    "run": "redraft.verbs",
    "verify": "redraft.verbs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `redraft` has no attribute `{name}`")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__all__", "__doc__", "__version__"])


if "torch" not in sys.modules:
    # Threads that wait for each other shall sleep. By default they spin, and where the cores have
    # other work as well, they keep those from it that they wait for.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

install()  # in a notebook, what redraft returns shows itself
