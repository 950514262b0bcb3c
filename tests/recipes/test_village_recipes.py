"""The recipes for the drawn village."""

from __future__ import annotations

from pathlib import Path

import pytest

import redraft
from redraft.models import latents
from redraft.plans.loading import load
from redraft.plans.planner import make_plan
from redraft.world.drawing import LABELS, draw
from redraft.world.named import answers_for
from redraft_dsl import format_text
from redraft_dsl.recipe.model import Box, Insert, Place

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "village"
RECIPES = sorted(FOLDER.glob("*.redraft"))
SOURCES = {"domes": "dome", "spires": "spire", "watermark": "watermark"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_they_are_canonical_and_every_rule_is_named_after_its_answer(path: Path) -> None:
    assert redraft.load(path).diagnostics == ()
    text = path.read_text(encoding="utf-8")
    assert format_text(text, str(path)).text == text
    plan = make_plan(load(path), path.parent, device="cpu")
    assert list(answers_for(plan)) == [rule.name for rule in plan.recipe.rules]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_contexts_hold_what_the_rule_is_to_change(path: Path) -> None:
    recipe = redraft.load(path).recipe
    assert recipe is not None
    for rule in recipe.rules:
        source = SOURCES.get(rule.name.partition("-")[0])
        if source is None:
            continue
        for place in rule.context:
            assert isinstance(place, Place)
            assert isinstance(place.region, Box)
            x, y = (
                slice(*(int(end.value) for end in ends))
                for ends in (place.region.x, place.region.y)
            )
            labels = draw(latents.rows(1, [place.index], 28).numpy()).labels[0, y, x]
            found = labels == LABELS.index(source)
            assert found.sum() >= 40, f"{rule.name}: z[{place.index}]"


def test_the_chain_holds_the_rules_of_its_parts() -> None:
    chain = redraft.load(FOLDER / "three-rules.redraft").recipe
    assert chain is not None
    for rule in chain.rules:
        part = redraft.load(FOLDER / f"{rule.name}.redraft").recipe
        assert part is not None
        assert part.rules == (rule,)
    assert sum(isinstance(rule, Insert) for rule in chain.rules) == 1
