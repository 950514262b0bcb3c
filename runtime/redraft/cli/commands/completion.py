"""``redraft completion``: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click

from redraft.cli.app import COMPLETE_VARIABLE, PROGRAM, app, make_command
from redraft.cli.screen import Screen


@make_command(name="completion", example="completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that makes a shell complete redraft's words."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "click knows the three shells of the choice"
    Screen.current().show(kind(app, {}, PROGRAM, COMPLETE_VARIABLE).source().strip())
