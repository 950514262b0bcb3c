"""``redraft new``: a recipe to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from redraft.cli.app import format_option, generator_option, make_command
from redraft.cli.arguments.generators import typed
from redraft.cli.arguments.model_words import MODEL, generator_for
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
@generator_option()
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@format_option()
def command(name: str, model: str, out: Path | None, force: bool, form: str) -> None:
    """Write a recipe to begin with.

    It is a whole recipe of one rule, which copies a part of one image into others. Change the
    images and the boxes; everything else can stay. With --generator the model is a file of weights
    that your own code makes the model of.
    """
    from redraft.share.exchange.starting import start

    screen, code = Screen.current(), generator_for(model)
    path = start(name, model, out, force=force, code=code)
    screen.written(form, path)
    if form == "text":
        screen.next(
            f"redraft sample {model}{typed(code)} --out sheet.png",
            f"redraft show {path}{typed(code)} --open",
        )
