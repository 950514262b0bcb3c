"""``redraft studio``: a local page on which a recipe is made by hand and eye."""

from __future__ import annotations

import webbrowser
from importlib.util import find_spec
from pathlib import Path

import click

from redraft.cli.app import Command, device_option, format_option, make_command
from redraft.cli.arguments import words
from redraft.cli.arguments.recipe_words import recipe_option
from redraft.cli.bench_rows import print_rows
from redraft.cli.screen import Screen
from redraft.errors import ArtifactError, RedraftError
from redraft.plans.shipped import locate_recipe


@make_command(name="studio", example="studio glasses.redraft")
@click.argument("recipe", required=False, type=words.RECIPE_FILE)
@click.option("--no-open", is_flag=True, help="Print the address, and open no browser.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="To listen on; any free one if not given.",
)
@device_option()
def command(recipe: Path | None, no_open: bool, port: int, device: str) -> None:
    """Make a recipe on a page: paint what to copy and where it belongs, and see it at once.

    The page is served on this machine alone, for whoever has the address that is printed. It opens
    and saves files in the recipe's folder, or in the present one, and below. It needs
    starlette, uvicorn, websockets and pygls, which the extra `studio` installs.
    """
    missing = [
        name for name in ("starlette", "uvicorn", "websockets", "pygls") if not find_spec(name)
    ]
    if missing:
        raise RedraftError(
            "RD822",
            f"studio needs {missing[0]}, which is not installed",
            'install it with `pip install starlette uvicorn websockets "pygls>=2"`',
        )
    from redraft.cli.planning import warn_of_cache
    from redraft.studio.web.serve import Server

    screen = Screen.current()
    warn_of_cache()
    folder = Path() if recipe is None else recipe.parent
    if not folder.is_dir():
        raise ArtifactError("RD636", f"there is no folder {folder}", "check the path")
    server = Server(folder, None if recipe is None else recipe.name, port=port, device=device)
    screen.say(f"studio is at {server.address}")
    screen.say("Ctrl+C ends it")
    if not no_open:
        webbrowser.open(server.address)
    server.run()


TITLES = {
    "sliders": "From a slider to 16 changed pictures, over the wire: medians",
    "others": "And the rest",
}


@click.command(name="studio", cls=Command, example="redraft bench studio")
@recipe_option("A recipe with the rule `glasses`.", "glasses-from-one")
@click.option("--repeats", default=50, type=click.IntRange(1), help="Of each slider.")
@format_option()
def bench(recipe: str, repeats: int, form: str) -> None:
    """Time how soon studio shows what a slider changed, in a server of its own.

    Where there are Chromium (by CHROMIUM=PATH or by its usual names) and playwright, the same
    sliders are moved in it, until the last picture is on the page.
    """
    from redraft.bench.page.studio import bench_studio

    screen = Screen.current()
    with screen.progress() as reporter:
        found = bench_studio(locate_recipe(recipe), repeats, progress=reporter.step)
    print_rows(screen, form, found, TITLES)
