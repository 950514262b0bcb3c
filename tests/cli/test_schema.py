"""``redraft schema``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Invoke = Callable[..., Result]


def test_the_schema_is_printed_and_fits_what_is_exported(invoke: Invoke, recipe: Path) -> None:
    shown = invoke("schema")
    assert shown.exit_code == 0
    schema = json.loads(shown.stdout)
    assert schema["title"] == "A checked recipe of redraft"
    exported = json.loads(invoke("export", "demo.redraft", "--json").stdout)
    assert set(exported) == set(schema["required"])
    for name, value in exported.items():
        assert schema["properties"][name].get("const", value) == value


def test_the_schema_is_written_and_nothing_is_overwritten(invoke: Invoke) -> None:
    shown = invoke("schema", "-o", "recipe.schema.json")
    assert (shown.exit_code, shown.stdout) == (0, "written: recipe.schema.json\n")
    assert Path("recipe.schema.json").read_text(encoding="utf-8") == invoke("schema").stdout
    again = invoke("schema", "-o", "recipe.schema.json")
    assert "error[RD681]: recipe.schema.json is there already" in again.stderr
    assert invoke("schema", "-o", "recipe.schema.json", "--force").exit_code == 0
