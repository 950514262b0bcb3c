"""How large regions are on a model's picture and on a layer's grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from redraft_dsl.geometry.plain import Rows, coverage_rows, resample_rows
from redraft_dsl.recipe.model import (
    All,
    Box,
    Combination,
    Ellipse,
    Length,
    Mask,
    Polygon,
    Region,
)

if TYPE_CHECKING:
    from redraft_dsl.geometry.regions import Coverage

TOUCHED = 1e-9
"""A cell of which a region covers less than this share is not touched; rounding leaves such."""

MOST_BYTES = 2**25
"""Of the coverages of parts of joined regions, which are held to join them anew."""

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

    Figures are held, so that a region is measured once. Coverages are as large as the picture; a
    few are held, for the shapes of which other regions are joined.
    """

    image_size: tuple[int, int]
    folder: Path
    _cells: dict[tuple[Region, tuple[int, int]], Cells] = field(default_factory=dict)
    _bounds: dict[Region, Bounds | None] = field(default_factory=dict)
    _boxes: dict[int, tuple[Box, Bounds]] = field(default_factory=dict)
    _parts: dict[Region, Coverage] = field(default_factory=dict)

    def cells(self, region: Region, size: tuple[int, int]) -> Cells:
        """A region on a layer's grid of ``size`` (h, w).

        Raises ``MaskError`` if a mask file went bad meanwhile, as ``bounds`` does.
        """
        if isinstance(region, Box):
            ends = self._ends(region)
            across = _along(ends.x0, ends.x1, self.image_size[1], size[1])
            down = _along(ends.y0, ends.y1, self.image_size[0], size[0])
            return Cells(across.peak * down.peak, across.touched * down.touched)
        if (region, size) not in self._cells:
            self._cells[region, size] = self._averaged(region, size)
        return self._cells[region, size]

    def bounds(self, region: Region) -> Bounds | None:
        """The box around a region; None if it is empty."""
        if isinstance(region, Box):
            return self._ends(region)
        if region not in self._bounds:
            self._bounds[region] = self._around(region)
        return self._bounds[region]

    def is_flawed(self, region: Region) -> bool:
        """Whether a shape has no inside as it is written, which a rule about shapes reports."""
        match region:
            case Box():
                ends = self._ends(region)
                return ends.x0 >= ends.x1 or ends.y0 >= ends.y1
            case Polygon():
                return len(region.points) < 3
            case Ellipse():
                return any(length.value <= 0 for length in region.radius)
            case Combination():
                return self.is_flawed(region.left) or self.is_flawed(region.right)
            case _:
                return False

    def _ends(self, box: Box) -> Bounds:
        """A box on the picture. Lines with the same box share it, so that it is known by itself."""
        if id(box) not in self._boxes:
            height, width = self.image_size
            (x0, x1), (y0, y1) = box.x, box.y
            ends = Bounds(_on(x0, width), _on(y0, height), _on(x1, width), _on(y1, height))
            self._boxes[id(box)] = (box, ends)
        return self._boxes[id(box)][1]

    def _averaged(self, region: Region, size: tuple[int, int]) -> Cells:
        rows = self._rows(region)
        if rows is not None:
            shares = [share for row in resample_rows(rows, size) for share in row]
            return Cells(max(shares), sum(share > TOUCHED for share in shares))
        from redraft_dsl.geometry.regions import on_grid, resample

        if isinstance(region, Mask):
            # Not through the picture, where it is to be brought to the layer's grid in one step.
            cells = on_grid(region, self.image_size, size, self.folder)
        else:
            cells = resample(self._coverage(region), size)
        return Cells(float(cells.max()), int((cells > TOUCHED).sum()))

    def _rows(self, region: Region) -> Rows | None:
        """A coverage without numpy, as long as there is little to do."""
        few = len(self._cells) + len(self._bounds) < FEW
        return coverage_rows(region, self.image_size) if few else None

    def _coverage(self, region: Region) -> Coverage:
        from redraft_dsl.geometry.regions import combine, coverage

        if isinstance(region, Combination):
            return combine(region.kind, self._part(region.left), self._part(region.right))
        return coverage(region, self.image_size, self.folder)

    def _part(self, region: Region) -> Coverage:
        """What a region is joined from, which may be in other joins too."""
        if isinstance(region, Box | All):
            return self._coverage(region)
        if region not in self._parts:
            found = self._coverage(region)
            if (len(self._parts) + 1) * found.nbytes > MOST_BYTES:
                self._parts.clear()
            self._parts[region] = found
        return self._parts[region]

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


def _on(length: Length, extent: int) -> float:
    return min(max(length.pixels(extent), 0.0), float(extent))


@lru_cache(maxsize=1024)  # the same few boxes fill a recipe
def _along(start: float, end: float, extent: int, cells: int) -> Cells:
    """One axis of a box: how full its fullest cell is, and how many cells it touches."""
    low, high = (place * cells / extent for place in (start, end))
    if high <= low:
        return Cells(0.0, 0)
    first, last = math.floor(low), math.ceil(high)
    inside = last - first
    if inside >= 3:
        peak = 1.0
    else:
        peak = max(min(high, cell + 1) - max(low, cell) for cell in range(first, last))
    return Cells(peak, inside)
