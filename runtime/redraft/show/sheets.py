"""Sheets of pictures with their names: contact sheets, and a run's before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from redraft.show.pictures import (
    HALO,
    ROLE_COLOURS,
    ROLE_DASHED,
    ROLE_NAMES,
    Picture,
    Role,
    Tile,
    enlarged,
    outlined,
    roles_of,
    to_picture,
)

WIDEST = 1600
"""No sheet is wider than this many pixels."""
LARGEST = 192
"""A picture on a before-and-after sheet is shown no larger: 64 pixels three times enlarged."""
PAPER, INK, FAINT = "#ffffff", "#1a1d21", "#5c6370"
EDGE, SPACE = 8, 2
LABEL_SIZE, TITLE_SIZE = 12, 16
LABEL_HEIGHT, TITLE_HEIGHT, LEGEND_HEIGHT = 20, 30, 28
GUTTER = 20


@dataclass(frozen=True)
class Band:
    """Some tiles under one title."""

    title: str
    tiles: tuple[Tile, ...]


def contact_sheet(
    pictures: Sequence[Picture],
    labels: Sequence[str],
    columns: int = 8,
    legend: Sequence[Role] = (),
) -> Picture:
    """Pictures in rows of ``columns``, each with its label underneath.

    Every cell is as large as the largest picture; where that would make the sheet wider than
    ``WIDEST`` pixels, all pictures are reduced alike.

    Args:
        pictures: at the size at which they are to be shown (see ``enlarged``).
        labels: one for each picture; a long one is cut short.
        columns: pictures in a row.
        legend: roles to explain below the pictures.

    Raises:
        ValueError: no pictures, no columns, or not one label for each picture.

    """
    if not pictures or columns < 1 or len(labels) != len(pictures):
        raise ValueError(
            f"expected pictures, one label for each, and a column or more; got {len(pictures)} "
            f"pictures, {len(labels)} labels and {columns} columns"
        )
    columns = min(columns, len(pictures))
    room = (WIDEST - 2 * EDGE - (columns - 1) * SPACE) // columns
    shown = [p if max(p.size) <= room else enlarged(p, room) for p in pictures]
    cell = (max(p.width for p in shown), max(p.height for p in shown))
    rows = -(-len(shown) // columns)
    pitch = (cell[0] + SPACE, cell[1] + LABEL_HEIGHT + SPACE)
    height = 2 * EDGE + rows * pitch[1] - SPACE + (LEGEND_HEIGHT if legend else 0)
    sheet = Image.new("RGB", (2 * EDGE + columns * pitch[0] - SPACE, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (picture, label) in enumerate(zip(shown, labels, strict=True)):
        row, column = divmod(number, columns)
        x, y = EDGE + column * pitch[0], EDGE + row * pitch[1]
        sheet.paste(picture, (x, y))
        write_line(pen, (x, y + cell[1] + 2), label, LABEL_SIZE, INK, cell[0])
    if legend:
        legend_of(sheet, legend, height - EDGE - LEGEND_HEIGHT + SPACE)
    return sheet


def before_after(bands: Sequence[Band], columns: int = 12) -> Picture:
    """The originals above and the same pictures edited below, band by band.

    Outlines are drawn on the originals. Small pictures are enlarged as far as the sheet stays
    within ``WIDEST`` pixels. The same bands give the same pixels.

    Args:
        bands: the groups of pictures; empty ones are left out.
        columns: most pictures side by side; a longer band takes further pairs of rows. Fewer are
            taken where that leaves less of the sheet blank.

    """
    filled = [band for band in bands if band.tiles]
    if not filled:
        return contact_sheet([Image.new("RGB", (LARGEST, LARGEST), PAPER)], ["no pictures"])
    columns = _columns([len(band.tiles) for band in filled], columns)
    room = (WIDEST - 2 * EDGE - GUTTER - (columns - 1) * SPACE) // columns
    cell = enlarged(to_picture(filled[0].tiles[0].before), min(room, LARGEST)).size
    strips = [_strip(band, columns, cell) for band in filled]
    legend = roles_of([tile for band in filled for tile in band.tiles])
    content = sum(strip.height for strip in strips) + (LEGEND_HEIGHT if legend else 0)
    sheet = Image.new("RGB", (strips[0].width + 2 * EDGE, content + 2 * EDGE), PAPER)
    top = EDGE
    for strip in strips:
        sheet.paste(strip, (EDGE, top))
        top += strip.height
    if legend:
        legend_of(sheet, legend, top + SPACE)
    return sheet


FEWEST = 6
"""Columns that a sheet has at least, where it has as many pictures."""


def _columns(counts: Sequence[int], most: int) -> int:
    """Columns for bands of so many pictures: the most that leave no more blank than others do."""
    most = min(most, max(counts))
    tried = range(most, min(FEWEST, most) - 1, -1)

    def blank(columns: int) -> float:
        cells = sum(count + -count % columns for count in counts)
        return 1 - sum(counts) / cells

    return min(tried, key=blank)


def comparison(rows: Sequence[tuple[str, Sequence[Tensor]]], largest: int = LARGEST) -> Picture:
    """The same pictures treated in several ways, one way under another, each with its name.

    Args:
        rows: a name, and equally many pictures (3, H, W) in -1..1.
        largest: pixels; pictures are shown no larger.

    """
    columns = len(rows[0][1])
    room = (WIDEST - 2 * EDGE - (columns - 1) * SPACE) // columns
    cell = enlarged(to_picture(rows[0][1][0]), min(room, largest)).size
    pitch = cell[1] + LABEL_HEIGHT + SPACE
    width = 2 * EDGE + columns * (cell[0] + SPACE) - SPACE
    sheet = Image.new("RGB", (width, 2 * EDGE + len(rows) * pitch), PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, (name, pictures) in enumerate(rows):
        top = EDGE + row * pitch
        write_line(pen, (EDGE, top + 2), name, LABEL_SIZE, INK, width - 2 * EDGE)
        for column, picture in enumerate(pictures):
            place = (EDGE + column * (cell[0] + SPACE), top + LABEL_HEIGHT)
            sheet.paste(to_picture(picture).resize(cell, _LANCZOS), place)
    return sheet


def _strip(band: Band, columns: int, cell: tuple[int, int]) -> Picture:
    """One band: its title, then for each run of columns a row before, a row after, the labels."""
    runs = [band.tiles[at : at + columns] for at in range(0, len(band.tiles), columns)]
    pair = 2 * (cell[1] + SPACE) + LABEL_HEIGHT
    width = GUTTER + columns * (cell[0] + SPACE) - SPACE
    strip = Image.new("RGB", (width, TITLE_HEIGHT + len(runs) * pair + SPACE), PAPER)
    pen = ImageDraw.Draw(strip)
    write_line(pen, (0, 4), band.title, TITLE_SIZE, INK, width)
    for number, run in enumerate(runs):
        top = TITLE_HEIGHT + number * pair
        below = top + cell[1] + SPACE
        _write_upwards(strip, "before", (0, top), cell[1])
        _write_upwards(strip, "after", (0, below), cell[1])
        for column, tile in enumerate(run):
            x = GUTTER + column * (cell[0] + SPACE)
            original = outlined(to_picture(tile.before).resize(cell, _LANCZOS), tile.outlines)
            strip.paste(original, (x, top))
            strip.paste(to_picture(tile.after).resize(cell, _LANCZOS), (x, below))
            write_line(pen, (x, below + cell[1] + 1), tile.label, LABEL_SIZE, INK, cell[0])
    return strip


_LANCZOS = Image.Resampling.LANCZOS


def legend_of(sheet: Picture, roles: Sequence[Role], top: int) -> None:
    """Explain roles in a line of a sheet, ``top`` pixels from its upper edge."""
    pen, x, middle = ImageDraw.Draw(sheet), EDGE, top + LABEL_SIZE // 2 + 2
    for role in roles:
        pen.rectangle((x, middle - 3, x + 27, middle + 3), HALO)
        ends = ((0, 10), (17, 27)) if ROLE_DASHED[role] else ((0, 27),)
        for start, end in ends:
            pen.rectangle((x + start, middle - 1, x + end, middle + 1), ROLE_COLOURS[role])
        x += 34
        x += write_line(pen, (x, top), ROLE_NAMES[role], LABEL_SIZE, FAINT, sheet.width - x) + 22


def _write_upwards(strip: Picture, text: str, corner: tuple[int, int], length: int) -> None:
    """``text`` turned to read from below, in the middle of ``length`` pixels."""
    line = Image.new("RGB", (length, GUTTER - 2), PAPER)
    font = ImageFont.load_default(LABEL_SIZE)
    pen = ImageDraw.Draw(line)
    pen.text((max(0.0, (length - pen.textlength(text, font)) / 2), 0), text, FAINT, font)
    strip.paste(line.transpose(Image.Transpose.ROTATE_90), corner)


def write_line(
    pen: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    text: str,
    size: int,
    colour: str,
    room: int,
) -> int:
    """Write one line of text, cut short to ``room`` pixels; returns the width it took."""
    font = ImageFont.load_default(size)
    line = " ".join(text.split())
    whole = line
    while line and pen.textlength(line, font) > room:
        whole = whole[:-1]
        line = f"{whole.rstrip()}..." if whole else ""
    pen.text(corner, line, colour, font)
    return round(pen.textlength(line, font))
