"""The JSON Schema of a checked recipe in JSON, as ``redraft export --json`` writes it.

Shape, limits and meanings come from the recipe's own classes, which have those of settings from
the rows of the language.
"""

from __future__ import annotations

import json
from typing import Any

from redraft_dsl.language.language import LANGUAGE, Language
from redraft_dsl.language.spelling import LONGEST_NAME, NAME, SHA256, VERSION
from redraft_dsl.recipe.model import LATER, recipe_class

FORMAT = "redraft-recipe-1"
"""What the field ``format`` of a recipe in JSON says."""
SCHEMA_ID = "urn:redraft:recipe:1"
"""The name of the schema; the field ``$schema`` of a recipe in JSON repeats it."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_FIRST = ("$schema", "$id", "title", "description")


def schema(language: Language = LANGUAGE) -> dict[str, Any]:
    """The schema as plain data, in an order that does not change."""
    parts = recipe_class(language).model_json_schema(ref_template="#/$defs/{model}")
    classes = parts.pop("$defs")
    classes["Recipe"] = parts
    whole = {
        "$schema": DIALECT,
        "$id": SCHEMA_ID,
        "title": "A checked recipe of redraft",
        "description": "Every default is written out. `redraft import` makes a recipe text of it.",
        "type": "object",
        "properties": {
            "$schema": {"const": SCHEMA_ID},
            "format": {"const": FORMAT},
            "recipe": {"$ref": "#/$defs/Recipe"},
        },
        "required": ["$schema", "format", "recipe"],
        "additionalProperties": False,
        "$defs": {name: _class(name, each) for name, each in classes.items()},
    }
    ordered: dict[str, Any] = _ordered(whole)
    return ordered


def schema_text() -> str:
    """The schema as JSON with a line end."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _class(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """One class: closed, with every field required."""
    fields = {key: _given(_bare(value)) for key, value in found["properties"].items()}
    if "name" in fields:
        fields["name"] |= {"pattern": f"^(?:{NAME.pattern})$", "maxLength": LONGEST_NAME}
    if name == "Recipe":
        fields["version"]["pattern"] = f"^(?:{VERSION.pattern})$"
        fields["rules"]["minItems"] = 1
    if name == "Mask":
        fields["sha256"]["pattern"] = f"^{SHA256.pattern}$"
    about = " ".join(found["description"].partition("\n\n")[0].split()).replace("``", "`")
    return {
        "title": name,
        "description": about,
        "type": "object",
        "properties": fields,
        "required": sorted(key for key in fields if LATER not in found["properties"][key]),
        "additionalProperties": False,
    }


def _given(field: dict[str, Any]) -> dict[str, Any]:
    """A field as it is where it is given: one that may be left out has no need of null."""
    parts = field.get("anyOf", ())
    numbers = [each for each in parts if each.get("type") in ("integer", "number")]
    if len(parts) == 2 and {"type": "null"} in parts and numbers:
        return {**{key: value for key, value in field.items() if key != "anyOf"}, **numbers[0]}
    return field


def _bare(value: Any) -> Any:
    """Without what pydantic adds for other purposes: titles, defaults, discriminators."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if isinstance(value, dict):
        dropped = ("title", "default", "discriminator", LATER)
        return {key: _bare(each) for key, each in value.items() if key not in dropped}
    return value


def _ordered(value: Any) -> Any:
    """Names sorted, but for the head, which says what the whole is."""
    if isinstance(value, list):
        return [_ordered(each) for each in value]
    if isinstance(value, dict):
        head = [key for key in _FIRST if key in value]
        rest = sorted(key for key in value if key not in head)
        return {key: _ordered(value[key]) for key in (*head, *rest)}
    return value
