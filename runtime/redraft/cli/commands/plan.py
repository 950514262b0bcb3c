"""``redraft plan``: what a run would do, what it would cost, and which places it would find."""

from __future__ import annotations

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
from redraft.cli.screen import Column, Reporter, Screen
from redraft.explain.words import percent
from redraft_dsl.report.terminal import columns_of

if TYPE_CHECKING:
    from redraft.cli.match_preview import MatchPreview
    from redraft.memory.overlap import Overlap
    from redraft.memory.places import ResolvedPlace
    from redraft.plans.costs import Speeds
    from redraft.plans.planner import Plan, RuleStep, Step
    from redraft_dsl.check.parameters import Given

    Matches = dict[str, tuple[MatchPreview, ...]]

DISTURBED = "resolved during the run, for an earlier rule changes the keys that it searches"
QUICK = "not searched, because of --quick"
FIT = Fit(
    shorter=[("", "step", "layer", "state", "seconds"), ("", "step", "state", "seconds")], more=1
)
"""A narrow screen shows what is done, and how long it takes."""
HASH_DIGITS = 12
"""Digits of a hash that a narrow screen shows; --format json has them all."""
LOCKED = "not searched, for the lock says them"


@make_command(name="plan", example="plan glasses.redraft")
@click.argument("file", type=words.RECIPE)
@device_option()
@generator_option(looks=False)
@click.option("--quick", is_flag=True, help="Do not open the model to search for contexts.")
@set_option()
@lock_option()
@format_option()
def command(file: str, device: str, quick: bool, given: Given, no_lock: bool, form: str) -> None:
    """Show what a run would do, what it would cost and what it would find.

    FILE is a recipe, or the name of one that comes with redraft. Statistics that the search for
    contexts needs are collected and kept, so that the run need not do it again. How long a run
    takes is estimated from a short measurement of this machine with the model, which is kept.
    """
    screen = Screen.current()
    screen.begin(f"reading {file}")
    from redraft.cli.planning import plan_file

    with screen.progress() as reporter:
        plan = plan_file(file, device, reporter, lock=not no_lock, given=given)
        matches = {} if quick else _matches(plan, device, reporter)
        speeds = _speeds(plan, device, reporter, measured=not quick)
    if form == "json":
        screen.json(_as_json(plan, matches, speeds, quick))
    else:
        _print(screen, plan, matches, speeds, quick)


def _speeds(plan: Plan, device: str, reporter: Reporter, *, measured: bool) -> Speeds:
    """What is known of this machine; measured now where nothing is, unless that is not wanted."""
    from redraft.disk.cache import Cache
    from redraft.models.device import device_name
    from redraft.plans.costs import nominal, of_code, read_speeds, write_speeds

    cache, name = Cache(), device_name(device)
    known = read_speeds(plan, name, cache)
    if known is not None:
        return known
    # A plan reads what a look at a person's code has found, and runs none of it.
    if plan.base.code is not None:
        seen = of_code(plan) if name == "cpu" else None
        return seen or nominal(plan.base.facts)
    if not measured:
        return nominal(plan.base.facts)
    try:
        from redraft.bench.timing import measure_speeds
    except ImportError:  # without torch a plan can be made all the same
        return nominal(plan.base.facts)
    reporter.step("measuring the speed of this machine", 0, 1)
    found = measure_speeds(plan, name)
    write_speeds(plan, name, cache, found)
    return found


def _matches(plan: Plan, device: str, reporter: Reporter) -> Matches:
    """The matches of every rule whose keys no earlier rule changes."""
    if all(step.locked or not step.matches for step in plan.rules):
        return {}
    from redraft.cli.match_preview import preview_matches, undisturbed_layers
    from redraft.memory.marked import matches_of
    from redraft.models.open import choose_device
    from redraft.runs.session import open_session

    session = open_session(plan, choose_device(device), progress=reporter.step)
    layers = undisturbed_layers(session)
    return {
        step.rule.name: preview_matches(
            layers[step.rule.name], step.rule, session.marks, matches_of(step.rule)
        )
        for step in plan.rules
        if step.rule.name in layers and not step.locked
    }


