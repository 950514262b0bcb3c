"""Repeat a run and compare: the three promises of reproducibility.

1. The same machine and versions: bit-identical deltas.
2. Another machine: the same key subspace and change, within stated tolerances.
3. The shared edit on the same base: bit-identical weights, everywhere.

The figures of the record are measured again too: equal on the same machine, near elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from redraft.disk.beside import check_edit
from redraft.disk.cache import Cache
from redraft.edit.artifact import Edit, weight_digest
from redraft.errors import VerifyMismatchError
from redraft.explain.words import percent
from redraft.models.arithmetic import on_threads
from redraft.models.code.reference import MODULE, Code
from redraft.models.hooked.memory import InMemory
from redraft.models.locate import Base
from redraft.models.open import choose_device
from redraft.plans.loading import load
from redraft.plans.planner import Plan, make_plan
from redraft.plans.record import RuleRecord, RunRecord
from redraft.plans.run_files import EDIT, LOCK, PICTURE, RECORD, REPORT
from redraft.plans.run_folder import FinishedRun, read_run
from redraft.runs.execute import solve_all
from redraft.runs.recording import machine_record
from redraft.runs.runner import record_of
from redraft.runs.session import Distance, Session, open_session
from redraft.runs.watch import Progress
from redraft.solve.delta import Delta, principal_angles

ANGLE_TOLERANCE = 1e-4
"""Largest principal angle, in radians, between key subspaces solved on two machines."""
CHANGE_TOLERANCE = 2e-3
"""Largest difference of two deltas, as a share of their norm."""
FIGURE_TOLERANCE = 0.02
"""Largest difference of a figure measured on two machines, as a share of it."""
SHARE_TOLERANCE = 0.01
"""The same of a figure that is a share or an amplitude, as it is."""
_SCALED = ("loss_before", "loss_after", "outside", "norm", "preserve", "strength", "rank")
"""Figures of a rule whose size may be any."""
_SHARES = (
    "share",
    "amplitude",
    "null",
    "elsewhere",
    "pixel_share",
    "pixel_amplitude",
    "left_out",
)
_TIMES = ("solve_seconds", "warnings")
"""What differs between repetitions: times, and words that other fields are put in."""


@dataclass(frozen=True)
class Differing:
    """A field of run.json that says something else than the repetition, in words of JSON."""

    field: str
    recorded: object
    repeated: object


@dataclass(frozen=True)
class RuleCheck:
    """One rule, solved again.

    Attributes:
        name: the rule.
        identical: whether directions and coefficients are the same bits.
        angle: largest principal angle between the two key subspaces, radians.
        difference: norm of the difference of the two changes over the norm of the recorded one.
        weights_identical: whether the shared edit gives the recorded weight, bit for bit.
        compared: how many fields of its record were compared.
        figures: those that differ by more than the promise allows.

    """

    name: str
    identical: bool
    angle: float
    difference: float
    weights_identical: bool
    compared: int = 0
    figures: tuple[Differing, ...] = ()

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
        record: what else of the record differs, such as its title or an expectation.
        measured: whether figures were measured again.

    """

    differences: tuple[str, ...]
    rules: tuple[RuleCheck, ...]
    record: tuple[Differing, ...] = ()
    measured: bool = False

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
            f"changes within {percent(CHANGE_TOLERANCE)}"
        )

    @property
    def holds(self) -> bool:
        """Whether every promise that was at stake holds."""
        return not self.record and all(map(self.holds_for, self.rules))

    def holds_for(self, check: RuleCheck) -> bool:
        """Whether they hold for one rule."""
        repeated = check.identical if self.same_machine else check.within
        return repeated and check.weights_identical and not check.figures

    @property
    def unverified(self) -> str:
        """What was not looked at, in words."""
        figures = "" if self.measured else "the figures in run.json; "
        return f"{figures}times and warnings in run.json; {PICTURE} and {REPORT}"


