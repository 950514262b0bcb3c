"""A run and its folder: solve, write, resume.

Every finished rule is written to ``steps/`` at once, so that a killed run goes on from there.
Files are written whole or not at all; ``run.json`` comes last and says that the run is complete.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from redraft.disk import files
from redraft.disk.cache import Cache
from redraft.edit.artifact import Edit
from redraft.errors import ArtifactError
from redraft.memory.marked import mask_bytes
from redraft.models.open import choose_device
from redraft.plans.planner import Plan
from redraft.plans.record import (
    ImportRecord,
    MachineRecord,
    ModelRecord,
    RunRecord,
    checked_expectations,
)
from redraft.plans.run_files import EDIT, LOCK, RECIPE, RECORD, RUNS, STEPS
from redraft.plans.run_folder import cannot_make, refuse_folder_of_another
from redraft.plans.unseen import judged, measured_on
from redraft.runs.execute import assist, check_untouched, edit_of, solve_all
from redraft.runs.memo import MOST, Shared
from redraft.runs.processes import ALONE, Ranks
from redraft.runs.recording import group_record, now
from redraft.runs.session import Distance, Session, open_session
from redraft.runs.steps import Steps
from redraft.runs.watch import Progress


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it was written.
        record: the content of ``run.json``.
        edit: the edit.
        session: the model, wholly edited, and every finished rule.
        resumed: names of the rules that an interrupted run had finished.

    """

    folder: Path
    record: RunRecord
    edit: Edit
    session: Session
    resumed: tuple[str, ...]

    def __repr__(self) -> str:
        """One line: the recipe, the folder, and the verdict on each rule."""
        rules = ", ".join(f"{rule.name} {rule.judgement.word}" for rule in self.record.rules)
        return f"<Run {self.record.recipe} {self.record.version} in {self.folder}: {rules}>"


def run_plan(
    plan: Plan,
    *,
    out: Path | None = None,
    device: str = "auto",
    cache: Cache | None = None,
    progress: Progress | None = None,
    fresh: bool = False,
    shared: Shared | None = None,
    ranks: Ranks = ALONE,
    force: bool = False,
    answers: Mapping[str, Distance] | None = None,
) -> Run:
    """Run a plan and write its edit and record.

    Of several processes this is for the first one; all others call :func:`assist_run`.

    Args:
        plan: from :func:`redraft.plans.planner.make_plan`.
        out: the run folder; by default one in ``runs/`` named after the recipe.
        device: auto, cpu or cuda.
        cache: where statistics are kept.
        progress: called with how far it is.
        fresh: solve every rule anew, whatever an interrupted run has finished.
        shared: what it has in common with runs before and after it; not used by several processes.
        ranks: this process, the first, among those that draw pictures for statistics and measures.
        force: write into the folder whatever it holds.
        answers: distance to the right answer by the name of a rule, where that is known.

    Raises:
        RunError: a rule cannot be solved, or another process failed.
        ArtifactError: the folder cannot be written or holds something else, or a mask has changed.

    """
    started, clock = now(), time.perf_counter()
    folder, inputs = out or RUNS / plan.run_name, _inputs(plan)
    _prepare(folder, fresh, None if force else plan)
    # Judging and the report draw some of the same pictures, from the same stages.
    shared = shared or Shared(MOST)
    session = open_session(plan, choose_device(device), cache, progress, shared, ranks)
    session.answers = answers or {}
    machine = group_record(session.device, ranks)
    steps = Steps(folder / STEPS, session)
    solve_all(session, steps.read, steps.write)
    check_untouched(session)
    data = (edit := edit_of(session)).to_bytes()
    _replace(folder, inputs, data)
    digest = hashlib.sha256(data).hexdigest()
    record = record_of(session, machine, digest, started, time.perf_counter() - clock)
    return Run(folder, record, edit, session, tuple(steps.resumed))


