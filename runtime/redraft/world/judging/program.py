"""Judge a recipe of the village by the judging segmenter and the right answer.

    python -m redraft.world.judging recipe.redraft --answer "domes to spires"

The rules are solved, and pictures of latents that none of them saw are compared with the answer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from redraft.errors import ModelError, RedraftError
from redraft.models.open import choose_device
from redraft.models.samplers import sampler_of
from redraft.plans.loading import load
from redraft.plans.planner import make_plan
from redraft.plans.unseen import unseen
from redraft.runs.execute import solve_all
from redraft.runs.session import open_session
from redraft.world.judging.followed import TASKS, Followed, bench_of
from redraft.world.scene import LATENT_SIZE
from redraft.world.segmenter import shipped_segmenter

COUNT = 300
_BATCH = 50
_NAMES = (
    ("objects", "things that became the target (IoU .5 with the answer)"),
    ("became", "pixels of the source that became the target"),
    ("false", "pixels of other classes that changed"),
    ("distance", "distance to the right answer"),
    ("unedited", "  of the unedited pictures"),
    ("floor", "  of the generator asked for the answer"),
    ("way", "way to the right answer"),
    ("outside", "change where the answer has none"),
)


def judge_recipe(path: Path, answer: str, count: int = COUNT) -> Followed:
    """Solve a recipe's rules, and compare ``count`` unseen pictures with the answer.

    Raises:
        RedraftError: the recipe cannot be run.
        ModelError: its model does not draw the village.

    """
    plan = make_plan(load(path), path.parent, device="cpu")
    if plan.base.facts.latent_size != LATENT_SIZE or plan.base.facts.image_size != (64, 64):
        raise ModelError(
            "RD698",
            f"{plan.base.name} takes latents of {plan.base.facts.latent_size} numbers, "
            f"and villages have {LATENT_SIZE}",
            "name a recipe of the village",
        )
    session = open_session(plan, choose_device("cpu"))
    generator = session.model.generator
    numbers = unseen(plan.recipe, count)
    rows = sampler_of(generator).rows(plan.recipe.latents[0], numbers)
    bench = bench_of(TASKS[answer], generator.sample, rows, shipped_segmenter())
    solve_all(session, evaluate=False)
    with torch.no_grad():
        edited = torch.cat([generator.sample(part) for part in torch.split(rows, _BATCH)])
    return bench.measure(edited)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measures."""
    parser = argparse.ArgumentParser(
        prog="python -m redraft.world.judging",
        description="Judge a recipe of the village by the right answer.",
    )
    parser.add_argument("recipe", type=Path, help="a recipe whose model draws the village")
    parser.add_argument("--answer", choices=TASKS, default="domes to spires")
    parser.add_argument("--count", type=int, default=COUNT, help="unseen pictures")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(arguments)
    if given.count < 1:
        parser.error("--count must be at least 1")
    try:
        found = judge_recipe(given.recipe, given.answer, given.count)
    except (RedraftError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    figures = {**asdict(found), "way": found.way}
    if given.format == "json":
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return 0
    for name, meaning in _NAMES:
        value = figures[name]
        said = "none" if value is None else f"{value:.4f}"
        sys.stdout.write(f"{name:9} {said:>7}  {meaning}\n")
    return 0
