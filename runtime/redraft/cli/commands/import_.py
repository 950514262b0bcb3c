"""``redraft import``: a recipe from JSON, be it redraft's own or the paper authors'."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.arguments import words
from redraft.cli.arguments.model_words import MODEL
from redraft.cli.screen import Screen
from redraft.explain.words import counted
from redraft.plans.shipped import SUFFIX

if TYPE_CHECKING:
    from redraft_dsl.check import Checked
    from redraft_dsl.davidbau.to_recipe import Removal


def _roles(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """``LABEL=ROLE``."""
    from redraft.share.exchange.annotations import ROLES

    pairs = [value.rpartition("=") for value in values]
    for label, _, role in pairs:
        if not label or role not in ROLES:
            raise click.BadParameter(f"write LABEL=ROLE, where ROLE is one of {', '.join(ROLES)}")
    return {label: role for label, _, role in pairs}


@make_command(name="import", example="import edit.json --model faces --layer layer6")
@click.argument("file", type=words.JSON_FILE)
@click.option("--model", type=MODEL, help="A name from `redraft models`, or a model file.")
@click.option("--layer", help="Where the rule is written: see `redraft layers`.")
@click.option(
    "--rank", type=click.IntRange(1, 65_536), help="Of the rule; 1, as theirs, is the default."
)
@click.option(
    "--truncation", type=click.FloatRange(0, 1), help="For a model file; none is the default."
)
@click.option(
    "--as",
    "removal",
    type=click.Choice(["zero", "erase"]),
    help="What to make of marks without a copy; erase if there is a paste, else zero.",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="The recipe; FILE.redraft is the default."
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL=ROLE",
    callback=_roles,
    help="What shapes with this label are: copy, paste, from or context.",
)
@click.option("--force", is_flag=True, help="Overwrite the recipe and its masks.")
@format_option()
def command(
    file: Path,
    model: str | None,
    layer: str | None,
    rank: int | None,
    truncation: float | None,
    removal: Removal | None,
    labels: dict[str, str],
    out: Path | None,
    force: bool,
    form: str,
) -> None:
    """Make a recipe of a JSON file.

    FILE is an edit file of the paper's authors, as their program saves it, a recipe that
    `redraft export --json` wrote, or what an annotation tool saved: labelme's JSON, or a COCO file
    with polygons. Which of them is seen from what is in it.

    In a file of an annotation tool the label of a shape says what it is for: copy, paste, from or
    context. --label says it for other labels, as in --label glasses=copy. The last number in the
    name of the annotated picture is the number of its image.

    An edit file holds images and masks only, so --model and --layer must be given. The recipe is
    written to the current folder, its masks to masks/NAME beside it; it says in comments what was
    assumed. A recipe in JSON says everything itself; its masks must lie beside the new recipe.
    """
    from redraft.share.exchange.annotations import looks_annotated
    from redraft.share.exchange.importing import read_bytes, read_file
    from redraft_dsl.recipe.as_json import looks_like_a_recipe

    target = out or Path(f"{file.stem}{SUFFIX}")
    data = read_bytes(file)
    if looks_like_a_recipe(data):
        if any(each is not None for each in (model, layer, rank, truncation, removal)):
            raise click.UsageError(
                "this is a recipe in JSON, which says everything itself: leave out --model, "
                "--layer, --rank, --truncation and --as"
            )
        _import_recipe(file, data, target, form, force=force)
        return
    annotated = looks_annotated(data)
    if model is None or layer is None:
        if not annotated:
            read_file(file)  # what is not an edit file is refused first
        raise click.UsageError(f"missing option '{'--layer' if model else '--model'}'.")
    if annotated:
        _import_annotations(file, target, model, layer, labels, form, force=force)
        return
    options = EditOptions(model, layer, rank, truncation, removal)
    _import_edit(file, target, options, form, force=force)


class EditOptions(NamedTuple):
    """What an edit file does not say."""

    model: str
    layer: str
    rank: int | None
    truncation: float | None
    removal: Removal | None


def _import_recipe(file: Path, data: bytes, target: Path, form: str, *, force: bool) -> None:
    from redraft.share.exchange.recipes import import_json

    screen = Screen.current()
    _remark(import_json(file, data, target, force=force), screen)
    screen.written(form, target, masks=[])


def _import_annotations(
    file: Path,
    target: Path,
    model: str,
    layer: str,
    labels: dict[str, str],
    form: str,
    *,
    force: bool,
) -> None:
    from redraft.share.exchange.annotated import import_annotations

    screen = Screen.current()
    done = import_annotations(file, target, model=model, layer=layer, roles=labels, force=force)
    _remark(done.checked, screen)
    screen.written(form, done.path, masks=[])


def _import_edit(file: Path, target: Path, options: EditOptions, form: str, *, force: bool) -> None:
    from redraft.share.exchange.importing import import_edit

    screen = Screen.current()
    done = import_edit(file, target, **options._asdict(), force=force)
    _remark(done.checked, screen)
    masks = counted(len(done.masks), "mask")
    screen.written(form, done.path, f"and {masks}", masks=list(map(str, done.masks)))


def _remark(checked: Checked, screen: Screen) -> None:
    """Show what the checker warns of."""
    if checked.warnings:
        screen.diagnostics(checked.warnings, checked.source)