def assist_run(plan: Plan, ranks: Ranks, *, device: str = "auto") -> None:
    """The part that any process but the first has in :func:`run_plan`. It writes nothing.

    Args:
        plan: the same as that of the first process.
        ranks: this process among them.
        device: auto, cpu or cuda.

    Raises:
        RunError: this process or another one failed.

    """
    session = open_session(plan, choose_device(device), ranks=ranks)
    group_record(session.device, ranks)
    assist(session)


def finish(run: Run) -> None:
    """Write ``run.json`` and remove the steps: the run is complete."""
    files.write_text(run.folder / RECORD, run.record.model_dump_json(indent=1) + "\n")
    shutil.rmtree(run.folder / STEPS, ignore_errors=True)


def _inputs(plan: Plan) -> dict[str, bytes]:
    """Content of the recipe, its lock and its masks by their paths in the run folder.

    Taken before anything is solved, so that what is kept is what was solved.

    Raises:
        ArtifactError: a mask has vanished or changed since the recipe was planned.

    """
    found = {RECIPE: plan.text.encode()}
    if plan.lock is not None:
        found[LOCK] = plan.lock.text.encode()
    return found | mask_bytes((*plan.recipe.rules, *plan.off), plan.folder, _lost_mask)


def _lost_mask(path: str, reason: str) -> ArtifactError:
    return ArtifactError(
        "RD666",
        f"the mask {path} is no longer what was planned with: {reason}",
        "put it back, or plan the recipe again",
    )


def _prepare(folder: Path, fresh: bool, plan: Plan | None) -> None:
    """Make the folder and room for steps. A finished run that lies there stays as it is.

    With a ``plan`` it must be a run of the same recipe.
    """
    if plan is not None:
        refuse_folder_of_another(folder, plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if fresh:
            shutil.rmtree(folder / STEPS, ignore_errors=True)
        (folder / STEPS).mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_make(folder, error) from error


def _replace(folder: Path, inputs: dict[str, bytes], edit: bytes) -> None:
    """Put this run in the place of an earlier one, whose record goes first.

    Everything is solved by now; only the disk can still fail, and the steps are kept for that.
    """
    try:
        (folder / RECORD).unlink(missing_ok=True)
        (folder / LOCK).unlink(missing_ok=True)
        for path in inputs:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_make(folder, error) from error
    for path, data in inputs.items():
        files.write_bytes(folder / path, data)
    files.write_bytes(folder / EDIT, edit)


def record_of(
    session: Session, machine: MachineRecord, edit_sha256: str, started: str, seconds: float
) -> RunRecord:
    """What ``run.json`` says of a session whose rules are all finished."""
    plan = session.plan
    indices = judged(plan.recipe, plan.base.facts)
    return RunRecord(
        recipe=plan.recipe.name,
        version=plan.recipe.version,
        title=plan.recipe.title,
        recipe_digest=plan.recipe.digest(),
        recipe_path=plan.path,
        model=ModelRecord(
            name=plan.base.name,
            arch=plan.base.facts.arch,
            file_sha256=plan.base.sha256,
            tensors_digest=session.model.digest,
            truncation=plan.base.truncation,
            assumed=(*plan.base.assumed, *session.model.generator.assumed),
            generator=None if plan.base.code is None else plan.base.code.written,
            code_sha256=None if plan.base.code is None else plan.base.code.sha256,
        ),
        machine=machine,
        statistics=tuple(session.statistics),
        rules=tuple(done.record for done in session.finished),
        evaluated_on=measured_on(plan.recipe),
        evaluated_count=len(indices),
        edit_sha256=edit_sha256,
        started=started,
        seconds=seconds,
        lock=plan.lock_digest,
        given=dict(plan.given),
        expects=checked_expectations(plan.expects, [done.record for done in session.finished]),
        imports=tuple(
            ImportRecord(path=each.path, name=each.name, version=each.version, digest=each.digest)
            for each in plan.imports
        ),
    )
