"""The recipes that come with the package, and what a user means by the name of a recipe."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from redraft.errors import ArtifactError, PlanError

SUFFIX = ".redraft"


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe that comes with the package.

    Attributes:
        name: its file name without the suffix.
        path: of its file.
        group: the folder among the recipes that it lies in; empty for those that come first.

    """

    name: str
    path: Path
    group: str = ""


def shipped_folder() -> Path | None:
    """Where the package keeps its recipes: inside itself, or beside it in a source checkout."""
    here = Path(__file__).resolve().parents[1]
    inside = here / "recipes"
    if inside.is_dir():
        return inside
    checkout = here.parents[1]
    beside = checkout / "recipes"
    return beside if beside.is_dir() and (checkout / "pyproject.toml").is_file() else None


def shipped_recipes(folder: Path | None = None) -> tuple[ShippedRecipe, ...]:
    """The recipes in ``folder``, by default the package's own, sorted by name."""
    found = folder or shipped_folder()
    if found is None:
        return ()
    paths = sorted(found.glob(f"*{SUFFIX}"), key=lambda path: path.stem)
    return tuple(ShippedRecipe(path.stem, path) for path in paths)


def all_shipped(folder: Path | None = None) -> tuple[ShippedRecipe, ...]:
    """The recipes in ``folder`` and then those in the folders in it, group by group."""
    found = folder or shipped_folder()
    if found is None:
        return ()
    groups = sorted(each.name for each in found.iterdir() if each.is_dir())
    more = (
        ShippedRecipe(recipe.name, recipe.path, group)
        for group in groups
        for recipe in shipped_recipes(found / group)
    )
    return (*shipped_recipes(found), *more)


def locate_recipe(name: str, folder: Path | None = None) -> Path:
    """The file that a user means by ``name``: a file that exists, or else a shipped recipe.

    Args:
        name: a path, or the name of a shipped recipe.
        folder: where shipped recipes lie, by default the package's own.

    Raises:
        ArtifactError: ``name`` is a bare name, and neither a file nor a shipped recipe.

    """
    path = Path(name)
    if len(path.parts) != 1 or _exists(path):
        return path
    recipes: dict[str, Path] = {}
    for recipe in all_shipped(folder):
        recipes.setdefault(recipe.name, recipe.path)
    beside = path.with_name(path.name + SUFFIX)
    # An empty file is no recipe: a shell makes it for `redraft flatten glasses > glasses.redraft`.
    if name in recipes and _exists(beside) and not _is_empty(beside):
        raise ArtifactError(
            "RD638",
            f"`{name}` may be {beside} or the recipe that comes with redraft",
            f"name the file: {beside}, or {recipes[name]}",
        )
    if name in recipes:
        return recipes[name]
    if _exists(beside):
        remedy = f"name the file: {beside}"
    else:
        remedy = _nearest(name.removesuffix(SUFFIX), list(recipes))
    raise ArtifactError("RD638", f"there is no recipe `{name}`", remedy)


def own_recipe(name: str) -> Path:
    """The file of a recipe that is going to be written to, or beside.

    Raises:
        ArtifactError: as for :func:`locate_recipe`.
        PlanError: it is a shipped recipe.

    """
    path = locate_recipe(name)
    if path != Path(name):
        raise PlanError(
            "RD417",
            f"`{name}` comes with redraft, and its folder is not yours to write to",
            f"copy it first: cp {path} .",
        )
    return path


def _is_empty(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size == 0
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError):
        return False


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean `{near[0]}`, which comes with redraft?"
    if names:
        return "give the path of a file, or a name from `redraft recipes`"
    return "check the path"
