"""``redraft eval``: every rule of a recipe, scored after each later rule."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redraft.cli.app import (
    device_option,
    format_option,
    generator_option,
    lock_option,
    make_command,
    set_option,
)
from redraft.cli.arguments import words
from redraft.cli.layout import Fit
from redraft.cli.screen import OBEYED, Column, Screen
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redraft.chains.scoring import ChainScore
    from redraft.plans.planner import Plan
    from redraft.runs.session import Distance
    from redraft_dsl.check.parameters import Given

FIGURES = ("share", "null_share", "amplitude", "outside", "distance")
HEADS = {"null_share": "null"}
"""What the table of a run calls them."""
SAVED = "eval.json"


@make_command(name="eval", example="eval glasses.redraft --format json")
@click.argument("file", type=words.RECIPE)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="RULE=ANSWER",
    help="In the village: which right answer a rule is to reach, such as 'spires=domes to spires'; "
    "not needed where the rule is named after it, as `domes-to-spires`.",
)
@click.option(
    "--out",
    type=words.NEW_FILE,
    help=f"Where the scores are written; by default {SAVED} in the folder of the recipe's finished "
    "run, and nowhere without one.",
)
@device_option()
@generator_option()
@set_option()
@lock_option()
@format_option()
def command(
    file: str,
    answers: tuple[str, ...],
    out: Path | None,
    device: str,
    given: Given,
    no_lock: bool,
    form: str,
) -> None:
    """Score every rule of a recipe after itself and after each later rule.

    All scores are against the pictures of the model without any rule, on pictures that no rule saw.
    Where a run of the very same recipe is finished, its edit is scored and nothing is solved again.
    """
    import json

    from redraft.chains.scoring import made_by, score_chain
    from redraft.cli.planning import plan_file
    from redraft.disk import files
    from redraft.models.open import choose_device
    from redraft.plans.run_files import RUNS
    from redraft.plans.run_folder import latest_run
    from redraft.runs.session import open_session

    screen = Screen.current()
    screen.begin(f"reading {file}")
    with screen.progress() as reporter:
        plan = plan_file(file, device, reporter, lock=not no_lock, given=given)
        known = _answers(plan, answers)
        run = latest_run(RUNS, plan)
        session = open_session(plan, choose_device(device), progress=reporter.step)
        scores = score_chain(session, known, None if run is None else made_by(run))
    rules = [asdict(each) for each in scores]
    found = {"recipe": plan.recipe.name, "lock": plan.lock_digest, "rules": rules}
    path = out or (None if run is None else run.folder / SAVED)
    if path is not None:
        files.write_text(path, json.dumps(found, indent=2) + "\n")
    if form == "json":
        screen.json(found)
        return
    _print(screen, plan, scores)
    if run is not None:
        screen.say(f"scored is the edit of the finished run {visible(str(run.folder))}")
    if path is None:
        screen.say("nothing was written, for no run of this recipe is finished; --out FILE writes")
    else:
        screen.file("scores", path)


def _print(screen: Screen, plan: Plan, scores: Sequence[ChainScore]) -> None:
    from redraft.plans.unseen import judged, measured_on

    names = [name for name in FIGURES if name != "distance" or _known(scores)]
    heads = (Column(HEADS.get(name, name), right=True) for name in names)
    columns = [Column("rule"), Column("after"), *heads]
    screen.table(columns, [_row(each, names) for each in scores], Fit(named=2))
    count = len(judged(plan.recipe, plan.base.facts))
    screen.say(f"measured on {count} {measured_on(plan.recipe)}")
    if plan.lock is not None:
        screen.say(OBEYED)


def _known(scores: Sequence[ChainScore]) -> bool:
    """Whether a right answer is known that any rule has a distance from."""
    return any(each.distance is not None for each in scores)


def _row(score: ChainScore, names: Sequence[str]) -> list[str]:
    figures = (getattr(score, name) for name in names)
    return [score.name, score.after, *("-" if f is None else f"{f:.3f}" for f in figures)]


def _answers(plan: Plan, given: tuple[str, ...]) -> Mapping[str, Distance]:
    """The distance to the right answer, by the name of the rule that is to reach it."""
    from redraft.world.answers import ANSWERS, distance
    from redraft.world.named import answers_for, draws_villages

    rules, found = [step.rule.name for step in plan.rules], answers_for(plan)
    if given and not draws_villages(plan):
        raise click.BadParameter(
            "right answers are known in the village alone", param_hint="answer"
        )
    for text in given:
        rule, _, name = text.partition("=")
        if rule not in rules or name not in ANSWERS:
            what = f"name one of {', '.join(rules)}, then = and one of {', '.join(ANSWERS)}"
            raise click.BadParameter(f"{text!r}: {what}", param_hint="answer")
        found[rule] = _to(ANSWERS[name], distance)
    return found


def _to(rules: Any, distance: Any) -> Distance:
    return partial(distance, rules=rules)
