"""Text and tables in as many columns as there are; no word is ever broken. No torch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from redraft.explain.terminal import paint
from redraft_dsl.report.terminal import columns_of, visible, wrapped

WIDE = 120
"""Columns from which a rule's figures stand side by side, with their intervals."""
LINES = 3
"""Lines that a row of a table may take; what needs more is easier to read as a block."""
GAPS = (3, 2)
"""Spaces between the columns of a table: as wide as there is room for."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: what stands above it.
        right: numbers go to the right.
        whole: its cells are never broken; numbers never are.

    """

    title: str
    right: bool = False
    whole: bool = False


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    unicode: bool,
    color: bool,
) -> str:
    """A table; where its words do not fit side by side, each row is a block of lines."""
    cells = [[visible(each) for each in row] for row in rows]
    for gap in GAPS:
        widths = _widths(columns, cells, width - gap * (len(columns) - 1))
        if widths is not None:
            return _grid(columns, cells, widths, gap, unicode=unicode, color=color)
    return "\n".join(_block(columns, row, width, color) for row in cells)


def _widths(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], room: int
) -> list[int] | None:
    """The width of every column within ``room`` columns of text; None if that is too little."""
    texts = [[column.title, *(row[place] for row in cells)] for place, column in enumerate(columns)]
    natural = [max(map(columns_of, each)) for each in texts]
    least = [
        max(columns_of(part) for text in _parts(column, each) for part in text)
        for column, each in zip(columns, texts, strict=True)
    ]
    if room < sum(least):
        return None
    widths = _shared(least, natural, room - sum(least))
    for row in cells:
        for text, wide in zip(row, widths, strict=True):
            if len(wrapped(text, wide, 0).split("\n")) > LINES:
                return None
    return widths


def _shared(least: Sequence[int], natural: Sequence[int], spare: int) -> list[int]:
    """The least widths, with the spare columns given to those first that want the fewest more."""
    widths = list(least)
    order = sorted(range(len(least)), key=lambda place: natural[place] - least[place])
    for done, place in enumerate(order):
        more = min(natural[place] - least[place], spare // (len(order) - done))
        widths[place] += more
        spare -= more
    return widths


def _parts(column: Column, texts: Sequence[str]) -> list[list[str]]:
    """What of each text has to stay together: words, or a whole figure."""
    words = [text.split() or [""] for text in texts]
    return [words[0], *([text] for text in texts[1:])] if column.right or column.whole else words


def _grid(
    columns: Sequence[Column],
    cells: Sequence[Sequence[str]],
    widths: Sequence[int],
    gap: int,
    *,
    unicode: bool,
    color: bool,
) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(
        box=box.SIMPLE_HEAD if unicode else box.ASCII2,
        header_style="bold",
        show_edge=False,
        pad_edge=False,
        padding=(0, 1) if gap == max(GAPS) else (0, 1, 0, 0),
    )
    for column, width in zip(columns, widths, strict=True):
        side = "right" if column.right else "left"
        grid.add_column(Text(column.title), justify=side, width=width)  # type: ignore[arg-type]
    for row in cells:
        grid.add_row(*map(Text, row))
    file = io.StringIO()
    console = Console(
        file=file,
        width=sum(widths) + gap * len(widths),
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        legacy_windows=False,
        _environ={},
    )
    console.print(grid)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _block(columns: Sequence[Column], row: Sequence[str], width: int, color: bool) -> str:
    """A row as a line with its name, and below it what there is to it, each with its title."""
    named = next((place for place, column in enumerate(columns) if column.title), 0)
    title = columns[named].title if columns[named].right else ""
    name = " ".join(each for each in (title, *row[: named + 1]) if each)
    head = paint("strong", name, color)
    pairs = [
        f"{column.title} {text}"
        for column, text in zip(columns[named + 1 :], row[named + 1 :], strict=True)
        if text
    ]
    return "\n".join([wrapped(head, width), *listed(pairs, width)])


def listed(items: Sequence[str], width: int, margin: str = "  ", between: str = "   ") -> list[str]:
    """Items side by side on as few lines as hold them; only one that is too long is broken."""
    lines: list[str] = []
    for item in items:
        if lines and columns_of(lines[-1] + between + item) <= width:
            lines[-1] += between + item
        else:
            lines.append(margin + item)
    return wrapped("\n".join(lines), width).split("\n")
