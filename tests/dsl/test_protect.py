"""``protect``: keys that must keep their values."""

from __future__ import annotations

import pytest

from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.recipe.as_json import read_json, write_json
from redraft_dsl.syntax.editions import format_text

BODY = """\
edition 2026

recipe demo 1.0.0 "Demo"

model faces
latents z { seed 1  count 2000 }
region mouth = box(x 20..44, y 44..58)

rule glasses at layer6 {
  copy    z[116] box(x 16..48, y 24..40)
  context z[34, 56, 66, 92] box(x 16..48, y 24..40)
}
"""
LINE = "  protect z[12, 13] mouth\n}"


def protected(body: str = BODY) -> str:
    return body.replace("\n}", f"\n{LINE}")


def test_it_is_read_and_written_back(models: KnownModels) -> None:
    checked = loads(protected(), models)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    (rule,) = checked.recipe.rules
    assert [place.index for place in rule.protect] == [12, 13]  # type: ignore[union-attr]
    assert format_text(protected()).text == protected()
    assert read_json(write_json(checked.recipe).encode()) == checked.recipe
    assert checked.spans["glasses.protect[1]"].start > checked.spans["glasses.protect[0]"].start


def test_without_it_a_recipe_is_what_it_was(models: KnownModels) -> None:
    plain, other = loads(BODY, models).recipe, loads(protected(), models).recipe
    assert plain is not None
    assert other is not None
    assert "protect" not in plain.canonical_json()
    assert plain.digest() != other.digest()


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("erase", "context z[1] all"),
        ("invert", "cause z[1] mouth  effect z[1] all"),
    ],
)
def test_other_operations_that_solve_take_it(models: KnownModels, kind: str, lines: str) -> None:
    head, _, _ = BODY.partition("rule")
    text = f"{head}{kind} a at layer6 {{ {lines}  protect z[2] mouth }}\n"
    assert loads(text, models).errors == ()


def test_a_zero_protects_nothing(models: KnownModels) -> None:
    head, _, _ = BODY.partition("rule")
    text = f"{head}zero a at layer6 {{ context z[1] all  protect z[2] mouth }}\n"
    assert [problem.code for problem in loads(text, models).errors] == ["RD208"]


def test_the_authors_code_protects_nothing(models: KnownModels) -> None:
    text = protected().replace(
        "context z[34, 56, 66, 92] box(x 16..48, y 24..40)",
        "context z[34] box(x 16..48, y 24..40)\n  solver projected-adam { compat davidbau }",
    )
    (problem,) = loads(text, models).errors
    assert problem.code == "RD223"
    assert problem.message == "`protect` contradicts `compat davidbau`"


def test_a_crop_protects_nothing(models: KnownModels) -> None:
    text = protected().replace(
        "context z[34, 56, 66, 92] box(x 16..48, y 24..40)",
        "context z[34] box(x 16..48, y 24..40)\n  solver gradient { goal crop }",
    )
    (problem,) = loads(text, models).errors
    assert problem.code == "RD223"
    assert problem.message == "`protect` contradicts `goal crop`"
