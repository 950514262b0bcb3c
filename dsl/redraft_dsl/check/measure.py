"""How large regions are on a model's picture and on a layer's grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from redraft_dsl.check.plain import Rows, coverage_rows, resample_rows
from redraft_dsl.recipe.model import All, Box, Combination, Ellipse, Length, Mask, Polygon, Region

if TYPE_CHECKING:
    from redraft_dsl.geometry.regions import Coverage


TOUCHED = 1e-9
"""A cell of which a region covers less than this share is not touched; rounding leaves such."""

MOST_BYTES = 2**25
"""Of the coverages of parts of joined regions, which are kept to join them anew."""

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

    What was measured is kept, as two numbers or four. Coverages are as large as the picture; a few
    are kept, for the shapes of which other regions are joined.
    """

    image_size: tuple[int, int]
    folder: Path
    _cells: dict[tuple[Region, tuple[int, int]], Cells] = field(default_factory=dict)
    _bounds: dict[Region, Bounds | None] = field(default_factory=dict)
    _parts: dict[Region, Coverage] = field(default_factory=dict)

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
        from redraft_dsl.geometry.regions import on_grid, resample

        if isinstance(region, Mask):
            # Not through the picture, where it is to be brought to the layer's grid in one step.
            cells = on_grid(region, self.image_size, size, self.folder)
        else:
            cells = resample(self._coverage(region), size)
        return Cells(float(cells.max()), int((cells > TOUCHED).sum()))

    def _rows(self, region: Region) -> Rows | None:
        """A coverage without numpy, as long as there is little to do."""
        if self.figures >= FEW:
            return None
        return coverage_rows(region, self.image_size)

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


@dataclass(frozen=True)
class Sizes:
    """What the rules of one check ask of a measure, the same regions again and again.

    Figures are known by the identity of a region, which ``seen`` keeps alive.
    """

    measure: Measure
    seen: dict[int, Region] = field(default_factory=dict)
    _flawed: dict[int, bool] = field(default_factory=dict)
    _cells: dict[tuple[int, tuple[int, int]], Cells] = field(default_factory=dict)
    _bounds: dict[int, Bounds | None] = field(default_factory=dict)

    def cells(self, region: Region, size: tuple[int, int]) -> Cells:
        """As ``Measure.cells``."""
        key = id(region), size
        if key not in self._cells:
            self.seen[id(region)] = region
            self._cells[key] = self.measure.cells(region, size)
        return self._cells[key]

    def bounds(self, region: Region) -> Bounds | None:
        """As ``Measure.bounds``."""
        key = id(region)
        if key not in self._bounds:
            self.seen[key] = region
            self._bounds[key] = self.measure.bounds(region)
        return self._bounds[key]

    def flawed(self, region: Region) -> bool:
        """Whether a shape has no inside as it is written, which a rule about shapes tells."""
        key = id(region)
        if key not in self._flawed:
            self.seen[key] = region
            self._flawed[key] = self._has_flaw(region)
        return self._flawed[key]

    def _has_flaw(self, region: Region) -> bool:
        match region:
            case Box():
                return not all(self.measure.cells(region, (1, 1)))
            case Polygon():
                return len(region.points) < 3
            case Ellipse():
                return any(length.value <= 0 for length in region.radius)
            case Combination():
                return self.flawed(region.left) or self.flawed(region.right)
            case _:
                return False


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
