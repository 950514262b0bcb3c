"""``redraft export``: a recipe in another program's form."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from redraft.cli.app import command as make_command
from redraft.cli.screen import Screen
from redraft.shipped import locate_recipe
from redraft_dsl.rendering import visible


@make_command(name="export", example="export glasses.redraft --davidbau -o edit.json")
@click.argument("recipe")
@click.option("--davidbau", is_flag=True, help="As an edit file of the paper's authors.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="The file; standard output by default."
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def command(recipe: str, davidbau: bool, out: Path | None, force: bool) -> None:
    """Write a recipe in the form of another program.

    With --davidbau, as the JSON that the program of the paper's authors loads. It holds the
    marked images only: model, layer, rank and every other setting stay behind. A recipe that
    was imported gives the same JSON back.
    """
    if not davidbau:
        raise click.UsageError("say in which form: --davidbau")
    from redraft import files
    from redraft.exchange.exporting import davidbau_text
    from redraft.exchange.importing import refuse_overwriting
    from redraft.loading import load

    screen = Screen.current()
    path = locate_recipe(recipe)
    text, drawn = davidbau_text(load(path), path.parent)
    if drawn:
        screen.remark(f"drawn as masks: the regions of {visible(', '.join(drawn))}")
    if out is None:
        sys.stdout.write(f"{text}\n")
        return
    refuse_overwriting([out], force=force)
    files.write_text(out, text)
    screen.say(f"written: {visible(str(out))}")
