"""``redraft bench``: measurements that anyone can repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redraft.cli.app import Command, device_option, format_option, make_family
from redraft.cli.arguments.ranges import parse_ranks
from redraft.cli.arguments.recipe_words import recipe_option, recipes_option
from redraft.cli.bench_rows import print_rows
from redraft.cli.commands.run import bench as run
from redraft.cli.commands.studio import bench as studio
from redraft.cli.screen import Screen
from redraft.plans.shipped import locate_recipe

if TYPE_CHECKING:
    from redraft.bench.cases import Case
    from redraft.cli.screen import Reporter

JUDGED_TITLE = "The first 800 held-out pictures"
TRIED = ("glasses", "face-mask", "open-mouth", "thick-brows")
LABELLED = (("one marked face, the rest by match", "{}-from-one"),)


def _architectures(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """``stylegan2|proggan``; commas do as well."""
    if value is None:
        return None
    from redraft.bench.architectures import NETWORKS

    names = tuple(value.replace("|", ",").split(","))
    for name in names:
        if name not in NETWORKS:
            raise click.BadParameter(f"`{name}` is none of {', '.join(NETWORKS)}")
    return names


@make_family(name="bench", example="bench solve", short_help="Measure speed and effect.")
def command() -> None:
    """Measure speed and effect; every figure in the documentation comes from here."""


def pictures_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--pictures FOLDER``."""
    return click.option(
        "--pictures",
        type=click.Path(file_okay=False, path_type=Path),
        help=f"A folder for pictures: {what}.",
    )


command.add_command(run)
command.add_command(studio)


def _part(**kwargs: Any) -> Callable[[Callable[..., Any]], click.Command]:
    return command.command(cls=Command, **kwargs)


@_part(name="solve", example="redraft bench solve --rank 1,4,8")
@recipe_option("A recipe whose first rule is an insert.")
@click.option(
    "--rank", "ranks", callback=parse_ranks, default="1,4,8", help="Ranks; 1,4,8 if not given."
)
@click.option("--steps", default=2001, help="Steps of projected Adam; the authors take 2001.")
@click.option(
    "--arch",
    "architectures",
    callback=_architectures,
    help="Solve on 256 px networks of seeded random weights instead: dcgan,proggan,stylegan2.",
)
@device_option()
@format_option()
def solve(
    recipe: str,
    ranks: tuple[int, ...],
    steps: int,
    architectures: tuple[str, ...] | None,
    device: str,
    form: str,
) -> None:
    """Time the exact solver against the paper authors' projected Adam.

    Same goal, same crop, same directions, preserve 0, one process. A second table compares the
    pictures; with --arch there is no recipe, and nothing to see in the pictures. --device is for
    recipes.
    """
    from redraft.bench.architectures import bench_architectures
    from redraft.bench.solve import bench_solve

    screen = Screen.current()
    if architectures is not None:
        with screen.progress() as reporter:
            found = bench_architectures(architectures, ranks, steps=steps, progress=reporter.step)
        title = "Preserve 0, same goal and directions, random weights, on the CPU"
        print_rows(screen, form, found, {"rows": title})
        return
    with screen.progress() as reporter:
        case = _case(recipe, device, reporter)
        found = bench_solve(case, ranks, steps=steps, progress=reporter.step)
    print_rows(
        screen,
        form,
        found,
        {
            "rows": "Preserve 0, same goal and directions",
            "follow": f"{JUDGED_TITLE}: default settings against the authors' best rate",
        },
    )


@_part(name="stats", example="redraft bench stats")
@recipe_option("A recipe whose first rule is an insert.")
@click.option(
    "--count",
    type=click.IntRange(1),
    help="Latents in a pass; if not given 2000, and with --arch two batches.",
)
@click.option(
    "--arch",
    "architectures",
    callback=_architectures,
    help="Run 256 px networks of seeded random weights instead: dcgan,proggan,stylegan2.",
)
@click.option("--layer", help="With --arch, the layer; if not given, the one that solve rewrites.")
@device_option()
@format_option()
def stats(
    recipe: str,
    count: int | None,
    architectures: tuple[str, ...] | None,
    layer: str | None,
    device: str,
    form: str,
) -> None:
    """Time the statistics pass against the bare forward pass to the same layer.

    --device is for recipes.
    """
    from redraft.bench.stats import bench_stats, bench_stats_of

    if layer is not None and architectures is None:
        raise click.UsageError("--layer goes with --arch; a recipe's rule names its own layer")
    screen = Screen.current()
    with screen.progress() as reporter:
        if architectures is None:
            found = bench_stats(_case(recipe, device, reporter), count or 2000)
        else:
            found = bench_stats_of(architectures, layer, count, reporter.step)
    titles = {"rows": "Medians of five pairs", "memory": "Peak memory of the process so far"}
    print_rows(screen, form, found, titles)


