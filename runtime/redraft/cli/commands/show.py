"""``redraft show``: what a recipe marks, on its pictures, before it is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import (
    device_option,
    format_option,
    generator_option,
    make_command,
    set_option,
)
from redraft.cli.arguments import words
from redraft.cli.arguments.generators import typed
from redraft.cli.opening import draw_inline, open_file, open_option
from redraft.cli.screen import Screen
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from redraft.memory.places import Marks, ResolvedPlace
    from redraft.models.generator import Generator
    from redraft.plans.planner import Plan, RuleStep
    from redraft.show.marks import MarkedRule
    from redraft.show.pictures import RegionOutline, Role
    from redraft_dsl.check.parameters import Given

MOST = 60
"""Marks of a rule that are drawn."""


@make_command(name="show", example="show glasses.redraft --open")
@click.argument("file", type=words.RECIPE)
@click.option("--out", type=words.NEW_FILE, help="The PNG to write; NAME-marks.png if not given.")
@open_option("the sheet")
@click.option("--force", is_flag=True, help="Replace a file that is there, whatever it is.")
@set_option()
@device_option()
@generator_option()
@format_option()
def command(
    file: str,
    out: Path | None,
    opened: bool,
    force: bool,
    given: Given,
    device: str,
    form: str,
) -> None:
    """Draw everything that a recipe marks on its pictures, before it is run.

    FILE is a recipe, a pack, or the name of a recipe that comes with redraft. Each region is
    outlined on its picture, with a ruler in the model's pixels and the grid of the layer that the
    region is read on: that of the keys for a context, that of the values for a copy or a paste.
    Where a copy is put is outlined too, in whole cells of the values.
    """
    screen = Screen.current()
    screen.begin(f"reading {file}")
    from redraft.cli.planning import plan_file
    from redraft.show.marks import marks_sheet
    from redraft.show.picture_file import write_picture

    with screen.progress() as reporter:
        plan = plan_file(file, device, reporter, given=given)
        rules = _marked(plan, device)
    sheet = marks_sheet(rules)
    path = out or Path(f"{plan.recipe.name}-marks.png")
    write_picture(path, sheet, force=force, recipe=plan.text)
    if form == "json":
        marks = {rule.title: [mark.label for mark in rule.marks] for rule in rules}
        screen.json({"written": str(path), "size": sheet.size, "marks": marks})
    else:
        draw_inline(path)
        for rule in rules:
            screen.say(visible(rule.title))
        count = sum(len(rule.marks) for rule in rules)
        screen.file("written", path, f"{sheet.width} x {sheet.height}, {count} marks")
        if later := _copies_later(plan):
            screen.say(
                f"drawn by the model as it is; {visible(', '.join(later))} will copy what the "
                "rules before it leave there"
            )
        named = typed(plan.base.code)
        screen.next(f"redraft plan {file}{named}", f"redraft run {file}{named}")
    if opened:
        open_file(path, screen)


def _copies_later(plan: Plan) -> list[str]:
    """The rules that copy from a model that rules before them have changed."""
    from redraft_dsl.recipe.model import Insert

    return [step.rule.name for step in plan.rules[1:] if isinstance(step.rule, Insert)]


def _marked(plan: Plan, device: str) -> list[MarkedRule]:
    """Every rule with its marked places, drawn by the unedited model."""
    from redraft.memory.places import Marks
    from redraft.models.open import choose_device, open_base

    marks = Marks(plan.base.facts, plan.folder)
    generator = open_base(plan.base, choose_device(device)).generator
    return [_rule(plan, step, generator, list(_places(step, marks))) for step in plan.rules]


def _rule(
    plan: Plan,
    step: RuleStep,
    generator: Generator,
    places: Sequence[tuple[str, Role, ResolvedPlace]],
) -> MarkedRule:
    import torch

    from redraft.models.batches import draw
    from redraft.models.samplers import sampler_of
    from redraft.show.marks import Mark, MarkedRule
    from redraft.show.pictures import RegionOutline, to_picture

    shown = places[:MOST]
    sampler, blocks = sampler_of(generator), plan.recipe.latents_named
    rows = [sampler.rows(blocks(place.latents), [place.index]) for _, _, place in shown]
    drawn = draw(generator, torch.cat(rows))
    keys, values = step.facts.key_size, step.facts.value_size
    more = f"; the first {MOST} of {len(places)} marks" if len(places) > MOST else ""
    return MarkedRule(
        f"{step.rule.name} at {step.facts.name}: keys {keys[1]} x {keys[0]}, "
        f"values {values[1]} x {values[0]}{more}",
        tuple(
            Mark(
                f"{what} {place.latents}[{place.index}]",
                to_picture(picture),
                (RegionOutline(place.area, role), *_landing(step, places, what, place)),
                keys if role == "context" else values,
            )
            for (what, role, place), picture in zip(shown, drawn, strict=True)
        ),
    )


def _landing(
    step: RuleStep,
    places: Sequence[tuple[str, Role, ResolvedPlace]],
    what: str,
    place: ResolvedPlace,
) -> Iterator[RegionOutline]:
    """Where the copy is put at a place, as the cells of the layer's values; centre on centre."""
    import torch

    from redraft.show.pictures import RegionOutline
    from redraft.solve.goals import blended, cut

    targets = "paste" if any(each == "paste" for each, _, _ in places) else "context"
    if places[0][0] != "copy" or what not in (targets, "like" if targets == "context" else targets):
        return
    size = step.facts.value_size
    copied, there = (torch.from_numpy(each.on_grid(size)) for each in (places[0][2], place))
    patch = cut(torch.zeros(1, *size, dtype=copied.dtype), copied)
    empty = torch.zeros(1, 1, *size, dtype=copied.dtype)
    _, landed, _ = blended(empty, patch, [there])
    shape = (1, 1, *place.area.shape)
    large = torch.nn.functional.interpolate(landed[None], shape[2:], mode="nearest")
    yield RegionOutline(large.reshape(shape[2:]).numpy(), "landing")


def _places(step: RuleStep, marks: Marks) -> Iterator[tuple[str, Role, ResolvedPlace]]:
    """Every marked place of a rule: what it is called, its role and the place."""
    from redraft.memory.marked import goal_places
    from redraft_dsl.recipe.model import Insert, Invert, Match, Solved

    rule = step.rule
    word = "effect" if isinstance(rule, Invert) else "context"
    if isinstance(rule, Insert):
        yield "copy", "copy", marks(rule.copy_from)
    for place in rule.cause if isinstance(rule, Invert) else ():
        yield "cause", "copy", marks(place)
    for place in goal_places(rule) or ():
        yield "paste", "paste", marks(place)
    for context in rule.context:
        if isinstance(context, Match):
            yield "like", "context", marks(context.like)
        else:
            yield word, "context", marks(context)
    for place in rule.protect if isinstance(rule, Solved) else ():
        yield "protect", "protect", marks(place)
