"""The JSON Schema of a checked recipe in JSON, as ``redraft export --json`` writes it.

The shape comes from the recipe's own classes, limits from the checker's table of settings, and
what each field means from the table below.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from redraft_dsl.check.rules.statements import LONGEST_NAME, NAME, SHA256, VERSION
from redraft_dsl.language.settings import BLOCKS, SOLVERS, Spec
from redraft_dsl.recipe.model import Recipe

FORMAT = "redraft-recipe-1"
"""What the field ``format`` of a recipe in JSON says."""
SCHEMA_ID = "urn:redraft:recipe:1"
"""The name of the schema; the field ``$schema`` of a recipe in JSON repeats it."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_GOAL = "halo: the goal is set with its surroundings; crop: on a cut-out without them."
_TARGET = "Where the goal is set: places, or the words `each context`."
_SOLVED = {
    "layer": "The layer that is rewritten, by its first name in `redraft layers`.",
    "context": "Where the rule should fire; at least one.",
    "rank": "How many directions of the layer's keys the rule listens to.",
    "restraint": "How everything else is kept: by a weight, or by a share that may change.",
    "keep": "Weight of the rest of the context pictures; no unit.",
    "contrast": "How much the rule listens to what sets the context apart: 0 not at all, 1 fully.",
    "directions": "Where the directions are taken from.",
    "strength": "Factor of the finished change; 1 is the change as solved.",
    "solver": "How the change is computed.",
}
_GOAL_ONLY = ("restraint", "keep", "solver")
_RATE = "Step size of the optimiser."

DESCRIPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Recipe": {
            "edition": "The edition of the language that the recipe is written in.",
            "version": "The recipe's own version, x.y.z.",
            "title": "One line for readers.",
            "model": "The model that is rewritten: one of the list, or a file.",
            "latents": "Which images there are. Statistics are taken over the first entry.",
            "rules": "Run in this order, each on the network that the earlier ones left.",
        },
        "FileModel": {
            "arch": "How the file is to be read.",
            "path": "The file, relative to the recipe's folder, with /.",
            "sha256": "Of the file's bytes, 64 hexadecimal digits; null: any file of this name.",
            "truncation": "Draws the inner latents to their mean: 1 not at all, 0 fully.",
        },
        "Latents": {
            "seed": "Of numpy's RandomState; image i is row i of its standard normal numbers.",
            "count": "How many images there are.",
        },
        "Place": {
            "latents": "The name of the latents.",
            "index": "The image's number, from 0.",
            "region": "The marked part of the image.",
        },
        "Match": {
            "like": "The place whose keys are searched for.",
            "top": "At most this many places are taken.",
            "first": "The first image that is searched.",
            "last": "The last image that is searched; it is included.",
            "excluded": "Images that are left out, sorted.",
        },
        "Length": {
            "value": "A coordinate, from the top left corner.",
            "unit": "px: pixels of the model's image; %: per cent of its width (x) or height (y).",
        },
        "Box": {
            "x": "Left and right end; the right one is not included.",
            "y": "Upper and lower end; the lower one is not included.",
        },
        "Polygon": {"points": "Corners, each x and y; three or more."},
        "Ellipse": {"center": "x and y.", "radius": "Half the width and half the height."},
        "Mask": {
            "path": "The picture file, relative to the recipe's folder, with /. Light is inside.",
            "sha256": "Of the file's bytes, 64 hexadecimal digits.",
            "resample": "How it is brought to another size.",
        },
        "Combination": {"kind": "plus: either; minus: left without right; within: both."},
        "Insert": {**_SOLVED, "copy_from": "What to draw.", "paste": _TARGET},
        "Erase": {**_SOLVED, "source": _TARGET, "units": "How many input channels are silenced."},
        "Zero": {
            key: _SOLVED[key] for key in _SOLVED if key not in ("restraint", "keep", "solver")
        },
        "Preserve": {"weight": "Weight of everything else that the layer remembers; no unit."},
        "Side": {"percent": "Most change elsewhere, in per cent of the goal."},
        "ExactSolver": {
            "loss": "l1: mean absolute difference; l2: mean square.",
            "iterations": "Most steps.",
            "goal": _GOAL,
        },
        "GradientSolver": {"steps": "Steps of Adam.", "rate": _RATE, "goal": _GOAL},
        "ProjectedAdamSolver": {
            "compat": "davidbau: the numerics of the paper authors' own code; null: none.",
            "steps": "Steps of Adam.",
            "rate": _RATE,
            "every": "Steps between projections.",
            "goal": _GOAL,
        },
    }
)

_LIMITS: Mapping[str, Mapping[str, Spec]] = MappingProxyType(
    {
        "Insert": BLOCKS["rule"],
        "Erase": BLOCKS["erase"],
        "Zero": BLOCKS["zero"],
        "Latents": BLOCKS["latents"],
        "FileModel": BLOCKS["model"],
        "Preserve": {"weight": BLOCKS["rule"]["preserve"]},
        "Side": {"percent": BLOCKS["rule"]["side"]},
        "ExactSolver": SOLVERS["exact"],
        "GradientSolver": SOLVERS["gradient"],
        "ProjectedAdamSolver": SOLVERS["projected-adam"],
    }
)
_NAMED = ("Recipe", "Insert", "Erase", "Zero", "Latents", "ListedModel", "FileModel")
_FIRST = ("$schema", "$id", "title", "description")


def schema() -> dict[str, Any]:
    """The schema as plain data, in an order that does not change."""
    parts = Recipe.model_json_schema(ref_template="#/$defs/{model}")
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
    """One class: closed, with every field required, described and within the checker's limits."""
    fields = {key: _bare(value) for key, value in found["properties"].items()}
    for key, text in DESCRIPTIONS.get(name, {}).items():
        fields[key]["description"] = text
    for key, spec in _LIMITS.get(name, {}).items():
        if key in fields and spec.low is not None:
            fields[key] |= _limits(fields[key], spec)
    if name in _NAMED:
        fields["name"] |= {"pattern": f"^(?:{NAME.pattern})$", "maxLength": LONGEST_NAME}
    if name == "Recipe":
        fields["version"]["pattern"] = f"^(?:{VERSION.pattern})$"
    if name == "Mask":
        fields["sha256"]["pattern"] = f"^{SHA256.pattern}$"
    return {
        "title": name,
        "description": " ".join(found["description"].partition("\n\n")[0].split()).replace(
            "``", "`"
        ),
        "type": "object",
        "properties": fields,
        "required": sorted(fields),
        "additionalProperties": False,
    }


def _limits(field: dict[str, Any], spec: Spec) -> dict[str, Any]:
    for old in ("minimum", "exclusiveMinimum", "maximum"):
        field.pop(old, None)
    return {"exclusiveMinimum" if spec.above else "minimum": spec.low, "maximum": spec.high}


def _bare(value: Any) -> Any:
    """Without what pydantic adds for other purposes: titles, defaults, discriminators."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if isinstance(value, dict):
        dropped = ("title", "default", "discriminator")
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
