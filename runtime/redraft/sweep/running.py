"""A sweep run cell by cell: what is finished stays, what fails is recorded; then a summary."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from redraft.disk import files
from redraft.errors import ArtifactError, RedraftError
from redraft.explain.words import silent
from redraft.models.open import choose_device
from redraft.plans.loading import CheckFailedError, recipe_of
from redraft.plans.planner import Plan
from redraft.plans.run_files import RECORD, RUNS
from redraft.plans.run_folder import cannot_make, finished_run, read_run
from redraft.runs.memo import MOST, Shared
from redraft.runs.processes import ALONE, Ranks
from redraft.runs.watch import Progress
from redraft.show.pictures import png
from redraft.show.report.outputs import run_and_report
from redraft.sweep.beside import Others, Share
from redraft.sweep.best import best_of
from redraft.sweep.cells import Cell, cells_of, choose
from redraft.sweep.gallery import render
from redraft.sweep.pinned import searched_anew
from redraft.sweep.sheet import SheetRow, draw_sheet
from redraft.sweep.summary import (
    CellFailure,
    CellRecord,
    SweepRecord,
    failed_cell,
    finished_cell,
    markdown,
)
from redraft_dsl import Checked
from redraft_dsl.check.parameters import Given
from redraft_dsl.check.sweeps import Sweep

SUMMARY, TABLE, PICTURE, GALLERY = "sweep.json", "sweep.md", "sweep.png", "sweep.html"

MakePlan = Callable[[Given], Plan]
"""Plans the recipe with some values."""


@dataclass(frozen=True)
class Task:
    """A sweep to be run.

    Attributes:
        checked: the recipe with the values that hold for all cells.
        sweep: which of its sweeps.
        plan: plans the recipe with the values of a cell.
        folder: where everything is written.
        device: auto, cpu or cuda.
        fresh: run every cell anew, and every rule of it.
        force: write into the folder, whatever it holds.
        lock: sha256 of the lock beside the recipe, where its cells obey it.
        progress: called with what the present cell does, cells done, cells in all.

    """

    checked: Checked
    sweep: Sweep
    plan: MakePlan
    folder: Path
    device: str = "auto"
    fresh: bool = False
    force: bool = False
    lock: str | None = None
    progress: Progress = silent

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell."""
        return cells_of(self.sweep)


def make_task(
    checked: Checked,
    plan: MakePlan,
    name: str | None = None,
    *,
    out: Path | None = None,
    device: str = "auto",
    fresh: bool = False,
    force: bool = False,
    lock: str | None = None,
    progress: Progress = silent,
) -> Task:
    """The sweep ``name`` of a recipe, or its only one, ready to be run.

    Args:
        checked: the recipe, with the values that hold for all cells.
        plan: plans it with the values of one cell on top.
        name: of the sweep.
        out: the sweep's folder; by default one in ``runs/`` named after recipe and sweep.
        device: auto, cpu or cuda.
        fresh: run what is finished again.
        force: write into the folder, whatever it holds.
        lock: sha256 of the lock that ``plan`` obeys as far as it holds for a cell.
        progress: called with what the present cell does, cells done, cells in all.

    Raises:
        CheckFailedError: the recipe has errors.
        PlanError: it has no such sweep.
        ArtifactError: the folder holds another sweep, or a run.

    """
    recipe = recipe_of(checked)
    sweep = choose(checked, name, checked.given)
    folder = out or _default_folder(checked, sweep)
    if not force:
        _refuse_folder_of_another(folder, recipe.name, sweep.name)
    return Task(checked, sweep, plan, folder, device, fresh, force, lock, progress)


def run_sweep(
    make: Callable[[], Task],
    ranks: Ranks = ALONE,
    shared: Shared | None = None,
    others: Others | None = None,
) -> tuple[SweepRecord, Path] | None:
    """Run this process's cells, and in the first process write what came of all of them.

    Args:
        make: makes the task; what it raises is reported once, whichever process it happens in.
        ranks: this process among others that were started with it.
        shared: what the cells have in common; by default up to 1 GiB.
        others: processes that take a part of the cells, started once the first cell is done.

    Returns:
        The record and the sweep's folder; None in any process but the first.

    Raises:
        RedraftError: the sweep cannot be run or its summary cannot be written. A cell that fails
            is only recorded.

    """
    started = time.perf_counter()
    shared = shared or Shared(MOST)
    if others is None:
        parts = ranks.together(lambda: run_cells(make(), ranks, shared))
    else:
        parts = [_run_beside(make(), others, shared)]
    if not parts:
        return None
    records = sorted((cell for part in parts for cell in part), key=lambda cell: cell.number)
    task = make()
    processes = ranks.world if others is None else others.count
    record = _summary(task, records, shared, processes, started)
    return record, task.folder


def run_cells(task: Task, ranks: Ranks, shared: Shared) -> list[CellRecord]:
    """Run the cells of one process one after another."""
    mine = ranks.mine(task.cells)
    done = [_run_cell(task, cell, (number, len(mine)), shared) for number, cell in enumerate(mine)]
    task.progress("", len(mine), len(mine))
    return done


def run_share(task: Task, share: Share) -> None:
    """As one of the others of :func:`run_sweep`: run a share of all cells but the first."""
    shared, mine = Shared(MOST), share.of(task.cells[1:])
    for number, cell in enumerate(mine):
        _run_cell(task, cell, (number, len(mine)), shared)


