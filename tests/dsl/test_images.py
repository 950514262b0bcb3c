"""Images in lists and under names, and rules that are switched off."""

from __future__ import annotations

import pytest

from redraft_dsl.check import Checked
from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.syntax.editions import format_text

HEAD = """\
edition 2026

recipe demo 1.0.0 "Demo"

model faces
latents z { seed 1  count 2000 }
latents w { seed 2  count 50 }
region eyes = box(x 12..52, y 24..38)
"""
RULE = """
rule a at layer6 {
  copy    z[116] eyes
%s}
"""


def checked(lines: str, models: KnownModels, head: str = HEAD) -> Checked:
    return loads(head + RULE % lines, models)


ONE = "  context z[5] eyes\n  context z[7] eyes\n  context z[8] eyes\n  context z[9] eyes\n"
SAME = [
    # lines of a rule, further lines of the head; all mean the four contexts of ONE
    ("  context z[5, 7, 8, 9] eyes\n", ""),
    ("  context z[5, 7..9] eyes\n", ""),
    ("  context z[5]  eyes context z[7..7, 8..9] eyes\n", ""),
    ("  context z [ 5 , 7 .. 9 ] eyes\n", ""),
    ("  context z[5,# one\n 7..9] eyes\n", ""),
    ("  context bare eyes\n", "images bare = z[5, 7..9]\n"),
    ("  context one eyes\n  context z[7] eyes\n  context two eyes\n",
     "images one = z[5]\nimages two = z[8..9]\n"),
    ("  context z[first, 7..last] eyes\n", "param first: int = 5\nparam last: int = 9\n"),
    ("  context bare eyes\n", "param last: int = 9\nimages bare = z[5, 7..last]\n"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "head"), SAME)
def test_a_list_means_its_images_one_after_another(models, lines, head) -> None:
    plain, found = checked(ONE, models).recipe, checked(lines, models, HEAD + head)
    assert [d.code for d in found.diagnostics] == ["RD121"]
    assert found.recipe == plain
    assert found.recipe.digest() == plain.digest()
    canonical = format_text(found.source.text).text
    assert loads(canonical, models).recipe == plain
    assert format_text(canonical).text == canonical


def test_the_order_of_a_list_counts_as_that_of_lines_does(models) -> None:
    one, other = (checked(f"  context z[{n}] eyes\n", models).recipe for n in ("5, 7", "7, 5"))
    assert one != other
    assert one.rules[0].context == other.rules[0].context[::-1]


def test_pastes_and_goals_take_lists_too(models) -> None:
    found = checked("  paste   z[4, 6] eyes\n  context w[1..3] eyes\n", models)
    assert found.diagnostics == ()
    assert [place.index for place in found.recipe.rules[0].paste] == [4, 6]
    text = HEAD + "erase a at layer6 {\n  from z[4, 6] eyes\n  context z[1] eyes\n}\n"
    assert [place.index for place in loads(text, models).recipe.rules[0].source] == [4, 6]


WRONG = [
    ("  context z[5, 7, 5] eyes\n", "RD225", "z[5]"),
    ("  context z[5..9, 7] eyes\n", "RD225", "z[7]"),
    ("  context z[7, 5..9] eyes\n", "RD225", "z[7]"),
    ("  context z[5, 2000] eyes\n", "RD210", "2000"),
    ("  context z[1999..2000] eyes\n", "RD210", "2000"),
    ("  context z[5, 7.5] eyes\n", "RD203", "whole"),
    ("  context z[5, -1] eyes\n", "RD210", "-1"),
    ("  context z[9..5] eyes\n", "RD215", "empty"),
    ("  context lost eyes\n", "RD143", "lost"),
    ("  context q[1, 2] eyes\n", "RD113", "q"),
    ("  context like z[1, 2] eyes top 2 among 0..9\n", "RD226", "like"),
    ("  context z[] eyes\n", "RD010", "a number"),
    ("  context z[5,] eyes\n", "RD010", "a number"),
    ("  context z[..7] eyes\n", "RD010", ".."),
]


@pytest.mark.parametrize(("lines", "code", "said"), WRONG)
def test_what_is_wrong_in_a_list_is_reported_at_its_place(models, lines, code, said) -> None:
    found = [problem for problem in checked(lines, models).diagnostics if problem.code == code]
    assert len(found) == 1
    assert said in f"{found[0].message} {found[0].label}"
    text = checked(lines, models).source.text
    line = text.count("\n", 0, found[0].span.start)
    assert text.splitlines()[line].strip().startswith("context")


def test_a_list_that_nothing_uses_is_a_warning(models) -> None:
    found = checked(ONE, models, HEAD + "images lost = w[5]\n")
    assert [problem.code for problem in found.diagnostics] == ["RD120"]
    assert found.recipe is not None


def test_huge_lists_are_refused_at_once(models) -> None:
    text = HEAD + "".join(
        f"rule r{n} at layer6 {{ copy z[1] eyes  context z[0..1999] eyes  rank 1 }}\n"
        for n in range(60)
    )
    codes = [problem.code for problem in loads(text, models).errors]
    assert codes == ["RD227"]
    assert [p.code for p in checked("  context z[0..999999999] eyes\n", models).errors] == ["RD227"]


def test_a_long_list_is_wrapped_at_column_100(models) -> None:
    numbers = ", ".join(map(str, range(0, 400, 5)))
    text = format_text(HEAD + RULE % f"context z[{numbers}] eyes\n").text
    assert max(map(len, text.splitlines())) <= 100
    assert [place.index for place in loads(text, models).recipe.rules[0].context] == [
        *range(0, 400, 5)
    ]
    assert format_text(text).text == text


OFF = HEAD + (RULE % ONE) + (RULE % ONE).replace("rule a", "off rule b")


def test_a_rule_that_is_off_is_not_part_of_what_the_recipe_means(models) -> None:
    found = loads(OFF, models)
    assert found.recipe == checked(ONE, models).recipe
    assert [rule.name for rule in found.off] == ["b"]
    assert format_text(OFF).text == OFF


def test_a_rule_that_is_off_is_checked(models) -> None:
    wrong = OFF.replace("off rule b at layer6", "off rule b at layer66")
    assert [problem.code for problem in loads(wrong, models).errors] == ["RD102"]
    assert "RD108" not in {problem.code for problem in loads(OFF, models).diagnostics}


def test_an_included_rule_can_be_off_and_one_that_is_off_can_be_included(models, tmp_path) -> None:
    (tmp_path / "other.redraft").write_text(OFF.replace("recipe demo", "recipe other"))
    use = 'use "./other.redraft" 1.0.0 as other\n'
    text = HEAD + use + "include other.b as on\noff include other.a as silent\n"
    found = loads(text, models, folder=tmp_path)
    assert [problem.code for problem in found.errors] == []
    assert [rule.name for rule in found.recipe.rules] == ["on"]
    assert [rule.name for rule in found.off] == ["silent"]
    assert loads(format_text(text).text, models, folder=tmp_path).off == found.off