@_part(name="effect", example="redraft bench effect")
@recipes_option(
    "Recipes to take apart; glasses and face-mask if not given.", "glasses", "face-mask"
)
@click.option("--steps", default=2001, help="Steps of projected Adam; the authors take 2001.")
@pictures_option("one sheet for each recipe, a row for each way of solving it")
@device_option()
@format_option()
def effect(
    recipes: Sequence[str], steps: int, pictures: Path | None, device: str, form: str
) -> None:
    """Measure what each piece of the method adds, on pictures that no rule saw.

    A recipe NAME is taken apart; NAME-from-one, if it is there, is measured as it is.
    """
    from redraft.bench.effect import bench_effect, save_comparison

    screen = Screen.current()
    rows: list[dict[str, Any]] = []
    with screen.progress() as reporter:
        for name in recipes:
            shown = []
            for label, case in _with_variants(name, device, reporter):
                trials = bench_effect(case, label, steps=steps, progress=reporter.step)
                rows += [trial.row for trial in trials]
                shown += [(case, trial.row["method"], trial.delta) for trial in trials]
            if pictures is not None:
                save_comparison(pictures / f"{Path(name).stem}.png", shown)
    print_rows(screen, form, {"rows": rows}, {"rows": JUDGED_TITLE})


@_part(name="settings", example="redraft bench settings")
@recipe_option("A recipe whose first rule is an insert.")
@pictures_option("one sheet for each setting, a row for each of its values")
@device_option()
@format_option()
def settings(recipe: str, pictures: Path | None, device: str, form: str) -> None:
    """Measure and show what happens when one setting of a rule changes."""
    from redraft.bench.effect import save_comparison
    from redraft.bench.settings import VALUES, bench_settings

    screen = Screen.current()
    with screen.progress() as reporter:
        case = _case(recipe, device, reporter)
        trials = bench_settings(case, reporter.step)
    if pictures is not None:
        for setting in VALUES:
            shown = [
                (case, f"{setting} {each.value}", each.trial.delta)
                for each in trials
                if each.setting == setting
            ]
            save_comparison(pictures / f"{setting}.png", shown)
    print_rows(screen, form, {"rows": [each.row for each in trials]}, {"rows": JUDGED_TITLE})


@_part(name="leftout", example="redraft bench leftout --plot leftout.png")
@recipes_option(
    "Recipes whose first rule is an insert; if not given four of redraft's own, and its trials."
)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    default=("layer3", "layer6", "layer9"),
    help="Layers at which each rule is solved; layer3, layer6 and layer9 if not given.",
)
@click.option("--judged", default=600, type=click.IntRange(1), help="Most unseen pictures.")
@click.option(
    "--side",
    default=5.0,
    type=click.FloatRange(0, 100),
    help="Per cent that `side` is asked for; 0 leaves this part out.",
)
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="A PNG file for a drawing."
)
@device_option()
@format_option()
def leftout(
    recipes: Sequence[str],
    layers: Sequence[str],
    judged: int,
    side: float,
    plot: Path | None,
    device: str,
    form: str,
) -> None:
    """Compare what a run says of left-out pictures with what unseen ones do."""
    from redraft.bench.agreement import panels
    from redraft.bench.leftout import Trials, bench_leftout
    from redraft.disk.files import write_bytes
    from redraft.show.pictures import png
    from redraft.show.scatter import scatter

    screen = Screen.current()
    with screen.progress() as reporter:
        paths = tuple(map(locate_recipe, recipes)) or _trials()
        trials = Trials(paths, tuple(layers), judged, side, device)
        found = bench_leftout(trials, reporter.step)
    if plot is not None:
        write_bytes(plot, png(scatter(panels(found))))
    titles = {
        "pairs": f"Left-out pictures, and up to {judged} unseen ones",
        "ranks": "Rank correlation, 95 % intervals by bootstrap over the rows above",
        "sides": "Left-out side effect of the recipes' own preserve",
        "chosen": f"side {side:g}%, at each recipe's own layer",
    }
    print_rows(screen, form, found, {part: title for part, title in titles.items() if found[part]})


