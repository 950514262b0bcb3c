"""What a run costs: operations of forward passes, and seconds on this machine. No torch."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from redraft.disk import files
from redraft.disk.cache import Cache
from redraft.models.code.reference import WHOLE, key_of, known
from redraft.plans.planner import Plan, RuleStep, StatisticsStep, Step
from redraft.plans.unseen import judged
from redraft_dsl.facts import LayerFacts, ModelFacts
from redraft_dsl.recipe.model import ExactSolver, Match, Zero

NOMINAL_GFLOPS = 50.0
"""Thousand million operations a second: a laptop's core or two. Real machines differ widely."""
FOLDS = 1.6
"""Left-out figures solve two thirds of a rule three times, and find its normal matrices."""
FOLDER = "speeds"
"""Of the cache, where the speed of this machine with a model is kept between commands."""
REPORTED = 40
"""Pictures of each rule that are drawn for the report alone, about."""
OVERHEAD = 3.0
"""Seconds that a run takes beside its steps: loading torch and the model, writing pictures."""


@dataclass(frozen=True)
class Speeds:
    """How fast this machine is with a model.

    Attributes:
        picture: seconds for one whole picture.
        to_layer: seconds up to a layer for one picture, by layer.
        gflops: thousand million operations a second in products of float64 matrices.
        measured: whether it was measured here; else it is nominal.

    """

    picture: float
    to_layer: Mapping[str, float]
    gflops: float
    measured: bool = True


def nominal(facts: ModelFacts) -> Speeds:
    """What an unknown machine is taken for."""
    to_layer = {each.name: pass_gigaflops(facts, each) / NOMINAL_GFLOPS for each in facts.layers}
    return Speeds(pass_gigaflops(facts, None) / NOMINAL_GFLOPS, to_layer, NOMINAL_GFLOPS, False)


def of_code(plan: Plan) -> Speeds | None:
    """What the first look at a person's own generator saw of its speed; None where it did not.

    Products of matrices are those of an unknown machine.
    """
    base = plan.base
    if base.code is None:
        return None
    seen = known(base.code, key_of(base.sha256, base.header.asked))
    if seen is None or WHOLE not in seen.seconds:
        return None
    return Speeds(seen.seconds[WHOLE], seen.seconds, NOMINAL_GFLOPS)


def gigaflops(plan: Plan, step: Step) -> float:
    """Forward passes of one step through the editable layers: sampling, searching, measuring."""
    facts = plan.base.facts
    if isinstance(step, StatisticsStep):
        layer = facts.layer(step.layer)
        return 0.0 if step.cached else pass_gigaflops(facts, layer) * step.latents.count
    to_layer, whole = pass_gigaflops(facts, step.facts), pass_gigaflops(facts, None)
    return _passes(plan, step, to_layer, whole)


def seconds(plan: Plan, step: Step, speeds: Speeds) -> float:
    """One step, the solver included."""
    if isinstance(step, StatisticsStep):
        return 0.0 if step.cached else speeds.to_layer[step.layer] * step.latents.count
    passes = _passes(plan, step, speeds.to_layer[step.facts.name], speeds.picture)
    return passes + solver_gigaflops(step) / speeds.gflops


def _passes(plan: Plan, step: RuleStep, to_layer: float, whole: float) -> float:
    """What the pictures of a rule cost, where one costs ``to_layer`` and ``whole``."""
    rest = max(whole - to_layer, 0.0)
    # Judged pictures are drawn before the rule, after it, and with a random edit in its place;
    # goals, results and what left-out folds make of them likewise.
    count = len(judged(plan.recipe, plan.base.facts))
    measured = count * (whole + 2 * rest)
    return (
        (searched(step) + step.positions) * to_layer
        + measured
        + (4 * step.positions + REPORTED) * rest
    )


def searched(step: RuleStep) -> int:
    """How many pictures the matches of a rule look at."""
    found = (each for each in step.rule.context if isinstance(each, Match))
    return sum(each.last - each.first + 1 for each in found)


def solver_gigaflops(step: RuleStep) -> float:
    """What solving a rule takes, with its left-out folds: normal equations of every iteration."""
    rule = step.rule
    if isinstance(rule, Zero):
        return 0.0
    unknowns = step.unknowns / max(step.problems, 1)
    values = step.positions * step.facts.value_size[0] * step.facts.value_size[1]
    once = 2e-9 * step.facts.out_channels * unknowns**2 * values
    iterations = rule.solver.iterations if isinstance(rule.solver, ExactSolver) else 1
    return once * iterations * (1 + FOLDS)


def pass_gigaflops(facts: ModelFacts, stop: LayerFacts | None) -> float:
    """One latent's way through the editable layers before ``stop``, or through all of them."""
    total = 0.0
    for layer in facts.layers:
        if stop is not None and layer.name == stop.name:
            break
        taps = layer.kernel[0] * layer.kernel[1]
        positions = layer.key_size[0] * layer.key_size[1]
        total += 2e-9 * layer.in_channels * layer.out_channels * taps * positions
    return total


def read_speeds(plan: Plan, device: str, cache: Cache) -> Speeds | None:
    """What was measured here before; None where nothing was, or it cannot be read."""
    try:
        found = json.loads(_path(plan, device, cache).read_text(encoding="utf-8"))
        speeds = Speeds(
            float(found["picture"]),
            {str(name): float(value) for name, value in found["to_layer"].items()},
            float(found["gflops"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    known = {step.layer for step in plan.statistics} | {step.facts.name for step in plan.rules}
    return speeds if known <= set(speeds.to_layer) else None


def write_speeds(plan: Plan, device: str, cache: Cache, speeds: Speeds) -> None:
    """Keep what was measured."""
    found = {
        "picture": speeds.picture,
        "to_layer": dict(speeds.to_layer),
        "gflops": speeds.gflops,
    }
    path = _path(plan, device, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(found) + "\n")


def _path(plan: Plan, device: str, cache: Cache) -> Path:
    """By the model, the device, and what else a speed depends on here."""
    fields = [
        plan.base.identity,
        device,
        platform.node(),
        platform.processor(),
        os.cpu_count(),
        os.environ.get("OMP_NUM_THREADS", ""),
    ]
    digest = hashlib.sha256(json.dumps(fields).encode()).hexdigest()
    return cache.root / FOLDER / f"{digest}.json"