def _print(screen: Screen, plan: Plan, matches: Matches, speeds: Speeds, quick: bool) -> None:
    from redraft.plans.costs import gigaflops, seconds
    from redraft.plans.run_files import RUNS
    from redraft.plans.step_words import step_words

    recipe = plan.recipe
    screen.say(screen.paint("strong", f"{recipe.name} {recipe.version}: {recipe.title}"))
    for line in _hashed(screen, plan):
        screen.say(line)
    screen.say(f"run     {RUNS / plan.run_name}")
    screen.heading("Steps")
    columns = [
        Column("", right=True),
        *map(Column, ("step", "layer", "reads", "state")),
        Column("GFLOP", right=True),
        Column("seconds", right=True),
    ]
    rows = []
    for number, step in enumerate(plan.steps, 1):
        cost = gigaflops(plan, step)
        words = step_words(plan, step)
        rows.append([str(number), *words, f"{cost:.2f}", f"{seconds(plan, step, speeds):.1f}"])
    screen.table(columns, rows, FIT)
    if plan.off:
        names = ", ".join(f"{rule.name} at {rule.layer}" for rule in plan.off)
        screen.say(f"switched off: {names}")
    _print_total(screen, plan, speeds)
    if plan.overlaps:
        screen.heading("Rules at one layer")
        for overlap in plan.overlaps:
            screen.say(overlap_words(overlap))
    for step in plan.rules:
        _print_matches(screen, step, matches, quick)


def overlap_words(overlap: Overlap) -> str:
    """How far the regions overlap that two rules mark; how alike their keys are a run measures."""
    regions = f"the regions that {overlap.first} and {overlap.second} mark at {overlap.layer}"
    if overlap.share <= 0:
        return f"{regions} do not overlap; their keys may be alike all the same"
    return f"{regions} overlap by {percent(overlap.share)} of the smaller"


def _hashed(screen: Screen, plan: Plan) -> list[str]:
    """What the plan is of, each with its hash: whole ones where all lines have room for them."""
    for digits in (None, HASH_DIGITS):
        more = "" if digits is None else screen.ellipsis
        name = f"{plan.base.name} ({plan.base.facts.arch})"
        lines = [
            f"model   {name}, sha256 {plan.base.sha256[:digits]}{more}",
            f"recipe  sha256 {plan.recipe.digest()[:digits]}{more}",
        ]
        if plan.lock is not None:
            lines.append(f"lock    sha256 {plan.lock.sha256[:digits]}{more}, obeyed")
        if screen.width is None or max(map(columns_of, lines)) <= screen.width:
            break
    return lines


def _print_total(screen: Screen, plan: Plan, speeds: Speeds) -> None:
    from redraft.plans.costs import NOMINAL_GFLOPS, OVERHEAD, gigaflops, seconds

    total = sum(gigaflops(plan, step) for step in plan.steps)
    lasting = OVERHEAD + sum(seconds(plan, step, speeds) for step in plan.steps)
    about = f"about {lasting:.0f} seconds" if lasting < 120 else f"about {lasting / 60:.0f} minutes"
    how = "measured on this machine"
    if not speeds.measured:
        how = f"at {NOMINAL_GFLOPS:.0f} GFLOP/s"
        how += "" if plan.base.code else "; without --quick this machine is measured"
    screen.say(f"{total:.2f} GFLOP, {about} with loading and the report ({how})")


