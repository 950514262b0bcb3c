"""A recipe means the same after everything that is done with recipes.

A plain run of the tests tries some random recipes; REDRAFT_EXAMPLES=10000 tries as many.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import redraft
from redraft.share.pack.reading import read_pack
from redraft.share.pack.writing import pack
from redraft_dsl import format_text
from redraft_dsl.flatten import flatten
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_json import read_json, write_json
from redraft_dsl.recipe.as_tree import print_recipe

EXAMPLES = int(os.environ.get("REDRAFT_EXAMPLES", "60"))


def built_on(text: str, recipe: r.Recipe) -> str:
    """A recipe that includes the one rule of another, and nothing else of its own."""
    latents = "\n".join(line for line in text.splitlines() if line.startswith("latents "))
    return (
        f'edition 2026\nrecipe demo {recipe.version} "{recipe.title}"\n'
        f'use "./base.redraft" {recipe.version} as base\nmodel faces\n{latents}\n'
        f"include base.{recipe.rules[0].name}\n"
    )


def as_parameter(text: str, rank: int) -> str:
    """The same recipe with a parameter for the rank."""
    head, _, rest = text.partition("\nmodel ")
    return f"{head}\nparam how-many: int = {rank}\nmodel {rest}".replace(
        f"  rank     {rank}\n", "  rank     how-many\n"
    )


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_random_recipe_keeps_its_meaning(
    any_recipe: st.SearchStrategy[r.Recipe], data: st.DataObject
) -> None:
    recipe = data.draw(any_recipe)
    text = print_recipe(recipe)
    # parse and check
    checked = redraft.loads(text)
    assert checked.recipe == recipe
    # fmt
    assert format_text(text).text == text
    # parameters
    assert redraft.loads(as_parameter(text, recipe.rules[0].rank)).recipe == recipe
    # export and import
    assert read_json(write_json(recipe).encode()) == recipe
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "base.redraft").write_text(text, encoding="utf-8")
        (folder / "demo.redraft").write_text(built_on(text, recipe), encoding="utf-8")
        # use, include and flatten
        built = redraft.load(folder / "demo.redraft")
        assert built.recipe == recipe
        assert redraft.loads(flatten(built)).recipe == recipe
        # pack
        packed = pack(folder / "demo.redraft", folder / "demo.redraftpack", runs=folder / "runs")
        inside = read_pack(packed.path).files["recipe.redraft"].decode()
        assert redraft.loads(inside).recipe == recipe
        # the same bytes every time
        again = pack(folder / "demo.redraft", folder / "again.redraftpack", runs=folder / "runs")
        assert again.sha256 == packed.sha256
