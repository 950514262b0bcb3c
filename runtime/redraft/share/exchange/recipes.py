"""Recipes in JSON, on the disk: out of a recipe, and back into one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redraft.disk import files
from redraft.disk.overwriting import refuse_overwriting
from redraft.errors import ArtifactError, PlanError
from redraft.models.listed.catalog import known_models
from redraft.plans.loading import recipe_of
from redraft_dsl.check import Checked
from redraft_dsl.reading import loads
from redraft_dsl.recipe.as_json import NotARecipeError, read_json, write_json
from redraft_dsl.recipe.as_tree import print_recipe
from redraft_dsl.recipe.compare import compare
from redraft_dsl.recipe.model import Recipe


class FaultyRecipeError(PlanError):
    """The recipe in a JSON file does not check; ``checked`` holds the diagnostics."""

    def __init__(self, checked: Checked) -> None:
        super().__init__(
            "RD738",
            "the recipe in this file has errors, so nothing was written",
            "mend them in the JSON; the lines above show them in the recipe that it makes",
        )
        self.checked = checked


def recipe_json(checked: Checked) -> str:
    """A checked recipe as JSON.

    Raises:
        PlanError: the recipe has errors.

    """
    return write_json(recipe_of(checked))


def import_json(source: Path, data: bytes, out: Path, *, force: bool = False) -> Checked:
    """Make a recipe text of a recipe in JSON, check it, and write it.

    Args:
        source: the file's name, for errors.
        data: its bytes.
        out: the recipe to write. Its masks and its model must lie beside it already.
        force: overwrite.

    Raises:
        ArtifactError: the JSON has not the shape of a recipe, a mask is missing or another one,
            a recipe text cannot say the same, or something would be overwritten.
        PlanError: the recipe has errors; they are shown.

    """
    try:
        recipe = read_json(data)
    except NotARecipeError as problem:
        raise ArtifactError(
            "RD735", f"{source} is not a recipe in JSON: {problem.message}", problem.help
        ) from None
    text = _text(source, recipe)
    checked = loads(text, known_models(), folder=out.parent, path=str(out))
    if checked.recipe is None:
        raise FaultyRecipeError(checked)
    _same_masks(recipe, checked.recipe, out.parent)
    _same_meaning(source, recipe, checked.recipe)
    refuse_overwriting([out], force=force)
    files.write_text(out, text)
    return checked


def _text(source: Path, recipe: Recipe) -> str:
    try:
        return print_recipe(recipe)
    except ValueError as problem:
        raise ArtifactError(
            "RD737", f"no recipe text can say what {source} says: {problem}", _SAY_OTHERWISE
        ) from None


def _same_masks(expected: Recipe, made: Recipe, folder: Path) -> None:
    """Raise ArtifactError when a mask that lies there is not the one that is meant."""
    there = dict(_masks(made.model_dump()))
    for path, sha256 in _masks(expected.model_dump()):
        if path in there and there[path] != sha256:
            raise ArtifactError(
                "RD736",
                f"the mask {folder / path} is not the one that the recipe was made with: its "
                f"sha256 is {there[path][:12]}..., and the file says {sha256[:12]}...",
                "put the right mask there, or the recipe to its masks with `-o`",
            )


def _same_meaning(source: Path, expected: Recipe, made: Recipe) -> None:
    if made == expected:
        return
    differences = [difference.sentence() for difference in compare(expected, made)]
    why = f": {differences[0]}" if differences else ""
    raise ArtifactError("RD737", f"no recipe text can say what {source} says{why}", _SAY_OTHERWISE)


_SAY_OTHERWISE = (
    "write the file as `redraft export --json` would: layers by their first name, left-out images "
    "sorted, text without quotes or line ends"
)


def _masks(data: Any) -> Iterator[tuple[str, str]]:
    """Path and sha256 of every mask in the plain data of a recipe."""
    if isinstance(data, dict):
        if data.get("kind") == "mask":
            yield data["path"], data["sha256"]
        data = list(data.values())
    for each in data if isinstance(data, list | tuple) else ():
        yield from _masks(each)
