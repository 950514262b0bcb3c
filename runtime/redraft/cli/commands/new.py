"""``redraft new``: a recipe to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.arguments.model_words import MODEL
from redraft.cli.screen import Screen


@make_command(name="new", example="new red-nose --model faces")
@click.argument("name")
@click.option(
    "--model",
    type=MODEL,
    required=True,
    help="A name from `redraft models`, or a model file.",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="The recipe; NAME.redraft if not given."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@format_option()
def command(name: str, model: str, out: Path | None, force: bool, form: str) -> None:
    """Write a recipe to begin with.

    It is a whole recipe of one rule, which copies a part of one image into others. Change the
    images and the boxes; everything else can stay.
    """
    from redraft.share.exchange.starting import start

    screen = Screen.current()
    path = start(name, model, out, force=force)
    screen.written(form, path)
    if form == "text":
        screen.next(f"redraft sample {model} --out sheet.png", f"redraft show {path} --open")
