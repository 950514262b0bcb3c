"""Diagnostics for programs: JSON, SARIF 2.1.0 and GitHub's workflow commands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from redraft_dsl.diagnostics import Diagnostic
from redraft_dsl.source import Source

Finding = tuple[Diagnostic, Source]

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_objects(diagnostics: Iterable[Diagnostic], source: Source) -> list[dict[str, Any]]:
    """One plain object a diagnostic; lines and columns from 1, the end is one past the last."""
    return [_object(diagnostic, source) for diagnostic in diagnostics]


def to_json(findings: Sequence[Finding]) -> str:
    """A list of objects."""
    objects = [_object(diagnostic, source) for diagnostic, source in findings]
    return json.dumps(objects, indent=1, ensure_ascii=False)


def to_sarif(findings: Sequence[Finding]) -> str:
    """A SARIF log with one run; every code that occurs is one of its rules."""
    from redraft import __version__
    from redraft_dsl.stories import title

    codes = sorted({diagnostic.code for diagnostic, _ in findings})
    rules = [{"id": code, "shortDescription": {"text": title(code)}} for code in codes]
    driver = {"name": "redraft", "version": __version__, "rules": rules}
    results = [_result(diagnostic, source) for diagnostic, source in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=False)


def to_github(findings: Sequence[Finding]) -> str:
    """One workflow command a line; GitHub shows them at their places in a pull request."""
    return "\n".join(_workflow_command(_object(*finding)) for finding in findings)


def _object(diagnostic: Diagnostic, source: Source) -> dict[str, Any]:
    span = diagnostic.span
    start = source.position(span.start) if span else None
    end = source.position(span.end) if span else None
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "file": source.path,
        "line": start.line if start else None,
        "column": start.column if start else None,
        "end_line": end.line if end else None,
        "end_column": end.column if end else None,
        "help": diagnostic.help,
    }


def _result(diagnostic: Diagnostic, source: Source) -> dict[str, Any]:
    told = _object(diagnostic, source)
    text = told["message"] if told["help"] is None else f"{told['message']}\n{told['help']}"
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(told["file"])}}
    if told["line"] is not None:
        place["region"] = {
            "startLine": told["line"],
            "startColumn": told["column"],
            "endLine": told["end_line"],
            "endColumn": told["end_column"],
        }
    return {
        "ruleId": told["code"],
        "level": told["severity"],
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: str) -> str:
    """A relative path stays relative, as SARIF wants it for files of a checkout."""
    from urllib.parse import quote

    file = Path(path)
    return file.as_uri() if file.is_absolute() else quote(file.as_posix())


def _workflow_command(told: dict[str, Any]) -> str:
    places = {
        "file": told["file"],
        "line": told["line"],
        "col": told["column"],
        "endLine": told["end_line"],
        "endColumn": told["end_column"],
        "title": told["code"],
    }
    properties = ",".join(
        f"{name}={_escaped(str(value), in_property=True)}"
        for name, value in places.items()
        if value is not None
    )
    text = told["message"] if told["help"] is None else f"{told['message']}\n{told['help']}"
    return f"::{told['severity']} {properties}::{_escaped(text)}"


def _escaped(text: str, *, in_property: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text
