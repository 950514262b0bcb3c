"""``redraft diff``: what differs between two recipes, two edits or two runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.arguments import words
from redraft.cli.failure import report
from redraft.cli.opening import open_file, open_option
from redraft.cli.screen import Column, Screen
from redraft.plans.run_files import EDIT, RECIPE, RECORD
from redraft_dsl.report.terminal import visible, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redraft.show.compare import EditComparison, Figure, RuleComparison, RunComparison
    from redraft_dsl.recipe.compare import Difference

DIFFERENT = 1
FAILED = 2
INSIDE = {"recipe": RECIPE, "edit": EDIT}
"""What a run folder has in it of the other kinds."""

BOX = re.compile(r"\([^()]{1,40}\)")
"""The numbers of a region, where they are not so many that they need a line of their own."""
NBSP = "\N{NO-BREAK SPACE}"
DECIMALS = range(4, 8)
"""Decimals of figures side by side: the fewest that show the difference."""

Kind = Literal["recipe", "edit", "run"]
NAMES: dict[Kind, str] = {"recipe": "a recipe", "edit": "an edit", "run": "a run folder"}


@make_command(name="diff", example="diff old.redraft new.redraft")
@click.argument("first", metavar="A", type=words.RECIPE_OR_RUN)
@click.argument("second", metavar="B", type=words.RECIPE_OR_RUN)
@click.option(
    "--html",
    type=words.NEW_FILE,
    help="Of two runs: write a page with their pictures side by side.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@open_option("the page of --html")
@format_option()
def command(
    first: str, second: str, html: Path | None, force: bool, opened: bool, form: str
) -> None:
    """Show what differs between two recipes, two edits or two runs.

    Recipes are compared by what they mean, so layout, comments and written-out defaults make no
    difference, nor does another name of a layer if the model's file is there. Of edits, the
    rules are compared: rank, norm, angles between the keys that they read, cosine of the changes.
    Of run folders also what went in, so that it shows why the results differ. A pack stands for
    what is in it of the other's kind; two packs for their runs.

    The exit status is 0 when both are the same, 1 when they differ, 2 when they cannot be compared.
    """
    screen = Screen.current()
    try:
        same = _compare(screen, first, second, form)
        if html is not None:
            _write_page(screen, _paths(first, second), html, form, force=force)
            if opened:
                open_file(html, screen)
    except BrokenPipeError:
        raise
    except Exception as error:
        # As for every command, but 1 has a meaning of its own here.
        report(error, screen, as_json=form == "json")
        raise click.exceptions.Exit(FAILED) from error
    if not same:
        raise click.exceptions.Exit(DIFFERENT)


def _write_page(
    screen: Screen, paths: Sequence[Path], out: Path, form: str, *, force: bool
) -> None:
    from redraft.disk import files
    from redraft.disk.overwriting import refuse_overwriting
    from redraft.show.compare import compare_runs
    from redraft.show.report.comparison import comparison_page

    first, second = paths
    if one_kind(first, second) != "run":
        raise click.UsageError("--html compares two runs")
    refuse_overwriting([out], force=force)
    files.write_text(out, comparison_page(first, second, compare_runs(first, second)))
    if form == "text":
        screen.file("written", out)


def kind_of(path: Path) -> Kind:
    """What a path stands for, by what it is called."""
    if path.is_dir() or path.name == RECORD:
        return "run"
    return "edit" if path.suffix == ".safetensors" else "recipe"


def one_kind(first: Path, second: Path) -> Kind:
    """What both paths are.

    Raises:
        ArtifactError: they are of different kinds.

    """
    from redraft.errors import ArtifactError

    kinds = {kind_of(path): path for path in (first, second)}
    if len(kinds) == 1:
        return next(iter(kinds))
    remedy = "name two recipes, two edits or two run folders"
    other = next(kind for kind in kinds if kind != "run")
    if "run" in kinds:
        folder = kinds["run"] if kinds["run"].is_dir() else kinds["run"].parent
        remedy = f"the run has {NAMES[other]} in it to compare with: {folder / INSIDE[other]}"
    both = " and ".join(f"{path} is {NAMES[kind_of(path)]}" for path in (first, second))
    raise ArtifactError("RD695", f"{both}, and only like can be compared with like", remedy)


def _compare(screen: Screen, first: str, second: str, form: str) -> bool:
    """Compare and print; returns whether both are the same."""
    paths = _paths(first, second)
    kind = one_kind(*paths)
    # Recipes need no torch, so nothing that loads it is imported for them.
    same, found, show = {"recipe": _recipes, "edit": _edits, "run": _runs}[kind](*paths)
    if form == "json":
        screen.json({"kind": kind, "same": same, **found})
    else:
        show(screen)
    return same


def _paths(first: str, second: str) -> list[Path]:
    """What is to be compared; a pack stands for what the other one is."""
    from redraft.share.pack import is_pack

    names = (first, second)
    paths = [_path(name) for name in names]
    packs = [path for name, path in zip(names, paths, strict=True) if is_pack(name)]
    if not packs:
        return paths
    from redraft.share.pack.reading import edit_in, read_pack, recipe_in, run_in

    others = [path for path in paths if path not in packs]
    ran = all(read_pack(path).manifest.run for path in packs)
    kind = kind_of(others[0]) if others else "run" if ran else "recipe"
    inside = {"recipe": recipe_in, "edit": edit_in, "run": run_in}[kind]
    return [inside(path) if path in packs else path for path in paths]


def _path(name: str) -> Path:
    """A path, or the name of a shipped recipe."""
    from redraft.plans.shipped import locate_recipe

    return Path(name) if Path(name).is_dir() else locate_recipe(name)


Outcome = tuple[bool, dict[str, Any], Callable[[Screen], None]]
"""Whether both are the same, what to print as JSON, and what prints it as text."""


def _recipes(first: Path, second: Path) -> Outcome:
    from redraft.plans.layer_names import comparable
    from redraft.plans.loading import load, recipe_of
    from redraft_dsl.recipe.compare import compare

    recipes = recipe_of(load(first)), recipe_of(load(second))
    pair = comparable(recipes, (first.parent, second.parent))
    differences = compare(*pair.recipes)
    found: dict[str, Any] = {"differences": [asdict(each) for each in differences]}
    if pair.missing is not None:
        found["note"] = (
            f"layers are compared by their names, and two names may be of one layer: "
            f"{pair.missing} is not there"
        )

    def show(screen: Screen) -> None:
        _say(screen, differences)
        if not differences:
            screen.say("the recipes mean the same")
        if "note" in found:
            screen.remark(visible(f"note: {found['note']}"))

    return not differences, found, show


def _edits(first: Path, second: Path) -> Outcome:
    from redraft.edit.artifact import Edit
    from redraft.show.compare import compare_edits

    edits = compare_edits(Edit.load(first), Edit.load(second))
    return edits.same, asdict(edits), lambda screen: _print_edits(screen, edits)


def _runs(first: Path, second: Path) -> Outcome:
    from redraft.show.compare import compare_runs

    runs = compare_runs(first, second)
    found = {**asdict(runs), "causes": runs.causes, "verdict": runs.verdict()}
    return runs.same, found, lambda screen: _print_runs(screen, runs)


def _say(screen: Screen, differences: Sequence[Difference]) -> None:
    for each in differences:
        # A region is read as one word.
        whole = BOX.sub(lambda box: box[0].replace(" ", NBSP), visible(each.sentence()))
        screen.show(wrapped(whole, screen.width).replace(NBSP, " "))


def _print_edits(screen: Screen, edits: EditComparison) -> None:
    _say(screen, edits.differences)
    if edits.rules:
        _table(screen, edits.rules)
    screen.say("the edits are the same" if edits.same else "the edits differ")


def _table(screen: Screen, rules: Sequence[RuleComparison]) -> None:
    titles = ["rank", "norm", "angles of the keys, degrees", "cosine of changes", "same bits"]
    screen.table(
        [Column("rule"), Column("layer"), *(Column(title, right=True) for title in titles)],
        [
            [
                *(rule.name, rule.layer),
                _pair(*(str(rank) for rank in rule.ranks)),
                _pair(*(f"{norm:#.4g}" for norm in rule.norms)),
                "-" if rule.angles is None else ", ".join(f"{a:.1f}" for a in rule.angles),
                "-" if rule.cosine is None else f"{rule.cosine:.3f}",
                "yes" if rule.identical else "no",
            ]
            for rule in rules
        ],
    )


def _pair(before: str, after: str) -> str:
    return before if before == after else f"{before} -> {after}"


def _print_runs(screen: Screen, runs: RunComparison) -> None:
    first = True
    for title, differences in (("recipe", runs.recipe), ("model", runs.model)):
        if differences:
            screen.heading(f"The {title}", first=first)
            first = False
            _say(screen, differences)
    if runs.machine:
        screen.heading("The machine and versions", first=first)
        first = False
        for line in runs.machine:
            screen.say(visible(line))
    screen.heading("The changes", first=first)
    _say(screen, runs.edits.differences)
    if runs.edits.rules:
        _table(screen, runs.edits.rules)
    if runs.figures:
        screen.heading("The figures")
        decimals = _decimals(runs.figures)
        columns = [Column("rule"), Column("figure"), Column("before", right=True)]
        screen.table(
            [*columns, Column("after", right=True)],
            [
                [each.rule, each.figure, *_numbers(each.before, each.after, decimals)]
                for each in runs.figures
            ],
        )
    screen.say(runs.verdict())


def _decimals(figures: Sequence[Figure]) -> int:
    """The fewest decimals that show every difference, or nearly; the same in all rows."""
    told = (
        count
        for count in DECIMALS
        if all(len(set(_numbers(each.before, each.after, count))) == 2 for each in figures)
    )
    return next(told, DECIMALS[-1])


def _numbers(before: float | None, after: float | None, decimals: int) -> list[str]:
    return ["-" if each is None else f"{each:.{decimals}f}" for each in (before, after)]
