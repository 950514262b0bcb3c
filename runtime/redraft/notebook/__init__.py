"""Recipes and results in notebooks: how they show themselves, and the ``%%redraft`` cell.

Inside IPython everything that redraft returns shows itself: importing redraft there is enough, see
:func:`install`. ``%load_ext redraft.notebook`` adds the cell magic. Nothing here imports IPython,
and what draws a result is imported when the first such result is shown.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import Any

_DISPLAYS = {
    "redraft_dsl.check.checked.Checked": "redraft_dsl.check.display.checked_bundle",
    "redraft.plans.planner.Plan": "redraft.notebook.html.plan_bundle",
    "redraft.edit.artifact.Edit": "redraft.notebook.results.edit_bundle",
    "redraft.live.samples.Pictures": "redraft.notebook.results.pictures_bundle",
    "redraft.runs.runner.Run": "redraft.notebook.results.run_bundle",
    "redraft.runs.verify.Verified": "redraft.notebook.results.verified_bundle",
}
"""What shows itself, and the function that gives its forms by media type."""


def install() -> None:
    """Let results show themselves in the IPython shell that is running, if there is one."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is not None:
        register(shell)


def register(shell: Any) -> None:
    """Let results show themselves in an IPython shell; imports none of their modules."""
    formatter = shell.display_formatter.mimebundle_formatter
    for shown, display in _DISPLAYS.items():
        formatter.for_type_by_name(*shown.rsplit(".", 1), partial(_display, display))


def load_ipython_extension(shell: Any) -> None:
    """What ``%load_ext redraft.notebook`` calls."""
    from redraft.notebook.magic import RedraftMagics

    register(shell)
    shell.register_magics(RedraftMagics)


def _display(function: str, result: object) -> dict[str, str]:
    module, name = function.rsplit(".", 1)
    forms: dict[str, str] = getattr(import_module(module), name)(result)
    return forms
