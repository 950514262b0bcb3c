"""``redraft import``: a recipe from an edit file of the paper's authors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import command as make_command
from redraft.cli.screen import Screen
from redraft.shipped import SUFFIX
from redraft_dsl.rendering import visible

if TYPE_CHECKING:
    from redraft_dsl.exchange.to_recipe import Removal


@make_command(name="import", example="import edit.json --model faces --layer layer6")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="A name from `redraft models`, or a model file.")
@click.option("--layer", required=True, help="Where the rule is written: see `redraft layers`.")
@click.option(
    "--rank", type=click.IntRange(1, 65_536), help="Of the rule; 1, as theirs, is the default."
)
@click.option(
    "--truncation", type=click.FloatRange(0, 1), help="For a model file; none is the default."
)
@click.option(
    "--as",
    "removal",
    type=click.Choice(["zero", "erase"]),
    help="What to make of marks without a copy; erase if there is a paste, else zero.",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="The recipe; FILE.redraft is the default."
)
@click.option("--force", is_flag=True, help="Overwrite the recipe and its masks.")
def command(
    file: Path,
    model: str,
    layer: str,
    rank: int | None,
    truncation: float | None,
    removal: Removal | None,
    out: Path | None,
    force: bool,
) -> None:
    """Make a recipe of an edit file of the paper's authors.

    FILE is a JSON file as their program saves it. It holds images and masks only, so the model
    and the layer must be given. The recipe is written to the current folder, its masks to
    masks/NAME beside it; it says in comments what was assumed.
    """
    from redraft.exchange.importing import import_edit

    screen = Screen.current()
    done = import_edit(
        file,
        out or Path(f"{file.stem}{SUFFIX}"),
        model=model,
        layer=layer,
        rank=rank,
        truncation=truncation,
        removal=removal,
        force=force,
    )
    if done.checked.warnings:
        from redraft_dsl.rendering import render

        shown = render(done.checked.warnings, done.checked.source, color=screen.error_color)
        screen.remark(shown)
    count = len(done.masks)
    screen.say(f"written: {visible(str(done.path))} (and {count} mask{'s' if count > 1 else ''})")
