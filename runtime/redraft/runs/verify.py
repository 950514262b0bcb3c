"""Repeat a run and compare: the three promises of reproducibility.

1. The same machine and versions: bit-identical deltas.
2. Another machine: the same key subspace and change, within stated tolerances.
3. The shared edit on the same base: bit-identical weights, everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from redraft.disk.cache import Cache
from redraft.disk.files import sha256_file
from redraft.edit.artifact import Edit, weight_digest
from redraft.errors import ArtifactError, VerifyMismatchError
from redraft.models.arithmetic import on_threads
from redraft.models.code.reference import Code
from redraft.models.locate import Base
from redraft.models.open import choose_device
from redraft.plans.loading import load
from redraft.plans.planner import make_plan
from redraft.plans.record import RunRecord
from redraft.plans.run_files import LOCK
from redraft.plans.run_folder import FinishedRun, read_run
from redraft.runs.execute import solve_all
from redraft.runs.recording import machine_record
from redraft.runs.session import Session, open_session
from redraft.runs.watch import Progress
from redraft.solve.delta import Delta, principal_angles
from redraft_dsl.recipe.model import FileModel, Recipe

ANGLE_TOLERANCE = 1e-4
"""Largest principal angle, in radians, between key subspaces solved on two machines."""
CHANGE_TOLERANCE = 2e-3
"""Largest difference of two deltas, as a share of their norm."""


@dataclass(frozen=True)
class RuleCheck:
    """One rule, solved again.

    Attributes:
        name: the rule.
        identical: whether directions and coefficients are the same bits.
        angle: largest principal angle between the two key subspaces, radians.
        difference: norm of the difference of the two changes over the norm of the recorded one.
        weights_identical: whether the shared edit gives the recorded weight, bit for bit.

    """

    name: str
    identical: bool
    angle: float
    difference: float
    weights_identical: bool

    @property
    def within(self) -> bool:
        """Whether the second promise holds."""
        return self.angle <= ANGLE_TOLERANCE and self.difference <= CHANGE_TOLERANCE


@dataclass(frozen=True)
class Verified:
    """What came of repeating a run.

    Attributes:
        differences: what differs from the recorded machine and versions, solvers included, as in
            ``threads 1 -> 2``; says which promise was at stake.
        rules: one check for each rule, in order.

    """

    differences: tuple[str, ...]
    rules: tuple[RuleCheck, ...]

    @property
    def same_machine(self) -> bool:
        """Whether the first promise was at stake: nothing differs."""
        return not self.differences

    @property
    def promise(self) -> str:
        """The promise that was at stake, in words."""
        if self.same_machine:
            return "same machine and versions: bit-identical changes"
        return (
            f"{', '.join(self.differences)}: key directions within {ANGLE_TOLERANCE:g} rad and "
            f"changes within {CHANGE_TOLERANCE:.1%}"
        )

    @property
    def holds(self) -> bool:
        """Whether every promise that was at stake holds."""
        return all(map(self.holds_for, self.rules))

    def holds_for(self, check: RuleCheck) -> bool:
        """Whether they hold for one rule."""
        repeated = check.identical if self.same_machine else check.within
        return repeated and check.weights_identical


def verify(
    folder: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    cache: Cache | None = None,
    progress: Progress | None = None,
    home: Path | None = None,
    generator: Code | None = None,
) -> Verified:
    """Solve a run's recipe again from its base, and compare with the edit that it left.

    Args:
        folder: of the run.
        device: auto, cpu or cuda.
        threads: to compute on; by default as many as the run did.
        cache: where statistics are kept.
        progress: called with how far it is.
        home: where a model that the recipe gives by file is looked for first.
        generator: the code of a torch module of somebody's own.

    Raises:
        ArtifactError: the folder is not a finished run, or its files do not belong together.
        VerifyMismatchError: the recipe or the base is not the recorded one.

    """
    run = read_run(folder)
    with on_threads(threads or run.record.machine.threads):
        return _repeated(run, device, cache, progress, home, generator)


def _repeated(
    run: FinishedRun,
    device: str,
    cache: Cache | None,
    progress: Progress | None,
    home: Path | None,
    generator: Code | None,
) -> Verified:
    folder, record = run.folder, run.record
    if sha256_file(run.edit) != record.edit_sha256:
        raise ArtifactError(
            "RD663",
            f"{run.edit} is not the edit that {folder}/run.json describes",
            "restore the file, or run the recipe again",
        )
    edit = Edit.load(run.edit)
    target = choose_device(device)
    checked = load(run.recipe)
    home = _home(run, checked.recipe, home)
    lock = run.lock(_changed_lock(folder))
    plan = make_plan(
        checked, folder, home=home, device=target.type, cache=cache, lock=lock, generator=generator
    )
    _check_inputs(record, plan.recipe.digest(), plan.base)
    session = open_session(plan, target, cache, progress)
    weights = {name: tensor.clone() for name, tensor in session.model.state.bare().items()}
    solve_all(session, evaluate=False)
    edited = edit.edited(weights)
    last = {rule.weight_name: rule.weight_after for rule in record.rules}
    checks = [
        compare(old, done.delta, weight_digest(edited[rule.weight_name]) == last[rule.weight_name])
        for old, done, rule in zip(edit.deltas, session.finished, record.rules, strict=True)
    ]
    differences = (*record.machine.differences(machine_record(target)), *_solvers(session, record))
    return Verified(differences, tuple(checks))


def _solvers(session: Session, record: RunRecord) -> tuple[str, ...]:
    """What differs between the versions of the solvers, as in ``solver exact 1 -> exact 2``."""
    pairs = {
        (old.solver or "not recorded", done.record.solver)
        for old, done in zip(record.rules, session.finished, strict=True)
        if old.solver != done.record.solver
    }
    return tuple(f"solver {old} -> {new}" for old, new in sorted(pairs))


def _home(run: FinishedRun, recipe: Recipe | None, first: Path | None = None) -> Path:
    """Where a model's own path starts: a model given by file still lies beside the recipe.

    A recipe that was named by a relative path is looked for from here and from the run upwards.
    """
    folder = run.folder
    if recipe is None or not isinstance(recipe.model, FileModel):
        return folder
    if first is not None and (first / recipe.model.path).exists():
        return first
    beside = Path(run.record.recipe_path).parent
    for start in (Path(), *folder.absolute().parents):
        if (start / beside / recipe.model.path).exists():
            return start / beside
    return folder


def _changed_lock(folder: Path) -> VerifyMismatchError:
    """The error of a run whose own lock is lost: its contexts would have to be searched again."""
    return VerifyMismatchError(
        "RD418",
        f"{folder / LOCK} is not the lock that the run obeyed",
        "restore the file, or run the recipe again",
    )


def _check_inputs(record: RunRecord, recipe_digest: str, base: Base) -> None:
    if recipe_digest != record.recipe_digest:
        raise VerifyMismatchError(
            "RD664",
            "the recipe in the run folder is not the one that was run",
            "restore recipe.redraft and its masks, or run the recipe again",
        )
    if base.code is not None and base.code.sha256 != record.model.code_sha256:
        raise VerifyMismatchError(
            "RD665",
            f"the code of the model {record.model.name} is not what the run was made with",
            f"it was {record.model.generator}, with sha256 {record.model.code_sha256}",
        )
    if base.sha256 != record.model.file_sha256:
        raise VerifyMismatchError(
            "RD665",
            f"the model {record.model.name} is not the file that the run started from",
            f"it had sha256 {record.model.file_sha256}",
        )


def compare(old: Delta, new: Delta, weights_identical: bool = True) -> RuleCheck:
    """A change solved again against the recorded one."""
    identical = old.same_bits(new)
    before, after = old.change(), new.change()
    size = torch.linalg.vector_norm(before).clamp_min(1e-30)
    return RuleCheck(
        name=old.rule,
        identical=identical,
        angle=0.0 if identical else subspace_angle(old.directions, new.directions.cpu()),
        difference=float(torch.linalg.vector_norm(after - before) / size),
        weights_identical=weights_identical,
    )


def subspace_angle(first: torch.Tensor, second: torch.Tensor) -> float:
    """The largest principal angle, in radians, between two spans of orthonormal rows (S, C)."""
    return principal_angles(first, second)[-1]
