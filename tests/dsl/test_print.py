"""A checked recipe printed as text means the same recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_tree import number, print_recipe
from redraft_dsl.syntax.editions import format_text


@given(st.data())
def test_what_is_printed_is_read_back_as_an_equal_recipe(
    models: KnownModels, any_recipe: st.SearchStrategy[r.Recipe], data: st.DataObject
) -> None:
    recipe = data.draw(any_recipe)
    text = print_recipe(recipe)
    checked = loads(text, models)
    assert checked.recipe == recipe, checked.errors
    assert checked.recipe.digest() == recipe.digest()
    assert format_text(text).text == text


@pytest.mark.parametrize("sha256", [None, "0f" * 32])
def test_a_model_by_file(models: KnownModels, sha256: str | None) -> None:
    pin = f' sha256 "{sha256}"' if sha256 else ""
    text = (
        'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
        f'model mine {{ arch dcgan weights "w/mine.pth"{pin} }}\n'
        "latents z { seed 1 count 10 }\n"
        "zero a at features.3 { context z[1] all }\n"
    )
    recipe = loads(text, models).recipe
    assert recipe is not None
    printed = print_recipe(recipe)
    assert loads(printed, models).recipe == recipe
    assert format_text(printed).text == printed


def test_the_whole_example(models: KnownModels, folder: Path, full: str) -> None:
    recipe = loads(full, models, folder=folder).recipe
    assert recipe is not None
    printed = print_recipe(recipe)
    assert loads(printed, models, folder=folder).recipe == recipe
    assert format_text(printed).text == printed


def test_what_the_authors_code_needs_is_printed(models: KnownModels, folder: Path) -> None:
    text = (
        'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
        'model mine { arch village weights "w.pt" truncation 0.7 }\n'
        "latents z { seed 1 count 10 }\n"
        'rule a at b { copy z[1] mask("masks/eyes.png" bilinear) context z[2] all\n'
        "solver projected-adam { compat davidbau } }\n"
    )
    recipe = loads(text, models, folder=folder).recipe
    assert recipe is not None
    printed = print_recipe(recipe)
    assert "  truncation 0.7\n" in printed
    assert '  copy    z[1] mask("masks/eyes.png" bilinear)\n' in printed
    assert "{ compat davidbau  steps 2001  rate 0.05  every 10  goal crop }\n" in printed
    assert loads(printed, models, folder=folder).recipe == recipe
    assert format_text(printed).text == printed


@pytest.mark.parametrize("title", ['a "b"', "a\nb", "a\0b"])
def test_a_title_that_the_language_cannot_hold_is_refused(
    models: KnownModels, folder: Path, full: str, title: str
) -> None:
    recipe = loads(full, models, folder=folder).recipe
    assert recipe is not None
    with pytest.raises(ValueError, match="cannot hold"):
        print_recipe(recipe.model_copy(update={"title": title}))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.3, "0.3"), (-2.5, "-2.5"), (1e-7, "1e-07"), (1e22, "1e+22"), (0.0, "0")],
)
def test_numbers_are_short_and_read_back(value: float, text: str) -> None:
    assert number(value) == text
    assert float(text) == value


def test_images_with_one_region_are_printed_as_a_list_in_their_order(models: KnownModels) -> None:
    text = """\
edition 2026

recipe demo 1.0.0 "Demo"

model faces
latents z { seed 1  count 2000 }
latents w { seed 2  count 2000 }

rule a at layer6 {
  copy    z[116] box(x 12..52, y 24..38)
  paste   z[4] all
  paste   w[4] all
  context z[5, 7, 26..27] box(x 12..52, y 24..38)
  context z[8] box(x 13..52, y 24..38)
  context like z[9] box(x 13..52, y 24..38) top 3 among 0..99
  context z[10, 3] box(x 13..52, y 24..38)
}
"""
    recipe = loads(text, models).recipe
    assert recipe is not None
    printed = print_recipe(recipe)
    lines = [line.split(" ", 3)[-1] for line in printed.splitlines() if "context" in line]
    assert lines == [
        "z[5, 7, 26, 27] box(x 12..52, y 24..38)",
        "z[8] box(x 13..52, y 24..38)",
        "like z[9] box(x 13..52, y 24..38) top 3 among 0..99",
        "z[10, 3] box(x 13..52, y 24..38)",
    ]
    assert loads(printed, models).recipe == recipe
