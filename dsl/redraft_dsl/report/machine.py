"""Diagnostics for machines: JSON, SARIF 2.1.0 and annotations for GitHub."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from redraft_dsl.report.diagnostics import Diagnostic, Note
from redraft_dsl.report.explain import explain
from redraft_dsl.source import Source, Span

Report: TypeAlias = tuple[Source, Sequence[Diagnostic]]
"""One recipe and its diagnostics."""

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "recipeLine/v1"


def to_object(diagnostic: Diagnostic, source: Source) -> dict[str, Any]:
    """One diagnostic as plain data. Lines and columns start at 1; the end is not included."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "label": diagnostic.label or None,
        "file": source.path,
        **_place(diagnostic.span, source),
        "help": diagnostic.help,
        "notes": [
            {"message": note.message, **_note_place(note, source)} for note in diagnostic.notes
        ],
    }


def to_json(reports: Iterable[Report]) -> str:
    """A list of objects, one a diagnostic."""
    objects = [to_object(diagnostic, source) for source, diagnostic in _each(reports)]
    return json.dumps(objects, indent=1, ensure_ascii=False)


def to_github(reports: Iterable[Report]) -> str:
    """Workflow commands, one a line, that GitHub shows beside the changed lines."""
    return "\n".join(_command(diagnostic, source) for source, diagnostic in _each(reports))


def to_sarif(
    reports: Iterable[Report], version: str, explain: Callable[[str], str | None] = explain
) -> str:
    """A SARIF 2.1.0 log with one run, as GitHub's code scanning expects it.

    Args:
        reports: what was found. The codes that occur are the run's rules.
        version: of the tool.
        explain: the page of a code as Markdown.

    """
    found = list(_each(reports))
    codes = sorted({diagnostic.code for _, diagnostic in found})
    rules = [_rule(code, explain(code) or f"# {code}: no page") for code in codes]
    times: Counter[str] = Counter()
    results = []
    for source, diagnostic in found:
        seen = _fingerprint(diagnostic, source)
        times[seen] += 1
        fingerprints = {FINGERPRINT: f"{seen}:{times[seen]}"}
        results.append({**_result(diagnostic, source), "partialFingerprints": fingerprints})
    run = {
        "tool": {"driver": {"name": "redraft", "version": version, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    log = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    # Names of files may hold bytes that are not UTF-8; escaped, they are text.
    return json.dumps(log, indent=1)


def _each(reports: Iterable[Report]) -> Iterator[tuple[Source, Diagnostic]]:
    for source, diagnostics in reports:
        for diagnostic in diagnostics:
            yield source, diagnostic


def _place(span: Span | None, source: Source) -> dict[str, int | None]:
    if span is None:
        return dict.fromkeys(("line", "column", "end_line", "end_column"))
    start, end = source.position(span.start), source.position(span.end)
    return {
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
    }


def _note_place(note: Note, source: Source) -> dict[str, Any]:
    """Where a note points; with its file where that is another one."""
    other = note.span.source if note.span else None
    place = _place(note.span, other or source)
    return place if other is None else {"file": other.path, **place}


def _text(diagnostic: Diagnostic) -> str:
    """Message, label and help, a line each."""
    return "\n".join(filter(None, (diagnostic.message, diagnostic.label, diagnostic.help)))


def _command(diagnostic: Diagnostic, source: Source) -> str:
    place = _place(diagnostic.span, source)
    properties: dict[str, int | str | None] = {
        "file": source.path,
        "line": place["line"],
        "col": place["column"],
        "endLine": place["end_line"],
        # GitHub reads an end column as one on the first line.
        "endColumn": place["end_column"] if place["line"] == place["end_line"] else None,
        "title": diagnostic.code,
    }
    where = ",".join(
        f"{key}={_property(str(value))}" for key, value in properties.items() if value is not None
    )
    return f"::{diagnostic.severity} {where}::{_escaped(_text(diagnostic))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _rule(code: str, page: str) -> dict[str, Any]:
    head, _, text = page.partition("\n")
    title = head.partition(": ")[2]
    text = text.strip() or title
    return {
        "id": code,
        "shortDescription": {"text": title},
        "fullDescription": {"text": " ".join(text.partition("\n\n")[0].split())},
        "help": {"text": text, "markdown": text},
    }


def _result(diagnostic: Diagnostic, source: Source) -> dict[str, Any]:
    notes = [
        {**_location(note.span, note.span.source or source), "message": {"text": note.message}}
        for note in diagnostic.notes
        if note.span is not None
    ]
    return {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity,
        "message": {"text": _text(diagnostic)},
        "locations": [_location(diagnostic.span, source)],
        **({"relatedLocations": notes} if notes else {}),
    }


def _location(span: Span | None, source: Source) -> dict[str, Any]:
    # What is about a whole file stands at its beginning: code scanning needs a line.
    place = _place(span or Span(0, 0), source)
    region = {
        "startLine": place["line"],
        "startColumn": place["column"],
        "endLine": place["end_line"],
        "endColumn": place["end_column"],
    }
    uri = _uri(source.path)
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}


def _fingerprint(diagnostic: Diagnostic, source: Source) -> str:
    """What stays the same of a problem when lines above it come and go."""
    line = ""
    if diagnostic.span is not None:
        line = source.line(source.position(diagnostic.span.start).line).strip()
    identity = "\n".join((_uri(source.path), diagnostic.code, line))
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _uri(path: str) -> str:
    """A path below the present folder is relative, as SARIF has it for files of a checkout."""
    file = Path(path)
    if file.is_absolute() and file.is_relative_to(Path.cwd()):
        file = file.relative_to(Path.cwd())
    # A name that is not Unicode is quoted by its bytes.
    return file.as_uri() if file.is_absolute() else quote(os.fsencode(file.as_posix()))
