"""The tables of the reference page, written from the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from redraft_dsl.language.language import Language
from redraft_dsl.language.rows import Line, Operation, Setting

_VALUES = {
    "whole": "whole number",
    "number": "number",
    "percent": "per cent",
    "choice": "word",
    "group": "word",
    "text": "text",
    "word": "word",
}


def tables(language: Language, edition: int) -> Mapping[str, str]:
    """Every table in Markdown, by the heading that it stands under."""
    found = {"Operations": _operations(language), "Lines": _lines(language)}
    for owner, rows in language.blocks.items():
        title = f"Solver `{owner}`" if owner in language.groups else f"Settings of `{owner}`"
        found[title] = _settings(rows.values(), edition)
    return found


def _operations(language: Language) -> str:
    head = ("Operation", "Lines", "What it does")
    return _table(head, (_operation(row) for row in language.operations))


def _operation(row: Operation) -> tuple[str, ...]:
    lines = ", ".join(f"`{line.word}`" for line in row.lines)
    return f"`{row.word} NAME at LAYER {{ ... }}`", lines, row.meaning


def _lines(language: Language) -> str:
    rows = []
    for word, line in language.lines.items():
        takers = [f"`{row.word}`" for row in language.operations if row.line(word)]
        rows.append((_forms(line), ", ".join(takers), _how_often(line), line.meaning))
    return _table(("Line", "In", "How often", "What it says"), rows)


def _forms(line: Line) -> str:
    images = "IMAGE" if line.single else "IMAGES"
    forms = [f"{line.word} {images} REGION"]
    if line.found:
        forms.append(f"{line.word} like IMAGE REGION top N among A..B")
    if line.each:
        forms.append(f"{line.word} each context")
    return ", ".join(f"`{form}`" for form in forms)


def _how_often(line: Line) -> str:
    if line.single:
        return "once"
    return "one or more" if line.required else "any"


def _settings(rows: Iterable[Setting], edition: int) -> str:
    head = ("Setting", "Value", "Range", "Default", "What it does")
    return _table(head, (_setting(row, edition) for row in rows))


def _setting(row: Setting, edition: int) -> tuple[str, ...]:
    default = row.default_text(edition)
    absent = "required" if row.required else "none"
    shown = absent if default is None else f"`{default}`" if row.choices else default
    return f"`{row.name}`", _VALUES[row.kind], row.range, shown, row.meaning


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |\n" for row in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|\n")
    return "".join(lines)
