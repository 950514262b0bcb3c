"""The rows are the truth: what holds a checked value has exactly the limits of its row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from redraft_dsl.language.language import LANGUAGE, LATEST
from redraft_dsl.language.rows import Setting
from redraft_dsl.recipe.json_schema import schema
from redraft_dsl.recipe.model import Recipe, operations_of

SCHEMA = schema()["$defs"]
CLASSES = {
    **{word: kind.__name__ for word, kind in operations_of(Recipe).items()},
    "model": "FileModel",
    "latents": "Latents",
    "exact": "ExactSolver",
    "gradient": "GradientSolver",
    "projected-adam": "ProjectedAdamSolver",
}
ROWS = [(owner, row) for owner, rows in LANGUAGE.blocks.items() for row in rows.values()]


def field_of(owner: str, row: Setting) -> dict[str, Any]:
    """The part of the schema that holds a setting's value."""
    holder, _, inner = (row.stored or row.name).partition(".")
    found = SCHEMA[CLASSES[owner]]["properties"][holder]
    if not inner:
        return found
    classes = [SCHEMA[each["$ref"].rpartition("/")[2]]["properties"] for each in found["oneOf"]]
    return next(each[inner] for each in classes if each["kind"]["const"] == row.name)


def words_of(field: dict[str, Any]) -> Iterator[str]:
    """The words that a field may be."""
    yield from field.get("enum", ())
    if "const" in field:
        yield field["const"]
    for each in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        if "$ref" in each:
            yield SCHEMA[each["$ref"].rpartition("/")[2]]["properties"]["kind"]["const"]
        else:
            yield from words_of(each)


@pytest.mark.parametrize(("owner", "row"), ROWS, ids=[f"{o}.{row.name}" for o, row in ROWS])
def test_a_row_and_the_field_that_holds_it_say_the_same(owner: str, row: Setting) -> None:
    field = field_of(owner, row)
    if row.numeric:
        low = field["exclusiveMinimum"] if row.above else field["minimum"]
        assert (low, field["maximum"]) == (row.low, row.high)
        assert field["type"] == ("integer" if row.kind == "whole" else "number")
    elif row.choices:
        assert sorted(set(words_of(field))) == sorted(row.choices)
    default = row.default(LATEST)
    if row.numeric and default is not None:
        assert row.low <= default <= row.high
    elif default is not None:
        assert default in row.choices


@pytest.mark.parametrize("word", LANGUAGE.operation_words)
def test_the_lines_of_an_operation_have_fields(word: str) -> None:
    fields = SCHEMA[CLASSES[word]]["properties"]
    for line in LANGUAGE.lines_of(word).values():
        assert line.stored in fields
        shown = repr(fields[line.stored])
        assert ("each context" in shown) == line.each
        assert ("Match" in shown) == line.found
        assert ("'array'" not in shown) == line.single


def test_no_field_is_left_without_a_row() -> None:
    head = {"kind", "name", "layer"}
    for owner, name in CLASSES.items():
        stored = {(row.stored or row.name).partition(".")[0] for o, row in ROWS if o == owner}
        lines = {line.stored for line in LANGUAGE.lines_of(owner).values()}
        assert set(SCHEMA[name]["properties"]) - head == stored | lines, name
