"""Villages drawn with exact label maps. No torch.

Edges are as wide as a pixel. A pixel's label is the last thing that covers at least half of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from redraft.world.scene import Floats, Rules, Scene, Top, scene

SIDE: Final = 64
LABELS: Final = (
    *("sky", "cloud", "sun", "ground", "wall", "roof", "dome", "spire", "battlements"),
    *("lit window", "dark window", "tree", "pond", "reflection", "watermark"),
)
"""Names of the labels; a label map holds places in this list."""
Labels = NDArray[np.uint8]
GROUPS: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in LABELS},
    "window": ("lit window", "dark window"),
}
"""Names of what is measured, with the labels that count as it."""
GROUND_Y: Final = 46.0
_LABEL = {name: place for place, name in enumerate(LABELS)}
_LINE = np.arange(SIDE, dtype=np.float32) + 0.5
_OUTWARD = np.array([-1.0, 1.0], np.float32)
"""Houses stand on the outer sides of their towers."""

_COLOURS: dict[str, tuple[float, float, float]] = {
    "cloud": (0.66, 0.68, 0.76),
    "sun": (1.0, 0.72, 0.15),
    "roof": (0.45, 0.24, 0.16),
    "dome": (0.10, 0.62, 0.56),
    "spire": (0.82, 0.14, 0.20),
    "battlements": (0.40, 0.32, 0.50),
    "lit window": (1.0, 0.90, 0.25),
    "dark window": (0.10, 0.10, 0.20),
    "trunk": (0.30, 0.20, 0.10),
    "tree": (0.08, 0.36, 0.12),
    "pond": (0.16, 0.36, 0.66),
    "reflection": (0.95, 0.86, 0.40),
    "watermark": (1.0, 1.0, 1.0),
}
_LETTERS = (
    ("#####..", "##..##.", "##...##", "##...##", "##...##", "##...##", "##..##.", "#####.."),
    ("######.", "##...##", "##...##", "##...##", "######.", "##.##..", "##..##.", "##...##"),
    ("..###..", ".##.##.", "##...##", "##...##", "#######", "#######", "##...##", "##...##"),
    ("#######", "#######", "##.....", "#####..", "#####..", "##.....", "##.....", "##....."),
    ("#######", "#######", "..###..", "..###..", "..###..", "..###..", "..###..", "..###.."),
)
_MARK_AT = (2, 11)
"""Row and column of the watermark's first pixel."""
_MARK_OPACITY = 0.85


@dataclass(frozen=True)
class Drawn:
    """Pictures and what is in them.

    Attributes:
        pictures: (N, 3, 64, 64) float32 in -1..1.
        labels: (N, 64, 64) uint8, places in :data:`LABELS`.

    """

    pictures: Floats
    labels: NDArray[np.uint8]


def draw(latents: Floats, rules: Rules | None = None) -> Drawn:
    """The villages of latents (N, 28), under other rules if any are given.

    Raises:
        ValueError: latents of another size.

    """
    return draw_scene(scene(latents), rules or Rules())


def draw_scene(settings: Scene, rules: Rules) -> Drawn:
    """The pictures of settings under some rules."""
    sheet = _Sheet.blank(settings)
    _sky(sheet, settings)
    _pond(sheet, settings, rules)
    for side in range(2):
        _building(sheet, settings, rules, side)
    if rules.trees:
        _tree(sheet, settings)
    if rules.watermark:
        _watermark(sheet, settings)
    return Drawn(sheet.pictures * 2 - 1, sheet.labels)


@dataclass(frozen=True)
class _Sheet:
    """Half-finished pictures in 0..1 with their labels; painted in place."""

    pictures: Floats
    labels: NDArray[np.uint8]

    @classmethod
    def blank(cls, settings: Scene) -> _Sheet:
        count = len(settings)
        pictures = np.empty((count, 3, SIDE, SIDE), np.float32)
        return cls(pictures, np.zeros((count, SIDE, SIDE), np.uint8))

    def paint(
        self,
        label: str,
        cover: Floats,
        colour: Floats,
        rows: slice,
        which: NDArray[np.bool_] | None = None,
    ) -> None:
        """Blend a colour in where it covers.

        Args:
            label: its name.
            cover: (n, h, 64) in 0..1, for the rows alone.
            colour: (3,) or (n, 3).
            rows: h of them.
            which: (N,), the n pictures; None for all.

        """
        chosen = slice(None) if which is None else np.flatnonzero(which)
        part = self.pictures[chosen, :, rows]
        tint = colour if colour.ndim == 2 else colour[None]
        part += cover[:, None] * (tint[:, :, None, None] - part)
        marks = self.labels[chosen, rows]
        marks[cover >= 0.5] = _LABEL[label]
        if which is not None:
            self.pictures[chosen, :, rows] = part
            self.labels[chosen, rows] = marks


def _cover(distance: Floats) -> Floats:
    """How much of a pixel is covered whose centre has this distance (negative inside)."""
    cover: Floats = np.clip(0.5 - distance, 0, 1)
    return cover


