"""Recipes and diagnostics as HTML for a notebook: one piece that needs nothing else.

No piece has an ``id``, and every class begins with ``redraft-``, so that the outputs of two cells
never reach into each other. Whatever a recipe holds is shown as text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from redraft_dsl.report.diagnostics import Diagnostic, Note, location
from redraft_dsl.report.terminal import summary, visible
from redraft_dsl.source import Source, Span

MOST_LINES = 400
"""Lines shown of a recipe without problems, in a box that scrolls."""
FIRST_LINES = 12
"""Lines shown of one with problems, which must not be scrolled for, besides those around them."""
AROUND = 2
MOST_PROBLEMS = 50
WIDEST = 400
"""Characters shown of a line."""

_DARK = """--redraft-soft: #a8adb5; --redraft-edge: #7776; --redraft-accent: #6cc7cd;
 --redraft-error: #f49b93; --redraft-warning: #e9bb62; --redraft-good: #6fd3ac;
 --redraft-statement: #ec93cf; --redraft-setting: #6cc7cd; --redraft-inner: #b9a5f2;
 --redraft-number: #f0a875; --redraft-string: #98cf94;"""
_NIGHT = ", ".join(
    f"{theme} .redraft"
    for theme in ('[data-jp-theme-light="false"]', "body.vscode-dark", 'html[theme="dark"]')
)
STYLE = f"""
.redraft {{ --redraft-soft: #565c66; --redraft-edge: #8885; --redraft-accent: #0b6e75;
 --redraft-error: #a3302b; --redraft-warning: #8a5a00; --redraft-good: #0f6b4f;
 --redraft-statement: #8a2a6b; --redraft-setting: #0b6e75; --redraft-inner: #6a4fb0;
 --redraft-number: #a04a12; --redraft-string: #2f6b2f;
 font: 14px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; max-width: 62em; margin: .3em 0; }}
{_NIGHT} {{ {_DARK} }}
.redraft code, .redraft-code {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono",
 monospace; font-size: 13px; background: none; color: inherit; padding: 0; }}
.redraft p {{ margin: 0 0 .4em; }}
.redraft-soft {{ color: var(--redraft-soft); }}
strong.redraft-good {{ color: var(--redraft-good); }}
strong.redraft-error {{ color: var(--redraft-error); }}
strong.redraft-warning {{ color: var(--redraft-warning); }}
.redraft-scrolled {{ max-height: 32em; }}
.redraft-code {{ overflow: auto; border: 1px solid var(--redraft-edge);
 border-radius: 5px; padding: .5em 0; margin: .4em 0; }}
.redraft pre.redraft-lines {{ white-space: pre; margin: 0; padding: 0 1em 0 0; border: 0;
 background: none; color: inherit; font: inherit; line-height: 1.5; overflow: visible; }}
.redraft-number-of {{ color: var(--redraft-soft); user-select: none; }}
.redraft-statement {{ color: var(--redraft-statement); font-weight: 600; }}
.redraft-setting {{ color: var(--redraft-setting); }}
.redraft-inner {{ color: var(--redraft-inner); }}
.redraft-number {{ color: var(--redraft-number); }}
.redraft-string {{ color: var(--redraft-string); }}
.redraft-comment {{ color: var(--redraft-soft); font-style: italic; }}
.redraft-mark {{ text-decoration: underline wavy var(--redraft-edge); border-radius: 2px; }}
.redraft-mark.redraft-error {{ text-decoration-color: var(--redraft-error); }}
.redraft-mark.redraft-warning {{ text-decoration-color: var(--redraft-warning); }}
.redraft-problem {{ border-left: 3px solid var(--redraft-error); margin: .2em 1em .4em 4em;
 padding: .1em .8em; white-space: normal; font: 13px/1.5 system-ui, "Segoe UI", sans-serif; }}
.redraft-problem.redraft-warning {{ border-color: var(--redraft-warning); }}
.redraft-problem.redraft-error strong {{ color: var(--redraft-error); }}
.redraft-problem.redraft-warning strong {{ color: var(--redraft-warning); }}
"""

_KINDS = (
    ("Comment", "comment"),
    ("Literal.String", "string"),
    ("Literal.Number", "number"),
    ("Keyword.Declaration", "statement"),
    ("Keyword.Constant", ""),
    ("Keyword", "inner"),
    ("Operator.Word", "inner"),
    ("Name.Attribute", "setting"),
)


class Piece(NamedTuple):
    """A stretch of the text and its class."""

    span: Span
    kind: str


def problems_html(diagnostics: Sequence[Diagnostic], source: Source) -> str:
    """Diagnostics with the lines that they are about, and no more of the text."""
    head = f"<p>{escaped(summary(diagnostics))}</p>"
    return wrapped(head, code_html(source, diagnostics, most=0) if diagnostics else "")


