"""Two figures of many pairs against each other, as a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from redraft.show.pictures import Picture

COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce", "#92400e")
PAPER, INK, FAINT = "#ffffff", "#1a1d21", "#d5d9e0"
SIDE, LEFT, TOP, BOTTOM, RIGHT = 640, 64, 72, 56, 100
RADIUS, TICKS, TEXT, SMALL, GAP = 5, 5, 15, 12, 12


@dataclass(frozen=True)
class Point:
    """One pair: its figures in 0..1, its label, and the group that gives it its colour."""

    x: float
    y: float
    label: str
    group: str


@dataclass(frozen=True)
class Panel:
    """Points in one frame; ``x`` and ``y`` name the axes."""

    title: str
    x: str
    y: str
    points: tuple[Point, ...]


def scatter(panels: Sequence[Panel]) -> Picture:
    """The panels side by side, 0 to 1 on both axes of each; what lies outside is drawn at the edge.

    Every group of points has a colour, and a name in the legend above.
    """
    groups = list(dict.fromkeys(point.group for panel in panels for point in panel.points))
    colours = {group: COLOURS[place % len(COLOURS)] for place, group in enumerate(groups)}
    pitch = LEFT + SIDE + RIGHT
    sheet = Image.new("RGB", (pitch * len(panels), TOP + SIDE + BOTTOM), PAPER)
    pen = ImageDraw.Draw(sheet)
    place = float(LEFT)
    for group, colour in colours.items():
        place = _named(pen, (place, 16.0), group, colour) + 24
    for number, panel in enumerate(panels):
        _frame(pen, panel, number * pitch + LEFT)
        _points(pen, panel, number * pitch + LEFT, colours)
    return sheet


def _named(pen: ImageDraw.ImageDraw, place: tuple[float, float], name: str, colour: str) -> float:
    _dot(pen, place, colour)
    font = ImageFont.load_default(SMALL)
    pen.text((place[0] + 10, place[1]), name, INK, font, anchor="lm")
    return place[0] + 10 + pen.textlength(name, font)


def _frame(pen: ImageDraw.ImageDraw, panel: Panel, left: int) -> None:
    small, text = ImageFont.load_default(SMALL), ImageFont.load_default(TEXT)
    for tick in range(TICKS + 1):
        along = SIDE * tick / TICKS
        low = TOP + SIDE - along
        pen.line((left, low, left + SIDE, low), FAINT)
        pen.line((left + along, TOP, left + along, TOP + SIDE), FAINT)
        pen.text((left - 8, low), f"{tick / TICKS:.1f}", INK, small, anchor="rm")
        pen.text((left + along, TOP + SIDE + 8), f"{tick / TICKS:.1f}", INK, small, anchor="mt")
    pen.text((left + SIDE / 2, TOP - 20), panel.title, INK, text, anchor="mb")
    pen.text((left + SIDE / 2, TOP + SIDE + 28), panel.x, INK, text, anchor="mt")
    pen.text((left - 52, TOP - 20), panel.y, INK, text, anchor="lb")


def _points(pen: ImageDraw.ImageDraw, panel: Panel, left: int, colours: dict[str, str]) -> None:
    placed = [
        (left + SIDE * _inside(p.x), TOP + SIDE * (1 - _inside(p.y)), p) for p in panel.points
    ]
    taken = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y, _ in placed]
    font = ImageFont.load_default(SMALL)
    labels = []
    for x, y, point in sorted(placed, key=lambda each: each[:2]):
        box = _free((x, y), pen.textlength(point.label, font), left, taken)
        taken.append(box)
        labels.append((box[:2], point))
        near = box[0] if box[0] > x else box[2]
        pen.line((x, y, near, (box[1] + box[3]) / 2), colours[point.group])
    for x, y, point in placed:
        _dot(pen, (x, y), colours[point.group])
    for corner, point in labels:
        pen.text(corner, point.label, colours[point.group], font)


def _free(
    place: tuple[float, float],
    width: float,
    left: int,
    taken: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float]:
    """The box of a label beside its point, moved up or down past what is there already."""
    height = SMALL + 2
    for step in range(60):
        shift = (step + 1) // 2 * (height / 2) * (-1) ** step
        top = min(max(place[1] - height / 2 + shift, TOP - height), TOP + SIDE - height)
        for first in (place[0] + GAP, place[0] - GAP - width):
            box = (first, top, first + width, top + height)
            if first >= left and not any(_overlap(box, other) for other in taken):
                return box
    return box


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _dot(pen: ImageDraw.ImageDraw, place: tuple[float, float], colour: str) -> None:
    x, y = place
    pen.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), colour)


def _inside(value: float) -> float:
    return min(max(value, 0.0), 1.0)
