"""A checked recipe as JSON, and JSON as a checked recipe.

The JSON holds the recipe itself, under a head that says what it is. Nothing in a file is trusted:
what is read here has the right shape, and whether it makes sense is for the checker, to which the
recipe goes as text.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from redraft_dsl.language.language import LANGUAGE, Language
from redraft_dsl.recipe.json_file import JsonFileError, read_object
from redraft_dsl.recipe.json_schema import FORMAT, SCHEMA_ID
from redraft_dsl.recipe.model import Recipe, recipe_class
from redraft_dsl.report.diagnostics import alternatives, did_you_mean

MAX_BYTES = 16 * 2**20
"""A recipe text has at most 1 MiB; its JSON may be some ten times as long."""

MOST_REPORTED = 5
"""Problems that are reported at once."""

_HEAD = ("$schema", "format", "recipe")
_SHAPE = "`redraft schema` prints what such a file may hold"
_CUT = 60


class NotARecipeError(JsonFileError):
    """A text is not a recipe in JSON."""

    expected = f"`redraft export --json` writes such files, with `format` {FORMAT}"


def write_json(recipe: Recipe) -> str:
    """The recipe as JSON: sorted keys, one value a line, a line end at the end."""
    whole = {"$schema": SCHEMA_ID, "format": FORMAT, "recipe": recipe.meaning()}
    return json.dumps(whole, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def looks_like_a_recipe(data: bytes) -> bool:
    """Whether a file is meant to be a recipe in JSON, be it a good one or not."""
    return b'"recipe"' in data or b'"redraft-recipe-' in data


def read_json(data: bytes, language: Language = LANGUAGE) -> Recipe:
    """Read a file's bytes. The recipe has the right shape and is not checked.

    Raises ``NotARecipeError``, which reports several problems at once.
    """
    whole = read_object(data.removeprefix(BOM_UTF8), MAX_BYTES, NotARecipeError)
    _check_head(whole)
    try:
        inner = json.dumps(whole["recipe"], ensure_ascii=False).encode("utf-8")
        recipe = recipe_class(language).model_validate_json(inner, strict=True)
    except UnicodeEncodeError:
        raise NotARecipeError("it has half of a surrogate pair, which is not text") from None
    except ValidationError as problem:
        raise NotARecipeError(_problems(problem, whole["recipe"]), _SHAPE) from None
    if not recipe.rules:
        raise NotARecipeError("recipe.rules: expected at least 1, found a list of 0", _SHAPE)
    _nothing_left_out(whole["recipe"], recipe)
    return recipe


def _check_head(whole: dict[str, Any]) -> None:
    form = whole.get("format")
    if form != FORMAT:
        if isinstance(form, str) and form.startswith("redraft-recipe-"):
            message = f"its `format` is {_shown(form)}, and this version reads {FORMAT}"
            raise NotARecipeError(message, "a newer file needs a newer redraft")
        raise NotARecipeError(f"it has no field `format` that says {FORMAT}")
    if whole.get("$schema", SCHEMA_ID) != SCHEMA_ID:
        raise NotARecipeError(
            f"its `$schema` is {_shown(whole['$schema'])}", f"it is {SCHEMA_ID}, or left out"
        )
    unknown = [name for name in whole if name not in _HEAD]
    if unknown:
        help_text = did_you_mean(unknown[0], _HEAD, "fields of such a file")
        raise NotARecipeError(f"it has a field {_shown(unknown[0])}", help_text)
    if "recipe" not in whole:
        raise NotARecipeError("it has no field `recipe`")


def _problems(problem: ValidationError, data: Any) -> str:
    """Every problem with its place, up to a limit."""
    sentences: dict[str, str] = {}
    for each in problem.errors(include_url=False):
        if each["type"] == "json_invalid":
            return "it is JSON that is too deep, or has a number too long"
        if _is_a_list_of_places(each):
            continue  # words or a list are expected, and the list is judged by itself
        sentences.setdefault(_path(each, data), _sentence(each))
    found = [f"{path}: {sentence}" for path, sentence in sentences.items()]
    if len(found) > MOST_REPORTED:
        found[MOST_REPORTED:] = [f"and {len(found) - MOST_REPORTED} more"]
    return "; ".join(found)


def _is_a_list_of_places(problem: ErrorDetails) -> bool:
    expected = problem.get("ctx", {}).get("expected")
    return expected == _EACH_CONTEXT and isinstance(problem["input"], list)


def _path(problem: ErrorDetails, data: Any) -> str:
    """``recipe.rules[0].rank``. Parts that name a kind rather than a field are left out."""
    path, location = "recipe", problem["loc"]
    for at, part in enumerate(location):
        if isinstance(part, int):
            path += f"[{part}]"
            data = data[part] if isinstance(data, list) and part < len(data) else None
        elif isinstance(data, dict) and (part in data or at == len(location) - 1):
            path += f".{part[:_CUT]}"
            data = data.get(part)
    return f"{path}.kind" if problem["type"] == "union_tag_invalid" else path


def _sentence(problem: ErrorDetails) -> str:
    """What was expected and what came."""
    kind, context = problem["type"], problem.get("ctx", {})
    came = _shown(problem["input"])
    match kind:
        case "missing":
            return _MISSING
        case "extra_forbidden":
            return "there is no such field"
        case "union_tag_not_found":
            return "it has no `kind`"
        case "union_tag_invalid":
            return f"expected {_words(context['expected_tags'])}, found {_shown(context['tag'])}"
        case "literal_error":
            places = " or a list" if context["expected"] == _EACH_CONTEXT else ""
            return f"expected {_words(context['expected'])}{places}, found {came}"
    expected = _EXPECTATIONS.get(kind, "another value").format(**context)
    return f"expected {expected}, found {came}"


_EACH_CONTEXT = "'each context'"
_MISSING = "it is missing; every default is written out"
_EXPECTATIONS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "tuple_type": "a list",
    "model_type": "an object",
    "dict_type": "an object",
    "model_attributes_type": "an object",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "at least {min_length}",
    "too_long": "{max_length}",
}
"""By pydantic's name of the problem."""


def _words(listed: str) -> str:
    """From pydantic's ``'a', 'b' or 'c'`` to words in backticks."""
    return alternatives(listed.replace("'", "`").replace(" or ", ", ").split(", "))


def _shown(value: Any) -> str:
    """A value from the file, short and on one line."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=True)
    return f"`{text if len(text) <= _CUT else f'{text[:_CUT]}...'}`"


def _nothing_left_out(written: Any, recipe: Recipe) -> None:
    """Fields with a default in the classes must be there too: defaults belong to the edition."""
    missing = _first_missing(written, recipe.meaning(), "recipe")
    if missing is not None:
        raise NotARecipeError(f"{missing}: {_MISSING}", _SHAPE)


def _first_missing(written: Any, read: Any, path: str) -> str | None:
    if isinstance(read, dict):
        for name, value in read.items():
            inner = f"{path}.{name}"
            found = _first_missing(written[name], value, inner) if name in written else inner
            if found is not None:
                return found
    elif isinstance(read, list):
        for at, (one, other) in enumerate(zip(written, read, strict=True)):
            found = _first_missing(one, other, f"{path}[{at}]")
            if found is not None:
                return found
    return None
