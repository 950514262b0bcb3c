"""What people type wrong, what is reported, and where the offered fix leads."""

from __future__ import annotations

import pytest

from redraft_dsl.check import Checked
from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.recipe.as_json import write_json
from redraft_dsl.source import apply
from redraft_dsl.syntax.editions import format_text

HEAD = """\
edition 2026
recipe demo 1.0.0 "Demo"
model faces
latents z { seed 1  count 2000 }
region eyes = box(x 12..52, y 24..38)
"""


def rule(*lines: str) -> str:
    body = ("copy z[116] eyes", "context z[130] eyes", *lines)
    return HEAD + "rule a at layer6 {\n" + "".join(f"  {line}\n" for line in body) + "}\n"


MISTAKES = [
    # text, code, what is said, what the recipe would be with the offered fix (None: no fix)
    (rule("rank \uff18"), "RD013", "write `8`", rule("rank 8")),
    (rule("context z[\u0661] eyes"), "RD013", "digits are 0 to 9", rule("context z[1] eyes")),
    (rule("rank 8%"), "RD201", "write `rank 8`, without `%`", rule("rank 8")),
    (rule("strength \u22121"), "RD013", "minus sign is the plain `-`", rule("strength -1")),
    (rule("rank\u00a04"), "RD013", "a plain space", rule("rank 4")),
    (rule("strength -.3"), "RD010", "write `-0.3`", rule("strength -0.3")),
    (rule("preserve .3"), "RD010", "write `0.3`", rule("preserve 0.3")),
    (rule("rank 4+4"), "RD010", "write the result", None),
    (rule("preserve 1/3"), "RD010", "write the result", None),
    (
        rule("context z[1] box(x 1252, y 24..38)"),
        "RD010",
        "two dots between them, as in `12..52`",
        None,
    ),
    (
        rule("context z[1] box(x 12.52, y 24..38)"),
        "RD010",
        "two dots: `12..52`",
        rule("context z[1] box(x 12..52, y 24..38)"),
    ),
    (
        rule("context z[1] eyes or box(x 1..9, y 1..9)"),
        "RD010",
        "joined with `plus`",
        rule("context z[1] eyes plus box(x 1..9, y 1..9)"),
    ),
    (rule("context z[5, 7 eyes"), "RD010", "close the list", rule("context z[5, 7] eyes")),
    (rule("context z[9..5] eyes"), "RD215", "ends before it starts", rule("context z[5..9] eyes")),
    (rule("context z[5, 4..6] eyes"), "RD225", "image z[5] stands twice", None),
    (rule("context plain eyes"), "RD143", "define them: `images plain = z[5, 7, 26..34]`", None),
    (rule("context z eyes"), "RD143", "say which image, as in `z[130]`", None),
    (rule("context z[0..5000] eyes"), "RD227", "at most 5000", None),
    (rule() + "edition 2026\n", "RD106", "keep one", rule()),
    (rule().replace(' "Demo"', ""), "RD010", 'as in `recipe my-edit 1.0.0 "My edit"`', None),
    ("", "RD100", "the recipe is empty", "edition 2026\n\n"),
]


@pytest.mark.parametrize(("text", "code", "said", "fixed"), MISTAKES)
def test_a_mistake_is_reported_once_with_its_fix(models, text, code, said, fixed) -> None:
    problems = loads(text, models).diagnostics
    found = [problem for problem in problems if problem.code == code]
    assert found, [problem.code for problem in problems]
    assert all(problem.is_error for problem in found)
    assert said in f"{found[0].message} | {found[0].label} | {found[0].help}"
    assert found[0].label not in found[0].message or not found[0].label
    fixes = found[0].fixes
    assert bool(fixes) == (fixed is not None)
    if fixes:
        assert apply(text, fixes[0].edits) == fixed


