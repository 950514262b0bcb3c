"""``expect``: what must come of a run."""

from __future__ import annotations

import pytest
from tests.dsl.contextual import ROLES, named

from redraft_dsl.facts import KnownModels
from redraft_dsl.flatten import flatten
from redraft_dsl.reading import loads
from redraft_dsl.syntax import names
from redraft_dsl.syntax.editions import format_text

BODY = """\
edition 2026

recipe demo 1.0.0 "Demo"

model faces
latents z { seed 1  count 2000 }
param least: float = 0.6

rule glasses at layer6 {
  copy    z[116] box(x 12..52, y 24..38)
  context z[130] box(x 12..52, y 24..38)
}
"""


def with_line(line: str) -> str:
    return f"{BODY}\n{line}\n"


def test_it_is_read_and_changes_no_digest(models: KnownModels) -> None:
    text = with_line(
        "expect share(glasses) >= least\nexpect side(glasses) < 5%\nexpect rank(glasses) <= 4"
    )
    checked, plain = loads(text, models), loads(BODY, models)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert plain.recipe is not None
    assert checked.recipe.digest() == plain.recipe.digest()
    share, side, rank = checked.expects
    assert (share.measure, share.rule, share.comparison, share.value) == (
        "share", "glasses", ">=", 0.6
    )  # fmt: skip
    assert share.written == "share(glasses) >= 0.6"
    assert share.holds(0.6)
    assert not share.holds(0.59)
    assert not share.holds(None)
    assert side.holds(0.049)
    assert not side.holds(0.05)
    assert rank.holds(4)
    assert format_text(text).text == text


def test_the_format_is_one_line_with_single_spaces(models: KnownModels) -> None:
    loose = with_line("expect   share ( glasses )>=0.60   # enough")
    neat = format_text(loose).text
    assert neat.endswith("\nexpect share(glasses) >= 0.60  # enough\n")
    assert loads(neat, models).expects == loads(loose, models).expects


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("expect shere(glasses) >= 0.6", "RD144", "share"),
        ("expect share(glases) >= 0.6", "RD144", "glasses"),
        ("expect share(glasses) >= much", "RD201", "a number"),
        ('expect share(glasses) >= "0.6"', "RD201", "a number"),
        ("expect share(glasses) >= 60", "RD202", "60%"),
        ("expect share(glasses) >= 160%", "RD202", "60%"),
        ("expect rank(glasses) <= 40%", "RD201", "share"),
        ("expect rank(glasses) <= 1e999", "RD202", "too large"),
        ("expect share(glasses) => 0.6", "RD010", ""),
        ("expect share glasses >= 0.6", "RD010", ""),
    ],
)
def test_what_is_wrong_is_said(models: KnownModels, line: str, code: str, said: str) -> None:
    problems = loads(with_line(line), models).errors
    assert [problem.code for problem in problems] == [code]
    assert said in f"{problems[0].message} {problems[0].label} {problems[0].help}"


def test_nothing_is_expected_of_a_rule_that_is_off(models: KnownModels) -> None:
    text = with_line("off rule hat at layer6 {\n  copy z[9] all\n  context z[10] all\n  rank 1\n}\n"
                     "expect share(hat) >= 0.6")  # fmt: skip
    checked = loads(text, models)
    assert "RD145" in [problem.code for problem in checked.warnings]
    assert checked.errors == ()
    assert checked.expects == ()


def test_a_value_from_outside_is_compared_with(models: KnownModels) -> None:
    text = with_line("expect share(glasses) >= least")
    checked = loads(text, models, given=(("least", "0.9"),))
    assert checked.expects[0].value == 0.9


def test_a_rule_is_renamed_there_too(models: KnownModels) -> None:
    tree = loads(with_line("expect share(glasses) >= 0.6"), models).tree
    found = [each for each in names.occurrences(tree) if each.kind == "rule"]
    assert [each.defines for each in found] == [True, False]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("word", ["share", "amplitude", "outside"])
def test_the_names_of_measures_may_be_names_all_the_same(models, role: str, word: str) -> None:
    checked = loads(named(role, word), models)
    assert checked.errors == ()
    assert checked.expects[0].rule == (ROLES | {role: word})["rule"]


def test_a_rule_may_be_called_expect(models: KnownModels) -> None:
    text = BODY.replace("rule glasses", "rule expect") + "\nexpect rank(expect) <= 8\n"
    assert loads(text, models).errors == ()


def test_a_flattened_recipe_expects_the_same(models: KnownModels) -> None:
    checked = loads(with_line("expect share(glasses) >= least\nexpect rank(glasses) < 9"), models)
    text = flatten(checked)
    assert loads(text, models).expects == checked.expects
    assert [each.written for each in checked.expects] == [
        "share(glasses) >= 0.6",
        "rank(glasses) < 9",
    ]
    assert format_text(text).text == text
