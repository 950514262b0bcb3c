"""``redraft check``: everything that is wrong with recipes, without opening a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import format_option, generator_option, make_command, set_option
from redraft.cli.arguments import words
from redraft.cli.recipes_in import STANDARD_INPUT, expand
from redraft.cli.screen import Screen
from redraft.errors import RedraftError
from redraft.plans.shipped import locate_recipe
from redraft.share.pack import is_pack
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from redraft_dsl.check.checked import Checked
    from redraft_dsl.check.parameters import Given
    from redraft_dsl.report.diagnostics import Diagnostic
    from redraft_dsl.source import Source


@dataclass(frozen=True)
class _Found:
    """What a check found; ``left_out`` says what it could not look at."""

    source: Source
    problems: tuple[Diagnostic, ...]
    left_out: str | None = None


@make_command(name="check", example="check glasses.redraft")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=words.RECIPE)
@set_option()
@generator_option(looks=False)
@format_option("sarif", "github")
def command(files: tuple[str, ...], given: Given, form: str) -> None:
    """Find every problem of a recipe, without opening its model.

    With --generator a model of `arch module` is checked with what `redraft layers` saw of it; the
    code is read, and not run. Without it the layers of such a model are not checked.

    FILE is a recipe, the name of one that comes with redraft, a pack, a folder (all recipes in
    it and below, but for hidden folders and run folders), or - for standard input. The exit
    status is 1 when there is an error; warnings alone leave it at 0.
    """
    screen = Screen.current()
    checked = [_check(name, given) for name in expand(files)]
    if form == "text":
        _print_text(screen, checked)
    else:
        text = _exported(form, [(each.source, each.problems) for each in checked])
        if text:
            screen.show(text)
    if any(problem.is_error for each in checked for problem in each.problems):
        raise click.exceptions.Exit(1)


def _check(name: str, given: Given) -> _Found:
    from redraft.plans.loading import load, loads
    from redraft_dsl.reading import decode
    from redraft_dsl.report.diagnostics import error
    from redraft_dsl.source import Source

    try:
        if name == STANDARD_INPUT:
            source, problems = decode("<stdin>", sys.stdin.buffer.read())
            if problems:
                return _Found(source, problems)
            return _with_code(loads(source.text, Path(), given), Path(), source.path)
        path = locate_recipe(name)
        if is_pack(name):
            return _pack(path, given)
        checked = load(path, given)
        return _with_code(checked, path.parent, checked.source.path)
    except RedraftError as problem:
        found = error(problem.code, problem.message, None, "", problem.help)
        return _Found(Source(name, ""), (found,))


def _pack(path: Path, given: Given) -> _Found:
    """Check the recipe in a pack, and the pack itself on the way."""
    from redraft.plans.loading import load
    from redraft.plans.run_files import RECIPE
    from redraft.share.pack.reading import recipe_in

    recipe = recipe_in(path)
    return _with_code(load(recipe, given), recipe.parent, f"{path}:{RECIPE}", path.parent)


def _with_code(checked: Checked, folder: Path, called: str, home: Path | None = None) -> _Found:
    """What was found, with what is known of the code that makes the model.

    ``called`` is what its problems call the recipe, ``home`` where its model lies.
    """
    from redraft.cli.arguments.generators import named_generator
    from redraft.plans.loading import unread
    from redraft_dsl.source import Source

    code, left_out = named_generator(), None
    if code is None:
        left_out = unread(checked)
    else:
        from redraft.plans.obeying import with_module

        checked = with_module(checked, folder, code, home)
    return _Found(Source(called, checked.source.text), checked.diagnostics, left_out)


def _exported(form: str, checked: Sequence[tuple[Source, tuple[Diagnostic, ...]]]) -> str:
    from redraft import __version__
    from redraft.explain.codes import explain
    from redraft_dsl.report.machine import to_github, to_json, to_sarif

    if form == "sarif":
        return to_sarif(checked, __version__, explain)
    return to_json(checked) if form == "json" else to_github(checked)


def _print_text(screen: Screen, checked: Sequence[_Found]) -> None:
    from redraft_dsl.report.terminal import render, summary

    for each in checked:
        if each.problems:
            shown = render(each.problems, each.source, color=screen.color, width=screen.width)
            screen.show(shown)
        if each.left_out is not None:
            screen.say(f"{visible(each.source.path)}: {visible(each.left_out)}")
    every = [problem for each in checked for problem in each.problems]
    what = visible(checked[0].source.path) if len(checked) == 1 else f"{len(checked)} recipes"
    style = "good"
    if every:
        style = "error" if any(problem.is_error for problem in every) else "warning"
    screen.say(f"{what}: {screen.paint(style, summary(every))}")
