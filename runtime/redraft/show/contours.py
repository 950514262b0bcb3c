"""Outlines of regions: where a region's coverage passes one half, as closed lines.

Coordinates are pixel edges: a region that covers pixels 12 to 51 whole is outlined at 12 and 52.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.5
Point = tuple[float, float]
"""(x, y) in pixels from the picture's top left corner."""
Loop = tuple[Point, ...]
"""A closed line; the last point joins the first."""

# Sides of a square of four neighbouring pixel centres.
_TOP, _RIGHT, _BOTTOM, _LEFT = range(4)
# Which sides the outline enters and leaves by, for each combination of corners inside
# (top left 1, top right 2, bottom right 4, bottom left 8). The inside lies on the right hand.
# Where opposite corners are inside, the two are kept apart.
_CROSSINGS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((_TOP, _LEFT),),
    2: ((_RIGHT, _TOP),),
    3: ((_RIGHT, _LEFT),),
    4: ((_BOTTOM, _RIGHT),),
    5: ((_TOP, _LEFT), (_BOTTOM, _RIGHT)),
    6: ((_BOTTOM, _TOP),),
    7: ((_BOTTOM, _LEFT),),
    8: ((_LEFT, _BOTTOM),),
    9: ((_TOP, _BOTTOM),),
    10: ((_RIGHT, _TOP), (_LEFT, _BOTTOM)),
    11: ((_RIGHT, _BOTTOM),),
    12: ((_LEFT, _RIGHT),),
    13: ((_TOP, _RIGHT),),
    14: ((_LEFT, _TOP),),
}


def contours(area: NDArray[np.float64]) -> tuple[Loop, ...]:
    """The closed lines along which ``area`` (H, W) passes 0.5, by marching squares.

    Outside the picture the area counts as 0, so a region that touches the border is closed there.
    Loops come in reading order of their first point; straight runs keep only their ends.
    """
    padded = np.pad(np.asarray(area, dtype=np.float64), 1)
    following = _crossings(padded)
    loops = []
    while following:
        start = next(iter(following))
        loop, here = [start], following.pop(start)
        while here != start:
            loop.append(here)
            here = following.pop(here)
        loops.append(_straightened([_position(padded, edge) for edge in loop]))
    return tuple(loop for loop in loops if len(loop) > 2)


# An edge between two neighbouring pixel centres: (row, column, whether the second lies below).
_Edge = tuple[int, int, bool]


def _crossings(padded: NDArray[np.float64]) -> dict[_Edge, _Edge]:
    """For each crossed edge the next one along the outline."""
    inside = padded >= LEVEL
    corners = inside[:-1, :-1] * 1 + inside[:-1, 1:] * 2 + inside[1:, 1:] * 4 + inside[1:, :-1] * 8
    following: dict[_Edge, _Edge] = {}
    for row, column in np.argwhere((corners > 0) & (corners < 15)).tolist():
        sides: dict[int, _Edge] = {
            _TOP: (row, column, False),
            _RIGHT: (row, column + 1, True),
            _BOTTOM: (row + 1, column, False),
            _LEFT: (row, column, True),
        }
        for enters, leaves in _CROSSINGS[int(corners[row, column])]:
            following[sides[enters]] = sides[leaves]
    return following


def _position(padded: NDArray[np.float64], edge: _Edge) -> Point:
    """Where the outline crosses an edge; pixel (0, 0) of the picture is (1, 1) when padded."""
    row, column, below = edge
    first = padded[row, column]
    second = padded[row + 1, column] if below else padded[row, column + 1]
    part = float((LEVEL - first) / (second - first))
    x, y = column - 0.5, row - 0.5
    return (x, y + part) if below else (x + part, y)


def _straightened(points: list[Point]) -> Loop:
    kept = []
    for number, here in enumerate(points):
        before, after = points[number - 1], points[(number + 1) % len(points)]
        turn = (here[0] - before[0]) * (after[1] - here[1])
        turn -= (here[1] - before[1]) * (after[0] - here[0])
        if abs(turn) > 1e-9:
            kept.append(here)
    return tuple(kept)
