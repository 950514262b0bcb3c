"""Packs where a command takes a recipe: read what is in them, or say why they are left alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from redraft.errors import ArtifactError
from redraft.explain.words import reason_of
from redraft.models.code.reference import PLACEHOLDER, is_module, option
from redraft.plans.loading import load, loads
from redraft.plans.run_files import RECIPE
from redraft.plans.shipped import locate_recipe
from redraft.share.pack import is_pack
from redraft.share.pack.reading import recipe_in
from redraft.show.metadata import recipe_in_picture
from redraft_dsl.check.checked import Checked
from redraft_dsl.check.parameters import Given
from redraft_dsl.report.terminal import visible


def recipe_file(name: str) -> Path:
    """The recipe file that a user means by a name; of a pack, the recipe in it.

    Raises:
        ArtifactError: there is no such recipe, or the pack is not whole.

    """
    path = locate_recipe(name)
    if not is_pack(name):
        return path
    return recipe_in(path)


def loaded(name: str, given: Given = ()) -> Checked:
    """The recipe that a user means: a file, one that comes with redraft, a pack's or a picture's.

    The recipe in a picture stands in the picture's folder: its model and its masks are looked for
    from there.

    Raises:
        ArtifactError: there is no such recipe, the pack is not whole, or the picture holds none.

    """
    if not is_picture(name):
        return load(recipe_file(name), given)
    path = Path(name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            "RD641", f"{path} cannot be read: {reason_of(error)}", "check the path"
        ) from error
    return loads(recipe_in_picture(data), path.parent, given, path.name)


def is_picture(name: str) -> bool:
    """Whether a user means a picture with a recipe in it."""
    return Path(name).suffix.lower() == ".png"


def leave_packs_alone(names: Iterable[str], command: str) -> None:
    """Refuse packs where ``command`` would have to write into them.

    Raises:
        ArtifactError: one of the names is a pack.

    """
    for name in names:
        if is_pack(name):
            folder = Path(name).stem
            raise ArtifactError(
                "RD696",
                f"{name} is a pack, and what is in a pack is never changed",
                f"unpack it and work on the recipe: `redraft unpack {name}`, then "
                f"`redraft {command} {folder}/{RECIPE}`; `redraft pack` makes a new pack of it",
            )


def to_go_on(folder: Path, *, run: bool) -> list[str]:
    """What is said of the files of a pack in a folder: how its run is repeated, or made."""
    recipe = load(folder / RECIPE).recipe
    own = recipe is not None and is_module(recipe.model)
    named = f" {option(None)}" if own else ""
    where = visible(str(folder if run else folder / RECIPE))
    said = f"to repeat it: redraft verify {where}" if run else f"to run it: redraft run {where}"
    code = f"{PLACEHOLDER} is the code that makes its model; no pack holds code"
    return [f"{said}{named}", *([code] if own else [])]