def _none(plan: Plan) -> Mapping[str, Distance]:  # noqa: ARG001
    return {}


def verify(
    folder: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    cache: Cache | None = None,
    progress: Progress | None = None,
    home: Path | None = None,
    generator: Code | InMemory | None = None,
    figures: bool = True,
    answers: Callable[[Plan], Mapping[str, Distance]] = _none,
) -> Verified:
    """Solve a run's recipe again from its base, and compare with the edit that it left.

    Args:
        folder: of the run.
        device: auto, cpu or cuda.
        threads: to compute on; by default as many as the run did.
        cache: where statistics are kept.
        progress: called with how far it is.
        home: where a model that the recipe gives by file is looked for first.
        generator: the code of a torch module of somebody's own, or the module in memory.
        figures: measure the figures of the record again, which takes as long as the run did.
        answers: of :func:`redraft.world.named.answers_for`; without it no distance is measured.

    Raises:
        ArtifactError: the folder is not a finished run, or its files do not belong together.
        VerifyMismatchError: the recipe or the base is not the recorded one.

    """
    run = read_run(folder)
    with on_threads(threads or run.record.machine.threads):
        session, weights = _solved(run, device, cache, progress, home, generator)
        session.answers = answers(session.plan)
        solve_all(session, evaluate=figures)
        return _compared(run, session, weights, figures=figures)


def _solved(
    run: FinishedRun,
    device: str,
    cache: Cache | None,
    progress: Progress | None,
    home: Path | None,
    generator: Code | InMemory | None,
) -> tuple[Session, dict[str, torch.Tensor]]:
    """A run's recipe, ready to be solved again, and the weights of its base."""
    folder, record = run.folder, run.record
    check_edit(run.edit)
    target = choose_device(device)
    checked = load(run.recipe)
    home = run.home(checked.recipe, home)
    lock = run.lock(_changed_lock(folder))
    plan = make_plan(
        checked, folder, home=home, device=target.type, cache=cache, lock=lock, generator=generator
    )
    _check_inputs(record, plan.recipe.digest(), plan.base)
    session = open_session(plan, target, cache, progress)
    if _elsewhere(record, plan.base):
        _check_weights(record, session)
    weights = {name: tensor.clone() for name, tensor in session.model.state.bare().items()}
    return session, weights


def _compared(
    run: FinishedRun, session: Session, weights: dict[str, torch.Tensor], *, figures: bool
) -> Verified:
    record, edit, machine = run.record, Edit.load(run.edit), machine_record(session.device)
    _check_rules(run, edit, session)
    edited = edit.edited(weights)
    differences = (*record.machine.differences(machine), *_solvers(session, record))
    last = {rule.weight_name: rule.weight_after for rule in record.rules}
    checks = [
        compare(old, done.delta, weight_digest(edited[rule.weight_name]) == last[rule.weight_name])
        for old, done, rule in zip(edit.deltas, session.finished, record.rules, strict=True)
    ]
    if not figures:
        return Verified(differences, tuple(checks))
    pairs = zip(checks, record.rules, session.finished, strict=True)
    checks = [
        _with_figures(check, old, done.record, exact=not differences) for check, old, done in pairs
    ]
    again = record_of(session, machine, record.edit_sha256, record.started, record.seconds)
    return Verified(differences, tuple(checks), _of_the_run(record, again), measured=True)


def _check_rules(run: FinishedRun, edit: Edit, session: Session) -> None:
    """Refuse a record, or an edit, of other rules than the recipe has."""
    rules = [(done.record.name, done.record.weight_name) for done in session.finished]
    for path, found in ((RECORD, run.record.rules), (EDIT, edit.facts.rules)):
        if [(rule.name, rule.weight_name) for rule in found] != rules:
            raise VerifyMismatchError(
                "RD664",
                f"{run.folder / path} does not hold the rules of the recipe in the run folder: "
                f"{', '.join(name for name, _ in rules)}",
                "restore the file, or run the recipe again",
            )


