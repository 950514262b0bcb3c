"""``redraft bench repeat``: how far two solutions of one recipe are apart on unlike machines.

The tolerances of ``redraft verify`` come from here. A machine is made unlike in the ways in which
machines differ: the number of threads, the kernels that compute a convolution, and the precision
in which the statistics are summed. Nothing is taken from the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from redraft.bench.cases import Row
from redraft.disk.cache import Cache
from redraft.explain.words import silent
from redraft.memory.moments import BATCH, Moment, key_rows
from redraft.models import latents
from redraft.models.batches import batch_size
from redraft.models.open import choose_device
from redraft.plans.loading import load
from redraft.plans.planner import Plan, StatisticsStep, make_plan
from redraft.runs.execute import solve_all
from redraft.runs.session import Session, open_session
from redraft.runs.verify import compare
from redraft.runs.watch import Progress
from redraft.solve.delta import Delta

Solve = Callable[[Plan, torch.device, Cache], Session]


def bench_repeat(
    recipes: Sequence[Path], *, device: str = "auto", progress: Progress = silent
) -> dict[str, Any]:
    """Solve every recipe under every condition.

    Args:
        recipes: files; all of their rules are solved and none is judged.
        device: where to compute. Elsewhere than on the CPU, the reference is the CPU's solution.
        progress: called with what is being done, done, and in all.

    Returns:
        ``rows``, one for each rule and condition, and ``worst``, one for each condition.

    """
    target = choose_device(device)
    rows: list[Row] = []
    tried = conditions(target)
    for number, path in enumerate(recipes):
        plan = make_plan(load(path), path.parent, device="cpu")
        wanted = _deltas(plan, _with_threads(1))
        for condition, solve in tried.items():
            progress(f"{path.stem}, {condition}", number, len(recipes))
            found = _deltas(plan, solve)
            rows += [_row(path.stem, condition, *pair) for pair in zip(wanted, found, strict=True)]
    worst = [_worst(condition, rows) for condition in tried]
    return {"worst": worst, "rows": rows}


def conditions(device: torch.device) -> dict[str, Solve]:
    """What differs from the reference, by name."""
    found: dict[str, Solve] = {
        "again": _with_threads(1),
        "two threads": _with_threads(2),
        "four threads": _with_threads(4),
        "other convolution kernels": _with_other_kernels,
        "statistics in float32": partial(_with_statistics, torch.float32),
        "statistics in float64": partial(_with_statistics, torch.float64),
    }
    if device.type != "cpu":
        found[device.type] = partial(_solved, on=device)
    return found


def _deltas(plan: Plan, solve: Solve) -> list[Delta]:
    with TemporaryDirectory() as folder:
        session = solve(plan, torch.device("cpu"), Cache(Path(folder)))
    return [done.delta for done in session.finished]


def _solved(
    plan: Plan, device: torch.device, cache: Cache, *, on: torch.device | None = None
) -> Session:
    session = open_session(plan, on or device, cache)
    solve_all(session, evaluate=False)
    return session


def _with_threads(count: int) -> Solve:
    def solve(plan: Plan, device: torch.device, cache: Cache) -> Session:
        with _threads(count):
            return _solved(plan, device, cache)

    return solve


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _with_other_kernels(plan: Plan, device: torch.device, cache: Cache) -> Session:
    """Torch's own convolutions in place of oneDNN's, as on a machine that has no oneDNN."""
    with _threads(1), torch.backends.mkldnn.flags(enabled=False):
        return _solved(plan, device, cache)


def _with_statistics(dtype: torch.dtype, plan: Plan, device: torch.device, cache: Cache) -> Session:
    """Products and sums of the statistics all in ``dtype``."""
    with _threads(1):
        session = open_session(plan, device, cache)
        for step in plan.statistics:
            # Only what no rule has changed yet can be collected before the rules are solved.
            if not step.fields["edits"]:
                moment = _moment(session, step, dtype)
                tensors = {"moment": moment.matrix, "keys": torch.tensor(moment.keys)}
                cache.put("statistics", step.fields, tensors)
        solve_all(session, evaluate=False)
    return session


@torch.no_grad()
def _moment(session: Session, step: StatisticsStep, dtype: torch.dtype) -> Moment:
    facts = session.plan.base.facts
    size = batch_size(facts, BATCH, [step.layer])
    total: Tensor | None = None
    keys = 0
    block = step.latents
    for rows in latents.batches(block.seed, block.count, facts.latent_size, size):
        inputs = session.model.generator.inputs(rows, [step.layer])[step.layer]
        flat = key_rows(inputs.keys).to(dtype)
        total = flat.T @ flat if total is None else total + flat.T @ flat
        keys += len(flat)
    assert total is not None  # a recipe has at least one latent
    return Moment((total / keys).double(), keys)


def _row(recipe: str, condition: str, wanted: Delta, found: Delta) -> Row:
    """One rule under one condition, against the reference: one thread, sums in float64."""
    check = compare(wanted, found)
    return {
        "recipe": recipe,
        "rule": wanted.rule,
        "condition": condition,
        "same_bits": check.identical,
        "angle": check.angle,
        "difference": check.difference,
    }


def _worst(condition: str, rows: Sequence[Row]) -> Row:
    own = [row for row in rows if row["condition"] == condition]
    most = {name: max(row[name] for row in own) for name in ("angle", "difference")}
    same = sum(row["same_bits"] for row in own)
    return {"condition": condition, "rules": len(own), "same_bits": same, **most}
