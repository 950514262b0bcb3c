"""Recipes that come with the package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import redraft
from redraft.errors import ArtifactError
from redraft.plans.shipped import locate_recipe, shipped_folder, shipped_recipes

Invoke = Callable[..., Result]


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder of recipes as the package has one."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in ("glasses", "masks"):
        (folder / f"{name}.redraft").write_text("edition 2026\n", encoding="utf-8")
    return folder


def test_a_name_stands_for_its_recipe(shelf: Path) -> None:
    assert locate_recipe("glasses", shelf) == shelf / "glasses.redraft"
    assert [recipe.name for recipe in shipped_recipes(shelf)] == ["glasses", "masks"]


def test_a_file_comes_first(shelf: Path) -> None:
    Path("glasses").write_text("mine", encoding="utf-8")
    assert locate_recipe("glasses", shelf) == Path("glasses")


def test_a_path_is_taken_as_it_is(shelf: Path) -> None:
    assert locate_recipe("no/such.redraft", shelf) == Path("no/such.redraft")


def test_a_name_that_may_be_two_recipes_is_neither(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("glasses.redraft").write_text("edition 2026\n", encoding="utf-8")
    with pytest.raises(ArtifactError) as caught:
        locate_recipe("glasses", shelf)
    assert caught.value.help == f"name the file: glasses.redraft, or {shelf / 'glasses.redraft'}"


@pytest.mark.parametrize(
    ("name", "help_text"),
    [
        ("glases", "did you mean `glasses`, which comes with redraft?"),
        ("glasses.redraft", "did you mean `glasses`, which comes with redraft?"),
        ("zzz", "give the path of a file, or a name from `redraft recipes`"),
    ],
)
def test_a_name_that_is_nothing(shelf: Path, name: str, help_text: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        locate_recipe(name, shelf)
    assert (caught.value.code, caught.value.help) == ("RD638", help_text)


def test_the_packages_own_recipes_are_found_and_good(invoke: Invoke) -> None:
    folder = shipped_folder()
    assert folder is not None
    listed = json.loads(invoke("recipes", "--format", "json").stdout)
    assert {recipe["file"] for recipe in listed} == {
        str(path) for path in folder.rglob("*.redraft")
    }
    names = [recipe["name"] for recipe in listed]
    assert len(set(names)) == len(names)
    assert all(locate_recipe(recipe["name"]) == Path(recipe["file"]) for recipe in listed)
    for recipe in listed:
        assert redraft.load(recipe["file"]).recipe is not None
        assert recipe["title"] in invoke("recipes").stdout


def test_an_empty_file_is_no_recipe_of_ones_own(shelf: Path) -> None:
    # What a shell has made before `redraft flatten glasses > glasses.redraft` begins.
    Path("glasses.redraft").touch()
    assert locate_recipe("glasses", shelf) == shelf / "glasses.redraft"
    Path("glasses.redraft").write_text("edition 2026\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"may be glasses\.redraft or the recipe that comes"):
        locate_recipe("glasses", shelf)
