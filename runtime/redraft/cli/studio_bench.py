"""``redraft bench studio``, beside the other benches, which fill a module of their own."""

from __future__ import annotations

from typing import Any

import click

from redraft.cli.app import Command, format_option
from redraft.cli.screen import Column, Screen
from redraft.plans.shipped import locate_recipe

TITLES = {
    "sliders": "From a slider to 16 changed pictures, over the wire: medians",
    "others": "And the rest",
}


@click.command(name="studio", cls=Command, example="redraft bench studio")
@click.option("--recipe", default="glasses-from-one", help="A recipe with the rule `glasses`.")
@click.option("--repeats", default=50, type=click.IntRange(1), help="Of each slider.")
@format_option()
def studio(recipe: str, repeats: int, form: str) -> None:
    """Time how soon studio shows what a slider changed, in a server of its own."""
    from redraft.bench.page.studio import bench_studio

    screen = Screen.current()
    with screen.progress() as reporter:
        found = bench_studio(locate_recipe(recipe), repeats, progress=reporter.step)
    if form == "json":
        screen.json(found)
        return
    for part, title in TITLES.items():
        _table(screen, title, found[part])


def _table(screen: Screen, title: str, rows: list[dict[str, Any]]) -> None:
    screen.heading(title)
    names = list(rows[0])
    columns = [
        Column(name.replace("_", " "), right=not isinstance(rows[0][name], str)) for name in names
    ]
    screen.table(columns, [[str(row[name]) for name in names] for row in rows])
