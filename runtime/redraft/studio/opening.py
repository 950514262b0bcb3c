"""From a recipe's text, whole or not, to its model."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from redraft.disk.cache import Cache
from redraft.live.model import Model
from redraft.models.listed.catalog import known_models
from redraft.models.locate import Base, locate, locate_file
from redraft.models.open import choose_device, open_base
from redraft.studio.text.edits import UNTITLED
from redraft_dsl import Checked
from redraft_dsl.language.language import LATEST
from redraft_dsl.language.spelling import respelled
from redraft_dsl.recipe.model import FileModel, ListedModel
from redraft_dsl.recipe.model import Model as RecipeModel
from redraft_dsl.syntax import tree as s

SEED, COUNT = 1, 2000


def model_of(checked: Checked) -> RecipeModel | None:
    """The model that a text names, as far as that can be read."""
    if checked.recipe is not None:
        return checked.recipe.model
    nodes = (each for each in checked.tree.statements if isinstance(each, s.ModelStatement))
    node = next(nodes, None)
    if node is None:
        return None
    if node.block is None:
        listed = node.name.text in known_models().listed
        return ListedModel(name=node.name.text) if listed else None
    return _file_model(node)


def _file_model(node: s.ModelStatement) -> FileModel | None:
    names = {"weights": "path"}
    values: dict[str, object] = {"name": node.name.text}
    for item in node.block.items if node.block else ():
        if isinstance(item, s.Setting):
            text = getattr(item.value, "text", "")
            number = isinstance(item.value, s.Number)
            values[names.get(item.key.text, item.key.text)] = float(text) if number else text
    try:
        return FileModel.model_validate(values)
    except (ValidationError, ValueError):
        return None


def open_model(model: RecipeModel, folder: Path, device: str) -> Model:
    """Open a recipe's model, fetching it where it is a listed one that is not here.

    Raises:
        ModelError: it cannot be found, fetched or read.

    """
    return Model(open_base(locate(model, folder), choose_device(device)), Cache())


def first_text(model: str, folder: Path, path: Path | None) -> str:
    """A recipe with no rule yet.

    Args:
        model: a listed name.
        folder: where the recipe will be.
        path: of a model file, in place of the name.

    """
    statement = f"model {model}"
    if path is not None:
        base: Base = locate_file(path, path.name)
        weights = path.relative_to(folder).as_posix()
        name = respelled(path.stem)
        statement = f'model {name} {{\n  arch    {base.facts.arch}\n  weights "{weights}"\n}}'
    return (
        f"edition {LATEST}\n\n{UNTITLED}\n\n{statement}\n"
        f"latents z {{ seed {SEED}  count {COUNT} }}\n"
    )