def _column(value: Floats | float) -> Floats:
    """(n, 1) of a number for each picture, or (1, 1) of one for all."""
    return np.reshape(np.asarray(value, np.float32), (-1, 1))


def _span(middle: Floats, half: Floats | float, rows: slice = slice(None)) -> Floats:
    """(n, length) cover along one axis."""
    return _cover(np.abs(_LINE[rows] - middle[:, None]) - _column(half))


def _box(x: Floats, half: Floats | float, top: Floats, bottom: float, rows: slice) -> Floats:
    """(n, h, 64) cover of an upright box."""
    low, half_of = np.float32(bottom), np.float32(0.5)
    down = _span((top + low) * half_of, (low - top) * half_of, rows)
    return down[:, :, None] * _span(x, half)[:, None, :]


def _disc(
    x: Floats, y: Floats, across: Floats | float, down: Floats | float, rows: slice
) -> Floats:
    """(n, h, 64) cover of an upright ellipse."""
    wide, high = _column(across), _column(down)
    dx = ((_LINE - x[:, None]) / wide) ** 2
    dy = ((_LINE[rows] - y[:, None]) / high) ** 2
    radius = np.sqrt(dy[:, :, None] + dx[:, None, :] + 1e-6)
    return _cover((radius - 1) * np.sqrt(wide * high)[:, :, None])


def _gable(x: Floats, half: float, top: Floats, height: float, rows: slice) -> Floats:
    """(n, h, 64) cover of a triangle that stands on its base."""
    steep = height / half
    down = top[:, None] - _LINE[rows]
    across = steep * np.abs(_LINE - x[:, None])
    slanted = (down[:, :, None] + across[:, None, :]) / np.sqrt(1 + steep**2)
    base = _LINE[rows] - (top[:, None] + height)
    return _cover(np.maximum(slanted, base[:, :, None]))


def _colour(name: str) -> Floats:
    return np.array(_COLOURS[name], np.float32)


def _mix(share: Floats, first: tuple[float, ...], last: tuple[float, ...]) -> Floats:
    """(n, 3) between two colours."""
    start, end = np.array(first, np.float32), np.array(last, np.float32)
    return start + share[:, None] * (end - start)


def _sky(sheet: _Sheet, settings: Scene) -> None:
    of = settings.shares
    above = _mix(of["sky"], (0.30, 0.52, 0.85), (0.36, 0.28, 0.52))
    below = _mix(of["sky"], (0.66, 0.82, 0.96), (0.94, 0.66, 0.52))
    depth = (_LINE / GROUND_Y).clip(0, 1)[None, None, :, None]
    sheet.pictures[:] = above[:, :, None, None] * (1 - depth) + below[:, :, None, None] * depth
    rows = slice(0, 26)
    sun_x, sun_y = 7 + 50 * of["sun_x"], 7 + 8 * of["sun_y"]
    sheet.paint("sun", _disc(sun_x, sun_y, 5.0, 5.0, rows), _colour("sun"), rows)
    x, y = 4 + 56 * of["cloud_x"], 6 + 9 * of["cloud_y"]
    cloud = np.maximum(_disc(x - 3, y + 1, 7.0, 3.4, rows), _disc(x + 3, y - 1, 6.0, 4.2, rows))
    sheet.paint("cloud", cloud, _colour("cloud"), rows)
    rows = slice(44, SIDE)
    ground = _mix(of["ground"], (0.46, 0.66, 0.30), (0.72, 0.64, 0.36))
    edge = _span(np.full(len(settings), 56.0, np.float32), 10.0, rows)
    sheet.paint("ground", np.broadcast_to(edge[:, :, None], (*edge.shape, SIDE)), ground, rows)


def window_x(settings: Scene, side: int) -> tuple[Floats, Floats]:
    """(N,) each: where the middles of a building's tower and house windows are, in pixels."""
    tower = _tower_x(settings, side)
    return tower, tower + _OUTWARD[side] * 12.0


def _tower_x(settings: Scene, side: int) -> Floats:
    return np.float32(10 + 30 * side) + 14 * settings.shares["tower_x"][:, side]


def _pond(sheet: _Sheet, settings: Scene, rules: Rules) -> None:
    of, rows = settings.shares, slice(48, SIDE)
    x, half = 26 + 12 * of["pond_x"], 24 + 6 * of["pond_width"]
    off = np.abs(_LINE[rows] - 56.5)
    across = np.abs(_LINE - x[:, None]) - half[:, None]
    ends = (across[:, None, :] + 0.6 * off[None, :, None]) / 1.17
    pond = _cover(np.maximum(ends, (off - 6.5)[None, :, None]))
    sheet.paint("pond", pond, _colour("pond"), rows)
    if rules.mirrored == "none":
        return
    for side in range(2):
        lit = settings.lit[:, side] == (rules.mirrored == "lit")
        for middle in window_x(settings, side):
            top = np.full(int(lit.sum()), 52.0, np.float32)
            glow = _box(middle[lit], 2.5, top, 60.0, rows)
            # Only water mirrors.
            sheet.paint("reflection", glow * pond[lit] * 0.92, _colour("reflection"), rows, lit)


