"""From what a run found to what its record says."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from redraft.disk.digest import tensors_digest
from redraft.edit.artifact import weight_digest
from redraft.edit.layout import to_file
from redraft.judge.effect import Effect
from redraft.judge.leftout import protected_change
from redraft.memory.drive import Drive
from redraft.memory.marked import Picture
from redraft.memory.places import ResolvedPlace
from redraft.plans.planner import RuleStep
from redraft.plans.record import (
    CauseRecord,
    DriveRecord,
    LeftOutRecord,
    MachineRecord,
    PlaceRecord,
    RuleRecord,
)
from redraft.plans.unseen import judged
from redraft.runs.processes import Ranks
from redraft.runs.rule import SolvedRule
from redraft.runs.session import Session, moment_of
from redraft.solve import VERSIONS
from redraft.solve.delta import Delta, interference
from redraft_dsl.recipe.model import Solved, Zero

NULLS = ("null", "elsewhere")
"""Shares that a rule would have if it did not follow; see redraft.judge.chance."""
_STOPPED: dict[bool, Literal["converged", "iterations"]] = {True: "converged", False: "iterations"}


def machine_record(device: torch.device) -> MachineRecord:
    """The machine and versions that results may depend on."""
    names = ("redraft", "torch", "numpy", "pillow")
    return MachineRecord(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        platform=f"{platform.system()} {platform.machine()} {_processor()}".strip(),
        versions={name: version(name) for name in names} | {"python": platform.python_version()},
        deterministic=device.type == "cpu",
        tf32=False,  # see redraft.models.arithmetic: no rule is solved or measured with it
    )


def group_record(device: torch.device, ranks: Ranks) -> MachineRecord:
    """The machine of each process as one record, given to all of them.

    Where they differ the platform says so: no machine alone has to give the same bits then.
    """
    first, *others = ranks.everyone(machine_record(device))
    differing = sorted({each for other in others for each in first.differences(other)})
    if not differing:
        return first
    mixed = f"{first.platform}, together with another ({', '.join(differing)})"
    return first.model_copy(update={"platform": mixed})


def delta_digest(delta: Delta) -> str:
    """sha256 (hex) of a change's directions and coefficients."""
    return tensors_digest({"directions": delta.directions, "coefficients": delta.coefficients})


def now() -> str:
    """The present time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def rule_record(
    session: Session,
    step: RuleStep,
    solved: SolvedRule,
    effect: Effect | None,
    advised: tuple[tuple[str, ...], CauseRecord | None] = ((), None),
) -> RuleRecord:
    """The record of a rule that has just been solved, and is not applied yet."""
    rule, delta, layer = step.rule, solved.delta, step.facts.name
    generator = session.model.generator
    axes = generator.weight_axes(layer)
    before = generator.form(layer).weight
    gains = _gains(solved)
    placed, drive = solved.placed, solved.placed.drive
    record = RuleRecord(
        name=rule.name,
        kind=rule.kind,
        layer=layer,
        weight_name=generator.weight_name(layer),
        rank=delta.rank,
        strength=rule.strength,
        preserve=solved.preserve,
        loss_before=solved.loss_before,
        loss_after=solved.loss_after,
        solver=None if isinstance(rule, Zero) else solver_name(rule),
        stopped=None if isinstance(rule, Zero) else _STOPPED[solved.converged],
        solve_seconds=solved.solve_seconds,
        left_out=_left_out(solved),
        protected=_protected(solved),
        **_figures(effect),
        **_examples(session, effect),
        copy_from=None if placed.copy is None else _place(placed.copy.each[0], None),
        contexts=tuple(_place(p, gains.get(p.picture)) for p in placed.contexts),
        # An invert sets its goal twice in each context: with the cause high, and low.
        pastes=tuple(_place(p, None) for p in (placed.contexts if drive else placed.pastes)),
        drive=None if drive is None else _driven(drive),
        singular_values=tuple(delta.singular_values().tolist()),
        norm=delta.norm(),
        delta_digest=delta_digest(delta),
        weight_before=weight_digest(to_file(before, axes)),
        weight_after=weight_digest(to_file(delta.added_to(before), axes)),
        interference=_interference(session, step, delta),
        warnings=advised[0],
        cause=advised[1],
    )
    return record.model_copy(update={"verdict": record.judgement.word})


def _driven(drive: Drive) -> DriveRecord:
    return DriveRecord(units=tuple(drive.units.tolist()), explained=drive.explained)


def solver_name(rule: Solved) -> str:
    """The solver of a rule and its version, as in ``exact 3``."""
    return f"{rule.solver.kind} {VERSIONS[rule.solver.kind]}"


def _figures(effect: Effect | None) -> dict[str, Any]:
    names = ("share", "amplitude", "outside", *NULLS, "pixel_share", "pixel_amplitude")
    figures: dict[str, Any] = {
        "judged": None if effect is None else effect.judged,
        "places": None if effect is None else effect.places,
    }
    for name in names:
        interval = None if effect is None else getattr(effect, name)
        figures[name] = None if interval is None else interval.value
        figures[f"{name}_interval"] = None if interval is None else (interval.low, interval.high)
    return figures


def _examples(session: Session, effect: Effect | None) -> dict[str, Any]:
    """Numbers of the unseen pictures that stand for others."""
    if effect is None:
        return {}
    indices = judged(session.plan.recipe, session.plan.base.facts)
    rows = {"typical": effect.typical, "least": effect.least}
    return {name: tuple(indices[row] for row in found) for name, found in rows.items()}


def _left_out(solved: SolvedRule) -> LeftOutRecord | None:
    if solved.left_out is None:
        return None
    return LeftOutRecord(
        gain=solved.left_out.gain,
        side=solved.left_out.side,
        gain_spread=solved.left_out.gain_spread,
        side_spread=solved.left_out.side_spread,
        agreement=solved.left_out.agreement,
        agreement_spread=solved.left_out.agreement_spread,
    )


def _protected(solved: SolvedRule) -> float | None:
    """How far what is protected moves; None where nothing is."""
    places = solved.placed.protected
    if places is None:
        return None
    form = solved.stages.setup.form
    weight = solved.delta.added_to(form.weight)
    inputs = solved.stages.inputs(places)
    return protected_change(form, weight, solved.goal, inputs, places.on_values)


def _gains(solved: SolvedRule) -> dict[Picture, float]:
    """Left-out gain by picture."""
    if solved.left_out is None:
        return {}
    pictures = solved.placed.pastes.pictures
    if len(solved.left_out.per_picture) != len(pictures):
        pasted = set(pictures)
        pictures = tuple(p for p in solved.placed.contexts.pictures if p not in pasted)
    found: dict[Picture, list[float]] = {}
    for picture, gain in zip(pictures, solved.left_out.per_picture, strict=True):
        found.setdefault(picture, []).append(gain)
    return {picture: sum(gains) / len(gains) for picture, gains in found.items()}


def _interference(session: Session, step: RuleStep, delta: Delta) -> dict[str, float]:
    moment = moment_of(session, step).matrix.cpu()
    return {
        done.record.name: interference(done.delta, delta, moment)
        for done in session.finished
        if done.record.layer == step.facts.name
    }


def _place(place: ResolvedPlace, gain: float | None) -> PlaceRecord:
    return PlaceRecord(
        latents=place.latents, index=place.index, box=place.box(), score=place.score, gain=gain
    )


def _processor() -> str:
    """The processor's name, where the system says it: bits may differ between processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
