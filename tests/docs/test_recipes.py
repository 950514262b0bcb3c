"""The recipes that the README and the page on recipes show are the ones that come with redraft."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import redraft

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.redraft"))
FIGURES = r"\| (\d\.\d\d) \[(\d\.\d\d), (\d\.\d\d)\] "


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "recipes.md").read_text(encoding="utf-8")


def test_the_readme_shows_a_recipe_as_it_is(root: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"^```redraft\n(.*?)^```$", readme, re.M | re.S)
    assert shown is not None
    text = (root / "recipes" / "glasses-from-one.redraft").read_text(encoding="utf-8")
    assert shown[1] == re.sub(r"^#.*\n", "", text, flags=re.M)


def test_make_demo_runs_the_recipe_that_the_readme_says(root: Path) -> None:
    demo = (root / "Makefile").read_text(encoding="utf-8").partition("\ndemo:")[2].split("\n\n")[0]
    readme = (root / "README.md").read_text(encoding="utf-8")
    said = re.search(r"`make demo` come from its sister\s+\[[\w-]+\]\(([^)]+)\)", readme)
    assert said is not None
    assert f"redraft run {said[1]}" in demo


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_has_its_part_and_its_rows(page: str, path: Path) -> None:
    part = page.partition(f"\n## {path.stem}\n")[2].partition("\n## ")[0]
    assert f"(pictures/recipe-{path.stem}.png)" in part
    recipe = redraft.load(path).recipe
    assert recipe is not None
    row = re.search(rf"^\| \[{path.stem}\]\(#{path.stem}\) (?:.*\n)(?:\| \| .*\n)*", page, re.M)
    assert row is not None
    told = re.findall(r"\| `([\w-]+)` at `(\w+)` ", row[0])
    assert told == [(rule.name, rule.layer) for rule in recipe.rules]
    assert len(re.findall(FIGURES * 2, row[0])) == len(recipe.rules)


def test_the_page_tells_of_no_recipe_that_is_not_there(page: str) -> None:
    told = re.findall(r"^\| \[([\w-]+)\]", page, re.M)
    assert sorted(told) == sorted(path.stem for path in RECIPES)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("glasses-from-one", r"From one marked face, the glasses appear on (\d+) %"),
        ("glasses", r"from 24 marked faces on (\d+) %"),
    ],
)
def test_the_readme_claims_what_the_page_measured(
    root: Path, page: str, name: str, says: str
) -> None:
    readme = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    claimed = re.search(says, readme)
    measured = re.search(rf"^\| \[{name}\].*?{FIGURES}", page, re.M)
    assert claimed is not None
    assert measured is not None
    assert int(claimed[1]) == round(100 * float(measured[1]))
