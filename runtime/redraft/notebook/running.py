"""A cell's recipe, run: one output says how far it is, until the run itself takes its place."""

from __future__ import annotations

import uuid
from pathlib import Path

from redraft.explain.failure import failure_of
from redraft.models.code.given import given
from redraft.models.code.reference import Code
from redraft.models.device import device_name
from redraft.models.hooked.described import Generator
from redraft.models.hooked.memory import InMemory
from redraft.notebook.html import bundle
from redraft.notebook.output import CellError, show, show_problems
from redraft.plans.planner import make_plan
from redraft.runs.runner import Run
from redraft.show.report.outputs import run_and_report
from redraft_dsl import Checked
from redraft_dsl.report.html import escaped, wrapped

PARTS = 10
"""How often a stage that takes long reports how far it is."""


def run_cell(
    checked: Checked,
    folder: Path,
    out: Path | None,
    device: str,
    *,
    fresh: bool,
    generator: object = None,
) -> Run:
    """Run a recipe and show the run.

    ``generator`` is for a model of `arch module`: FILE.py:NAME, or what the notebook has made. A
    module of the notebook has its own weights again when the run is over.

    Raises:
        CellError: whatever went wrong.

    """
    progress = Progress()
    try:
        planned_for = device_name(device)
        made = made_of(generator)
        plan = make_plan(
            checked, folder, device=planned_for, progress=progress.download, generator=made
        )
        try:
            run = run_and_report(plan, out=out, device=device, fresh=fresh, progress=progress.step)
        finally:
            if plan.base.given is not None:
                plan.base.given.restore()
    except Exception as error:
        failure = failure_of(error)
        if failure.checked is not None:
            show_problems(failure.checked)
        raise CellError(failure.code, failure.message, failure.help) from error
    progress.done(run)
    return run


def made_of(generator: object) -> Code | InMemory | None:
    """What a cell calls a generator: code by its name, or what the notebook has made."""
    if generator is None or isinstance(generator, str | Generator):
        return given(generator)
    return given(Generator(generator))  # type: ignore[arg-type] # which says what it needs


class Progress:
    """One output that says how far a run is."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._last: tuple[str, int] | None = None

    def step(self, what: str, done: int, total: int) -> None:
        """As ``redraft.runs.watch.Progress``."""
        part = PARTS * done // max(total, 1)
        if (what, part) == self._last:
            return
        text = f"{what}: {done} of {total}"
        data = bundle(wrapped(f'<p class="redraft-soft">{escaped(text)}</p>'), text)
        show(data, raw=True, display_id=self._id, update=self._last is not None)
        self._last = (what, part)

    def download(self, stage: str, done: int | None, total: int | None) -> None:
        """As ``redraft.models.listed.download.Progress``."""
        if done is not None and total:
            self.step(f"{stage} of the model, bytes", done, total)

    def done(self, run: Run) -> None:
        """Show the run in the place of its progress."""
        show(run, display_id=self._id, update=self._last is not None)
