"""The language is a value: with one row more and one operation more, everything knows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import jsonschema
import pytest
from lsprotocol import types
from pydantic import Field

from redraft_dsl.builder import recipe as draft
from redraft_dsl.builder_values import Images, box, region
from redraft_dsl.check import Checked
from redraft_dsl.editor.complete import complete
from redraft_dsl.editor.documents import Documents, Examined
from redraft_dsl.editor.hover import hover
from redraft_dsl.facts import KnownModels
from redraft_dsl.language.language import LANGUAGE, LATEST, Language
from redraft_dsl.language.operations import CONTEXT, COPY
from redraft_dsl.language.reference import tables
from redraft_dsl.language.rows import Line, Operation, Setting
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_json import NotARecipeError, read_json, write_json
from redraft_dsl.recipe.as_tree import print_recipe
from redraft_dsl.recipe.json_schema import schema
from redraft_dsl.syntax.editions import SHIPPED, Editions, format_text

SHARPEN = Setting(
    "sharpen",
    "percent",
    "Higher: crisper edges.",
    ("rule", "swap"),
    {2026: 10.0},
    low=0,
    high=50,
    but={"swap": {"defaults": {2026: 20.0}}},
)
WITHIN = Line("partner", "What is put in its place.", "partner", required=True, single=True)
SWAP = Operation("swap", "Exchanges two things.", (COPY, WITHIN, CONTEXT))


class Insert(r.Insert):
    """``rule``, sharpened."""

    sharpen: float = Field(ge=0, le=50)


class Swap(r.Rewriting):
    """``swap NAME at LAYER { ... }``: exchanges two things."""

    kind: Literal["swap"] = "swap"
    copy_from: r.Place
    partner: r.Place
    sharpen: float = Field(ge=0, le=50)


class Recipe(r.Recipe):
    """A recipe in which things can be swapped."""

    rules: tuple[Annotated[Insert | r.Erase | r.Zero | Swap, Field(discriminator="kind")], ...]


def _taken_by(row: Setting) -> Setting:
    """A shipped row that the new operation takes as well."""
    taken = row.name in ("rank", "contrast", "strength") and "rule" in row.of
    return Setting(**{**vars(row), "of": (*row.of, "swap")}) if taken else row


MADE_UP = Language(
    (*map(_taken_by, LANGUAGE.settings), SHARPEN), (*LANGUAGE.operations, SWAP), Recipe
)
EDITIONS = Editions(SHIPPED.known, MADE_UP)
TEXT = """\
edition 2026

recipe made 1.0.0 "Made up"

model faces
latents z { seed 1  count 2000 }
region eyes = box(x 12..52, y 24..38)

rule glasses at layer6 {
  copy    z[116] eyes
  context z[130] eyes
  sharpen  25%
}