def _print_matches(screen: Screen, step: RuleStep, matches: Matches, quick: bool) -> None:
    if not step.matches:
        return
    screen.heading(f"Contexts found for {step.rule.name}")
    if step.rule.name not in matches:
        screen.say(_unsearched(step, quick))
        return
    for one in matches[step.rule.name]:
        like = one.match.like
        screen.say(
            f"like {like.latents}[{like.index}] among {one.match.first}..{one.match.last}: "
            f"{len(one.places)} found; left out: {one.left_out()}"
        )
        screen.table(
            [Column("image"), Column("box"), Column("score", right=True)],
            [
                [f"{place.latents}[{place.index}]", box_text(place), f"{place.score:.2f}"]
                for place in one.places
            ],
        )


def _unsearched(step: RuleStep, quick: bool) -> str:
    """Why nothing was searched for a rule."""
    if step.locked:
        return LOCKED
    return QUICK if quick else DISTURBED


def box_text(place: ResolvedPlace) -> str:
    """The bounding box as a recipe would write it."""
    x0, y0, x1, y1 = place.box()
    return f"x {x0}..{x1}, y {y0}..{y1}"


def _as_json(plan: Plan, matches: Matches, speeds: Speeds, quick: bool) -> dict[str, Any]:
    from redraft.plans.costs import NOMINAL_GFLOPS, OVERHEAD, seconds
    from redraft.plans.run_files import RUNS

    return {
        "recipe": plan.recipe.name,
        "version": plan.recipe.version,
        "title": plan.recipe.title,
        "recipe_digest": plan.recipe.digest(),
        "off": [rule.name for rule in plan.off],
        "model": {
            "name": plan.base.name,
            "arch": plan.base.facts.arch,
            "file": str(plan.base.path),
            "sha256": plan.base.sha256,
        },
        "lock": plan.lock_digest,
        "run_dir": str(RUNS / plan.run_name),
        "nominal_gflops": NOMINAL_GFLOPS,
        "measured": speeds.measured,
        "seconds": OVERHEAD + sum(seconds(plan, step, speeds) for step in plan.steps),
        "steps": [_step_json(plan, step, matches, speeds, quick) for step in plan.steps],
        "overlaps": [
            {"first": o.first, "second": o.second, "layer": o.layer, "share": o.share}
            for o in plan.overlaps
        ],
    }


def _step_json(
    plan: Plan, step: Step, matches: Matches, speeds: Speeds, quick: bool
) -> dict[str, Any]:
    from redraft.plans.costs import gigaflops, seconds
    from redraft.plans.planner import StatisticsStep
    from redraft.plans.step_words import rules_read

    cost = gigaflops(plan, step)
    costs = {"gigaflops": cost, "seconds": seconds(plan, step, speeds)}
    if isinstance(step, StatisticsStep):
        return {
            "kind": "statistics",
            "layer": step.layer,
            "latents": step.latents.name,
            "count": step.latents.count,
            "before": step.before,
            "reads": rules_read(plan, step),
            "cached": step.cached,
            "reason": step.reason,
            **costs,
        }
    described: dict[str, Any] = {
        "kind": step.rule.kind,
        "name": step.rule.name,
        "layer": step.facts.name,
        "reads": rules_read(plan, step),
        "digest": step.digest,
        "unknowns": step.unknowns,
        "problems": step.problems,
        **costs,
    }
    if step.matches:
        found = matches.get(step.rule.name)
        described["matches"] = None if found is None else [match_json(one) for one in found]
        described["matches_reason"] = None if found is not None else _unsearched(step, quick)
    return described


def match_json(one: MatchPreview) -> dict[str, Any]:
    """What one match finds, as plain data."""
    return {
        "like": {"latents": one.match.like.latents, "index": one.match.like.index},
        "among": [one.match.first, one.match.last],
        "top": one.match.top,
        "locked": one.locked,
        "places": [
            {
                "latents": place.latents,
                "index": place.index,
                "box": list(place.box()),
                "score": place.score,
            }
            for place in one.places
        ],
        "left_out": {"unclear": one.unclear, "used": one.used, "beyond": one.beyond},
    }
