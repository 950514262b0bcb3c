"""Pictures for people: enlarged, with regions outlined, and laid out on sheets.

Everything here gives the same pixels for the same input.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageColor
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torch.nn import functional

from redraft.show.contours import Loop, Point, contours

Picture = Image.Image
Pixels = NDArray[np.float64]
Segment = tuple[Point, Point]
Role = Literal["copy", "paste", "context", "found", "landing", "protect"]

ROLE_COLOURS: dict[Role, str] = {
    "copy": "#e69f00",
    "paste": "#cc79a7",
    "context": "#56b4e9",
    "found": "#f0e442",
    "landing": "#e69f00",
    "protect": "#009e73",
}
"""Five colours of Okabe and Ito's set, which people with any colour vision can distinguish."""
ROLE_DASHED: dict[Role, bool] = {
    "copy": False,
    "paste": True,
    "context": False,
    "found": True,
    "landing": True,
    "protect": False,
}
"""Lines differ in style too, so that a black-and-white print still shows which is which."""
ROLE_NAMES: dict[Role, str] = {
    "copy": "copy: what is drawn",
    "paste": "paste: where the goal is set",
    "context": "context: marked in the recipe",
    "found": "context: found by match",
    "landing": "where the copy is put",
    "protect": "protect: what keeps its values",
}

DASH, GAP = 6.0, 6.0
HALO = "#10141a"
HEAT_STOPS = ((0.0, (66, 10, 104)), (0.5, (221, 81, 58)), (1.0, (252, 255, 164)))
HEAT_OPACITY = 0.6


@dataclass(frozen=True)
class RegionOutline:
    """A region to draw: (H, W) float64 coverage of the picture's pixels, and what it is for."""

    area: NDArray[np.float64]
    role: Role


@dataclass(frozen=True)
class Tile:
    """One picture before and after an edit.

    Attributes:
        label: its name, such as ``z[130]``.
        before: (3, H, W) float in -1..1.
        after: the same picture, edited.
        goal: the picture with the goal's values in the layer, where there is one.
        outlines: regions of the original.
        heat: (H, W) float, 0 cold to 1 hot, drawn over the original; values beyond are clamped.

    """

    label: str
    before: Tensor
    after: Tensor
    goal: Tensor | None = None
    outlines: tuple[RegionOutline, ...] = ()
    heat: Tensor | None = None


def to_picture(values: Tensor) -> Picture:
    """The picture of (3, H, W) values in -1..1; what lies beyond is clamped, not a number is -1."""
    rounded = values.detach().cpu().double().nan_to_num(nan=-1.0).clamp(-1, 1)
    levels = ((rounded + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.permute(1, 2, 0).numpy()))


def enlarged(picture: Picture, side: int, smooth: bool = True) -> Picture:
    """The picture at the largest whole multiple of its size that fits in ``side`` pixels.

    A picture that is larger than ``side`` is reduced to it. ``smooth`` takes Lanczos, otherwise
    every pixel becomes a square.
    """
    longest = max(picture.size)
    if longest > side:
        scale = side / longest
        size = tuple(max(1, round(length * scale)) for length in picture.size)
        return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    factor = side // longest
    if factor == 1:
        return picture
    method = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return picture.resize((picture.width * factor, picture.height * factor), method)


def png(picture: Picture, about: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """The picture as a PNG file: no time, no name, the same bytes each time.

    Args:
        picture: to be written.
        about: texts for its metadata, such as the recipe that it shows.

    """
    info = PngInfo()
    for key, text in about.items():
        info.add_itxt(key, text)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, pnginfo=info)
    return file.getvalue()


