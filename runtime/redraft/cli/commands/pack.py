"""``redraft pack``: a recipe, its edit and all that belongs to them in one file."""

from __future__ import annotations

from pathlib import Path

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.arguments import words
from redraft.cli.screen import Screen
from redraft.plans.shipped import locate_recipe
from redraft_dsl.report.terminal import visible


@make_command(name="pack", example="pack glasses.redraft")
@click.argument("file", metavar="RECIPE_OR_RUN", type=words.RECIPE_OR_EDIT)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="The pack; NAME-VERSION.redraftpack if not given.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there, whatever it is.")
@format_option()
def command(file: str, out: Path | None, force: bool, form: str) -> None:
    """Put a recipe, its edit and all that belongs to them into one file.

    Give a run folder, the file of a combined edit, or a recipe: then its latest finished run in
    runs/ is packed with it. A
    pack holds masks and imports, the lock, the edit with its record and picture, the hash of every
    file, and a card for a model hub. Packing the same again gives the same bytes, and an
    earlier pack of the same recipe gives way to a new one; any other file stays.
    """
    from redraft.cli.packs import leave_packs_alone
    from redraft.share.pack.writing import EDIT_SUFFIX, pack

    screen = Screen.current()
    leave_packs_alone([file], "pack")
    is_edit = Path(file).suffix == EDIT_SUFFIX
    source = Path(file) if is_edit or Path(file).is_dir() else locate_recipe(file)
    done = pack(source, out, force=force)
    if form == "json":
        run = None if done.run is None else str(done.run)
        found = {"files": list(done.names), "bytes": done.size, "sha256": done.sha256, "run": run}
        found["lock_left"] = None if done.left is None else str(done.left)
        screen.json({"written": str(done.path), "there": done.there, **found})
        return
    what = "is there already" if done.there else "written"
    screen.file(what, done.path, f"{len(done.names)} files, {done.size} bytes")
    screen.say(f"sha256:  {done.sha256}")
    if done.run is None:
        screen.warn("there is no finished run of this recipe in runs/, so there is no edit in it")
    elif done.run != source:
        screen.say(f"run:     {visible(str(done.run))}")
    if done.left is not None:
        screen.warn(
            f"{done.left} is not in it, for the run was made without that lock; to have both, run "
            "the recipe again and pack that run"
        )
