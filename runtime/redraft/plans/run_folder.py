"""The folder of a finished run, read back. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from redraft.disk.files import sha256_file
from redraft.errors import ArtifactError, RedraftError
from redraft.explain.words import counted, first_fault, first_line, reason_of
from redraft.memory.places import Marks, contexts_of
from redraft.plans.lock import Lock
from redraft.plans.lock import read as read_lock
from redraft.plans.record import RunRecord
from redraft.plans.run_files import CELLS, EDIT, LOCK, PICTURE, RECIPE, RECORD, REPORT, STEPS
from redraft.plans.shipped import SUFFIX
from redraft_dsl.recipe.model import FileModel, Recipe

if TYPE_CHECKING:
    from redraft.plans.planner import Plan, RuleStep
    from redraft.plans.record import PlaceRecord

RUN_FOLDER = "name a folder that `redraft run` wrote, such as one in runs/"


@dataclass(frozen=True)
class FinishedRun:
    """The folder of a finished run, and the record in it."""

    folder: Path
    record: RunRecord

    @property
    def edit(self) -> Path:
        """The edit that the run made."""
        return self.folder / EDIT

    @property
    def recipe(self) -> Path:
        """The recipe that was run, as a text that stands alone."""
        return self.folder / RECIPE

    def lock(self, changed: RedraftError) -> Lock | None:
        """The lock that the run obeyed, if it obeyed one; raises ``changed`` if it is another."""
        if self.record.lock is None:
            return None
        held = read_lock(self.folder / LOCK)
        if held is None or held.sha256 != self.record.lock:
            raise changed
        return held

    def home(self, recipe: Recipe | None, first: Path | None = None) -> Path:
        """Where a model's own path starts: a model given by file still lies beside the recipe.

        A recipe that was named by a relative path is looked for from here and from the run upwards,
        after ``first``.
        """
        if recipe is None or not isinstance(recipe.model, FileModel):
            return self.folder
        if first is not None and (first / recipe.model.path).exists():
            return first
        beside = Path(self.record.recipe_path).parent
        for start in (Path(), *self.folder.absolute().parents):
            if (start / beside / recipe.model.path).exists():
                return start / beside
        return self.folder


def read_run(path: Path) -> FinishedRun:
    """A finished run, by its folder or by its ``run.json``.

    Raises:
        ArtifactError: there is no finished run.

    """
    record = path / RECORD if path.is_dir() else path
    if record.suffix == SUFFIX and record.is_file():
        raise ArtifactError(
            "RD660",
            f"{path} is a recipe, and not a finished run",
            f"name the folder that `redraft run {path}` leaves in runs/",
        )
    try:
        found = RunRecord.model_validate_json(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        cells = sorted(path.glob(f"{CELLS}/*/{RECORD}"))
        if cells:
            raise ArtifactError(
                "RD660",
                f"{path} is the folder of a sweep, which holds {counted(len(cells), 'run')}",
                f"name one of them, such as {cells[0].parent}",
            ) from None
        raise ArtifactError(
            "RD660",
            f"{path} is not a finished run: it has no {RECORD}",
            f"{RUN_FOLDER}; an interrupted run goes on when run again",
        ) from None
    except (OSError, ValueError) as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else first_line(error)
        raise ArtifactError(
            "RD661",
            f"{record} cannot be read as the record of a run: {fault}",
            f"{RUN_FOLDER}, or run the recipe again",
        ) from error
    return FinishedRun(record.parent, found)


def finished_run(folder: Path, plan: Plan) -> FinishedRun | None:
    """The run in a folder, if it is a whole run of that very plan.

    A run that obeyed no lock counts where it found the very places that the plan's lock says.
    """
    try:
        run = read_run(folder)
        record = run.record
        same = (
            record.recipe_digest == plan.recipe.digest()
            and record.model.file_sha256 == plan.base.sha256
            and record.model.truncation == plan.base.truncation
            and record.edit_sha256 == sha256_file(run.edit)
            and _same_places(record, plan)
        )
    except ArtifactError:
        return None
    return run if same else None


def latest_run(runs: Path, plan: Plan) -> FinishedRun | None:
    """The latest of the whole runs of that very plan in the folders of a folder."""
    return latest(runs, lambda folder: finished_run(folder, plan))


def latest(runs: Path, wanted: Callable[[Path], FinishedRun | None]) -> FinishedRun | None:
    """The latest of the runs in the folders of a folder; ``wanted`` reads one that counts."""
    every = (wanted(path.parent) for path in sorted(runs.glob(f"*/{RECORD}")))
    found = (run for run in every if run is not None)
    return max(found, key=lambda run: (run.record.started, run.folder), default=None)


def _same_places(record: RunRecord, plan: Plan) -> bool:
    """Whether a run had the places of a plan, as far as a lock has a say in them."""
    if plan.lock is None or record.lock is not None:
        return record.lock == plan.lock_digest
    marks = Marks(plan.base.facts, plan.folder)
    found = {rule.name: rule.contexts for rule in record.rules}
    return all(
        _found(step, marks, found.get(step.rule.name, ())) for step in plan.rules if step.locked
    )


def _found(step: RuleStep, marks: Marks, found: Sequence[PlaceRecord]) -> bool:
    """Whether these are the contexts of a rule with its matches where the lock has them."""
    wanted = contexts_of(step.rule, marks, step.locked)
    return [(each.latents, each.index, each.box) for each in found] == [
        (each.latents, each.index, each.box()) for each in wanted
    ]


def refuse_folder_of_another(folder: Path, plan: Plan) -> None:
    """Refuse to run a plan into a folder that holds anything but an earlier run of its recipe.

    An earlier run is of the same recipe, to the last setting, and of the same model file.

    Raises:
        ArtifactError: it holds another recipe's run, another model's, or files of no run.

    """
    found = _what_is_in(folder, plan)
    if found:
        raise ArtifactError(
            "RD667",
            f"the folder {folder} holds {found}",
            "choose another with `--out`, or replace what is there with `--force`",
        )


def _what_is_in(folder: Path, plan: Plan) -> str:
    """What stands in the way of a run in a folder; nothing where nothing does."""
    if (folder / RECORD).exists():
        record = read_run(folder).record
        if record.recipe != plan.recipe.name:
            return f"a finished run of another recipe, {record.recipe} {record.version}"
        if record.model.file_sha256 != plan.base.sha256:
            return f"a finished run of {record.recipe} on another model, {record.model.name}"
        if record.recipe_digest != plan.recipe.digest():
            return f"a finished run of {record.recipe} {record.version} with other settings"
        return ""
    if (folder / STEPS).is_dir():
        return ""  # of a run that was stopped
    recipe = folder / RECIPE
    if recipe.is_file() and recipe.read_bytes() != plan.text.encode():
        return f"another recipe, {RECIPE}"
    own = next((name for name in (EDIT, PICTURE, REPORT) if (folder / name).exists()), None)
    return f"a file of no finished run, {own}" if own else ""


def cannot_make(folder: Path, error: OSError) -> ArtifactError:
    """The error for a folder of runs that cannot be made or written to."""
    reason = reason_of(error)
    if isinstance(error, FileNotFoundError):  # of a folder of the system's own, such as /proc
        reason = f"{folder.parent} takes no new folders"
    return ArtifactError(
        "RD662",
        f"the run folder {folder} cannot be made: {reason}",
        "choose another with `--out`",
    )
