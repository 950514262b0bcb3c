"""``redraft bench live``: how soon a changed recipe shows, and how soon its edit is settled."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from redraft.bench.cases import Row
from redraft.bench.timing import timed
from redraft.explain.words import silent
from redraft.live.answer import Answer
from redraft.live.live import Live
from redraft.models import latents
from redraft.plans.record import MachineRecord
from redraft.runs.recording import machine_record
from redraft.runs.watch import Progress
from redraft_dsl.syntax.edit import Add, Change, Put, Replace, edit

PICTURES = 16
REPEATS = 20
RULE = "glasses"


@dataclass(frozen=True)
class Step:
    """A change that a person makes by one movement of a hand.

    Attributes:
        name: what is changed.
        before: what it is.
        after: what it becomes.
        change: of the recipe's text.

    """

    name: str
    before: str
    after: str
    change: Change


STEPS = (
    Step("strength", "1", "1.5", Put(RULE, "strength", "1.5")),
    Step("preserve", "0.3", "0.2", Put(RULE, "preserve", "0.2")),
    Step("rank", "8", "12", Put(RULE, "rank", "12")),
    Step(
        "copy",
        "x 16..48",
        "x 24..56",
        Replace(f"{RULE}.copy", "copy z[116] box(x 24..56, y 24..40)"),
    ),
    Step("context", "24", "25", Add("context z[61] box(x 16..48, y 24..40)", RULE)),
    Step("layer", "layer6", "layer9", Put(RULE, "layer", "layer9")),
)


def bench_live(
    recipe: Path,
    repeats: int = REPEATS,
    steps: tuple[Step, ...] = STEPS,
    device: str = "auto",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Medians over some repeats of every step, each from a recipe that was settled wholly.

    ``keep`` differs a little in each repeat, so that nothing is found that an earlier one made.

    Args:
        recipe: with the rule ``glasses``.
        repeats: of each step.
        steps: what is changed.
        device: as of :class:`redraft.live.live.Live`.
        progress: called with what is being done, done, and in all.

    Returns:
        ``machine``, and ``rows`` with seconds to the first picture, to 16 of them and to the
        settled edit; how many pictures were run up to the layer and from it on; and the seconds
        that drawing 16 pictures takes without anything around it.

    """
    rows = []
    with Live(recipe, numbers=range(PICTURES), device=device) as live:
        text = live.text
        live.answer.left_out()
        warm = edit(text, Put(RULE, "layer", "layer9"))
        live.change(warm).left_out()
        for step in steps:
            found = []
            for number in range(repeats):
                progress(step.name, number, repeats)
                base = edit(text, Put(RULE, "keep", f"{1 + (number + 1) * 1e-6!r}"))
                live.change(base).left_out()
                found.append(_measured(live, step))
            rows.append(_row(step, found) | {"bare_s": _bare(live)})
        machine: MachineRecord = machine_record(live.canvas().device)
    return {"machine": machine.model_dump(), "rows": rows}


@dataclass(frozen=True)
class _Times:
    """Seconds from a change, and the pictures that were run for it."""

    first: float
    all: float
    settled: float
    passes: int


def _measured(live: Live, step: Step) -> _Times:
    canvas = live.canvas()
    before, started = sum(canvas.passes), time.perf_counter()
    answer = live.change(step.change)
    first, everything = _shown(answer, started)
    answer.edit()
    settled = time.perf_counter() - started
    answer.pictures()
    return _Times(first, everything, settled, sum(canvas.passes) - before)


def _shown(answer: Answer, started: float) -> tuple[float, float]:
    """Seconds until the first picture was there, and until all were."""
    first, seen = None, 0
    for shown in answer:
        now = time.perf_counter() - started
        first = now if first is None else first
        seen += len(shown.numbers)
        if seen >= PICTURES:
            return first, now
    raise AssertionError("an answer shows every picture")


def _row(step: Step, found: list[_Times]) -> Row:
    def middle(value: Callable[[_Times], float]) -> float:
        return median(map(value, found))

    return {
        "change": step.name,
        "from": step.before,
        "to": step.after,
        "first_s": middle(lambda each: each.first),
        "to_16_s": middle(lambda each: each.all),
        "settled_s": middle(lambda each: each.settled),
        "passes": round(middle(lambda each: each.passes)),
    }


@torch.no_grad()
def _bare(live: Live) -> float:
    """Seconds that 16 pictures take from the layer on, with nothing around them."""
    generator = live.canvas().generator
    layer = live.answer.edit().deltas[0].layer
    rows = latents.sample(1, PICTURES, generator.facts.latent_size).to(live.canvas().device)
    inputs = generator.inputs(rows, [layer])[layer]
    form = generator.form(layer)

    def drawing() -> None:
        generator.pictures(layer, form.activate(form.response(inputs, form.weight)), inputs)

    return median(timed(drawing).wall for _ in range(REPEATS))
