"""``redraft bench run``: the forward passes that a run needs, those that it makes, and its time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor

from redraft.bench.architectures import NETWORKS, SIZE, seeded_weights
from redraft.bench.cases import Row
from redraft.bench.timing import peak_mib
from redraft.disk.cache import Cache
from redraft.explain.words import silent
from redraft.models import latents
from redraft.models.batches import batch_size
from redraft.models.generator import Generator, LayerInputs
from redraft.models.open import choose_device, open_base
from redraft.plans.costs import searched
from redraft.plans.loading import load
from redraft.plans.planner import Plan, RuleStep, StatisticsStep, make_plan
from redraft.plans.unseen import judged
from redraft.runs.memo import MOST, Shared
from redraft.runs.recording import machine_record
from redraft.runs.runner import run_plan
from redraft.runs.watch import Progress
from redraft_dsl.recipe.model import Insert, Match, Place

UP_TO, ON_FROM, WHOLE = "up to", "on from", "whole"
"""Kinds of passes: what enters a layer; pictures of what leaves it; pictures of latents."""
Pass = tuple[str, str]
"""A kind of pass, and the layer that it goes up to, or on from."""
BARE_BATCHES = 2
"""Batches over which a bare pass is timed, after one that is not counted."""
CONTEXTS = 24
RECIPE = """edition 2026

recipe seeded 1.0.0 "A default rule on random weights"

model seeded {{
  arch    {arch}
  weights "seeded.safetensors"
}}

latents z {{ seed 1  count {count} }}

rule moved at {layer} {{
  copy    z[{copied}] {region}
  context z[0..{last}] {region}
  paste   each context
  rank    8
}}
"""
COUNT = 200
"""Latents of the statistics of a seeded network: as many as it takes to have more than channels."""


@dataclass
class Passes:
    """What was drawn so far: pictures and seconds, by kind and layer."""

    pictures: dict[Pass, int] = field(default_factory=lambda: defaultdict(int))
    seconds: dict[Pass, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, kind: str, layer: str, count: int, since: float) -> None:
        """A pass over ``count`` pictures that began ``since``."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.pictures[kind, layer] += count
        self.seconds[kind, layer] += time.perf_counter() - since


class Counted:
    """A generator whose passes are counted.

    Args:
        generator: does the work.
        passes: where they are counted.

    """

    def __init__(self, generator: Generator, passes: Passes) -> None:
        self._generator, self._passes = generator, passes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def inputs(self, rows: Tensor, layers: Sequence[str]) -> dict[str, LayerInputs]:
        """As of the generator."""
        since = time.perf_counter()
        found = self._generator.inputs(rows, layers)
        self._passes.add(UP_TO, layers[-1], len(rows), since)
        return found

    def pictures(self, layer: str, values: Tensor, inputs: LayerInputs) -> Tensor:
        """As of the generator."""
        since = time.perf_counter()
        found = self._generator.pictures(layer, values, inputs)
        self._passes.add(ON_FROM, layer, len(values), since)
        return found

    def sample(self, rows: Tensor) -> Tensor:
        """As of the generator."""
        since = time.perf_counter()
        found = self._generator.sample(rows)
        self._passes.add(WHOLE, "", len(rows), since)
        return found


