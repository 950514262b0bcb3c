"""Recipes in JSON, and the schema of it: nothing is lost, and nothing in a file is trusted."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.facts import KnownModels
from redraft_dsl.language.language import LANGUAGE
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_json import (
    MAX_BYTES,
    NotARecipeError,
    looks_like_a_recipe,
    read_json,
    write_json,
)
from redraft_dsl.recipe.as_tree import print_recipe
from redraft_dsl.recipe.json_schema import FORMAT, schema, schema_text
from redraft_dsl.syntax.editions import format_text

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def whole(models: KnownModels, folder: Path, full: str) -> dict[str, Any]:
    """The recipe that uses everything, in JSON."""
    recipe = loads(full, models, folder=folder).recipe
    assert recipe is not None
    data: dict[str, Any] = json.loads(write_json(recipe))
    return data


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in plain data."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in pairs:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    data = copy.deepcopy(data)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


def refusal(data: Any) -> NotARecipeError:
    with pytest.raises(NotARecipeError) as caught:
        read_json(data if isinstance(data, bytes) else json.dumps(data).encode())
    return caught.value


# ---- there and back ---------------------------------------------------------------------------


@given(st.data())
def test_nothing_is_lost_on_the_way_through_json_and_text(
    models: KnownModels,
    any_recipe: st.SearchStrategy[r.Recipe],
    validator: jsonschema.Draft202012Validator,
    data: st.DataObject,
) -> None:
    recipe = data.draw(any_recipe)
    written = write_json(recipe)
    validator.validate(json.loads(written))
    back = read_json(written.encode())
    assert back == recipe
    text = print_recipe(back)
    assert loads(text, models).recipe == recipe
    assert format_text(text).text == text


def test_the_form_is_canonical(whole: dict[str, Any]) -> None:
    recipe = read_json(json.dumps(whole).encode())
    text = write_json(recipe)
    assert text.startswith(f'{{\n "$schema": "urn:redraft:recipe:1",\n "format": "{FORMAT}",\n')
    assert text == json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    shuffled = json.dumps(dict(reversed(whole.items()))).encode()
    assert write_json(read_json(b"\xef\xbb\xbf" + shuffled)) == text


def test_the_inner_object_has_the_digest_of_the_recipe(whole: dict[str, Any]) -> None:
    import hashlib

    line = json.dumps(whole["recipe"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    recipe = read_json(json.dumps(whole).encode())
    assert hashlib.sha256(line.encode()).hexdigest() == recipe.digest()


# ---- the schema -------------------------------------------------------------------------------


def test_every_form_of_every_part_is_in_the_schema(
    whole: dict[str, Any], validator: jsonschema.Draft202012Validator
) -> None:
    validator.validate(whole)


def test_the_schema_does_not_change_its_order() -> None:
    assert schema_text() == schema_text()
    assert list(json.loads(schema_text()))[:4] == ["$schema", "$id", "title", "description"]
    definitions = list(schema()["$defs"])
    assert definitions == sorted(definitions)


def test_limits_are_those_of_the_checker() -> None:
    defined = schema()["$defs"]
    rank = defined["Insert"]["properties"]["rank"]
    assert (rank["minimum"], rank["maximum"]) == (LANGUAGE.block("rule")["rank"].low, 65_536)
    side = defined["Side"]["properties"]["percent"]
    assert (side["exclusiveMinimum"], side["maximum"]) == (0, 100)
    iterations = defined["ExactSolver"]["properties"]["iterations"]
    assert iterations["maximum"] == LANGUAGE.block("exact")["iterations"].high
    assert "kind" in defined["Box"]["required"]


def test_every_number_and_choice_is_described() -> None:
    for name, part in schema()["$defs"].items():
        for field, value in part["properties"].items():
            if field in ("kind", "name", "left", "right"):
                continue
            assert value.get("description") or "$ref" in value, f"{name}.{field}"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("recipe", "rules", 0, "rank"), 65_537),
        (("recipe", "rules", 0, "strength"), -1001),
        (("recipe", "rules", 0, "restraint", "percent"), 0),
        (("recipe", "version"), "1.0"),
        (("recipe", "name"), "Glasses"),
        (("recipe", "spell"), 1),
        (("format",), "redraft-recipe-2"),
    ],
)
def test_the_schema_refuses_what_the_checker_refuses(
    whole: dict[str, Any],
    validator: jsonschema.Draft202012Validator,
    path: tuple[Any, ...],
    value: Any,
) -> None:
    assert not validator.is_valid(changed(whole, path, value))


# ---- hostile files ----------------------------------------------------------------------------

RULE = ("recipe", "rules", 0)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ((*RULE, "rank"), "4", 'rules[0].rank: expected a whole number, found `"4"`'),
        ((*RULE, "rank"), 4.5, "rules[0].rank: expected a whole number, found `4.5`"),
        ((*RULE, "rank"), True, "rules[0].rank: expected a whole number, found `true`"),
        ((*RULE, "rank"), -1, "rules[0].rank: expected a number of at least 1, found `-1`"),
        ((*RULE, "keep"), "3", "rules[0].keep: expected a number"),
        (
            (*RULE, "kind"),
            "spell",
            "rules[0].kind: expected `rule`, `erase`, `zero` or `invert`, found",
        ),
        ((*RULE, "kind"), None, "rules[0].kind: expected `rule`, `erase`, `zero` or `invert`"),
        ((*RULE, "directions"), "up", "directions: expected `goal`, `context`, `svd`, `mean` or"),
        ((*RULE, "spell"), 1, "rules[0].spell: there is no such field"),
        (RULE, 3, "rules[0]: expected an object, found `3`"),
        (("recipe", "rules"), {}, "recipe.rules: expected a list, found an object"),
        (("recipe", "rules"), [], "recipe.rules: expected at least 1, found a list of 0"),
        (("recipe",), [], "recipe: expected an object, found a list of 0"),
        ((*RULE, "copy_from", "region"), {}, "rules[0].copy_from.region: it has no `kind`"),
        ((*RULE, "copy_from", "region", "x"), [], "region.x[0]: it is missing"),
        (
            (*RULE, "copy_from", "region", "x", 0, "value"),
            10**400,
            "region.x[0].value: expected a finite number, found `1000",
        ),
        ((*RULE, "paste"), "here", "rules[0].paste: expected `each context` or a list, found"),
        ((*RULE, "paste", 0, "index"), -5, "rules[0].paste[0].index: expected a number of at"),
        (("recipe", "name"), None, "recipe.name: expected text, found `null`"),
        (("recipe", "title"), "\ud800", "half of a surrogate pair"),
        (("format",), "redraft-recipe-2", 'its `format` is `"redraft-recipe-2"`, and this'),
        (("format",), 1, f"it has no field `format` that says {FORMAT}"),
        (("$schema",), "https://example.com", "its `$schema` is"),
        (("fromat",), 1, 'it has a field `"fromat"`'),
    ],
)
def test_a_wrong_value_is_named_with_its_place(
    whole: dict[str, Any], path: tuple[Any, ...], value: Any, said: str
) -> None:
    problem = refusal(changed(whole, path, value))
    assert said in problem.message
    assert problem.help


def test_several_problems_are_reported_at_once(whole: dict[str, Any]) -> None:
    bad = whole
    for name in ("rank", "keep", "contrast", "strength", "layer", "directions", "name"):
        bad = changed(bad, (*RULE, name), None)
    message = refusal(bad).message
    assert message.count("expected") == 5
    assert message.endswith("; and 2 more")


def test_no_field_may_be_left_out(whole: dict[str, Any]) -> None:
    for path in places(whole["recipe"]):
        if isinstance(path[-1], str):
            less = copy.deepcopy(whole)
            inner = less["recipe"]
            for key in path[:-1]:
                inner = inner[key]
            del inner[path[-1]]
            assert "it is missing" in refusal(less).message or path[-1] == "kind", path


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is not JSON (line 1, column 1)"),
        (b"[]", "it is JSON, but not an object"),
        (b"\xff", "it is not text in UTF-8"),
        (b'{"format": "redraft-recipe-1"}', "it has no field `recipe`"),
        (b'{"format": "redraft-recipe-1", "recipe": NaN}', "it has the number NaN"),
        (b'{"format": 1, "format": 2}', "it names `format` twice"),
        (b"[" * 100_000, "too deep"),
        (b'{"a":' + b"9" * 5000 + b"}", "a number too long"),
        (b" " * (MAX_BYTES + 1), f"at most {MAX_BYTES} are read"),
    ],
)
def test_what_is_not_a_recipe_in_json(data: bytes, said: str) -> None:
    assert said in refusal(data).message


def test_a_region_that_is_too_deep_is_refused(whole: dict[str, Any]) -> None:
    region: Any = {"kind": "all"}
    for _ in range(250):
        region = {"kind": "plus", "left": region, "right": {"kind": "all"}}
    bad = changed(whole, (*RULE, "copy_from", "region"), region)
    assert "too deep" in refusal(bad).message


@given(st.data())
def test_junk_in_any_place_is_refused_or_checked(
    models: KnownModels, folder: Path, whole: dict[str, Any], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(places(whole))))
    bad = changed(whole, path, data.draw(JUNK))
    try:
        recipe = read_json(json.dumps(bad).encode())
    except NotARecipeError as problem:
        message = problem.message
    else:
        message = "nothing is wrong"
        checked = loads(printed_or_nothing(recipe), models, folder=folder)
        assert (checked.recipe is None) == bool(checked.errors)
    assert message


def printed_or_nothing(recipe: r.Recipe) -> str:
    try:
        return print_recipe(recipe)
    except ValueError:
        return ""


@pytest.mark.parametrize(
    ("data", "meant"),
    [
        (b'{"format": "redraft-recipe-9"}', True),
        (b'{"recipe": 3}', True),
        (b'{"paste": [1, "x"]}', False),
        (b"[1]", False),
        (b"\xff", False),
        (b"[" * 100_000, False),
    ],
)
def test_what_is_meant_to_be_a_recipe(data: bytes, meant: bool) -> None:
    assert looks_like_a_recipe(data) == meant


def test_words_that_would_be_something_else_do_not_come_back_equal(
    models: KnownModels, whole: dict[str, Any], check_text: Callable[[str], Any], folder: Path
) -> None:
    sly = changed(whole, (*RULE, "name"), "a at layer6 { copy z[1] all context z[2] all } rule b")
    recipe = read_json(json.dumps(sly).encode())
    checked = loads(print_recipe(recipe), models, folder=folder)
    assert checked.recipe != recipe
