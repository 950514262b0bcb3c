"""Reading recipes with the list of models. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import redraft_dsl
from redraft.errors import PlanError
from redraft.explain.words import counted
from redraft.models.code.reference import is_module, option
from redraft.models.listed.catalog import known_models
from redraft_dsl import Checked
from redraft_dsl.check.parameters import Given
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import FileModel, Recipe

TEXT = "<text>"
"""What a recipe without a file is called."""
CELL = "this cell"
"""What one is called that stands in a notebook."""


class CheckFailedError(PlanError):
    """The recipe has errors; ``checked`` holds the diagnostics.

    ``by_model`` says that they were found with what only the model's own file says.
    """

    def __init__(self, checked: Checked, *, by_model: bool = False) -> None:
        check = f"redraft check {checked.source.path} {options(checked.given)}".rstrip()
        remedy = f"run `{check}`"
        if by_model:
            remedy = "change the recipe as shown; only the model's file says this, so `redraft "
            remedy += "check` does not see it"
        problem = f"the recipe has {counted(len(checked.errors), 'error')}"
        if Path(checked.source.path).name in (TEXT, CELL):
            # There is no file that `redraft check` could look at.
            first = checked.errors[0]
            problem, remedy = f"{problem}: {first.message}", first.help or "change the text"
        super().__init__("RD400", problem, remedy)
        self.checked = checked


def recipe_of(checked: Checked, *, by_model: bool = False) -> Recipe:
    """The recipe that was checked; raises CheckFailedError where it has errors."""
    if checked.recipe is None:
        raise CheckFailedError(checked, by_model=by_model)
    return checked.recipe


def load(path: str | Path, given: Mapping[str, object] | Given = ()) -> Checked:
    """Read and check a recipe file.

    Args:
        path: of the file.
        given: values for parameters, and for ``RULE.SETTING``, by name.

    Never raises for what is in the file: ``diagnostics`` of the result says what is wrong, and
    ``recipe`` is None when there is an error.

    """
    return redraft_dsl.load(path, known_models(), given=_pairs(given))


def loads(
    text: str,
    folder: str | Path = ".",
    given: Mapping[str, object] | Given = (),
    name: str = TEXT,
) -> Checked:
    """Check a recipe text; paths start in ``folder``. ``given`` is as for :func:`load`.

    ``name`` is what messages call the text.
    """
    # The name puts the text into its folder, so that a plan finds the folder again.
    path = str(Path(folder) / name)
    return redraft_dsl.loads(text, known_models(), folder=folder, path=path, given=_pairs(given))


def with_facts(checked: Checked, facts: ModelFacts, folder: Path) -> Checked:
    """A recipe checked once more with what only its model's own file says."""
    if checked.recipe is None or not isinstance(checked.recipe.model, FileModel):
        return checked
    return redraft_dsl.loads(
        checked.source.text,
        known_models(),
        folder=folder,
        path=checked.source.path,
        facts=facts,
        given=checked.given,
    )


def unread(checked: Checked) -> str | None:
    """What a check leaves out where nobody names the code of the model; None for other models."""
    recipe = checked.recipe
    if recipe is None or not is_module(recipe.model):
        return None
    return (
        f"the layers of `{recipe.model.name}` were not checked, since only its code knows them; "
        f"add `{option(None)}`"
    )


def options(given: Given) -> str:
    """Values as they are typed: ``--set NAME=VALUE`` for each."""
    return " ".join(f"--set {name}={value}" for name, value in given)


def _pairs(given: Mapping[str, object] | Given) -> Given:
    pairs = given.items() if isinstance(given, Mapping) else given
    return tuple((name, str(value)) for name, value in pairs)
