"""The tables of ``redraft bench``."""

from __future__ import annotations

from typing import Any

from redraft.cli.screen import Column, Screen


def print_rows(screen: Screen, form: str, found: dict[str, Any], titles: dict[str, str]) -> None:
    """What a bench found: tables with their titles, or JSON."""
    if form == "json":
        screen.json(found)
        return
    for part, title in titles.items():
        rows = found[part]
        names = list(rows[0])
        screen.heading(title)
        screen.table(
            [
                Column(name.replace("_", " "), right=not isinstance(rows[0][name], str))
                for name in names
            ],
            [[_cell(row[name]) for name in names] for row in rows],
        )


def _cell(value: object) -> str:
    if isinstance(value, float):
        if 0 < abs(value) < 1e-3:
            return f"{value:.1e}"
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.4f}"
    if isinstance(value, tuple | list):
        return "-".join(f"{part:.3f}" for part in value)
    return str(value)