def _with_figures(check: RuleCheck, old: RuleRecord, new: RuleRecord, *, exact: bool) -> RuleCheck:
    """A check of a rule with what its record says compared, to the last digit where ``exact``."""
    recorded, repeated = dict(_leaves(old)), dict(_leaves(new))
    if not exact:
        recorded = {name: value for name, value in recorded.items() if _is_figure(name, value)}
    names = sorted({*recorded, *(repeated if exact else ())})
    differing = tuple(
        Differing(name, recorded.get(name), repeated.get(name))
        for name in names
        if not _near(name, recorded.get(name), repeated.get(name), exact=exact)
    )
    return replace(check, compared=len(names), figures=differing)


def _of_the_run(old: RunRecord, new: RunRecord) -> tuple[Differing, ...]:
    """What a record says of its whole run, where the repetition says something else."""
    names = ("recipe", "version", "title", "evaluated_on", "evaluated_count")
    pairs = [(name, getattr(old, name), getattr(new, name)) for name in names]
    fields = ("arch", "tensors_digest", "truncation")
    pairs += [(f"model.{n}", getattr(old.model, n), getattr(new.model, n)) for n in fields]
    # The figures in them are those of the rules.
    before, after = ([(each.expected, each.holds) for each in one.expects] for one in (old, new))
    pairs.append(("expects", before, after))
    return tuple(Differing(*pair) for pair in pairs if pair[1] != pair[2])


def _leaves(record: RuleRecord) -> Iterator[tuple[str, object]]:
    """The fields of a record that hold no others, by their paths; those of its times left out."""
    todo: list[tuple[str, object]] = [
        (name, value) for name, value in record.model_dump(mode="json").items()
        if name not in _TIMES
    ]  # fmt: skip
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict):
            todo += [(f"{path}.{key}", each) for key, each in value.items()]
        elif isinstance(value, list):
            todo += [(f"{path}.{place}", each) for place, each in enumerate(value)]
        else:
            yield path, value


def _head(name: str) -> str:
    return name.partition(".")[0].removesuffix("_interval")


def _is_figure(name: str, value: object) -> bool:
    """Whether a field is a figure that another machine gives too; older records lack some."""
    return value is not None and _head(name) in (*_SCALED, *_SHARES)


def _near(name: str, old: object, new: object, *, exact: bool) -> bool:
    if exact or not isinstance(old, float) or not isinstance(new, float):
        return old == new
    least = SHARE_TOLERANCE if _head(name) in _SHARES else 0.0
    return math.isclose(old, new, rel_tol=FIGURE_TOLERANCE, abs_tol=least)


def _solvers(session: Session, record: RunRecord) -> tuple[str, ...]:
    """What differs between the versions of the solvers, as in ``solver exact 1 -> exact 2``."""
    pairs = {
        (old.solver or "not recorded", done.record.solver)
        for old, done in zip(record.rules, session.finished, strict=True)
        if old.solver != done.record.solver
    }
    return tuple(f"solver {old} -> {new}" for old, new in sorted(pairs))


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
    if _elsewhere(record, base):
        return  # its weights are compared when they are read
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


def _elsewhere(record: RunRecord, base: Base) -> bool:
    """Whether a module was in memory for the run and is made by code now, or the other way."""
    in_memory = record.model.generator is None and record.model.arch == MODULE
    return in_memory != (base.given is not None) and base.facts.arch == MODULE


def _check_weights(record: RunRecord, session: Session) -> None:
    """Refuse weights that are not those of the run, of whatever file."""
    if session.model.digest != record.model.tensors_digest:
        raise VerifyMismatchError(
            "RD665",
            f"the weights of the model {record.model.name} are not what the run started from",
            f"the digest of its tensors was {record.model.tensors_digest}",
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
