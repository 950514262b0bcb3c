"""``redraft match``: the places of other images that look most like a rule's context."""

from __future__ import annotations

from collections.abc import Sequence
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
from redraft.cli.arguments.ranges import parse_range
from redraft.cli.arguments.recipe_words import RULE
from redraft.cli.commands.plan import box_text
from redraft.cli.screen import Column, Reporter, Screen

if TYPE_CHECKING:
    from redraft.cli.match_preview import MatchPreview
    from redraft.memory.layer import Layer
    from redraft.memory.places import Marks
    from redraft.plans.planner import Plan, RuleStep
    from redraft.show.pictures import Picture
    from redraft_dsl.check.parameters import Given
    from redraft_dsl.recipe.model import Match

FIRST_SEARCHED = 200
TOP = 24
SIDE = 192
FROM_LOCK = "not searched: the lock says these places, and a run takes them"
COLUMNS = 6


@make_command(name="match", example="match glasses.redraft glasses")
@click.argument("file", type=words.RECIPE)
@click.argument("rule", type=RULE)
@click.option(
    "--top", type=click.IntRange(1, 10_000), help="How many places; as the recipe says, or 24."
)
@click.option(
    "--among",
    metavar="A..B",
    callback=parse_range,
    help="Images to search; as the recipe says, or 0..199.",
)
@click.option("--out", type=words.NEW_FILE, help="Draw the places with heat maps on a PNG.")
@click.option("--force", is_flag=True, help="Replace a file that is there, whatever it is.")
@device_option()
@generator_option()
@set_option()
@lock_option()
@format_option()
def command(
    file: str,
    rule: str,
    top: int | None,
    among: tuple[int, int] | None,
    out: Path | None,
    force: bool,
    device: str,
    given: Given,
    no_lock: bool,
    form: str,
) -> None:
    """Find the images whose keys look most like a rule's context.

    A rule with `context like` lines is searched for as these say; any other one by its first
    context. Rules that change the keys before RULE are solved first. Places that the recipe's lock
    says are shown as they are; with --top or --among, and with --no-lock, they are searched.
    """
    screen = Screen.current()
    screen.begin(f"reading {file}")
    from redraft.cli.match_preview import locked_matches, preview_matches
    from redraft.cli.planning import plan_file, step_named

    with screen.progress() as reporter:
        plan = plan_file(file, device, reporter, lock=not no_lock, given=given)
        step = step_named(plan, rule)
        matches = _matches(plan, step, top, among)
        layer, marks = _layer(plan, step, device, reporter)
        if step.locked and top is None and among is None:
            found = locked_matches(layer, step, marks)
        else:
            found = preview_matches(layer, step.rule, marks, matches)
        if out is not None:
            _draw(layer, marks, found, out, force=force)
    if form == "json":
        screen.json(_as_json(rule, step, found))
        return
    _print(screen, step, found)
    if out is not None:
        screen.file("picture", out)


def _matches(
    plan: Plan, step: RuleStep, top: int | None, among: tuple[int, int] | None
) -> list[Match]:
    """What to search for: the rule's own matches, or its first context."""
    from redraft.errors import PlanError
    from redraft_dsl.recipe.model import Match, Place

    own = [context for context in step.rule.context if isinstance(context, Match)]
    if not own:
        first = step.rule.context[0]
        assert isinstance(first, Place), "a context that is not a match is a place"
        last = min(FIRST_SEARCHED, plan.recipe.latents_named(first.latents).count) - 1
        own = [Match(like=first, top=TOP, first=0, last=last)]
    changes: dict[str, int] = {} if top is None else {"top": top}
    if among is not None:
        changes |= {"first": among[0], "last": among[1]}
    for one in own:
        count = plan.recipe.latents_named(one.like.latents).count
        if changes.get("last", 0) >= count:
            raise PlanError(
                "RD403",
                f"`{one.like.latents}` ends at image {count - 1}, and --among at {changes['last']}",
                "raise `count` to have more images",
            )
    return [one.model_copy(update=changes) for one in own]


def _layer(plan: Plan, step: RuleStep, device: str, reporter: Reporter) -> tuple[Layer, Marks]:
    """The rule's layer, on the network as the rules before it leave it, and the recipe's marks."""
    from redraft.cli.match_preview import needed_before
    from redraft.models.open import choose_device
    from redraft.runs.execute import solve_all
    from redraft.runs.session import layer_of, open_session

    session = open_session(needed_before(plan, step), choose_device(device), progress=reporter.step)
    solve_all(session, evaluate=False)
    return layer_of(session, step), session.marks


def _print(screen: Screen, step: RuleStep, found: Sequence[MatchPreview]) -> None:
    for one in found:
        like = one.match.like
        screen.say(
            screen.paint("strong", f"{step.rule.name} at {step.facts.name}")
            + f": like {like.latents}[{like.index}] among {one.match.first}..{one.match.last}"
        )
        screen.table(
            [Column("", right=True), Column("image"), Column("box"), Column("score", right=True)],
            [
                [str(rank), f"{p.latents}[{p.index}]", box_text(p), f"{p.score:.2f}"]
                for rank, p in enumerate(one.places, 1)
            ],
        )
        told = FROM_LOCK if one.locked else f"left out: {one.left_out()}"
        screen.say(f"{told}; a score of 1 is as good as the marked place")


def _as_json(rule: str, step: RuleStep, found: Sequence[MatchPreview]) -> dict[str, Any]:
    from redraft.cli.commands.plan import match_json

    return {
        "rule": rule,
        "layer": step.facts.name,
        "matches": [match_json(one) for one in found],
    }


def _draw(
    layer: Layer, marks: Marks, found: Sequence[MatchPreview], out: Path, *, force: bool
) -> None:
    from redraft.show.picture_file import write_picture
    from redraft.show.sheets import contact_sheet

    pictures: list[Picture] = []
    labels: list[str] = []
    for one in found:
        pictures += _heat_maps(layer, marks, one)
        labels += [f"{p.latents}[{p.index}] {p.score:.2f}" for p in one.places]
    sheet = contact_sheet(pictures, labels, COLUMNS, legend=("found",))
    write_picture(out, sheet, force=force)


def _heat_maps(layer: Layer, marks: Marks, one: MatchPreview) -> list[Picture]:
    """Every found image in grey, its scores over it, and the place outlined."""
    from redraft.memory.match import score_map
    from redraft.memory.search import filter_of
    from redraft.models.batches import draw
    from redraft.show.pictures import (
        RegionOutline,
        enlarged,
        heated,
        outlined,
        placed_scores,
        to_picture,
    )

    pattern, places = filter_of(layer, marks(one.match.like)), layer.places(one.places)
    scores = score_map(layer.enter(places).keys, pattern)
    patch = (int(pattern.patch.shape[1]), int(pattern.patch.shape[2]))
    size = layer.generator.facts.image_size
    drawn = draw(layer.generator, places.latents)
    shown = []
    for row, place in enumerate(one.places):
        picture = enlarged(to_picture(drawn[row]), SIDE)
        hot = heated(picture, placed_scores(scores[row], patch, size))
        shown.append(outlined(hot, [RegionOutline(place.area, "found")]))
    return shown
