"""The generator that a person names on the command line, by its code. No torch."""

from __future__ import annotations

import click

from redraft.cli.app import GENERATOR_KEY
from redraft.models.code.reference import Code, code_at


def named_generator() -> Code | None:
    """What ``--generator`` of the present command names; None where it is not given.

    Raises:
        ModelError: it names nothing.

    """
    meta = click.get_current_context().meta
    written = meta.get(f"{GENERATOR_KEY}.generator")
    return None if written is None else code_at(written, meta.get(f"{GENERATOR_KEY}.timeout"))
