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


Rows = Sequence[Sequence[str]]
"""The cells of a table."""


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


@dataclass(frozen=True)
class Fit:
    """How a table is made to fit.

    Attributes:
        shorter: titles of the columns that are kept where not all fit, tried one after the other.
        lines: that a row may take.
        more: lines that it may take besides where not all columns are kept.
        named: columns that make the name of a block.

    """

    shorter: Sequence[Sequence[str]] = ()
    lines: int = LINES
    more: int = 0
    named: int = 1


WHOLE = Fit()
"""A table has all of its columns, or is blocks."""


def table(
    columns: Sequence[Column],
    rows: Rows,
    width: int,
    *,
    unicode: bool,
    color: bool,
    fit: Fit = WHOLE,
) -> str:
    """A table; where its words do not fit side by side, each row is a block of lines."""
    return tables(columns, [rows], width, unicode=unicode, color=color, fit=fit)[0]


def tables(
    columns: Sequence[Column],
    groups: Sequence[Rows],
    width: int,
    *,
    unicode: bool,
    color: bool,
    fit: Fit = WHOLE,
) -> list[str]:
    """Several tables of the same columns, all of them in one layout."""
    shown = [[[visible(each) for each in row] for row in rows] for rows in groups]
    titles = [column.title for column in columns]
    for kept in (titles, *fit.shorter):
        lines = fit.lines if kept is titles else fit.lines + fit.more
        places = [place for place, title in enumerate(titles) if title in kept]
        some = [columns[place] for place in places]
        cells = [[[row[place] for place in places] for row in rows] for rows in shown]
        every = [row for rows in cells for row in rows]
        for gap in GAPS:
            widths = _widths(some, every, width - gap * (len(some) - 1), lines)
            if widths is not None:
                return [
                    _grid(some, rows, widths, gap, unicode=unicode, color=color) for rows in cells
                ]
    blocks = [[_block(columns, row, width, color, fit.named) for row in rows] for rows in shown]
    return ["\n".join(each) for each in blocks]


def fits(columns: Sequence[Column], rows: Rows, width: int) -> bool:
    """Whether all columns of a table have room side by side."""
    cells = [[visible(each) for each in row] for row in rows]
    return _widths(columns, cells, width - min(GAPS) * (len(columns) - 1), LINES) is not None


def _widths(columns: Sequence[Column], cells: Rows, room: int, lines: int) -> list[int] | None:
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
            if len(wrapped(text, wide, 0).split("\n")) > lines:
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
    cells: Rows,
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


def _block(
    columns: Sequence[Column], row: Sequence[str], width: int, color: bool, count: int
) -> str:
    """A row as a line with its name, and below it what there is to it, each with its title."""
    named = next((place for place, column in enumerate(columns) if column.title), 0)
    title = columns[named].title if columns[named].right else ""
    more = range(named + 1, named + count)
    further = (word for place in more for word in (columns[place].title, row[place]))
    name = " ".join(each for each in (title, *row[: named + 1], *further) if each)
    head = paint("strong", name, color)
    named += count - 1
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
