"""The marks of a recipe on their pictures, before anything is run: outline, pixel ruler, grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from redraft.show.pictures import Picture, Pixels, RegionOutline, enlarged, outlined
from redraft.show.sheets import (
    EDGE,
    FAINT,
    INK,
    LABEL_SIZE,
    LEGEND_HEIGHT,
    PAPER,
    TITLE_HEIGHT,
    TITLE_SIZE,
    WIDEST,
    contact_sheet,
    legend_of,
    write_line,
)

SIDE = 256
"""Pixels that a picture is shown at, or the next whole multiple of its size below."""
RULER = 20
"""Pixels of the ruler above a picture and to its left."""
LEAST_CELL = 4
"""Pixels of a grid's cell below which its lines would hide the picture."""
GRID_OPACITY = 0.3
BRIGHT = 150.0
"""The level from which a line is drawn dark."""
STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LEAST_WIDTH = 640
"""Pixels that a sheet is wide, at least, so that its title can be read."""
TICK_ROOM = 28
"""Pixels between two numbers of a ruler, at least."""


@dataclass(frozen=True)
class Mark:
    """One marked picture.

    Attributes:
        label: what is written under it, such as ``copy z[116]``.
        picture: at the model's size.
        outlines: the region, and what else is drawn there.
        grid: (rows, columns) of the layer's grid that the region is read on.

    """

    label: str
    picture: Picture
    outlines: tuple[RegionOutline, ...]
    grid: tuple[int, int]


@dataclass(frozen=True)
class MarkedRule:
    """A rule's marks under a title."""

    title: str
    marks: tuple[Mark, ...]


def marks_sheet(rules: Sequence[MarkedRule], columns: int = 5) -> Picture:
    """All marks on one sheet, rule by rule.

    Args:
        rules: at least one, each with at least one mark.
        columns: most pictures side by side.

    """
    columns = min(columns, max(len(rule.marks) for rule in rules))
    bands = [
        contact_sheet([ruled(mark) for mark in rule.marks], [m.label for m in rule.marks], columns)
        for rule in rules
    ]
    drawn = (each for rule in rules for mark in rule.marks for each in mark.outlines)
    roles = tuple(dict.fromkeys(each.role for each in drawn))
    width = max(LEAST_WIDTH, *(band.width for band in bands))
    height = sum(band.height + TITLE_HEIGHT for band in bands) + LEGEND_HEIGHT + EDGE
    sheet = Image.new("RGB", (min(width, WIDEST), height), PAPER)
    pen, top = ImageDraw.Draw(sheet), EDGE
    for rule, band in zip(rules, bands, strict=True):
        write_line(pen, (EDGE, top + 4), rule.title, TITLE_SIZE, INK, sheet.width - 2 * EDGE)
        sheet.paste(band, (0, top + TITLE_HEIGHT))
        top += TITLE_HEIGHT + band.height
    legend_of(sheet, roles, top)
    return sheet


def ruled(mark: Mark) -> Picture:
    """A picture enlarged, with the layer's grid, the region's outline and a ruler in pixels."""
    small = mark.picture
    large = _gridded(enlarged(small, max(SIDE, max(small.size)), smooth=False), mark.grid)
    shown = outlined(large, mark.outlines)
    framed = Image.new("RGB", (shown.width + RULER, shown.height + RULER), PAPER)
    framed.paste(shown, (RULER, RULER))
    _ruler(framed, small.size, (shown.width / small.width, shown.height / small.height))
    return framed


def _gridded(picture: Picture, grid: tuple[int, int]) -> Picture:
    """The picture with the borders of a grid's cells drawn faintly over it."""
    rows, columns = grid
    if min(picture.width / columns, picture.height / rows) < LEAST_CELL:
        return picture
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float64).copy()
    for row in range(1, rows):
        line = pixels[round(row * picture.height / rows)]
        line += GRID_OPACITY * (_seen_on(line) - line)
    for column in range(1, columns):
        line = pixels[:, round(column * picture.width / columns)]
        line += GRID_OPACITY * (_seen_on(line) - line)
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def _seen_on(line: Pixels) -> Pixels:
    """(N, 1) levels, white on dark pixels and black on bright ones."""
    return np.where(line.mean(-1, keepdims=True) < BRIGHT, 255.0, 0.0)


def _ruler(framed: Picture, size: tuple[int, int], scale: tuple[float, float]) -> None:
    """Ticks and numbers in the model's pixels, above the picture and to its left."""
    pen, font = ImageDraw.Draw(framed), ImageFont.load_default(LABEL_SIZE - 3)
    for axis in (0, 1):
        step = next((each for each in STEPS if each * scale[axis] >= TICK_ROOM), STEPS[-1])
        for value in range(0, size[axis] + 1, step):
            at = RULER + min(round(value * scale[axis]), framed.size[axis] - RULER - 1)
            text = str(value)
            long = pen.textlength(text, font)
            if axis == 0:
                pen.line((at, RULER - 5, at, RULER - 1), FAINT)
                left = min(max(at - long / 2, 0), framed.width - long)
                pen.text((left, 1), text, FAINT, font)
            else:
                pen.line((RULER - 5, at, RULER - 1, at), FAINT)
                corner = (max(RULER - 7 - long, 0), min(at - 6, framed.height - 11))
                pen.text(corner, text, FAINT, font)