# Two things change places.
swap hats at layer6 {
  copy    z[1] eyes
  partner z[2] eyes
  context z[3, 5] eyes
  rank     2
}
"""


@pytest.fixture
def check(models: KnownModels):
    def check(text: str) -> Checked:
        return loads(text, models, editions=EDITIONS)

    return check


def examined(text: str, models: KnownModels, folder: Path) -> Examined:
    documents = Documents(models, lambda _path, _arch: None, EDITIONS)
    uri = (folder / "made.redraft").as_uri()
    documents.open(types.TextDocumentItem(uri, "redraft", 1, text))
    document = documents.get(uri)
    assert document is not None
    return documents.examine(document)


def test_the_shipped_language_knows_nothing_of_it(models: KnownModels) -> None:
    problems = loads(TEXT, models).errors
    assert "found `swap`" in problems[0].message
    ruled = TEXT[: TEXT.index("# Two things")]
    assert [problem.code for problem in loads(ruled, models).errors] == ["RD115"]


class LaterInsert(r.Insert):
    """``rule`` with a setting that came later."""

    polish: int = Field(default=0, ge=0, le=9, json_schema_extra={r.LATER: True})


class LaterRecipe(r.Recipe):
    """A recipe whose rules have it."""

    rules: tuple[Annotated[LaterInsert | r.Erase | r.Zero, Field(discriminator="kind")], ...]


POLISH = Setting("polish", "whole", "More: smoother.", ("rule",), {2026: 0}, low=0, high=9,
                 later=True)  # fmt: skip
WITH_POLISH = Editions(
    SHIPPED.known, Language((*LANGUAGE.settings, POLISH), LANGUAGE.operations, LaterRecipe)
)


def test_a_setting_that_came_later_changes_no_recipe_without_it(models: KnownModels) -> None:
    text = TEXT[: TEXT.index("# Two things")].replace("  sharpen  25%\n", "")
    before, after = loads(text, models).recipe, loads(text, models, editions=WITH_POLISH).recipe
    assert before is not None
    assert after is not None
    assert after.digest() == before.digest()
    assert after.rules[0].omitted() == {"polish", "protect"}
    assert read_json(write_json(before).encode(), WITH_POLISH.language) == after
    polished = text.replace("context", "polish 3\n  context")
    other = loads(polished, models, editions=WITH_POLISH).recipe
    assert other is not None
    assert other.digest() != before.digest()
    assert other.rules[0].omitted() == {"protect"}
    assert read_json(write_json(other).encode(), WITH_POLISH.language) == other
    found = schema(WITH_POLISH.language)["$defs"]["LaterInsert"]
    assert "polish" not in found["required"]
    assert found["properties"]["polish"] == {"maximum": 9, "minimum": 0, "type": "integer"}


def test_it_is_checked(check) -> None:
    checked = check(TEXT)
    assert checked.diagnostics == ()
    glasses, hats = checked.recipe.rules
    assert isinstance(glasses, Insert)
    assert isinstance(hats, Swap)
    assert (glasses.sharpen, hats.sharpen, hats.rank, hats.contrast) == (25, 20, 2, 0.8)
    assert [place.index for place in hats.places()] == [3, 5, 1, 2]
    assert isinstance(checked.recipe, Recipe)


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("25%", "60%", "RD202", "0% to 50%"),
        ("25%", "2.5", "RD201", "sharpen"),
        ("sharpen ", "sharpn ", "RD115", "sharpen"),
        ("  partner z[2] eyes\n", "", "RD207", "partner"),
        ("partner z[2] eyes", "partner z[2, 3] eyes", "RD226", "one image"),
        ("  rank ", "  paste z[2] eyes\n  rank ", "RD208", "swap"),
        ("  rank     2\n", "  rank     2\n  keep     2\n", "RD208", "swap"),
        ("swap hats", "swip hats", "RD010", "swap"),
        ("partner z[2] eyes", "partnr z[2] eyes", "RD010", "partner"),
    ],
)
def test_its_mistakes_are_reported_with_its_words(check, models, old, new, code, said) -> None:
    problems = check(TEXT.replace(old, new)).errors
    assert [problem.code for problem in problems] == [code]
    assert said in f"{problems[0].message} {problems[0].label} {problems[0].help}"


def test_it_is_formatted(check) -> None:
    loose = TEXT.replace("  sharpen  25%", "sharpen 25%").replace("partner z", "partner    z")
    assert format_text(loose, editions=EDITIONS).text == TEXT


def test_it_is_printed_and_read_again(check) -> None:
    recipe = check(TEXT).recipe
    printed = print_recipe(recipe, MADE_UP)
    assert "swap hats at layer6 {" in printed
    assert check(printed).recipe == recipe


def test_it_is_offered_in_the_editor(models, tmp_path) -> None:
    def offered(text: str) -> set[str]:
        at = text.index("|")
        found = complete(examined(text.replace("|", ""), models, tmp_path), at)
        return {item.label for item in found}

    assert "swap" in offered(TEXT + "|")
    assert "sharpen" in offered(TEXT.replace("  sharpen  25%", "  |"))
    inside = offered(TEXT.replace("  rank     2", "  |"))
    assert {"sharpen", "rank", "partner"} <= inside
    assert not {"keep", "solver", "paste"} & inside
    assert "10%" in offered(TEXT.replace("25%", "|"))


def test_it_is_explained_in_the_editor(models, tmp_path) -> None:
    document = examined(TEXT, models, tmp_path)
    shown = {word: hover(document, TEXT.index(word)) for word in ("sharpen", "swap", "partner")}
    texts = {word: found[0] for word, found in shown.items() if found}
    assert texts["sharpen"] == "Higher: crisper edges.\n\nDefault: `10%`. 0% to 50%."
    assert "Exchanges two things." in texts["swap"]
    assert "What is put in its place." in texts["partner"]


def test_it_is_in_the_schema_and_goes_through_json(check) -> None:
    recipe = check(TEXT).recipe
    stored = write_json(recipe)
    jsonschema.validate(json.loads(stored), schema(MADE_UP))
    assert read_json(stored.encode(), MADE_UP) == recipe
    wrong = stored.replace('"sharpen": 25.0', '"sharpen": 60.0')
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(wrong), schema(MADE_UP))
    with pytest.raises(NotARecipeError, match="sharpen: expected a number of at most 50"):
        read_json(wrong.encode(), MADE_UP)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(stored), schema())


def test_the_builder_has_it(models, check) -> None:
    eyes = region("eyes", box(x=(12, 52), y=(24, 38)))
    z = Images("z")
    made = draft(
        "made",
        "1.0.0",
        "Made up",
        model="faces",
        latents={"z": (1, 2000)},
        models=models,
        edition=LATEST,
        editions=EDITIONS,
    )
    made = made.rule(
        "glasses", layer="layer6", copy=z[116] @ eyes, context=z[130] @ eyes, sharpen="25%"
    ).swap(
        "hats",
        layer="layer6",
        copy=z[1] @ eyes,
        partner=z[2] @ eyes,
        context=z[3, 5] @ eyes,
        rank=2,
        comment="Two things change places.",
    )
    assert made.text() == TEXT
    assert made.recipe == check(TEXT).recipe


def test_the_reference_lists_it() -> None:
    found = tables(MADE_UP, LATEST)
    assert (
        "| `sharpen` | per cent | 0% to 50% | 10% | Higher: crisper edges. |"
        in (found["Settings of `rule`"])
    )
    assert "| `sharpen` | per cent | 0% to 50% | 20% |" in found["Settings of `swap`"]
    assert "| `swap NAME at LAYER { ... }` | `copy`, `partner`, `context` |" in found["Operations"]
    assert "| `partner IMAGE REGION` | `swap` | once |" in found["Lines"]
