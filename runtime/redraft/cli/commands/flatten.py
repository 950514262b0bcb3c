"""``redraft flatten``: a recipe with everything that it takes from elsewhere written into it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from redraft.cli.app import make_command, set_option
from redraft.cli.arguments import words

if TYPE_CHECKING:
    from redraft_dsl.check.parameters import Given


@make_command(name="flatten", example="flatten twice.redraft")
@click.argument("file", type=words.RECIPE)
@set_option()
def command(file: str, given: Given) -> None:
    """Print a recipe as it is resolved, as a recipe that stands alone.

    FILE is a recipe, a pack, the name of a recipe that comes with redraft, or a picture that a run
    made of one. Included rules are written out, parameters replaced by their values, regions put
    where they are used, and every default named.
    """
    from redraft.cli.packs import loaded
    from redraft.plans.loading import recipe_of
    from redraft_dsl.flatten import flatten

    checked = loaded(file, given)
    recipe_of(checked)
    sys.stdout.buffer.write(flatten(checked).encode())
