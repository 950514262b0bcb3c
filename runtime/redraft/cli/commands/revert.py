"""``redraft revert``: the checkpoint as it was before an edit."""

from __future__ import annotations

from pathlib import Path

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.arguments import words
from redraft.cli.screen import Screen


@make_command(name="revert", example="revert new.pth")
@click.argument("file", type=words.UNDONE)
@click.option("--out", type=click.Path(path_type=Path), help="Write here instead of over FILE.")
@click.option("--force", is_flag=True, help="Replace another file that is there.")
@format_option()
def command(file: Path, out: Path | None, force: bool, form: str) -> None:
    """Restore a checkpoint that `redraft apply` wrote, bit for bit.

    The undo file that apply left must lie beside FILE.
    """
    from redraft.edit.apply import revert_file

    screen = Screen.current()
    target = out or file
    digest = revert_file(file, target, force=force)
    if form == "json":
        screen.json({"restored": str(target), "digest": digest})
        return
    screen.file("restored", target)
    screen.say(f"tensors digest: {digest}")
