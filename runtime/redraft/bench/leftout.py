"""``redraft bench leftout``: whether what is said of left-out pictures holds on unseen ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from redraft.bench.agreement import rank_rows, side_rows
from redraft.bench.cases import Case, Row, case_effect, case_of, case_wish, judged_latents
from redraft.errors import RunError
from redraft.explain.words import silent
from redraft.judge.intervals import CORRELATION
from redraft.judge.leftout import LeftOut, left_out_scores, reached
from redraft.judge.scores import PictureScores
from redraft.judge.wish import draw_goal
from redraft.plans.loading import load, loads
from redraft.runs.rule import SolvedRule, estimated, open_rule, solve_rule
from redraft.runs.watch import Progress
from redraft.solve import goals
from redraft.solve.sources import Copy
from redraft_dsl import print_recipe
from redraft_dsl.recipe.model import Side

BATCH = 200


@dataclass(frozen=True)
class Trials:
    """What to measure.

    Attributes:
        recipes: files whose first rule is an insert.
        layers: where each rule is solved.
        judged: how many unseen pictures.
        side: per cent that ``side`` is asked for, at each recipe's own layer; 0 leaves it out.
        device: where to compute.

    """

    recipes: tuple[Path, ...]
    layers: tuple[str, ...]
    judged: int = 600
    side: float = 5.0
    device: str = "auto"


def bench_leftout(trials: Trials, progress: Progress = silent) -> dict[str, Any]:
    """Measure every rule at every layer, and compare.

    Returns:
        ``pairs``, ``ranks``, ``sides`` and ``chosen``, lists of dictionaries.

    """
    pairs: list[Row] = []
    count = len(trials.recipes) * len(trials.layers)
    for path in trials.recipes:
        for layer in trials.layers:
            progress(f"{path.stem} at {layer}", len(pairs), count)
            pairs.append(_pair(path, layer, trials))
    chosen = []
    for number, path in enumerate(trials.recipes if trials.side else ()):
        progress(f"{path.stem} with side {trials.side:g}%", number, len(trials.recipes))
        chosen.append(_chosen(path, trials))
    return {
        "pairs": pairs,
        "ranks": list(rank_rows(pairs)),
        "sides": list(side_rows(pairs)),
        "chosen": chosen,
    }


def _pair(path: Path, layer: str, trials: Trials) -> Row:
    """One rule at one layer: figures of left-out pictures, and figures of unseen ones.

    Gain and side are as a run reports them; the other figures of left-out pictures are those that
    unseen pictures are judged by.
    """
    case = _case_at(path, layer, trials)
    solved = estimated(solve_rule(case.opened(case.rule)))
    estimate = _estimate(case, solved)
    generator = case.session.model.generator
    with torch.no_grad():
        drawn = draw_goal(generator, layer, solved.goal, solved.placed.pastes.areas)
        parts = left_out_scores(generator, layer, solved.goal, drawn, estimate.folds)
        wish = case_wish(case, case.rule)
        effect = case_effect(case, solved.delta, judged_latents(case, trials.judged), wish)
    scores = PictureScores.joined(parts)
    return {
        "rule": path.stem,
        "layer": layer,
        **{
            name: getattr(estimate, name) for name in ("gain", "gain_spread", "side", "side_spread")
        },
        "left_share": float((scores.correlation > CORRELATION).double().mean()),
        "left_correlation": float(scores.correlation.mean()),
        "left_amplitude": float(scores.amplitude.mean()),
        "share": effect.share.value,
        "share_interval": (effect.share.low, effect.share.high),
        "amplitude": effect.amplitude.value,
        "outside": effect.outside.value,
    }


def _chosen(path: Path, trials: Trials) -> Row:
    """What ``side`` chooses at the recipe's own layer, and what comes of it on unseen pictures."""
    case = _case_at(path, None, trials)
    rule = case.rule.model_copy(update={"restraint": Side(percent=trials.side)})
    solved = estimated(solve_rule(case.opened(rule)))
    side, wanted = unseen_side(case, solved, judged_latents(case, trials.judged)), trials.side / 100
    return {
        "rule": path.stem,
        "layer": case.step.facts.name,
        "wanted": wanted,
        "preserve": solved.preserve,
        "left_side": _estimate(case, solved).side,
        "unseen_side": side,
        "unseen_by_wanted": side / wanted,
    }


def unseen_side(case: Case, solved: SolvedRule, rows: Tensor) -> float:
    """Side effect on pictures of latents (N, latent_size), the goal pasted where contexts lie."""
    generator, layer = case.session.model.generator, case.step.facts.name
    stages = open_rule(case.layer, solved.placed).stages
    form, source = stages.setup.form, stages.setup.source
    assert isinstance(source, Copy), "the bench solves inserts"
    weight = solved.delta.added_to(form.weight)
    with torch.no_grad():
        problem, patch = stages.problem, source.patch(stages)
        region = solved.placed.contexts.on_values.mean(0).to(patch.values)
        sides = []
        for part in torch.split(rows, BATCH):
            inputs = generator.inputs(part, [layer])[layer]
            goal = goals.paste(form, inputs, form.weight, patch, [region] * len(part))
            sides += [reached(problem, goal, weight).side] * len(part)
    return float(np.mean(sides))


def _case_at(path: Path, layer: str | None, trials: Trials) -> Case:
    """A recipe's first rule alone, at another layer than its own if one is given."""
    checked = load(path)
    recipe = checked.recipe
    if recipe is not None:
        first = recipe.rules[0]
        moved = first if layer is None else first.model_copy(update={"layer": layer})
        checked = loads(
            print_recipe(recipe.model_copy(update={"rules": (moved,)})), folder=path.parent
        )
    return case_of(checked, path.parent, trials.device)


def _estimate(case: Case, solved: SolvedRule) -> LeftOut:
    if solved.left_out is None or not solved.left_out.folds:
        raise RunError(
            "RD532",
            f"nothing can be left out of the rule `{case.rule.name}`",
            "the bench needs three contexts or more, and a goal in each of them",
        )
    return solved.left_out
