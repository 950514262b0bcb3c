"""Pictures as the report embeds them: PNG data URLs, with outlines as SVG paths."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from redraft.plans.record import PlaceRecord
from redraft.show.contours import contours
from redraft.show.pictures import Picture, Role, Tile, enlarged, heated, png, to_picture
from redraft.show.report.sentences import place_name

LARGEST = 192
"""Larger pictures are reduced to this side before they are embedded, to keep the file small."""
HEATED = 128
"""Heat maps are drawn at about this side, for they are finer than the picture's pixels."""


@dataclass(frozen=True)
class Outline:
    """An outline for SVG: its role, its path, and the size (W, H) of its coordinates."""

    role: Role
    path: str
    width: int
    height: int


@dataclass(frozen=True)
class Figure:
    """A tile, embedded. URLs are empty where the tile has no such picture."""

    label: str
    before: str
    after: str
    goal: str
    heat: str
    outlines: tuple[Outline, ...]
    place: PlaceRecord | None


def figures(
    tiles: Sequence[Tile], places: Sequence[PlaceRecord] = (), side: int = LARGEST
) -> tuple[Figure, ...]:
    """The tiles embedded, each joined with the place of the same name.

    Where two places lie in one picture, they are taken in order. Pictures larger than ``side``
    pixels are reduced to it.
    """
    waiting = list(places)
    made = []
    for tile in tiles:
        place = next((each for each in waiting if place_name(each) == tile.label), None)
        if place is not None:
            waiting.remove(place)
        made.append(_figure(tile, place, side))
    return tuple(made)


def data_url(values: Tensor, side: int = LARGEST) -> str:
    """A picture (3, H, W) in -1..1 as a data URL, no larger than ``side`` pixels."""
    shown = enlarged(to_picture(values), max(1, min(side, max(values.shape[1:]))))
    return picture_url(shown)


def picture_url(picture: Picture) -> str:
    """A picture as a data URL."""
    return _url(png(picture))


def _figure(tile: Tile, place: PlaceRecord | None, side: int) -> Figure:
    return Figure(
        label=tile.label,
        before=data_url(tile.before, side),
        after=data_url(tile.after, side),
        goal="" if tile.goal is None else data_url(tile.goal, side),
        heat="" if tile.heat is None else _heat_url(tile),
        outlines=tuple(
            Outline(each.role, _path(each.area), each.area.shape[1], each.area.shape[0])
            for each in tile.outlines
        ),
        place=place,
    )


def _heat_url(tile: Tile) -> str:
    assert tile.heat is not None
    picture = enlarged(to_picture(tile.before), max(HEATED, min(LARGEST, tile.before.shape[2])))
    return _url(png(heated(picture, tile.heat)))


def _url(file: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


def _path(area: NDArray[np.float64]) -> str:
    """An SVG path along the region's outline."""
    loops = [" ".join(f"{x:.4g},{y:.4g}" for x, y in loop) for loop in contours(area)]
    return "".join(f"M{points}Z" for points in loops)