def test_a_parameter_misspelt_in_use_is_suggested_and_is_not_called_unused(models) -> None:
    text = HEAD + "param strong: int = 2\n" + rule("rank strnog")[len(HEAD) :]
    (problem,) = loads(text, models).diagnostics
    assert problem.code == "RD201"
    assert problem.help == "did you mean `strong`?"
    assert loads(apply(text, problem.fixes[0].edits), models).diagnostics == ()


def test_a_second_edition_puts_nothing_else_out_of_order(models) -> None:
    problems = loads(f"edition 2026\n{rule()}", models).errors
    assert [problem.code for problem in problems] == ["RD106"]
    assert [each.code for each in loads("", models).errors] == ["RD100"]


def test_two_mistakes_in_one_rule_are_both_reported(models) -> None:
    text = rule("rank 4+4", "preserve 1/3").replace("z[116] eyes", "z[116 eyes")
    found = loads(text, models).errors
    assert [problem.code for problem in found] == ["RD010"] * 3
    lines = [loads(text, models).source.position(problem.span.start).line for problem in found]
    assert lines == [7, 9, 10]


def test_every_bad_line_of_a_sweep_is_reported(models) -> None:
    text = rule() + "sweep s {\n  vary rnk of a over 1\n  vary kep of a over 2\n}\n"
    found = loads(text, models).errors
    assert [problem.help for problem in found] == ["did you mean `rank`?", "did you mean `keep`?"]
    assert [problem.code for problem in found] == ["RD141"] * 2


@pytest.mark.parametrize("joins", [100, 128])
def test_a_long_flat_region_is_fine(models: KnownModels, joins: int) -> None:
    region = " plus ".join(f"box(x {n % 60}..{n % 60 + 2}, y 1..9)" for n in range(joins + 1))
    text = rule().replace("box(x 12..52, y 24..38)", region)
    checked = loads(text, models)
    assert checked.diagnostics == ()
    assert format_text(text).text is not None
    assert write_json(checked.recipe)


def test_the_path_of_a_recipe_that_is_not_there_is_shown_as_it_is_written(models, tmp_path) -> None:
    text = HEAD + 'use "./missing.redraft" 1.0.0 as v\n' + rule()[len(HEAD) :]
    (problem,) = loads(text + "include v.b\n", models, folder=tmp_path).errors
    assert problem.code == "RD130"
    assert str(tmp_path) not in f"{problem}"


CONTEXTUAL = [
    *("images", "off", "protect", "cause", "effect", "class", "reach", "elsewhere", "expectation"),
    *("seed", "count", "area", "bilinear", "int", "word", "loss", "steps", "arch", "weights"),
]


@pytest.mark.parametrize("word", CONTEXTUAL)
def test_words_of_later_editions_are_names_of_regions_latents_rules_and_parameters(
    models: KnownModels, word: str
) -> None:
    def checked(text: str) -> Checked:
        found = loads(text, models)
        assert [problem.code for problem in found.diagnostics] == [], word
        canonical = format_text(text).text
        assert canonical is not None
        assert loads(canonical, models).recipe == found.recipe
        return found

    plain = rule("rank 2")
    assert checked(plain.replace("eyes", word)).recipe == checked(plain).recipe
    named = checked(plain.replace("z {", f"{word} {{").replace("z[", f"{word}["))
    assert named.recipe.latents[0].name == word
    assert checked(plain.replace("rule a", f"rule {word}")).recipe.rules[0].name == word
    given = HEAD + f"param {word}: int = 2\n" + plain[len(HEAD) :].replace("rank 2", f"rank {word}")
    assert checked(given).recipe == checked(plain).recipe
    image = HEAD + f"param {word}: int = 116\n" + plain[len(HEAD) :].replace("116", word)
    assert checked(image).recipe == checked(plain).recipe
    listed = HEAD + f"images {word} = z[130]\n" + plain[len(HEAD) :].replace("z[130]", word)
    assert checked(listed).recipe == checked(plain).recipe
    swept = plain.replace("rule a", f"rule {word}") + (
        f"sweep {word} {{ vary rank of {word} over 1, 2 }}\n"
    )
    assert checked(swept).sweeps[0].name == word
