"""Regions as numbers: how much of every pixel, or of every cell of a layer, a region covers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from redraft_dsl.geometry.masks import MaskError, MaskFile, read_mask
from redraft_dsl.recipe.model import All, Box, Combination, Ellipse, Mask, Polygon, Region

Coverage: TypeAlias = npt.NDArray[np.float64]

SUBROWS = 16
"""Rows that every pixel row is cut into for curved and slanted outlines; exact along x."""

BAND = 8
"""Pixel rows worked on at a time, which bounds the memory that an outline takes."""


def coverage(region: Region, image_size: tuple[int, int], folder: Path) -> Coverage:
    """(H, W) float64 in 0..1: the share of each pixel of the model's image that is inside.

    ``image_size`` is (height, width) in pixels; mask files are looked up in ``folder``. A box is
    exact; polygons and ellipses are exact along x and cut into 16 rows a pixel along y. ``plus``
    is the larger of the two, ``minus`` is ``a (1 - b)``, ``within`` is ``a b``.

    Raises ``MaskError`` for a mask file that cannot be used.
    """
    match region:
        case Box():
            return _box(region, image_size)
        case Polygon():
            return _polygon(region, image_size)
        case Ellipse():
            return _ellipse(region, image_size)
        case Mask():
            return _mask(region, image_size, folder)
        case All():
            return np.ones(image_size)
        case Combination():
            left = coverage(region.left, image_size, folder)
            right = coverage(region.right, image_size, folder)
            return combine(region.kind, left, right)


def on_grid(
    region: Region, image_size: tuple[int, int], size: tuple[int, int], folder: Path
) -> Coverage:
    """(h, w) float64 in 0..1: the share of each cell of a layer's grid of ``size`` that is inside.

    This is the area average of ``coverage``, but for a mask that is to be resized bilinearly: it
    goes from its own size to the grid in one step, as the paper's authors do it. Where such a mask
    is joined with other regions, it is brought to the picture first.

    Raises ``MaskError`` for a mask file that cannot be used.
    """
    if isinstance(region, Mask) and region.resample == "bilinear":
        return _mask(region, size, folder)
    return resample(coverage(region, image_size, folder), size)


def _mask(mask: Mask, size: tuple[int, int], folder: Path) -> Coverage:
    file = read_mask(mask.path, folder)
    return file.resized(size) if mask.resample == "bilinear" else mask_coverage(file, size)


def combine(kind: str, left: Coverage, right: Coverage) -> Coverage:
    """Two coverages (H, W) joined by ``plus``, ``minus`` or ``within``."""
    if kind == "plus":
        return np.maximum(left, right)
    return left * (1.0 - right) if kind == "minus" else left * right


def resample(cov: Coverage, size: tuple[int, int]) -> Coverage:
    """The area average of a coverage (H, W) on a grid of ``size`` (h, w) cells.

    Exact for any ratio: a pixel that lies across two cells counts in both, by its share.
    """
    return _averaging(cov.shape[0], size[0]) @ cov @ _averaging(cov.shape[1], size[1]).T


def mask_coverage(mask: MaskFile, image_size: tuple[int, int]) -> Coverage:
    """A mask's coverage on the model's image (H, W), resampled by area average.

    Raises ``MaskError`` when the picture is damaged.
    """
    cov = mask.coverage
    return cov if cov.shape == image_size else np.clip(resample(cov, image_size), 0.0, 1.0)


def _averaging(source: int, target: int) -> Coverage:
    """(target, source): row i holds each source pixel's share of cell i; rows sum to 1."""
    scale = source / target
    return overlap(np.arange(target) * scale, np.arange(1, target + 1) * scale, source) / scale


def overlap(start: npt.ArrayLike, end: npt.ArrayLike, cells: int) -> Coverage:
    """(..., cells): the length of each unit cell inside [start, end), for arrays of intervals."""
    low = np.asarray(start, dtype=np.float64)[..., None]
    high = np.asarray(end, dtype=np.float64)[..., None]
    grid = np.arange(cells)
    inside = np.minimum(high, grid + 1) - np.maximum(low, grid)
    return np.asarray(np.clip(inside, 0.0, 1.0), dtype=np.float64)


def _box(box: Box, size: tuple[int, int]) -> Coverage:
    height, width = size
    across = overlap(box.x[0].pixels(width), box.x[1].pixels(width), width)
    down = overlap(box.y[0].pixels(height), box.y[1].pixels(height), height)
    return np.outer(down, across)


def _bands(low: float, high: float, height: int) -> Iterator[tuple[slice, Coverage]]:
    """The pixel rows from ``low`` to ``high``, a few at a time.

    Each band comes with the middles of its sub-rows, in pixels from the top.
    """
    first, last = max(math.floor(low), 0), min(math.ceil(high), height)
    for top in range(first, last, BAND):
        bottom = min(top + BAND, last)
        yield slice(top, bottom), (np.arange(top * SUBROWS, bottom * SUBROWS) + 0.5) / SUBROWS


def _average(subrows: Coverage) -> Coverage:
    """(rows * SUBROWS, W) to (rows, W)."""
    return np.asarray(subrows.reshape(-1, SUBROWS, subrows.shape[-1]).mean(axis=1))


def _ellipse(ellipse: Ellipse, size: tuple[int, int]) -> Coverage:
    height, width = size
    cx, cy = ellipse.center[0].pixels(width), ellipse.center[1].pixels(height)
    rx, ry = ellipse.radius[0].pixels(width), ellipse.radius[1].pixels(height)
    result = np.zeros(size)
    if not (rx > 0 and ry > 0):
        return result
    for band, y in _bands(cy - ry, cy + ry, height):
        half = rx * np.sqrt(np.clip(1.0 - ((y - cy) / ry) ** 2, 0.0, None))
        result[band] = _average(overlap(cx - half, cx + half, width))
    return result


def _polygon(polygon: Polygon, size: tuple[int, int]) -> Coverage:
    height, width = size
    points = np.array([[x.pixels(width), y.pixels(height)] for x, y in polygon.points])
    result = np.zeros(size)
    for band, y in _bands(points[:, 1].min(), points[:, 1].max(), height):
        crossings = _crossings(points, y, width)
        inside = np.zeros((len(y), width))
        for left, right in zip(crossings.T[0::2], crossings.T[1::2], strict=True):
            inside += overlap(left, right, width)
        result[band] = _average(np.minimum(inside, 1.0))
    return result


def _crossings(points: Coverage, y: Coverage, width: int) -> Coverage:
    """Where an outline (points, 2) crosses each of the rows ``y``: x, sorted along each row.

    There are as many columns, an even number, as any of the rows has crossings. What is left over
    lies at the right edge of the picture, where a pair of crossings encloses nothing.
    """
    end = np.roll(points, -1, axis=0)
    (x0, y0), (x1, y1) = points.T, end.T
    crosses = (y0 <= y[:, None]) != (y1 <= y[:, None])
    rise = np.where(crosses, y1 - y0, 1.0)
    fallen = np.where(crosses, y[:, None] - y0, 0.0)
    x = x0 + fallen / rise * (x1 - x0)
    found = np.where(crosses, np.clip(x, 0.0, width), np.inf)
    most = int(crosses.sum(axis=1).max(initial=0))  # even: an outline leaves as often as it enters
    return np.asarray(np.minimum(np.sort(found, axis=1)[:, :most], float(width)))


__all__ = ["Coverage", "MaskError", "combine", "coverage", "mask_coverage", "on_grid", "resample"]
