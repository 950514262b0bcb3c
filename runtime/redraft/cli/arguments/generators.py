"""``--generator FILE.py:NAME``: which code a person names. Nothing is run here. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from redraft.cli.app import GENERATOR_KEY
from redraft.disk.configuration import configuration

if TYPE_CHECKING:
    from redraft.models.code.reference import Code


def named_generator() -> Code | None:
    """What ``--generator`` of the present command names; None where it is not given.

    Raises:
        ModelError: it names nothing.

    """
    context = click.get_current_context()
    written = context.meta.get(f"{GENERATOR_KEY}.generator")
    source = context.get_parameter_source("generator")
    if written is None:
        written, source = configuration().generator, ParameterSource.ENVIRONMENT
    if written is None:
        return None
    from redraft.models.code.reference import code_at

    # What environment or configuration name is there for the models that need it.
    always = source is not ParameterSource.ENVIRONMENT
    return code_at(written, context.meta.get(f"{GENERATOR_KEY}.timeout"), always=always)


def typed(code: Code | None) -> str:
    """A generator as it is typed behind other words of a command; nothing where there is none."""
    if code is None:
        return ""
    from redraft.models.code.reference import option

    return f" {option(code.written)}"
