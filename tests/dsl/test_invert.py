"""``invert``: a cause and an effect, marked in the same images."""

from __future__ import annotations

import json

import jsonschema
import pytest
from tests.dsl.contextual import ROLES, named

from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_json import read_json, write_json
from redraft_dsl.recipe.as_tree import print_recipe
from redraft_dsl.recipe.json_schema import schema
from redraft_dsl.syntax.editions import format_text

HEAD = """\
edition 2026

recipe demo 1.0.0 "Demo"

model faces
latents z { seed 1  count 2000 }
"""
GLOW = """
invert glow at layer6 {
  cause  z[3, 9] box(x 12..52, y 24..38)
  effect z[9, 3] box(x 14..50, y 40..62)
}
"""


def codes(text: str, models: KnownModels) -> list[str]:
    return [each.code for each in loads(HEAD + text, models).diagnostics]


def test_it_means_two_places_in_each_image(models: KnownModels) -> None:
    checked = loads(HEAD + GLOW, models)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    (rule,) = checked.recipe.rules
    assert isinstance(rule, r.Invert)
    assert [place.index for place in rule.cause] == [3, 9]
    assert [place.index for place in rule.context] == [9, 3]
    assert (rule.units, rule.rank, rule.keep) == (30, 8, 1.0)
    assert rule.restraint == r.Preserve(weight=0.1)
    assert set(checked.spans) >= {"glow.cause[0]", "glow.effect[1]", "glow.layer"}


def test_it_survives_json_text_and_formatting(models: KnownModels) -> None:
    recipe = loads(HEAD + GLOW.replace("}\n", "  units 12\n}\n"), models).recipe
    assert recipe is not None
    stored = write_json(recipe)
    jsonschema.validate(json.loads(stored), schema())
    assert read_json(stored.encode()) == recipe
    printed = print_recipe(recipe)
    assert loads(printed, models).recipe == recipe
    assert format_text(printed).text == printed


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("z[9, 3]", "z[9]", ["RD228"]),
        ("z[3, 9]", "z[3]", ["RD228"]),
        ("z[9, 3]", "z[9, 4]", ["RD228", "RD228"]),
        ("  effect z[9, 3] box(x 14..50, y 40..62)\n", "", ["RD207"]),
        ("  cause  z[3, 9] box(x 12..52, y 24..38)\n", "", ["RD207"]),
        ("z[3, 9] box", "each context\n  cause z[3, 9] box", ["RD221"]),
        ("  effect", "  cause z[3] box(x 0..9, y 0..9)\n  effect", ["RD225"]),
        ("  effect", "  copy z[3] box(x 0..9, y 0..9)\n  effect", ["RD208"]),
        ("  cause  z", "  cause like z", ["RD010"]),
        ("(x 14..50", "(x 14..14.1", ["RD305"]),
        ("}\n", "  rank 2000\n}\n", ["RD218"]),
        ("}\n", "  units 0\n}\n", ["RD202"]),
        ("}\n", "  solver projected-adam { compat davidbau }\n}\n", ["RD223"]),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(models, old, new, found) -> None:
    assert set(codes(GLOW.replace(old, new, 1), models)) == set(found)


@pytest.mark.parametrize("word", ["cause", "effect"])
@pytest.mark.parametrize("role", ROLES)
def test_its_words_may_be_names_all_the_same(models: KnownModels, role: str, word: str) -> None:
    text = named(role, word)
    checked = loads(text, models)
    assert checked.errors == ()
    assert checked.recipe is not None
    assert checked.recipe.rules[0].rank == 4
    assert loads(format_text(text).text, models).recipe == checked.recipe


def test_a_rule_may_be_called_invert(models: KnownModels) -> None:
    rule = (
        GLOW.replace("invert glow", "invert invert") + "sweep s { vary rank of invert over 1, 2 }\n"
    )
    checked = loads(HEAD + rule, models)
    assert checked.errors == ()
