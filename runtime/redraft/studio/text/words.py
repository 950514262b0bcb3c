"""The words of the language as a page needs them: its controls are made of these rows."""

from __future__ import annotations

from typing import Any

from redraft_dsl.language.language import LANGUAGE, LATEST
from redraft_dsl.language.rows import Line, Operation, Setting

_BESIDE_STATEMENTS = ("off", "at", "as", "with")


def words() -> dict[str, Any]:
    """Operations with their lines and settings, and the settings of each solver."""
    return {
        "event": "language",
        "operations": [_operation(each) for each in LANGUAGE.operations],
        "groups": {word: _settings(word) for word in sorted(LANGUAGE.groups)},
        "colours": {
            "statement": [*LANGUAGE.statements, *_BESIDE_STATEMENTS],
            "line": sorted(
                {*LANGUAGE.lines, *(w for rows in LANGUAGE.blocks.values() for w in rows)}
            ),
            "inner": sorted(LANGUAGE.keywords.keys() - {*LANGUAGE.statements, *LANGUAGE.lines}),
        },
    }


def _operation(row: Operation) -> dict[str, Any]:
    return {
        "word": row.word,
        "meaning": row.meaning,
        "lines": [_line(each) for each in row.lines],
        "settings": _settings(row.word),
    }


def _line(row: Line) -> dict[str, Any]:
    about = {"word": row.word, "meaning": row.meaning, "required": row.required}
    return {**about, "single": row.single, "each": row.each, "found": row.found}


def _settings(owner: str) -> list[dict[str, Any]]:
    return [_setting(row) for row in LANGUAGE.block(owner).values()]


def _setting(row: Setting) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "meaning": row.meaning,
        "default": row.default(LATEST),
        "low": row.low,
        "high": row.high,
        "unit": row.unit,
        "choices": list(row.choices),
        "instead": row.instead_of,
    }
