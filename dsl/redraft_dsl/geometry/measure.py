"""How large regions are on a model's picture and on a layer's grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from redraft_dsl.geometry.masks import read_mask
from redraft_dsl.recipe.model import Box, Combination, Ellipse, Length, Mask, Polygon, Region

if TYPE_CHECKING:
    from redraft_dsl.geometry.regions import Coverage

TOUCHED = 1e-9
"""A cell of which a region covers less than this share is not touched; rounding leaves such."""

FEW = 4
"""Coverages that are cached, each as large as the picture: those that others are joined from."""


class Cells(NamedTuple):
    """A region at a layer.

    The largest share of a cell that it covers, how many cells it touches, and the sum of its
    shares of all cells.
    """

    peak: float
    touched: int
    weight: float


class Bounds(NamedTuple):
    """The smallest box around a region, in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Measure:
    """Regions on one model's picture, each measured once. Boxes need no arrays, and no numpy."""

    image_size: tuple[int, int]
    folder: Path
    _cells: dict[tuple[Region, tuple[int, int]], Cells] = field(default_factory=dict)
    _bounds: dict[Region, Bounds | None] = field(default_factory=dict)
    _boxes: dict[int, tuple[Box, Bounds]] = field(default_factory=dict)

    def cells(self, region: Region, size: tuple[int, int]) -> Cells:
        """A region on a layer's grid of ``size`` (h, w).

        Raises ``MaskError`` if a mask file went bad meanwhile, as ``bounds`` does.
        """
        if isinstance(region, Box):
            ends = self._ends(region)
            across = _along(ends.x0, ends.x1, self.image_size[1], size[1])
            down = _along(ends.y0, ends.y1, self.image_size[0], size[0])
            return Cells(
                across.peak * down.peak,
                across.touched * down.touched,
                across.weight * down.weight,
            )
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
        """Whether a shape has no inside as it is written, or a mask another shape than the picture.

        A rule about shapes reports it; a damaged mask raises ``MaskError``.
        """
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
            case Mask():
                return not read_mask(region.path, self.folder).has_shape_of(self.image_size)
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
        from redraft_dsl.geometry.regions import on_grid, resample

        if isinstance(region, Combination):
            cells = resample(self._coverage(region), size)
        else:
            cells = on_grid(region, self.image_size, size, self.folder)
        return Cells(float(cells.max()), int((cells > TOUCHED).sum()), float(cells.sum()))

    def _around(self, region: Region) -> Bounds | None:
        rows, columns = (self._coverage(region) > 0.0).nonzero()
        if not rows.size:
            return None
        x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        return Bounds(float(x0), float(y0), float(x1), float(y1))

    @cached_property
    def _coverage(self) -> Callable[[Region], Coverage]:
        """The coverage of the picture by a region; its parts may be in other joins too."""
        from redraft_dsl.geometry.regions import combine, coverage

        @lru_cache(FEW)
        def covered(region: Region) -> Coverage:
            if isinstance(region, Combination):
                return combine(region.kind, covered(region.left), covered(region.right))
            return coverage(region, self.image_size, self.folder)

        return covered


def _on(length: Length, extent: int) -> float:
    return min(max(length.pixels(extent), 0.0), float(extent))


@lru_cache(maxsize=1024)  # the same few boxes fill a recipe
def _along(start: float, end: float, extent: int, cells: int) -> Cells:
    """One axis of a box: how full its fullest cell is, and how many cells it touches."""
    low, high = (place * cells / extent for place in (start, end))
    if high <= low:
        return Cells(0.0, 0, 0.0)
    first, last = math.floor(low), math.ceil(high)
    shares = (min(high, cell + 1) - max(low, cell) for cell in range(first, last))
    return Cells(max(shares), last - first, high - low)
