"""``redraft locate``: which layer and settings a rule is best written with."""

from __future__ import annotations

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
from redraft.cli.arguments.recipe_words import RULE
from redraft.cli.layout import Fit
from redraft.cli.screen import OBEYED, Column, Screen
from redraft.explain.words import percent

if TYPE_CHECKING:
    from redraft.plans.planner import Plan
    from redraft.runs.locate import Candidate, Location
    from redraft_dsl.check.parameters import Given

COLUMNS = 12
BARS = 20
SETTINGS = ("rank", "keep", "preserve")
FIT = Fit(shorter=[("layer", *SETTINGS, "score", ""), ("layer", "rank", "score", "")])
"""A narrow screen shows what was tried and its score."""


@make_command(name="locate", example="locate glasses.redraft glasses --sheet layers.png")
@click.argument("file", type=words.RECIPE)
@click.argument("rule", required=False, type=RULE)
@click.option(
    "--sheet",
    type=words.NEW_FILE,
    help="Draw the best of each layer on new pictures, as a PNG.",
)
@click.option(
    "--write", is_flag=True, help="Change the rule's layer and settings in FILE, and nothing else."
)
@device_option()
@generator_option()
@set_option()
@lock_option()
@format_option()
def command(
    file: str,
    rule: str | None,
    sheet: Path | None,
    write: bool,
    device: str,
    given: Given,
    no_lock: bool,
    form: str,
) -> None:
    """Try a rule at every layer, and recommend a layer and settings, or none.

    Parts of the rule's contexts are left out, and each candidate is scored by what it does to them:
    how strongly they change as was wished, times how well the change agrees with the wish. Without
    RULE it is the recipe's first one. Places that a lock says are taken at the layer where they
    were found, and searched at all others.
    """
    from redraft.cli.planning import plan_file, step_named
    from redraft.plans.shipped import own_recipe
    from redraft.runs.locate import locate_rule

    screen = Screen.current()
    if write and given:
        raise click.UsageError("--write goes without --set: change the recipe first, then write")
    if write:
        own_recipe(file)  # refused before minutes are spent, and not after them
    with screen.progress() as reporter:
        plan = plan_file(file, device, reporter, lock=not no_lock, given=given)
        name = plan.rules[0].rule.name if rule is None else step_named(plan, rule).rule.name
        found = locate_rule(plan, name, device=device, progress=reporter.step)
        if sheet is not None:
            _draw(plan, found, device, sheet)
        written = _written(file, found, plan) if write else None
    if form == "json":
        screen.json({**_as_json(found), "lock": plan.lock_digest})
        return
    _print(screen, found)
    if plan.lock is not None:
        screen.say(OBEYED)
    if sheet is not None:
        screen.file("picture", sheet)
    if write:
        screen.say(f"{file}: {written}")


def _print(screen: Screen, found: Location) -> None:
    best = max(max(each.score for each in found.candidates), 1e-9)
    titles = ("layer", *SETTINGS, "gain", "amplitude", "agreement", "side", "score")
    rows = []
    for each in found.candidates:
        mark = " *" if each is found.recommended else ""
        rows.append([each.layer + mark, *_cells(each), "#" * round(BARS * each.score / best)])
    screen.say(screen.paint("strong", f"{found.rule}, now at {found.layer}"))
    columns = [Column(title, right=title != "layer") for title in titles]
    screen.table([*columns, Column("")], rows, FIT)
    for each in found.candidates:
        if each.problem is not None:
            screen.say(f"{each.layer}: {each.problem}")
    if found.recommended is None:
        screen.say(f"nothing is recommended: {found.reason}")
    else:
        screen.say(f"recommended (*): {_words(found.recommended)}; {found.reason}")


def _cells(each: Candidate) -> list[str]:
    numbers = [f"{getattr(each.settings, name):g}" for name in SETTINGS]
    # With the wish in pixels, where there is one.
    agreement = each.pixel_agreement
    figures = [
        f"{each.gain:.2f}",
        f"{each.amplitude:.2f}",
        f"{each.agreement if agreement is None else agreement:.2f}",
        percent(each.side),
        f"{each.score:.3f}",
    ]
    return [*numbers, *(figures if each.problem is None else ["-"] * len(figures))]


def _words(each: Candidate) -> str:
    settings = ", ".join(f"{name} {getattr(each.settings, name):g}" for name in SETTINGS)
    return f"{each.layer}, {settings}"


def _as_json(found: Location) -> dict[str, Any]:
    def row(each: Candidate) -> dict[str, Any]:
        return {
            "layer": each.layer,
            **{name: getattr(each.settings, name) for name in SETTINGS},
            "score": each.score,
            "gain": each.gain,
            "agreement": each.agreement,
            "side": each.side,
            "amplitude": each.amplitude,
            "pixel_agreement": each.pixel_agreement,
            "problem": each.problem,
        }

    return {
        "rule": found.rule,
        "layer": found.layer,
        "candidates": [row(each) for each in found.candidates],
        "recommended": None if found.recommended is None else row(found.recommended),
        "reason": found.reason,
    }


def _written(file: str, found: Location, plan: Plan) -> str:
    """Write what is recommended into the recipe; what was done, in words."""
    from redraft.disk import files
    from redraft.plans.shipped import own_recipe
    from redraft_dsl.syntax.edit import Put, edit

    path, best = own_recipe(file), found.recommended
    if best is None:
        return "left as it is, since nothing is recommended"
    puts = [Put(found.rule, "layer", best.layer)] if best.layer != found.layer else []
    puts += [
        Put(found.rule, name, f"{getattr(best.settings, name):g}")
        for name in SETTINGS
        if getattr(best.settings, name) != getattr(found.settings, name)
    ]
    text = before = path.read_text("utf-8")
    for put in puts:
        text = edit(text, put)
    if text == before:
        return "left as it is: it has what is recommended"
    files.write_text(path, text)
    done = ", ".join(f"{put.key} {put.value}" for put in puts)
    return done + (f"; `redraft lock {file}` locks it anew" if plan.lock is not None else "")


def _draw(plan: Plan, found: Location, device: str, path: Path) -> None:
    """A row for each layer: new pictures with the best that was tried there."""
    import torch

    from redraft.disk import files
    from redraft.live.canvas import Canvas
    from redraft.models.open import choose_device, open_base
    from redraft.plans.unseen import unseen
    from redraft.show.pictures import png
    from redraft.show.sheets import comparison

    numbers = unseen(plan.recipe, COLUMNS)
    canvas = Canvas.of(open_base(plan.base, choose_device(device)).generator)

    def drawn(each: Candidate | None) -> tuple[torch.Tensor, ...]:
        changes = () if each is None or each.change is None else (*each.before, each.change)
        parts = canvas.draw(plan.recipe.latents[0], numbers, changes)
        return tuple(torch.cat([part.pictures for part in parts]))

    rows = [("as the model draws them", drawn(None))]
    for layer in dict.fromkeys(each.layer for each in found.candidates):
        # Of the layer that is recommended, what is: other settings may score a little higher there.
        chosen = found.recommended
        if chosen is None or chosen.layer != layer:
            chosen = max((c for c in found.candidates if c.layer == layer), key=lambda c: c.score)
        mark = ", recommended" if chosen is found.recommended else ""
        rows.append((f"{_words(chosen)}: {chosen.score:.3f}{mark}", drawn(chosen)))
    files.write_bytes(path, png(comparison(rows)))