def _run_beside(task: Task, others: Others, shared: Shared) -> list[CellRecord]:
    """Every cell, some of them in other processes."""
    stamps = {cell.number: _stamp(task, cell) for cell in task.cells}
    first, *rest = task.cells
    total, here = len(task.cells), Share(1, others.count).of(rest)
    # Statistics and the like are on the disk once one cell is done: nobody makes them twice.
    done = [_run_cell(task, first, (0, total), shared)]
    with others.start() as wait:
        done += [_run_cell(task, cell, (n, total), shared) for n, cell in enumerate(here, 1)]
        task.progress("waiting for the other processes", len(done), total)
        wait()
    for cell in rest:
        if cell in here:
            continue
        changed = _stamp(task, cell) != stamps[cell.number]
        # What is not finished there is run here, and says itself why it fails.
        again = replace(task, fresh=task.fresh and not changed)
        record = _run_cell(again, cell, (len(done), total), shared)
        done.append(record.model_copy(update={"before": record.before and not changed}))
    task.progress("", total, total)
    return done


def _stamp(task: Task, cell: Cell) -> int | None:
    """When a cell was finished, in nanoseconds of the disk's clock; None where it is not."""
    try:
        return (task.folder / cell.folder / RECORD).stat().st_mtime_ns
    except OSError:
        return None


def _run_cell(task: Task, cell: Cell, place: tuple[int, int], shared: Shared) -> CellRecord:
    started = time.perf_counter()
    folder = task.folder / cell.folder

    def report(what: str, _done: int, _total: int) -> None:
        task.progress(f"{cell.label}: {what}", *place)

    report("planned", 0, 0)
    try:
        plan = task.plan(cell.values)
        found = None if task.fresh else finished_run(folder, plan)
        if found is not None:
            return finished_cell(cell, found.record, before=True)
        run = run_and_report(
            plan,
            out=folder,
            device=task.device,
            fresh=task.fresh,
            progress=report,
            shared=shared,
            force=True,  # the folder is the sweep's own
        )
    except RedraftError as error:
        return failed_cell(cell, _failure(error), time.perf_counter() - started)
    return finished_cell(cell, run.record, before=False)


def _failure(error: RedraftError) -> CellFailure:
    if isinstance(error, CheckFailedError) and error.checked.errors:
        # The recipe's own fault says more than that there is one.
        first = error.checked.errors[0]
        return CellFailure(code=first.code, message=first.message, help=first.help)
    return CellFailure(code=error.code, message=error.message, help=error.help)


def _summary(
    task: Task, records: Sequence[CellRecord], shared: Shared, processes: int, started: float
) -> SweepRecord:
    recipe = task.checked.recipe
    assert recipe is not None, "a task has a recipe without errors"
    task.progress("pictures", len(records), len(records))
    shown = [
        SheetRow(cell.label, task.plan(cell.values), task.folder / cell.folder)
        for cell, record in zip(task.cells, records, strict=True)
        if record.error is None
    ]
    _make_folder(task.folder)
    sheet = draw_sheet(shown, choose_device(task.device), shared) if shown else None
    if sheet is not None:
        files.write_bytes(task.folder / PICTURE, png(sheet.picture()))
    run = read_run(shown[0].folder).record if shown else None
    record = SweepRecord(
        recipe=recipe.name,
        version=recipe.version,
        title=recipe.title,
        sweep=task.sweep.name,
        axes={axis.target: axis.values for axis in task.sweep.axes},
        given=dict(task.checked.given),
        model=recipe.model.name,
        evaluated_on="" if run is None else run.evaluated_on,
        evaluated_count=0 if run is None else run.evaluated_count,
        lock=task.lock,
        searched=searched_anew([one.plan for one in shown]),
        processes=processes,
        cells=tuple(records),
        shown=() if sheet is None else sheet.indices,
        seconds=time.perf_counter() - started,
    )
    best = best_of(records)
    drawn = [] if sheet is None else [pictures for _, pictures in sheet.rows]
    copied = None if sheet is None else sheet.copied
    files.write_text(task.folder / GALLERY, render(record, drawn, copied, best))
    page = markdown(record, PICTURE if shown else None)
    files.write_text(task.folder / TABLE, page)
    files.write_text(task.folder / SUMMARY, record.model_dump_json(indent=1) + "\n")
    return record


def _refuse_folder_of_another(folder: Path, recipe: str, sweep: str) -> None:
    """Raise ArtifactError when a folder holds another sweep, or a run."""
    found = "a run" if (folder / RECORD).exists() else ""
    if (folder / SUMMARY).exists():
        try:
            record = SweepRecord.model_validate_json((folder / SUMMARY).read_text("utf-8"))
            if (record.recipe, record.sweep) != (recipe, sweep):
                found = f"the sweep {record.sweep} of {record.recipe}"
        except (OSError, ValueError):
            found = f"a {SUMMARY} that cannot be read"
    if found:
        raise ArtifactError(
            "RD667",
            f"the folder {folder} holds {found}",
            "choose another with `--out`, or replace what is there with `--force`",
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_make(folder, error) from error


def _default_folder(checked: Checked, sweep: Sweep) -> Path:
    recipe = checked.recipe
    assert recipe is not None, "make_task has seen to it"
    digest = hashlib.sha256(recipe.digest().encode()).hexdigest()[:8]
    return RUNS / f"{recipe.name}-{recipe.version}-{sweep.name}-{digest}"
