"""``redraft schema``: the JSON Schema of a recipe in JSON."""

from __future__ import annotations

from pathlib import Path

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.screen import Screen


@make_command(name="schema", example="schema -o recipe.schema.json")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="The file; standard output by default."
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@format_option()
def command(out: Path | None, force: bool, form: str) -> None:
    """Print the JSON Schema of a recipe in JSON.

    It describes what `redraft export --json` writes and `redraft import` reads: every field with
    its type, its range and what it means. The draft is 2020-12.
    """
    from redraft_dsl.recipe.json_schema import schema_text

    if out is None:
        click.echo(schema_text(), nl=False)
        return
    from redraft.disk import files
    from redraft.disk.overwriting import refuse_overwriting

    refuse_overwriting([out], force=force)
    files.write_text(out, schema_text())
    Screen.current().written(form, out)