def code_html(
    source: Source, diagnostics: Sequence[Diagnostic] = (), most: int = MOST_LINES
) -> str:
    """A text with the number of each line, and each diagnostic under the line that it is about.

    ``most`` lines are shown, and besides them those around a diagnostic.
    """
    shown = diagnostics[:MOST_PROBLEMS]
    under: dict[int, list[Diagnostic]] = {}
    for each in shown:
        line = source.position(each.span.start).line if each.span else 0
        under.setdefault(line, []).append(each)
    words = _words(source)
    parts = [_problem(each, source) for each in under.get(0, ())]
    lines: list[str] = []
    before = 0
    for line in _shown(source, under, most):
        lines += _gap(line - before - 1) if most or before else ()
        lines.append(_line(source, line, words.get(line, ()), shown))
        if line in under:
            parts += [*_joined(lines), *(_problem(each, source) for each in under[line])]
            lines = []
        before = line
    lines += _gap(_last(source) - before) if most else ()
    parts += _joined(lines)
    if len(diagnostics) > len(shown):
        parts.append(f'<div class="redraft-problem">and {len(diagnostics) - len(shown)} more</div>')
    scrolled = "" if shown else " redraft-scrolled"
    return f'<div class="redraft-code{scrolled}">{"".join(parts)}</div>'


def wrapped(*parts: str) -> str:
    """HTML parts as one output, with the style that they need."""
    return f'<div class="redraft"><style>{STYLE}</style>{"".join(parts)}</div>'


def escaped(text: str) -> str:
    """Text for HTML, on one line; what cannot be seen is shown as an escape."""
    return html.escape(visible(text))


def sentence(text: str) -> str:
    """A message for HTML, with code where it has backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(text))


def _last(source: Source) -> int:
    """The number of the last line that is not empty; 0 where there is none."""
    text = source.text.rstrip()
    return text.count("\n") + 1 if text else 0


def _shown(source: Source, lines: Iterable[int], most: int) -> list[int]:
    near = {line + step for line in lines if line for step in range(-AROUND, AROUND + 1)}
    last = _last(source)
    return sorted({*range(1, min(most, last) + 1), *(line for line in near if 1 <= line <= last)})


def _words(source: Source) -> dict[int, list[Piece]]:
    """The coloured words of each line."""
    from redraft_dsl.colours.highlight import RedraftLexer

    found: dict[int, list[Piece]] = {}
    for start, token, value in RedraftLexer().get_tokens_unprocessed(source.text):
        name = str(token).removeprefix("Token.")
        kind = next((kind for prefix, kind in _KINDS if name.startswith(prefix)), "")
        if kind:
            piece = Piece(Span(start, start + len(value)), f"redraft-{kind}")
            found.setdefault(source.position(start).line, []).append(piece)
    return found


def _line(
    source: Source, line: int, words: Sequence[Piece], diagnostics: Sequence[Diagnostic]
) -> str:
    start, text = source.line_starts[line - 1], source.line(line)
    whole = Span(start, start + min(len(text), WIDEST))
    marks = [
        Piece(each.span, f"redraft-mark redraft-{each.severity}")
        for each in diagnostics
        if each.span and each.span.start < whole.end and whole.start < each.span.end
    ]
    pieces = (*words, *marks)
    cuts = {at for piece in pieces for at in piece.span[:2] if whole.start < at < whole.end}
    body = "".join(
        _inked(source.text, Span(*ends), pieces)
        for ends in pairwise(sorted({whole.start, whole.end, *cuts}))
    )
    rest = "…" if len(text) > WIDEST else ""
    number = _spanned("redraft-number-of", f"{line:>4}  ")
    return f"{number}{body}{rest}"


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """Lines that follow one another as they stand, also where no style sheet is taken."""
    if lines:
        text = "\n".join(lines)
        yield f'<pre class="redraft-lines">{text}</pre>'


def _inked(text: str, span: Span, pieces: Sequence[Piece]) -> str:
    kinds = (p.kind for p in pieces if p.span.start < span.end and span.start < p.span.end)
    return _spanned(" ".join(dict.fromkeys(kinds)), escaped(text[span.start : span.end]))


def _spanned(classes: str, inner: str) -> str:
    return f'<span class="{classes}">{inner}</span>' if classes else inner


def _gap(count: int) -> Iterator[str]:
    if count > 0:
        lines = "line" if count == 1 else "lines"
        yield _spanned("redraft-soft", f"      … {count} {lines} not shown")


def _problem(diagnostic: Diagnostic, source: Source) -> str:
    severity = diagnostic.severity
    parts = [
        f"<strong>{severity}[{diagnostic.code}]</strong> {sentence(diagnostic.message)}",
        sentence(diagnostic.label) if diagnostic.label else "",
        f"help: {sentence(diagnostic.help)}" if diagnostic.help else "",
        *(_note(note, source) for note in diagnostic.notes),
    ]
    body = "<br>".join(part for part in parts if part)
    return f'<div class="redraft-problem redraft-{severity}">{body}</div>'


def _note(note: Note, source: Source) -> str:
    text = f"note: {sentence(note.message)}"
    if note.span is None:
        return text
    place = location(note.span.source or source, note.span)
    return f"{text} (<code>{escaped(place)}</code>)"
