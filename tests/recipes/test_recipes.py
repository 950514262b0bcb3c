"""The recipes that come with redraft do on unseen faces what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

import redraft
from redraft.disk.cache import Cache
from redraft.errors import ModelError
from redraft.models.listed import catalog
from redraft.models.listed.download import obtain
from redraft.models.open import choose_device
from redraft.plans.record import RuleRecord
from redraft.plans.shipped import shipped_recipes
from redraft.runs.execute import solve_all
from redraft.runs.session import open_session
from redraft_dsl import format_text

RECIPES = {recipe.name: recipe.path for recipe in shipped_recipes()}

# Share that follows at least, amplitude at least, change outside at most, for each rule.
PROMISES = {
    "glasses": {"glasses": (0.92, 0.30, 0.024)},
    "glasses-from-one": {"glasses": (0.80, 0.25, 0.026)},
    "face-mask": {"mask": (0.97, 0.42, 0.045)},
    "face-mask-from-one": {"mask": (0.90, 0.35, 0.045)},
    "glasses-then-mask": {"glasses": (0.92, 0.30, 0.024), "mask": (0.97, 0.42, 0.045)},
    "open-mouth": {"mouth": (0.95, 0.45, 0.020)},
    "thick-brows": {"brows": (0.95, 0.35, 0.015)},
    "no-glasses": {"glasses": (0.60, 0.20, 0.020)},
}


def test_every_recipe_makes_a_promise() -> None:
    assert set(PROMISES) == set(RECIPES)


@pytest.mark.parametrize("path", RECIPES.values(), ids=RECIPES)
def test_recipes_are_canonical_and_without_problems(path: Path) -> None:
    assert redraft.load(path).diagnostics == ()
    text = path.read_text(encoding="utf-8")
    assert format_text(text, str(path)).text == text


@pytest.mark.faces
@pytest.mark.parametrize("name", RECIPES)
def test_recipes_keep_their_promises(name: str) -> None:
    for record in solved(RECIPES[name]):
        share, amplitude, outside = PROMISES[name][record.name]
        assert record.share is not None
        assert record.amplitude is not None
        assert record.outside is not None
        assert record.share >= share
        assert record.amplitude >= amplitude
        assert record.outside <= outside
        assert record.warnings == ()


def solved(path: Path) -> list[RuleRecord]:
    try:
        obtain(catalog.FACES)
    except ModelError as error:
        pytest.skip(f"the face model is not there: {error.message}")
    session = open_session(redraft.plan(path, device="cpu"), choose_device("cpu"), Cache())
    return [done.record for done in solve_all(session)]