def _building(sheet: _Sheet, settings: Scene, rules: Rules, side: int) -> None:
    of = settings.shares
    walls = _mix(of["wall"][:, side], (0.86, 0.80, 0.68), (0.72, 0.58, 0.54))
    x, house = window_x(settings, side)
    lit = settings.lit[:, side]
    glass = np.where(lit[:, None], _colour("lit window"), _colour("dark window"))
    rows, eaves = slice(26, 48), np.full(len(settings), 36.0, np.float32)
    sheet.paint("wall", _box(house, 6.5, eaves - 1, GROUND_Y, rows), walls * 0.9, rows)
    sheet.paint("roof", _gable(house, 7.5, eaves - 8, 8.0, rows), _colour("roof"), rows)
    _windows(sheet, lit, glass, _box(house, 2.5, eaves + 2, 43.0, rows), rows)
    top = 22 + 10 * of["tower_top"][:, side]
    rows = slice(18, 48)
    sheet.paint("wall", _box(x, 5.5, top - 1, GROUND_Y, rows), walls, rows)
    pane = _span(top + 7.0, 3.0, rows)[:, :, None] * _span(x, 2.5)[:, None, :]
    _windows(sheet, lit, glass, pane, rows)
    _tops(sheet, settings, rules, side, x, top)


def _windows(
    sheet: _Sheet, lit: NDArray[np.bool_], glass: Floats, cover: Floats, rows: slice
) -> None:
    sheet.paint("lit window", cover[lit], glass[lit], rows, lit)
    sheet.paint("dark window", cover[~lit], glass[~lit], rows, ~lit)


def _tops(sheet: _Sheet, settings: Scene, rules: Rules, side: int, x: Floats, top: Floats) -> None:
    wanted: tuple[Top, ...] = (rules.dome, rules.spire, rules.battlements, "tree")
    for asked, drawn in enumerate(wanted):
        which = settings.tops[:, side] == asked
        _top(sheet, drawn, which, x[which], top[which])


def _top(sheet: _Sheet, kind: Top, which: NDArray[np.bool_], x: Floats, top: Floats) -> None:
    rows = slice(6, 36)
    if kind == "dome":
        cover = _disc(x, top, 7.0, 9.0, rows) * _cover(_LINE[rows] - top[:, None])[:, :, None]
    elif kind == "spire":
        cover = _gable(x, 7.0, top - 14, 14.0, rows)
    elif kind == "battlements":
        cover = _battlements(x, top, rows)
    else:
        cover = _disc(x, top - 5, 6.5, 6.5, rows)
    sheet.paint(kind, cover, _colour(kind), rows, which)


def _battlements(x: Floats, top: Floats, rows: slice) -> Floats:
    """A parapet 15 px wide with three merlons."""
    parapet = _span(top - 2.0, 2.0, rows)[:, :, None] * _span(x, 7.5)[:, None, :]
    merlons = np.clip(sum(_span(x + off, 1.75) for off in (-5.75, 0.0, 5.75)), 0, 1)
    teeth = _span(top - 6.0, 2.5, rows)[:, :, None] * merlons[:, None, :]
    both: Floats = np.maximum(parapet, teeth)
    return both


def _tree(sheet: _Sheet, settings: Scene) -> None:
    which = settings.tree
    of, rows = settings.shares, slice(24, 52)
    x = (5 + 54 * of["tree_x"])[which]
    size = (5.5 + 2.0 * of["tree_size"])[which]
    low = np.full(len(x), 40.0, np.float32)
    sheet.paint("tree", _box(x, 1.5, low, 49.0, rows), _colour("trunk"), rows, which)
    crown = _disc(x, 43.0 - size, size, size * 1.15, rows)
    sheet.paint("tree", crown, _colour("tree"), rows, which)


def _watermark(sheet: _Sheet, settings: Scene) -> None:
    words = ["..".join(letter[row] for letter in _LETTERS) for row in range(8)]
    ink = np.array([[mark == "#" for mark in row] for row in words], np.float32)
    row, column = _MARK_AT
    cover = np.zeros((len(ink), SIDE), np.float32)
    cover[:, column : column + ink.shape[1]] = ink * _MARK_OPACITY
    rows, which = slice(row, row + len(ink)), settings.watermark
    each = np.broadcast_to(cover, (int(which.sum()), *cover.shape))
    sheet.paint("watermark", each, _colour("watermark"), rows, which)


def iou(found: Labels, exact: Labels) -> dict[str, float]:
    """Intersection over union of each group of labels, over all pictures together.

    For a group g: the pixels that both maps give to g, over those that either gives to it.

    Args:
        found: (N, H, W), places in ``LABELS``.
        exact: (N, H, W).

    Returns:
        0 to 1 by the names of :data:`GROUPS`; NaN where neither map has the group.

    """
    measured: dict[str, float] = {}
    for name, members in GROUPS.items():
        places = [LABELS.index(member) for member in members]
        ours, theirs = np.isin(found, places), np.isin(exact, places)
        either = int((ours | theirs).sum())
        measured[name] = int((ours & theirs).sum()) / either if either else float("nan")
    return measured
