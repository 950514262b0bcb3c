"""``redraft bench``: measurements that anyone can repeat."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from redraft.cli.app import Command, device_option, format_option
from redraft.cli.screen import Column, Screen
from redraft.shipped import locate_recipe

if TYPE_CHECKING:
    from redraft.bench.cases import Case
    from redraft.cli.screen import Reporter

LABELLED = (("one marked face, the rest by match", "{}-from-one"),)


class Ranks(click.ParamType[tuple[int, ...]]):
    """``1,4,8``."""

    name = "ranks"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """The ranks of a list with commas."""
        if isinstance(value, tuple):
            return value
        try:
            ranks = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"`{value}` is not a list of ranks such as 1,4,8", param, ctx)
        if min(ranks) < 1:
            self.fail("a rank is 1 or more", param, ctx)
        return ranks


@click.group(name="bench", short_help="Measure speed and effect.")
def command() -> None:
    """Measure speed and effect; every figure in the documentation comes from here."""


command.example = "redraft bench solve"  # type: ignore[attr-defined]


def _part(**kwargs: Any) -> Callable[[Callable[..., Any]], Command]:
    def add(function: Callable[..., Any]) -> Command:
        made: Command = click.command(cls=Command, **kwargs)(function)
        command.add_command(made)
        return made

    return add


@_part(name="solve", example="redraft bench solve --rank 1,4,8")
@click.option("--recipe", default="glasses", help="A recipe whose first rule is an insert.")
@click.option("--rank", "ranks", type=Ranks(), default="1,4,8", help="Ranks; 1,4,8 if not given.")
@click.option("--steps", default=2001, help="Steps of projected Adam; the authors take 2001.")
@device_option()
@format_option()
def solve(recipe: str, ranks: tuple[int, ...], steps: int, device: str, form: str) -> None:
    """Time the exact solver against the paper authors' projected Adam.

    Same goal, same directions, preserve 0, one process. A second table compares the pictures.
    """
    from redraft.bench.solve import bench_solve

    screen = Screen.current()
    with screen.progress() as reporter:
        case = _case(recipe, device, reporter)
        found = bench_solve(case, ranks, steps=steps, tell=reporter.step)
    _print(
        screen,
        form,
        found,
        {
            "rows": "Preserve 0, same goal and directions",
            "follow": "Pictures 200 to 999: default settings against the authors' best rate",
        },
    )


@_part(name="stats", example="redraft bench stats")
@click.option("--recipe", default="glasses", help="A recipe whose first rule is an insert.")
@click.option("--count", default=2000, help="Latents in a pass.")
@device_option()
@format_option()
def stats(recipe: str, count: int, device: str, form: str) -> None:
    """Time the statistics pass against the bare forward pass to the same layer."""
    from redraft.bench.stats import bench_stats

    screen = Screen.current()
    with screen.progress() as reporter:
        case = _case(recipe, device, reporter)
        found = bench_stats(case, count)
    titles = {"rows": "Medians of five pairs", "memory": "Peak memory of the process so far"}
    _print(screen, form, found, titles)


@_part(name="effect", example="redraft bench effect")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    default=("glasses", "face-mask"),
    help="Recipes to take apart; glasses and face-mask if not given.",
)
@click.option("--steps", default=2001, help="Steps of projected Adam; the authors take 2001.")
@device_option()
@format_option()
def effect(recipes: Sequence[str], steps: int, device: str, form: str) -> None:
    """Measure what each piece of the method adds, on pictures that no rule saw.

    A recipe NAME is taken apart; NAME-from-one, if it is there, is measured as it is.
    """
    from redraft.bench.effect import bench_effect

    screen = Screen.current()
    with screen.progress() as reporter:
        cases = [each for name in recipes for each in _with_variants(name, device, reporter)]
        found = bench_effect(cases, steps=steps, tell=reporter.step)
    _print(screen, form, found, {"rows": "Pictures 200 to 999, those that a rule used left out"})


def _case(name: str, device: str, reporter: Reporter) -> Case:
    from redraft.bench.cases import open_case

    return open_case(locate_recipe(name), device, reporter.step)


def _with_variants(name: str, device: str, reporter: Reporter) -> list[tuple[str, Case]]:
    from redraft.shipped import shipped_recipes

    cases = [("", _case(name, device, reporter))]
    there = {recipe.name for recipe in shipped_recipes()}
    for label, pattern in LABELLED:
        if pattern.format(name) in there:
            cases.append((label, _case(pattern.format(name), device, reporter)))
    return cases


def _print(screen: Screen, form: str, found: dict[str, Any], titles: dict[str, str]) -> None:
    if form == "json":
        screen.say(json.dumps(found, indent=1))
        return
    for part, title in titles.items():
        rows = found[part]
        names = list(rows[0])
        screen.heading(title)
        screen.table(
            [
                Column(name.replace("_", " "), right=not isinstance(rows[0][name], str))
                for name in names
            ],
            [[_cell(row[name]) for name in names] for row in rows],
        )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.4f}"
    if isinstance(value, tuple | list):
        return "-".join(f"{part:.3f}" for part in value)
    return str(value)
