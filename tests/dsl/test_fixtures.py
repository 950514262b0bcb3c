"""Recipes of version 0.1 mean what they meant then. They are never rewritten, only added to.

Run this file to add new recipes to the table of digests; it changes no digest that is there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import redraft
from redraft.models.listed.catalog import known_models
from redraft_dsl.language import words
from redraft_dsl.language.language import LANGUAGE, LATEST
from redraft_dsl.migrate import migrate
from redraft_dsl.reading import loads
from redraft_dsl.recipe.as_json import read_json, write_json
from redraft_dsl.recipe.as_tree import print_recipe

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "recipes-0.1"
TABLE = FOLDER / "digests.json"
RECIPES = sorted(FOLDER.glob("*.redraft"))
WORDS = {
    *(*LANGUAGE.keywords, *words.TYPES, *words.RESAMPLINGS, *LANGUAGE.groups),
    *(word for rows in LANGUAGE.blocks.values() for row in rows.values() for word in row.choices),
    *(row.name for row in LANGUAGE.settings),
}


def digest(path: Path) -> str:
    checked = redraft.load(path)
    assert checked.recipe is not None, checked.errors
    return checked.recipe.digest()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_means_what_it_meant(path: Path) -> None:
    assert digest(path) == json.loads(TABLE.read_text(encoding="utf-8"))[path.name]


def test_no_recipe_has_gone() -> None:
    assert {path.name for path in RECIPES} == set(json.loads(TABLE.read_text(encoding="utf-8")))


def test_every_word_of_the_language_is_in_one_of_them() -> None:
    text = "\n".join(re.sub(r"#.*", "", path.read_text(encoding="utf-8")) for path in RECIPES)
    assert WORDS - set(re.findall(r"[a-z][\w-]*", text)) == set()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_goes_through_json_and_text_and_to_the_newest_edition(path: Path) -> None:
    checked = redraft.load(path)
    assert checked.recipe is not None
    assert read_json(write_json(checked.recipe).encode()) == checked.recipe
    text = print_recipe(checked.recipe)
    assert loads(text, known_models(), folder=FOLDER).recipe == checked.recipe
    moved = migrate(checked, known_models(), FOLDER)
    assert moved.after == LATEST
    again = loads(moved.text, known_models(), folder=FOLDER, path=str(path)).recipe
    assert again == checked.recipe.model_copy(update={"edition": LATEST})


if __name__ == "__main__":
    known = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    known = {path.name: digest(path) for path in RECIPES} | known
    TABLE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