@_part(name="repeat", example="redraft bench repeat")
@recipes_option("Recipes; if not given, redraft's own.")
@device_option()
@format_option()
def repeat(recipes: tuple[str, ...], device: str, form: str) -> None:
    """Solve recipes as unlike machines would, and compare the changes.

    The tolerances of `redraft verify` come from these figures.
    """
    from redraft.bench.repeat import bench_repeat
    from redraft.plans.shipped import shipped_recipes

    screen = Screen.current()
    named = [locate_recipe(name) for name in recipes]
    paths = named or [recipe.path for recipe in shipped_recipes()]
    with screen.progress() as reporter:
        found = bench_repeat(paths, device=device, progress=reporter.step)
    titles = {"worst": "The worst rule under each condition", "rows": "Every rule"}
    print_rows(screen, form, found, titles)


@_part(name="speed", example="redraft bench speed")
@recipe_option("A recipe whose first rule is an insert.")
@click.option("--count", default=2000, type=click.IntRange(1), help="Images that match looks at.")
@click.option(
    "--size",
    "sizes",
    type=(click.IntRange(1), click.IntRange(3)),
    multiple=True,
    metavar="RANK PASTES",
    default=((8, 24), (16, 160)),
    help="What to solve, smallest first; 8 24 and 16 160 if not given.",
)
@click.option("--among", default=1600, type=click.IntRange(1), help="Images searched for contexts.")
@device_option()
@format_option()
def speed(
    recipe: str,
    count: int,
    sizes: Sequence[tuple[int, int]],
    among: int,
    device: str,
    form: str,
) -> None:
    """Time solving at two sizes, and match against the bare forward pass to the same layer."""
    from redraft.bench.speed import Size, bench_speed

    screen = Screen.current()
    with screen.progress() as reporter:
        case = _case(recipe, device, reporter)
        measured = tuple(Size(rank, pastes) for rank, pastes in sizes)
        found = bench_speed(case, measured, count, among, reporter.step)
    titles = {
        "solve": "Directions and coefficients: three runs each; memory of the process so far",
        "match": "Medians of five pairs",
    }
    print_rows(screen, form, found, titles)


@_part(name="live", example="redraft bench live")
@recipe_option("A recipe with the rule `glasses`.")
@click.option("--repeats", default=20, type=click.IntRange(1), help="Of each change.")
@device_option()
@format_option()
def live(recipe: str, repeats: int, device: str, form: str) -> None:
    """Time how soon a changed setting shows in pictures, and how soon its edit is settled."""
    from redraft.bench.live import bench_live

    screen = Screen.current()
    path = locate_recipe(recipe)
    with screen.progress() as reporter:
        found = bench_live(path, repeats, device=device, progress=reporter.step)
    print_rows(screen, form, found, {"rows": f"Medians of {repeats}, from a recipe settled wholly"})


def _trials() -> tuple[Path, ...]:
    """The recipes that left-out gain is tried on: good ones, and others that should not follow."""
    from redraft.plans.shipped import shipped_folder, shipped_recipes

    folder = shipped_folder()
    more = () if folder is None else shipped_recipes(folder / "trials")
    return (*map(locate_recipe, TRIED), *(recipe.path for recipe in more))


def _case(name: str, device: str, reporter: Reporter) -> Case:
    from redraft.bench.cases import open_case

    return open_case(locate_recipe(name), device, reporter.step)


def _with_variants(name: str, device: str, reporter: Reporter) -> list[tuple[str, Case]]:
    from redraft.plans.shipped import shipped_recipes

    cases = [("", _case(name, device, reporter))]
    there = {recipe.name for recipe in shipped_recipes()}
    for label, pattern in LABELLED:
        if pattern.format(name) in there:
            cases.append((label, _case(pattern.format(name), device, reporter)))
    return cases
