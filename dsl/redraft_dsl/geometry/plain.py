"""Joined boxes as numbers without numpy, which takes longer to load than a recipe to check.

The same formulas as in ``redraft_dsl.geometry.regions``, pixel by pixel, for regions that are
small work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

from redraft_dsl.recipe.model import All, Box, Combination, Length, Region

Rows: TypeAlias = list[list[float]]
"""The share of each pixel that is inside: rows from the top, pixels from the left."""

MOST_WORK = 2**16
"""Pixels times shapes up to which lists are quicker than loading numpy."""


def coverage_rows(region: Region, image_size: tuple[int, int]) -> Rows | None:
    """The coverage of a picture (height, width) by boxes and their joins.

    None for any other shape, and for what numpy does quicker.
    """
    shapes = _boxes(region)
    if shapes is None or shapes * image_size[0] * image_size[1] > MOST_WORK:
        return None
    return _rows(region, image_size)


def resample_rows(rows: Rows, size: tuple[int, int]) -> Rows:
    """The area average of a coverage on a grid of ``size`` (h, w) cells."""
    across = list(_shares(len(rows[0]), size[1]))
    return [
        [
            sum(
                down_share * across_share * rows[y][x]
                for y, down_share in down
                for x, across_share in columns
            )
            for columns in across
        ]
        for down in _shares(len(rows), size[0])
    ]


def _boxes(region: Region) -> int | None:
    """How many shapes a region is joined from, if all of them are boxes or the whole picture."""
    if isinstance(region, Combination):
        left, right = _boxes(region.left), _boxes(region.right)
        return None if left is None or right is None else left + right
    return 1 if isinstance(region, (Box, All)) else None


def _rows(region: Region, size: tuple[int, int]) -> Rows:
    height, width = size
    match region:
        case Box():
            across = _overlap(region.x, width)
            return [[down * share for share in across] for down in _overlap(region.y, height)]
        case Combination():
            pairs = zip(_rows(region.left, size), _rows(region.right, size), strict=True)
            return [_joined(region.kind, left, right) for left, right in pairs]
        case _:
            return [[1.0] * width for _ in range(height)]


def _joined(kind: str, left: list[float], right: list[float]) -> list[float]:
    pairs = zip(left, right, strict=True)
    if kind == "plus":
        return [max(pair) for pair in pairs]
    if kind == "minus":
        return [one * (1.0 - other) for one, other in pairs]
    return [one * other for one, other in pairs]


def _overlap(ends: tuple[Length, Length], extent: int) -> list[float]:
    """How much of each pixel along one side lies between the ends of a box."""
    low, high = (end.pixels(extent) for end in ends)
    return [min(max(min(high, pixel + 1) - max(low, pixel), 0.0), 1.0) for pixel in range(extent)]


def _shares(pixels: int, cells: int) -> Iterator[list[tuple[int, float]]]:
    """For each cell along one side: its pixels, and the share of the cell that each of them is."""
    scale = pixels / cells
    for cell in range(cells):
        low, high = cell * scale, (cell + 1) * scale
        found = range(math.floor(low), min(math.ceil(high), pixels))
        yield [(pixel, (min(high, pixel + 1) - max(low, pixel)) / scale) for pixel in found]
