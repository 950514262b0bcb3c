"""``redraft lsp``: the language server, which editors start themselves."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import make_command
from redraft.errors import RedraftError
from redraft.explain.install import extra

if TYPE_CHECKING:
    from redraft_dsl.facts import ModelFacts


@make_command(name="lsp", example="lsp")
def command() -> None:
    """Serve an editor: problems while you type, completion, hovers, renaming.

    The editor starts this command and speaks with it over standard input and output. It needs
    pygls: pip install "pygls>=2".
    """
    if find_spec("pygls") is None:
        raise RedraftError(
            "RD730",
            "the language server needs pygls, which is not installed",
            f"install it with `{extra('lsp')}`",
        )
    from redraft import __version__
    from redraft.models.listed.catalog import known_models
    from redraft_dsl.editor.server import make_server

    if sys.stdin.isatty():
        # Somebody tries it by hand, and would wait for an answer that never comes.
        print("redraft lsp waits for an editor; Ctrl+C ends it", file=sys.stderr)  # noqa: T201
    server = make_server(__version__, known_models(), _file_facts)
    # The server closes what it writes to, and the program still flushes its own output.
    server.start_io(sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    if not server.ended_well:
        raise click.exceptions.Exit(1)


def _file_facts(path: Path, arch: str | None, weights_set: str | None) -> ModelFacts | None:
    """What the head of a model file says; None when it cannot be read. No tensor is loaded."""
    from redraft.models.arch.families import recognise
    from redraft.models.checkpoint.header import read_header
    from redraft.models.locate import shapes_of

    try:
        return recognise(shapes_of(read_header(path, weights_set)), arch).facts
    except RedraftError:
        return None  # planning reports what is wrong with the file
