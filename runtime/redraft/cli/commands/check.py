"""``redraft check``: everything that is wrong with recipes, without opening a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
    from redraft_dsl.check.parameters import Given
    from redraft_dsl.report.diagnostics import Diagnostic
    from redraft_dsl.source import Source


@make_command(name="check", example="check glasses.redraft")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=words.RECIPE)
@set_option()
@generator_option(looks=False)
@format_option("sarif", "github")
def command(files: tuple[str, ...], given: Given, form: str) -> None:
    """Find every problem of a recipe, without opening its model.

    With --generator a model of `arch module` is checked with what `redraft layers` saw of it; the
    code is read, and not run.

    FILE is a recipe, the name of one that comes with redraft, a pack, a folder (all recipes in
    it and below, but for hidden folders and run folders), or - for standard input. The exit
    status is 1 when there is an error; warnings alone leave it at 0.
    """
    screen = Screen.current()
    checked = [_check(name, given) for name in expand(files)]
    if form == "text":
        _print_text(screen, checked)
    else:
        text = _exported(form, checked)
        if text:
            screen.show(text)
    if any(problem.is_error for _, problems in checked for problem in problems):
        raise click.exceptions.Exit(1)


def _check(name: str, given: Given) -> tuple[Source, tuple[Diagnostic, ...]]:
    from redraft.cli.arguments.generators import named_generator
    from redraft.plans.loading import load, loads
    from redraft_dsl.reading import decode
    from redraft_dsl.report.diagnostics import error
    from redraft_dsl.source import Source

    if name == STANDARD_INPUT:
        source, problems = decode("<stdin>", sys.stdin.buffer.read())
        if problems:
            return source, problems
        checked = loads(source.text, Path(), given)
        return Source(source.path, checked.source.text), checked.diagnostics
    try:
        path = locate_recipe(name)
        if is_pack(name):
            return _pack(path, given)
    except RedraftError as problem:
        found = error(problem.code, problem.message, None, "", problem.help)
        return Source(name, ""), (found,)
    try:
        checked, code = load(path, given), named_generator()
        if code is not None:
            from redraft.plans.obeying import with_module

            checked = with_module(checked, path.parent, code)
    except RedraftError as problem:
        return Source(name, ""), (error(problem.code, problem.message, None, "", problem.help),)
    return checked.source, checked.diagnostics


def _pack(path: Path, given: Given) -> tuple[Source, tuple[Diagnostic, ...]]:
    """Check the recipe in a pack, and the pack itself on the way."""
    from redraft.plans.loading import load
    from redraft.plans.run_files import RECIPE
    from redraft.share.pack.reading import recipe_in
    from redraft_dsl.source import Source

    checked = load(recipe_in(path), given)
    return Source(f"{path}:{RECIPE}", checked.source.text), checked.diagnostics


def _exported(form: str, checked: Sequence[tuple[Source, tuple[Diagnostic, ...]]]) -> str:
    from redraft import __version__
    from redraft.explain.codes import explain
    from redraft_dsl.report.machine import to_github, to_json, to_sarif

    if form == "sarif":
        return to_sarif(checked, __version__, explain)
    return to_json(checked) if form == "json" else to_github(checked)


def _print_text(screen: Screen, checked: Sequence[tuple[Source, tuple[Diagnostic, ...]]]) -> None:
    from redraft_dsl.report.terminal import render, summary

    for source, problems in checked:
        if problems:
            screen.show(render(problems, source, color=screen.color, width=screen.width))
    every = [problem for _, problems in checked for problem in problems]
    what = visible(checked[0][0].path) if len(checked) == 1 else f"{len(checked)} recipes"
    style = "good"
    if every:
        style = "error" if any(problem.is_error for problem in every) else "warning"
    screen.say(f"{what}: {screen.paint(style, summary(every))}")
