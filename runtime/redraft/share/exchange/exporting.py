"""From a recipe on the disk to an edit file of the paper's authors."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from redraft.errors import ArtifactError
from redraft.models.code.reference import Code
from redraft.models.listed.catalog import known_models
from redraft.models.locate import locate
from redraft.plans.loading import recipe_of
from redraft_dsl.check import Checked
from redraft_dsl.davidbau.edits import write_edit
from redraft_dsl.davidbau.from_recipe import NotExportableError, edit_of
from redraft_dsl.recipe.model import Recipe
from redraft_dsl.syntax.tree import comments_of


def davidbau_text(
    checked: Checked, folder: Path, generator: Code | None = None
) -> tuple[str, tuple[str, ...]]:
    """An edit file's text, and the pictures whose regions had to be drawn as masks.

    ``generator`` is what a person names for a model of `arch module`; it is not run.

    Raises:
        ArtifactError: the recipe does more than an edit file can say.
        ModelError: a region must be drawn, and the size of the model's picture cannot be known.
        PlanError: the recipe has errors.

    """
    recipe = recipe_of(checked)
    comments = [comment.text for comment in comments_of(checked.tree)]
    size = partial(_image_size, recipe, folder, generator)
    try:
        made = edit_of(recipe, comments, folder, size)
    except NotExportableError as problem:
        raise ArtifactError(
            "RD682",
            f"this recipe has no form as an edit file: {problem}",
            "such a file holds one edit: a picture to copy from, one to paste into, and a context "
            "of marked pictures",
        ) from None
    return write_edit(made.edit), made.drawn


def _image_size(recipe: Recipe, folder: Path, generator: Code | None) -> tuple[int, int]:
    """(height, width) of the model's picture; a model file's head is read for it."""
    listed = known_models().listed.get(recipe.model.name)
    if recipe.model.kind == "listed" and listed is not None:
        return listed.image_size
    return locate(recipe.model, folder, generator=generator).facts.image_size
