"""How large regions are on a model's picture and on a layer's grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from redraft_dsl.check.plain import Rows, coverage_rows, resample_rows
from redraft_dsl.recipe import Box, Length, Region

if TYPE_CHECKING:
    from redraft_dsl.regions import Coverage


TOUCHED = 1e-9
"""A cell of which a region covers less than this share is not touched; rounding leaves such."""

FEW = 24
"""So many figures are taken without numpy; a longer recipe loads it, and is done sooner."""


class Cells(NamedTuple):
    """A region at a layer: the largest share of a cell that it covers, and the cells it touches."""

    peak: float
    touched: int


class Bounds(NamedTuple):
    """The smallest box around a region, in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Measure:
    """Regions on one model's picture. Boxes, and a few joins of them, need no arrays.

    What was measured is kept, as two numbers or four; coverages are as large as the picture and
    are not.
    """

    image_size: tuple[int, int]
    folder: Path
    _cells: dict[tuple[Region, tuple[int, int]], Cells] = field(default_factory=dict)
    _bounds: dict[Region, Bounds | None] = field(default_factory=dict)

    @property
    def figures(self) -> int:
        """How many figures are kept."""
        return len(self._cells) + len(self._bounds)

    def cells(self, region: Region, size: tuple[int, int]) -> Cells:
        """A region on a layer's grid of ``size`` (h, w).

        Raises ``MaskError`` if a mask file went bad meanwhile, as ``bounds`` does.
        """
        if isinstance(region, Box):
            across = _along(region.x, self.image_size[1], size[1])
            down = _along(region.y, self.image_size[0], size[0])
            return Cells(across.peak * down.peak, across.touched * down.touched)
        if (region, size) not in self._cells:
            self._cells[region, size] = self._averaged(region, size)
        return self._cells[region, size]

    def bounds(self, region: Region) -> Bounds | None:
        """The box around a region; None if it is empty."""
        if isinstance(region, Box):
            x = [_clipped(length, self.image_size[1]) for length in region.x]
            y = [_clipped(length, self.image_size[0]) for length in region.y]
            return Bounds(x[0], y[0], x[1], y[1])
        if region not in self._bounds:
            self._bounds[region] = self._around(region)
        return self._bounds[region]

    def _averaged(self, region: Region, size: tuple[int, int]) -> Cells:
        rows = self._rows(region)
        if rows is not None:
            shares = [share for row in resample_rows(rows, size) for share in row]
            return Cells(max(shares), sum(share > TOUCHED for share in shares))
        from redraft_dsl.regions import on_grid

        cells = on_grid(region, self.image_size, size, self.folder)
        return Cells(float(cells.max()), int((cells > TOUCHED).sum()))

    def _rows(self, region: Region) -> Rows | None:
        """A coverage without numpy, as long as there is little to do."""
        if self.figures >= FEW:
            return None
        return coverage_rows(region, self.image_size)

    def _coverage(self, region: Region) -> Coverage:
        from redraft_dsl.regions import coverage

        return coverage(region, self.image_size, self.folder)

    def _around(self, region: Region) -> Bounds | None:
        plain = self._rows(region)
        if plain is not None:
            ys = [y for y, row in enumerate(plain) if any(row)]
            xs = [x for x, column in enumerate(zip(*plain, strict=True)) if any(column)]
        else:
            rows, columns = (self._coverage(region) > 0.0).nonzero()
            ys, xs = sorted(rows.tolist()), sorted(columns.tolist())
        if not ys:
            return None
        return Bounds(float(xs[0]), float(ys[0]), float(xs[-1] + 1), float(ys[-1] + 1))


def _clipped(length: Length, extent: int) -> float:
    value = length.value if length.unit == "px" else length.value * extent / 100
    return min(max(value, 0.0), float(extent))


def _along(ends: tuple[Length, Length], extent: int, cells: int) -> Cells:
    """One axis of a box: how full its fullest cell is, and how many cells it touches."""
    low, high = (_clipped(end, extent) * cells / extent for end in ends)
    if high <= low:
        return Cells(0.0, 0)
    first, last = math.floor(low), math.ceil(high)
    inside = last - first
    if inside >= 3:
        peak = 1.0
    else:
        peak = max(min(high, cell + 1) - max(low, cell) for cell in range(first, last))
    return Cells(peak, inside)
