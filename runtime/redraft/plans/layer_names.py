"""Recipes with their layers under one name each, as far as the models' files are there. No torch.

A layer of a model that a recipe gives by its file has several names, such as the paper's and the
file's own, and which are of one layer can be read in the head of that file alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from redraft.errors import RedraftError
from redraft.models.locate import locate
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import FileModel, Recipe


@dataclass(frozen=True)
class ComparableRecipes:
    """Two recipes to be compared.

    Attributes:
        recipes: their layers have their first names where these are known.
        missing: the model file that is not there, where layers still have other names and
            nothing says whether they are the same; else None.

    """

    recipes: tuple[Recipe, Recipe]
    missing: Path | None = None


def comparable(recipes: tuple[Recipe, Recipe], folders: tuple[Path, Path]) -> ComparableRecipes:
    """Two recipes with every layer under its first name; ``folders`` is where their paths start.

    A model's file is opened only where it can matter: where the recipes name other layers.
    """
    if _named(recipes[0]) == _named(recipes[1]):
        return ComparableRecipes(recipes)
    found = [_facts(*each) for each in zip(recipes, folders, strict=True)]
    if _one_model(recipes, folders):
        found = [each or next(filter(None, found), None) for each in found]
    first, second = (_first_names(*each) for each in zip(recipes, found, strict=True))
    pairs = zip((first, second), folders, found, strict=True)
    lost = [
        folder / recipe.model.path
        for recipe, folder, facts in pairs
        if facts is None and isinstance(recipe.model, FileModel)
    ]
    unlike = _named(first) != _named(second)
    return ComparableRecipes((first, second), lost[0] if lost and unlike else None)


def _named(recipe: Recipe) -> dict[str, str]:
    return {rule.name: rule.layer for rule in recipe.rules}


def _facts(recipe: Recipe, folder: Path) -> ModelFacts | None:
    """What the file of a recipe's model says; None where it is not there, or is another."""
    if not isinstance(recipe.model, FileModel):
        return None  # the layers of a listed model have their first names already
    try:
        return locate(recipe.model, folder).facts
    except RedraftError:
        return None


def _one_model(recipes: Sequence[Recipe], folders: Sequence[Path]) -> bool:
    """Whether both mean one file, by its hash or else by its place."""
    one, other = (recipe.model for recipe in recipes)
    if not isinstance(one, FileModel) or not isinstance(other, FileModel):
        return False
    if one.arch != other.arch:
        return False
    if one.sha256 is not None and other.sha256 is not None:
        return one.sha256 == other.sha256
    first, second = (
        (folder / model.path).resolve() for folder, model in zip(folders, (one, other), strict=True)
    )
    return first == second


def _first_names(recipe: Recipe, facts: ModelFacts | None) -> Recipe:
    if facts is None:
        return recipe
    known = {rule.name: facts.layer(rule.layer) for rule in recipe.rules}
    return with_layers(recipe, {name: layer.name for name, layer in known.items() if layer})


def with_layers(recipe: Recipe, layers: Mapping[str, str]) -> Recipe:
    """A recipe with other names for the layers of some rules, by the rules' names."""
    rules = tuple(
        rule.model_copy(update={"layer": layers.get(rule.name, rule.layer)})
        for rule in recipe.rules
    )
    return recipe.model_copy(update={"rules": rules})
