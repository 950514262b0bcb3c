"""Where the speed of this machine with a model is kept between commands. No torch."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path

from redraft.disk import files
from redraft.disk.cache import Cache
from redraft.plans.costs import Speeds
from redraft.plans.planner import Plan

FOLDER = "speeds"


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