def outlined(picture: Picture, outlines: Sequence[RegionOutline], width: float = 2.0) -> Picture:
    """A copy of ``picture`` with regions outlined, at whatever size the picture is shown.

    The line lies half inside and half outside the region, on a dark ground that keeps it visible
    on any picture. Straight edges at whole pixels stay sharp.
    """
    if not outlines:
        return picture.copy()
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float64)
    shape = (picture.height, picture.width)
    for outline in outlines:
        height, across = outline.area.shape
        scale = (picture.width / across, picture.height / height)
        whole, inked = [], []
        for loop in contours(outline.area):
            points = _placed(loop, scale, picture.size, width)
            whole += list(itertools.pairwise([*points, points[0]]))
            inked += list(_dashes([*points, points[0]]))
        line = inked if ROLE_DASHED[outline.role] else whole
        pixels = _painted(pixels, _ink(shape, whole, width + 2), HALO)
        pixels = _painted(pixels, _ink(shape, line, width), ROLE_COLOURS[outline.role])
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def heated(picture: Picture, heat: Tensor) -> Picture:
    """The picture in grey with a heat map (h, w) laid over it: the hotter, the more it covers."""
    field = functional.interpolate(
        heat.detach().cpu().double().nan_to_num()[None, None],
        size=(picture.height, picture.width),
        mode="bilinear",
        align_corners=False,
    )[0, 0]
    strength = field.clamp(0, 1).numpy()
    grey = np.asarray(picture.convert("L"), dtype=np.float64)[..., None]
    stops = [stop for stop, _ in HEAT_STOPS]
    colour = np.stack(
        [np.interp(strength, stops, [rgb[c] for _, rgb in HEAT_STOPS]) for c in range(3)], -1
    )
    cover = HEAT_OPACITY * np.sqrt(strength)[..., None]
    return Image.fromarray(np.rint(grey * (1 - cover) + colour * cover).astype(np.uint8))


def placed_scores(scores: Tensor, patch: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """A heat map over the picture from scores of a patch's placements.

    Each score tints all that its patch covers; where patches overlap, the best one counts.

    Args:
        scores: (h - ph + 1, w - pw + 1), as ``match.score_map`` gives them for one picture.
        patch: (ph, pw), the patch's size in key cells.
        size: (H, W) of the picture.

    Returns:
        (H, W) float.

    """
    down, across = patch[0] - 1, patch[1] - 1
    field = functional.pad(scores.detach().cpu().float(), (across, across, down, down))
    covered = functional.max_pool2d(field[None, None], patch, 1)
    return functional.interpolate(covered, size=size, mode="bilinear", align_corners=False)[0, 0]


def roles_of(tiles: Sequence[Tile]) -> tuple[Role, ...]:
    """The roles that occur among the tiles' outlines, in a fixed order."""
    found = {outline.role for tile in tiles for outline in tile.outlines}
    return tuple(role for role in ROLE_COLOURS if role in found)


def _placed(
    loop: Loop, scale: tuple[float, float], size: tuple[int, int], width: float
) -> list[Point]:
    """The loop in the shown picture's pixels, kept whole inside its border."""
    edge = width / 2
    return [
        (
            min(max(x * scale[0], edge), size[0] - edge),
            min(max(y * scale[1], edge), size[1] - edge),
        )
        for x, y in loop
    ]


def _ink(shape: tuple[int, int], segments: Sequence[Segment], width: float) -> Pixels:
    """(H, W) in 0..1, how much lines of a width cover each pixel, by distance from its centre.

    Pillow's own lines round to whole pixels and shift with the direction they are drawn in.
    """
    ink = np.zeros(shape)
    reach = width / 2 + 0.5
    for (x0, y0), (x1, y1) in segments:
        left, right = math.floor(min(x0, x1) - reach), math.ceil(max(x0, x1) + reach)
        top, bottom = math.floor(min(y0, y1) - reach), math.ceil(max(y0, y1) + reach)
        window = ink[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        rows, columns = np.indices(window.shape) + 0.5
        rows, columns = rows + max(top, 0) - y0, columns + max(left, 0) - x0
        dx, dy = x1 - x0, y1 - y0
        along = (columns * dx + rows * dy) / max(dx * dx + dy * dy, 1e-12)
        along = np.clip(along, 0, 1)
        distance = np.hypot(columns - along * dx, rows - along * dy)
        np.maximum(window, np.clip(reach - distance, 0, 1), out=window)
    return ink


def _painted(pixels: Pixels, ink: Pixels, colour: str) -> Pixels:
    mixed = pixels * (1 - ink[..., None]) + np.array(ImageColor.getrgb(colour)) * ink[..., None]
    return np.asarray(mixed, dtype=np.float64)


def _dashes(points: Sequence[Point]) -> Iterator[Segment]:
    """The inked parts of a dashed line through ``points``."""
    done = 0.0
    for start, end in itertools.pairwise(points):
        length = math.dist(start, end)
        if length == 0:
            continue
        at = 0.0
        while at < length:
            phase = (done + at) % (DASH + GAP)
            inked = phase < DASH
            step = min((DASH if inked else DASH + GAP) - phase, length - at)
            if inked:
                yield _between(start, end, at / length), _between(start, end, (at + step) / length)
            # A step lost to rounding must not stop the walk.
            at += max(step, 1e-6)
        done += length


def _between(start: Point, end: Point, part: float) -> Point:
    return (start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)
