"""The paper's edit transfer: what is copied is put into the pictures themselves.

Corresponding places are found by features: by the match of the rule's contexts with the keys of
the rule's layer (:mod:`redraft.judge.finding`). Where a rule belongs in one region of all
pictures, that is the place. OpenCV does the blending; it is in the extra ``rivals``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redraft.errors import RunError
from redraft.explain.install import extra
from redraft.rivals.changes import Subject
from redraft.solve.goals import center_of

Blend = Literal["copy", "laplacian", "poisson"]
Image = NDArray[np.float32]
"""(H, W, 3), or (H, W) of a mask, in 0..1."""
EDGE = 8
"""Pixels by which a picture is continued at its borders before it is blended."""


@dataclass(frozen=True)
class Manner:
    """How a copy is blended in.

    Attributes:
        blend: the method.
        grown: pixels by which the copied region is grown.
        soft: of a plain copy, the standard deviation in pixels of its soft edge; of a Laplacian
            blend, the levels of the pyramid; of a Poisson blend, 1 for mixed gradients.

    """

    blend: Blend
    grown: int
    soft: float

    def __str__(self) -> str:
        soft = {
            "copy": f"edge {self.soft:g} px",
            "laplacian": f"{self.soft:g} levels",
            "poisson": "mixed gradients" if self.soft else "gradients of the copy",
        }
        return f"{soft[self.blend]}, grown {self.grown} px"


def manners(blend: Blend) -> tuple[Manner, ...]:
    """Six settings of a method."""
    soft = {"copy": (0.0, 1.5), "laplacian": (2.0, 4.0), "poisson": (0.0, 1.0)}[blend]
    # A Poisson blend takes the colours at the edge, which are to be those of the surroundings.
    reaches = (1, 2, 4) if blend == "poisson" else (0, 1, 2)
    return tuple(Manner(blend, grown, each) for each in soft for grown in reaches)


@dataclass(frozen=True, eq=False)
class EditTransfer:
    """A region of one picture, put at the places of others.

    Attributes:
        picture: (3, H, W) in -1..1, copied from.
        region: (H, W) in 0..1, what is copied.
        inside: (H, W) bool, the region of all pictures where the rule's is fixed.
        manner: how it is blended in.

    """

    picture: Tensor
    region: Tensor
    inside: Tensor
    manner: Manner
    most: ClassVar[float] = 1.0

    def __call__(self, subject: Subject, strength: float) -> Tensor:
        """The pictures with the copy in them; ``strength`` is its opacity.

        Raises:
            RunError: OpenCV is not installed.

        """
        blend = blender(self.manner)
        source = _image(self.picture)
        mask = self.region.numpy().astype(np.float32)
        after = subject.before.clone()
        for row, shift in self._shifts(subject):
            present = _image(after[row])
            there, cover = _moved(source, shift, edge=True), _moved(mask, shift, edge=False)
            if cover.max() > 0:
                found = blend(there, present, cover)
                after[row] = torch.from_numpy(np.moveaxis(found, 2, 0) * 2 - 1).to(after)
        return torch.lerp(subject.before, after, strength).clamp(-1, 1)

    def _shifts(self, subject: Subject) -> Iterator[tuple[int, tuple[int, int]]]:
        """Picture by picture, how far the copied region is moved: (dy, dx) pixels."""
        y, x = center_of(self.region)
        if subject.spots is None:
            to_y, to_x = center_of(self.inside.double())
            shift = (round(to_y - y), round(to_x - x))
            rows = range(len(subject.before))
            holding = rows if subject.holding is None else subject.holding.nonzero()[:, 0].tolist()
            yield from ((row, shift) for row in holding)
            return
        height, width = self.region.shape
        moves = subject.spots.shifts.tolist()
        for row, (dy, dx) in zip(subject.spots.rows.tolist(), moves, strict=True):
            yield row, (round(height / 2 + dy - y), round(width / 2 + dx - x))


def blender(manner: Manner) -> Callable[[Image, Image, Image], Image]:
    """Blends a source into a picture where a mask says so; all of one size.

    Raises:
        RunError: OpenCV is not installed.

    """
    cv2, reach = opencv(), 2 * manner.grown + 1
    method = {"copy": _copied, "laplacian": _laplacian, "poisson": _poisson}[manner.blend]

    def blend(source: Image, present: Image, mask: Image) -> Image:
        if manner.grown:
            mask = cv2.dilate(mask, np.ones((reach, reach), np.uint8))
        # Nothing is copied over the border.
        wide = cv2.copyMakeBorder(mask, *(EDGE,) * 4, cv2.BORDER_CONSTANT, value=0)
        found = method(cv2, _padded(cv2, source), _padded(cv2, present), wide, manner.soft)
        return np.asarray(found, np.float32)[EDGE:-EDGE, EDGE:-EDGE]

    return blend


def opencv() -> Any:
    """The module ``cv2``.

    Raises:
        RunError: it is not installed.

    """
    try:
        return import_module("cv2")
    except ImportError as error:
        raise RunError(
            "RD539",
            "blending pictures needs OpenCV, which is not installed",
            extra("rivals"),
        ) from error


def _copied(cv2: Any, source: Image, present: Image, mask: Image, soft: float) -> Image:
    if soft:
        mask = cv2.GaussianBlur(mask, (0, 0), soft)
    return present + (source - present) * mask[..., None]


def _laplacian(cv2: Any, source: Image, present: Image, mask: Image, levels: float) -> Image:
    """Burt and Adelson, "A Multiresolution Spline", 1983: each band with a mask of its own."""
    masks, ours, theirs = [mask], [source], [present]
    for _ in range(int(levels)):
        for pyramid in (masks, ours, theirs):
            pyramid.append(cv2.pyrDown(pyramid[-1]))
    found = _mixed(ours[-1], theirs[-1], masks[-1])
    for level in reversed(range(int(levels))):
        size = masks[level].shape[::-1]
        bands = [each[level] - cv2.pyrUp(each[level + 1], dstsize=size) for each in (ours, theirs)]
        found = cv2.pyrUp(found, dstsize=size) + _mixed(bands[0], bands[1], masks[level])
    return np.clip(found, 0, 1)


def _poisson(cv2: Any, source: Image, present: Image, mask: Image, mixed: float) -> Image:
    """Perez, Gangnet and Blake, "Poisson Image Editing", 2003."""
    hard = np.where(mask >= 0.5, 255, 0).astype(np.uint8)
    if not hard.any():
        return present
    left, top, width, height = cv2.boundingRect(hard)
    middle = (left + width // 2, top + height // 2)
    bytes_of = [np.rint(each * 255).clip(0, 255).astype(np.uint8) for each in (source, present)]
    manner = cv2.MIXED_CLONE if mixed else cv2.NORMAL_CLONE
    # Of three channels: OpenCV 5.0 copies nothing, or not always, by a mask of one.
    mask_of_all = cv2.merge([hard] * 3)
    found = cv2.seamlessClone(bytes_of[0], bytes_of[1], mask_of_all, middle, manner)
    # Outside of the mask the picture is not to lose its digits.
    inside = (hard > 0)[..., None]
    return np.where(inside, found.astype(np.float32) / 255, present)


def _mixed(source: Image, present: Image, mask: Image) -> Image:
    return present + (source - present) * mask[..., None]


def _padded(cv2: Any, image: Image) -> Image:
    found: Image = cv2.copyMakeBorder(image, *(EDGE,) * 4, cv2.BORDER_REPLICATE)
    return found


def _moved(image: Image, shift: tuple[int, int], *, edge: bool) -> Image:
    """An image moved by (dy, dx) pixels, with its edge or zeros where nothing comes in."""
    height, width = image.shape[:2]
    ys, xs = np.arange(height) - shift[0], np.arange(width) - shift[1]
    found = image[ys.clip(0, height - 1)][:, xs.clip(0, width - 1)]
    there = ((ys >= 0) & (ys < height))[:, None] & ((xs >= 0) & (xs < width))
    kept: Image = found if edge else np.where(there, found, 0).astype(np.float32)
    return kept


def _image(picture: Tensor) -> Image:
    """(H, W, 3) in 0..1 of a picture (3, H, W) in -1..1."""
    found: Image = ((picture.permute(1, 2, 0) + 1) / 2).float().contiguous().numpy()
    return found
