"""The verbs of the public interface: plan a recipe, run it, verify a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from redraft.models.code.given import given
from redraft.models.code.reference import Code
from redraft.models.device import device_name
from redraft.plans.loading import load
from redraft.plans.obeying import plan_obeying
from redraft.plans.planner import Plan, make_plan
from redraft_dsl import Checked

if TYPE_CHECKING:
    import torch

    from redraft.models.hooked.described import Generator
    from redraft.runs.verify import Verified
    from redraft.show.report.outputs import ReportedRun


def plan(
    recipe: Checked | str | Path,
    *,
    device: str | torch.device = "auto",
    generator: str | Generator | None = None,
) -> Plan:
    """Plan a recipe: find its model, check that it fits, look up what is cached. No torch.

    Args:
        recipe: a checked recipe, or a recipe file.
        device: auto, cpu, cuda or cuda:N, or a device of torch.
        generator: for a model of `arch module`, a ``redraft.Generator``, or ``FILE.py:NAME``, which
            is then run.

    Raises:
        RedraftError: the recipe has errors, or the model cannot be found.

    """
    checked, folder = _read(recipe)
    named = given(generator)
    return make_plan(checked, folder, device=device_name(device), generator=named)


def run(
    recipe: Plan | Checked | str | Path,
    out: str | Path | None = None,
    *,
    device: str | torch.device = "auto",
    threads: int | None = None,
    fresh: bool = False,
    force: bool = False,
    generator: str | Generator | None = None,
) -> ReportedRun:
    """Run a recipe, and write its edit, pictures, report and record into a folder.

    Args:
        recipe: a plan, a checked recipe, or a recipe file. A lock beside the file is obeyed; a
            plan is run as it is.
        out: the run folder; by default ``runs/NAME-VERSION-DIGEST``.
        device: auto, cpu, cuda or cuda:N, or a device of torch.
        threads: to compute on; by default as many as torch takes.
        fresh: solve every rule anew, whatever an interrupted run has finished.
        force: write into the folder even if it holds another recipe's run.
        generator: as for :func:`plan`. A module in memory has its own weights again when the run
            is over.

    Raises:
        RedraftError: says what went wrong and what to do.

    """
    from redraft.models.arithmetic import on_threads
    from redraft.show.report.outputs import run_and_report

    if isinstance(recipe, Plan):
        planned = recipe
    else:
        planned = plan_obeying(
            *_read(recipe), device=device_name(device), generator=given(generator)
        )
    folder = None if out is None else Path(out)
    try:
        with on_threads(threads):
            return run_and_report(
                planned, out=folder, device=device_name(device), fresh=fresh, force=force
            )
    finally:
        if planned.base.given is not None:
            planned.base.given.restore()


def verify(
    folder: str | Path,
    *,
    device: str | torch.device = "auto",
    threads: int | None = None,
    generator: str | Generator | None = None,
    figures: bool = True,
) -> Verified:
    """Solve a run's recipe again from its base, and compare with its edit and its figures.

    Args:
        folder: of the run.
        device: auto, cpu or cuda.
        threads: to compute on; by default as many as the run did.
        generator: as for :func:`plan`, and that which the run was made with.
        figures: measure the figures of run.json again.

    Raises:
        RedraftError: the folder is not a finished run, or its inputs have changed.

    """
    from redraft.runs.verify import verify as repeat
    from redraft.show.report.outputs import answers_for

    named = given(generator)
    try:
        return repeat(
            Path(folder),
            device=device_name(device),
            threads=threads,
            generator=named,
            figures=figures,
            answers=answers_for,
        )
    finally:
        if named is not None and not isinstance(named, Code):
            named.restore()


def _read(recipe: Checked | str | Path) -> tuple[Checked, Path]:
    """A checked recipe, and the folder that its paths start in."""
    checked = load(recipe) if isinstance(recipe, str | Path) else recipe
    return checked, Path(checked.source.path).parent
