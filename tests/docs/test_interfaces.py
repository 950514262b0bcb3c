"""The pages on files and on Python name everything that is there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import redraft
from redraft.edit.artifact import EDIT_FORMAT, EditFacts, RuleFacts
from redraft.plans import record

RECORDS = (
    record.RunRecord,
    record.ModelRecord,
    record.MachineRecord,
    record.StatisticsRecord,
    record.RuleRecord,
    record.PlaceRecord,
    record.LeftOutRecord,
    EditFacts,
    RuleFacts,
)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_field_of_a_file_is_told(root: Path, kind: type[BaseModel]) -> None:
    page = (root / "docs" / "files.md").read_text(encoding="utf-8")
    missing = [name for name in kind.model_fields if f"`{name}`" not in page]
    assert missing == []


def test_the_formats_are_told(root: Path) -> None:
    page = (root / "docs" / "files.md").read_text(encoding="utf-8")
    assert f"`{record.RunRecord.model_fields['format'].default}`" in page
    assert f"`{EDIT_FORMAT}`" in page


def test_every_public_name_is_told(root: Path) -> None:
    page = (root / "docs" / "api.md").read_text(encoding="utf-8")
    missing = [name for name in redraft.__all__ if f"redraft.{name}" not in page]
    assert missing == []


@pytest.mark.parametrize("name", ["plan", "run", "verify"])
def test_signatures_are_the_real_ones(root: Path, name: str) -> None:
    page = (root / "docs" / "api.md").read_text(encoding="utf-8")
    shown = re.search(rf"^## `redraft\.{name}(\(.*?\))`", page, re.M)
    assert shown is not None
    real = inspect.signature(getattr(redraft, name)).parameters.values()
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in real]
    assert shown[1] == str(inspect.Signature(bare)).replace("'", '"')


def test_every_method_of_an_edit_is_told_as_it_is(root: Path) -> None:
    page = (root / "docs" / "api.md").read_text(encoding="utf-8")
    for name, method in inspect.getmembers(redraft.Edit, inspect.isfunction):
        if name.startswith("_"):
            continue
        real = list(inspect.signature(method).parameters.values())
        bare = [p.replace(annotation=inspect.Parameter.empty) for p in real if p.name != "self"]
        call = f"{name}{inspect.Signature(bare)}".replace("'", '"')
        assert call in " ".join(page.split()), call