def bench_run(
    recipe: Path,
    *,
    device: str = "auto",
    cache: Cache | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Run a recipe into a folder that is thrown away, and count.

    Args:
        recipe: the file.
        device: where to compute.
        cache: where statistics are found and put.
        progress: called with what is being done, done, and in all.

    Returns:
        ``machine``; ``rows``, for each kind of pass the pictures that are needed and drawn, the
        seconds that these took and the seconds that the needed ones take bare; ``run``, one row:
        seconds of the whole, of the solver, and of all needed passes bare, and peak memory in MiB.

    """
    plan = make_plan(load(recipe), recipe.parent, device=device)
    opened = open_base(plan.base, choose_device(device))
    passes = Passes()
    counted = replace(opened, generator=cast("Generator", Counted(opened.generator, passes)))
    needed, since = budget(plan), time.perf_counter()
    with TemporaryDirectory() as folder:
        shared, out = Shared.of(counted, MOST), Path(folder) / "run"
        run = run_plan(plan, out=out, device=device, cache=cache, progress=progress, shared=shared)
    seconds = time.perf_counter() - since
    progress("bare passes", 0, 1)
    bare = {key: _bare(opened.generator, *key) for key in {*needed, *passes.pictures}}
    rows = [_row(key, needed, passes, bare) for key in sorted(bare, key=" ".join)]
    solving = sum(rule.solve_seconds for rule in run.record.rules)
    outcome = {
        "seconds": seconds,
        "solve_s": solving,
        "passes_s": sum(row["seconds"] for row in rows),
        "bare_s": sum(row["bare_s"] for row in rows),
        "peak_mib": peak_mib(),
    }
    outcome["ratio"] = (seconds - solving) / max(outcome["bare_s"], 1e-9)
    machine = machine_record(opened.device).model_dump()
    return {"machine": machine, "rows": rows, "run": [outcome]}


def _row(key: Pass, needed: Mapping[Pass, int], passes: Passes, bare: Mapping[Pass, float]) -> Row:
    """One kind of pass."""
    return {
        "pass": " ".join(key).strip(),
        "needed": needed.get(key, 0),
        "drawn": passes.pictures.get(key, 0),
        "seconds": passes.seconds.get(key, 0.0),
        "bare_s": needed.get(key, 0) * bare[key],
    }


def budget(plan: Plan) -> Mapping[Pass, int]:
    """The pictures that a plan needs, by kind of pass and layer.

    Up to its layer: those of statistics that are not cached, those that a match looks at, the
    places of the rule, and the pictures that judge. From the layer on: each picture of the goal as
    it is, as it is wanted, and changed without its own fold; and each judging one as it is, with
    the change, and with a random one.
    """
    found: dict[Pass, int] = defaultdict(int)
    judging = len(judged(plan.recipe, plan.base.facts))
    for step in plan.steps:
        if isinstance(step, StatisticsStep):
            found[UP_TO, step.layer] += 0 if step.cached else step.latents.count
        elif isinstance(step, RuleStep):
            layer, (read, goal) = step.facts.name, _places(step)
            found[UP_TO, layer] += searched(step) + read + judging
            found[ON_FROM, layer] += 3 * goal + 3 * judging
    return found


def save_seeded(
    folder: Path, arch: str, layer: str | None = None, size: int = SIZE, count: int = COUNT
) -> Path:
    """A checkpoint of seeded random weights, and a recipe with a default rule of 24 contexts.

    Args:
        folder: where both are put.
        arch: one of :data:`redraft.bench.architectures.NETWORKS`.
        layer: canonical name; None for the one that ``bench solve`` rewrites.
        size: of the pictures, in pixels.
        count: latents of the statistics.

    Returns:
        The recipe's path.

    """
    weights = {name: each.contiguous() for name, each in seeded_weights(arch, size=size).items()}
    save_file(weights, folder / "seeded.safetensors")
    edges = [round(share * size) for share in (3 / 16, 13 / 16, 4 / 16, 12 / 16)]
    region = "box(x {}..{}, y {}..{})".format(*edges)
    text = RECIPE.format(
        arch=arch,
        layer=layer or NETWORKS[arch].layer,
        count=count,
        copied=CONTEXTS,
        last=CONTEXTS - 1,
        region=region,
    )
    path = folder / "seeded.redraft"
    path.write_text(text, encoding="utf-8")
    return path


def _places(step: RuleStep) -> tuple[int, int]:
    """How many pictures a rule reads at its places, and how many its goal has."""
    contexts = step.rule.context
    listened = sum(each.top if isinstance(each, Match) else 1 for each in contexts)
    # A match reads the picture that others are to be like.
    read = listened + sum(isinstance(each, Match) for each in contexts)
    if not isinstance(step.rule, Insert):
        return read, listened
    if isinstance(step.rule.paste, str):
        return read + 1, listened
    pasted = _images(step.rule.paste)
    apart = 0 if pasted == _images(contexts) else len(pasted)
    return read + apart + 1, len(pasted)


def _images(places: Iterable[Place | Match]) -> list[tuple[str, int]]:
    return [(each.latents, each.index) for each in places if isinstance(each, Place)]


@torch.no_grad()
def _bare(generator: Generator, kind: str, layer: str) -> float:
    """Seconds that one picture takes in a pass of its kind, in batches as a run has them."""
    facts = generator.facts
    size = batch_size(facts, layers=[layer] if kind == UP_TO else None)
    rows = latents.sample(1, size, facts.latent_size).to(next(generator.module.parameters()).device)

    work: Callable[[], object]
    if kind == WHOLE:
        work = partial(generator.sample, rows)
    elif kind == UP_TO:
        work = partial(generator.inputs, rows, [layer])
    else:
        form, entering = generator.form(layer), generator.inputs(rows, [layer])[layer]
        values = form.activate(form.response(entering, form.weight))
        work = partial(generator.pictures, layer, values, entering)
    work()
    since = time.perf_counter()
    for _ in range(BARE_BATCHES):
        work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - since) / (BARE_BATCHES * size)
