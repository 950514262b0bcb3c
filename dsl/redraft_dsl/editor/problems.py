"""Diagnostics in the form that editors show."""

from __future__ import annotations

from lsprotocol import types

from redraft_dsl.editor.documents import Document, Examined
from redraft_dsl.editor.positions import Text
from redraft_dsl.report.diagnostics import Diagnostic, Note
from redraft_dsl.source import Span

NAME = "redraft"
_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
}
_UNUSED = frozenset({"RD120", "RD121"})


def problems(examined: Examined) -> list[types.Diagnostic]:
    """Everything that is wrong with a document, with notes as related places."""
    return [_problem(each, examined.document) for each in examined.diagnostics]


def _problem(problem: Diagnostic, document: Document) -> types.Diagnostic:
    return types.Diagnostic(
        range=document.text.range(problem.span or Span(0, 0)),
        message=message(problem),
        severity=_SEVERITIES[problem.severity],
        code=problem.code,
        source=NAME,
        tags=[types.DiagnosticTag.Unnecessary] if problem.code in _UNUSED else None,
        related_information=[_related(note, document) for note in problem.notes] or None,
    )


def message(problem: Diagnostic) -> str:
    """What is wrong, what the caret's label adds, and the help line."""
    text = f"{problem.message}: {problem.label}" if problem.label else problem.message
    return f"{text}\nhelp: {problem.help}" if problem.help else text


def _related(note: Note, document: Document) -> types.DiagnosticRelatedInformation:
    other = note.span.source if note.span else None
    if other is not None:
        # A recipe that this one uses: its text is known, and its path says where it is.
        text = Text(other.text, other.path, document.text.encoding)
        uri = (document.folder / other.path).resolve().as_uri()
        area = text.range(note.span or Span(0, 0))
    else:
        uri, area = document.uri, document.text.range(note.span or Span(0, 0))
    return types.DiagnosticRelatedInformation(types.Location(uri, area), note.message)
