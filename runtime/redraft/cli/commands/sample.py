"""``redraft sample``: pictures of a model on one sheet, before and after an edit."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redraft.cli.app import device_option, format_option, generator_option, make_command
from redraft.cli.arguments import words
from redraft.cli.arguments.files_of_models import arch_option, weights_set_option
from redraft.cli.arguments.generators import typed
from redraft.cli.arguments.model_words import MODEL, generator_for
from redraft.cli.arguments.ranges import parse_images
from redraft.cli.arguments.recipe_words import EDITED_RULE
from redraft.cli.commands.apply import check_strength, load_edit
from redraft.cli.screen import Screen
from redraft.explain.words import counted

if TYPE_CHECKING:
    from torch import Tensor

    from redraft.edit.artifact import Edit
    from redraft.models.locate import Base
    from redraft.models.open import OpenModel
    from redraft.show.pictures import Picture

SIDE = 128
"""Pixels that a picture is shown at, at most."""
BARE_SCALE = 8


@make_command(name="sample", example="sample faces --out sheet.png")
@click.argument("model", type=MODEL)
@click.option("--out", required=True, type=words.NEW_FILE, help="The PNG to write.")
@click.option(
    "--images",
    metavar="LIST",
    callback=parse_images,
    default="0..23",
    help="Such as 0..23 (the default) or 3,7,10.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Of the latents; 1 is the default, or what the recipe says.",
)
@click.option(
    "--truncation",
    type=click.FloatRange(0, 1),
    help="Draw inner latents to their mean; 1, or what the recipe says.",
)
@click.option("--class", "label", type=click.IntRange(0), help="Draw every image of this class.")
@click.option(
    "--columns", type=click.IntRange(1, 50), default=8, help="Images in a row; 8 is the default."
)
@click.option("--edit", type=words.EDIT, help="Show the images edited below the originals.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    type=EDITED_RULE,
    help="Apply this rule of the edit only; may be repeated.",
)
@click.option("--strength", type=float, help="Scale the edit; 1 is the default.")
@click.option("--force", is_flag=True, help="Replace a file that is there, whatever it is.")
@click.option(
    "--bare", is_flag=True, help="Each image alone, with nothing around it, to paint a mask on."
)
@click.option(
    "--scale",
    type=click.IntRange(1, 64),
    help="With --bare: pixels of the file for one of the model; 8 is the default.",
)
@arch_option()
@weights_set_option()
@device_option()
@generator_option()
@format_option()
def command(
    model: str,
    out: Path,
    images: tuple[int, ...],
    columns: int,
    edit: Path | None,
    rules: tuple[str, ...],
    strength: float | None,
    force: bool,
    bare: bool,
    scale: int | None,
    device: str,
    form: str,
    **typed: Any,
) -> None:
    """Draw images of a model on one sheet, each with its number.

    MODEL is a name from `redraft models`, a checkpoint file, or a recipe: its model is drawn with
    its seed, truncation and class. Image i is z[i] of a recipe with the same three; without a class
    it is of class i mod their number. With --edit (an edit.safetensors or a run folder)
    the originals stand above the edited images. With --bare the file is one image: paint white on a
    black layer above it, and save that layer as a mask. Several bare images are as many files: with
    `--out face.png`, face-3.png is image 3.
    """
    screen = Screen.current()
    _check(edit, bool(rules) or strength is not None, bare, scale)
    screen.begin(f"opening {model}")
    from redraft.cli.drawn import Chosen, chosen
    from redraft.models.batches import draw
    from redraft.models.open import choose_device, open_base
    from redraft.models.samplers import sampler_of
    from redraft.show.picture_file import write_pictures

    check_strength(amount := 1.0 if strength is None else strength)
    loaded = None if edit is None else load_edit(edit).choose(list(rules) or None)
    with screen.progress() as reporter:
        base, block = chosen(model, Chosen(**typed), max(images) + 1, reporter)
        opened = open_base(base, choose_device(device))
        rows = sampler_of(opened.generator).rows(block, images)
        before = draw(opened.generator, rows)
        after = None if loaded is None else _edited(opened, rows, loaded, amount)
    if bare:
        files = _each_bare(out, images, before if after is None else after, scale or BARE_SCALE)
    else:
        files = {out: _sheet(before, after, images, columns, f"{model}, seed {block.seed}")}
    write_pictures(files, force=force)
    _say_written(screen, form, files, seed=block.seed, images=images)
    _doubt(screen, before, base)
    if not bare and form == "text":
        screen.next(*_next(model, block.seed, images[0], edit, rules, strength))


def _doubt(screen: Screen, pictures: Tensor, base: Base) -> None:
    from redraft.models.doubt import doubt

    screen.warn_all(doubt(pictures, base.assumed))


def _say_written(
    screen: Screen, form: str, written: dict[Path, Picture], seed: int, images: tuple[int, ...]
) -> None:
    first, *others = written
    size = written[first].size
    note = f"{size[0]} x {size[1]}, {counted(len(images), 'image')}"
    note += f", to {others[-1].name}" if others else ""
    more = {"files": [str(path) for path in written]} if others else {}
    screen.written(form, first, note, size=size, seed=seed, images=images, **more)


def _next(
    model: str,
    seed: int,
    image: int,
    edit: Path | None,
    rules: tuple[str, ...],
    strength: float | None,
) -> list[str]:
    """Commands to go on with."""
    if edit is None:
        return _of_model(model, seed, image)
    return _of_edit(model, edit, rules, strength)


def _of_model(model: str, seed: int, image: int) -> list[str]:
    """How a recipe is begun for a model."""
    from redraft.cli.drawn import is_recipe

    if is_recipe(model):
        return []
    name, seeded = shlex.quote(model), "" if seed == 1 else f" --seed {seed}"
    named = typed(generator_for(model))
    return [
        f"redraft sample {name}{named}{seeded} --bare --images {image} --out {image}.png",
        f"redraft new mine --model {name}{named}",
    ]


def _of_edit(model: str, edit: Path, rules: tuple[str, ...], strength: float | None) -> list[str]:
    """How an edit that looks right is kept, and how it is given to others."""
    from redraft.cli.drawn import is_recipe
    from redraft.plans.run_files import RECORD

    words = [] if is_recipe(model) else ["redraft", "apply", model, str(edit)]
    if words:
        words += [word for rule in rules for word in ("--rule", rule)]
        words += [] if strength is None else ["--strength", f"{strength:g}"]
        words += ["--out", "edited.pth"]
    # What is packed is a whole run: the edit's own, where the edit lies in one.
    runs = [each for each in (edit, edit.parent) if (each / RECORD).is_file()]
    packing = [["redraft", "pack", str(runs[0])]] if runs else []
    return [shlex.join(each) for each in (words, *packing) if each]


def _each_bare(
    out: Path, images: tuple[int, ...], drawn: Tensor, scale: int
) -> dict[Path, Picture]:
    """Each image by its file: of several, face.png becomes face-3.png."""
    paths = [out]
    if len(images) > 1:
        paths = [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in images]
    return {path: _bare(each, scale) for path, each in zip(paths, drawn, strict=True)}


def _check(edit: Path | None, part: bool, bare: bool, scale: int | None) -> None:
    """Options that go together; ``part`` where a part of the edit or its strength is given."""
    if edit is None and part:
        raise click.UsageError("--rule and --strength need --edit")
    if scale is not None and not bare:
        raise click.UsageError("--scale goes with --bare")


def _bare(drawn: Tensor, scale: int) -> Picture:
    """A picture whose pixels are squares of ``scale`` pixels."""
    from redraft.show.pictures import enlarged, to_picture
    from redraft_dsl.geometry.masks import MAX_PIXELS

    picture = to_picture(drawn)
    if picture.width * picture.height * scale**2 > MAX_PIXELS:
        raise click.UsageError(
            f"--scale {scale} gives more than the {MAX_PIXELS} pixels that a mask may have"
        )
    return enlarged(picture, scale * max(picture.size), smooth=False)


def _edited(opened: OpenModel, rows: Tensor, edit: Edit, strength: float) -> Tensor:
    from redraft.models.batches import draw

    before = {name: tensor.clone() for name, tensor in opened.generator.state().items()}
    # The module's own names are not always those of the file, which the edit goes by.
    opened.generator.restore({**before, **edit.choose(None, strength).edited(before)})
    drawn = draw(opened.generator, rows)
    opened.generator.restore(before)
    return drawn


def _sheet(
    drawn: Tensor, after: Tensor | None, images: tuple[int, ...], columns: int, title: str
) -> Picture:
    from redraft.show.pictures import enlarged, to_picture
    from redraft.show.sheets import contact_sheet

    if after is not None:
        return _pairs(drawn, after, images, columns, title)
    shown = [enlarged(to_picture(values), SIDE) for values in drawn]
    return contact_sheet(shown, [str(index) for index in images], columns)


def _pairs(
    before: Tensor, after: Tensor, images: tuple[int, ...], columns: int, title: str
) -> Picture:
    from redraft.show.pictures import Tile
    from redraft.show.sheets import Band, before_after

    tiles = [
        Tile(str(index), one, other)
        for index, one, other in zip(images, before, after, strict=True)
    ]
    return before_after([Band(title, tuple(tiles))], columns)
