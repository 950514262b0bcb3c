"""Diagnostics for machines: JSON, SARIF 2.1.0 and annotations for GitHub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

from redraft_dsl.diagnostics import Diagnostic
from redraft_dsl.source import Source
from redraft_dsl.stories import title

Report: TypeAlias = tuple[Source, Sequence[Diagnostic]]
"""One recipe and what was said about it."""


def to_json(diagnostic: Diagnostic, source: Source) -> dict[str, Any]:
    """One diagnostic as plain data. Lines and columns start at 1; the end is not included."""
    place: dict[str, int | None] = dict.fromkeys(("line", "column", "end_line", "end_column"))
    if diagnostic.span is not None:
        place["line"], place["column"] = source.position(diagnostic.span.start)
        place["end_line"], place["end_column"] = source.position(diagnostic.span.end)
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "file": source.path,
        **place,
        "label": diagnostic.label or None,
        "help": diagnostic.help,
        "notes": [_note(note.message, note.span, source) for note in diagnostic.notes],
    }


def _note(message: str, span: Any, source: Source) -> dict[str, Any]:
    line, column = source.position(span.start) if span else (None, None)
    return {"message": message, "line": line, "column": column}


def to_github(reports: Iterable[Report]) -> str:
    """Workflow commands, one a line, that GitHub shows beside the changed lines."""
    lines: list[str] = []
    for source, diagnostics in reports:
        for diagnostic in diagnostics:
            data = to_json(diagnostic, source)
            properties = [("file", source.path)]
            if data["line"] is not None:
                properties += [("line", data["line"]), ("endLine", data["end_line"])]
                properties += [("col", data["column"])]
                if data["line"] == data["end_line"]:  # a column on another line has no meaning
                    properties += [("endColumn", data["end_column"])]
            properties.append(("title", diagnostic.code))
            said = "\n".join(filter(None, (diagnostic.message, diagnostic.label, diagnostic.help)))
            where = ",".join(f"{key}={_property(str(value))}" for key, value in properties)
            lines.append(f"::{diagnostic.severity} {where}::{_escaped(said)}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def to_sarif(reports: Iterable[Report], version: str) -> dict[str, Any]:
    """A SARIF 2.1.0 log as plain data; ``version`` is the tool's."""
    results: list[dict[str, Any]] = []
    codes: set[str] = set()
    for source, diagnostics in reports:
        for diagnostic in diagnostics:
            codes.add(diagnostic.code)
            results.append(_result(diagnostic, source))
    rules = [{"id": code, "shortDescription": {"text": title(code)}} for code in sorted(codes)]
    driver = {"name": "redraft", "version": version, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _result(diagnostic: Diagnostic, source: Source) -> dict[str, Any]:
    said = ". ".join(filter(None, (diagnostic.message, diagnostic.label, diagnostic.help)))
    data = to_json(diagnostic, source)
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(source.path.replace("\\", "/"))}}
    if diagnostic.span is not None:
        location["region"] = {
            "startLine": data["line"],
            "startColumn": data["column"],
            "endLine": data["end_line"],
            "endColumn": data["end_column"],
        }
    return {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity,
        "message": {"text": said},
        "locations": [{"physicalLocation": location}],
    }
