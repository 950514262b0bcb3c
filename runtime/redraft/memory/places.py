"""Places of a recipe as numbers: which picture, and how much of each pixel the region covers."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from redraft.errors import PlanError
from redraft.memory.boxes import bounding_box
from redraft.memory.marked import Picture, masks_of, matches_of
from redraft_dsl.facts import ModelFacts
from redraft_dsl.geometry.masks import MaskError, MaskFile, read_mask
from redraft_dsl.geometry.regions import coverage, resample
from redraft_dsl.recipe.model import Mask, Match, Place, Rule


@dataclass(frozen=True)
class ResolvedPlace:
    """One image and a region of it.

    Attributes:
        latents: name of the latents block.
        index: number of the image there.
        area: (H, W) float64 coverage of each pixel of the model's image.
        score: how well it matched, for a place that was found; None for one that was marked.
        mask: the file, where the region is a mask that goes to a grid in one step.

    """

    latents: str
    index: int
    area: NDArray[np.float64]
    score: float | None = None
    mask: MaskFile | None = None

    def __repr__(self) -> str:
        top, bottom, left, right = bounding_box(self.area)
        score = "" if self.score is None else f", score {self.score:.2f}"
        return f"<{self.latents}[{self.index}] x {left}..{right}, y {top}..{bottom}{score}>"

    @property
    def picture(self) -> Picture:
        """The image alone."""
        return self.latents, self.index

    @cached_property
    def content(self) -> Hashable:
        """What the place says of a picture and a region: equal only where both are the same."""
        area = hashlib.blake2b(np.ascontiguousarray(self.area).tobytes()).hexdigest()
        return *self.picture, area, None if self.mask is None else self.mask.sha256

    def on_grid(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """(h, w) coverage of each cell of a layer's grid, as by ``regions.on_grid``."""
        return resample(self.area, size) if self.mask is None else self.mask.resized(size)

    def box(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) half-open bounding box of the region in pixels."""
        top, bottom, left, right = bounding_box(self.area)
        return left, top, right, bottom


@dataclass(frozen=True)
class MatchedPlace:
    """A place that a match found: a picture, and where the marked region lies in it.

    Attributes:
        latents: name of the latents block.
        index: number of the image there.
        shift: (dy, dx) pixels by which the marked region is moved.
        score: how well it matched; None where that was not measured.

    """

    latents: str
    index: int
    shift: tuple[int, int]
    score: float | None = None


Matches = tuple[tuple[MatchedPlace, ...], ...]
"""What each match of a rule found, best first."""


class Marks:
    """The marked places of a recipe as numbers, each resolved once.

    Args:
        facts: of the model.
        folder: where the recipe's mask files lie.

    """

    def __init__(self, facts: ModelFacts, folder: Path) -> None:
        self._facts = facts
        self._folder = folder
        self._resolved: dict[Place, ResolvedPlace] = {}

    def __call__(self, place: Place) -> ResolvedPlace:
        """A marked place; raises as :func:`resolve`."""
        if place not in self._resolved:
            self._resolved[place] = resolve(place, self._facts, self._folder)
        return self._resolved[place]


def resolve(place: Place, facts: ModelFacts, folder: Path) -> ResolvedPlace:
    """A marked place.

    Raises:
        PlanError: a mask file has vanished or changed since the recipe was checked.

    """
    names = "the region"
    try:
        for mask in masks_of(place.region):
            names = f"the mask {mask.path}"
            # A changed mask is a changed recipe: what was checked and planned was another one.
            if read_mask(mask.path, folder).sha256 != mask.sha256:
                raise PlanError(
                    "RD420", f"{names} has changed since the recipe was checked", "check it again"
                )
        area = coverage(place.region, facts.image_size, folder)
    except MaskError as error:
        raise PlanError(
            "RD420", f"{names} cannot be used: {error}", "check the recipe again"
        ) from error
    region = place.region
    direct: MaskFile | None = None
    if isinstance(region, Mask) and region.resample == "bilinear":
        direct = read_mask(region.path, folder)
    return ResolvedPlace(place.latents, place.index, area, mask=direct)


def shifted(
    place: ResolvedPlace, index: int, shift: tuple[int, int], score: float | None
) -> ResolvedPlace:
    """The same region on another image, moved by (dy, dx) pixels; what leaves the image is lost."""
    height, width = place.area.shape
    moved = np.zeros_like(place.area)
    dy, dx = shift
    target = moved[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
    target[:] = place.area[max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)]
    return ResolvedPlace(place.latents, index, moved, score)


def moved(example: ResolvedPlace, found: MatchedPlace) -> ResolvedPlace:
    """The region of an example where a match found it."""
    return shifted(example, found.index, found.shift, found.score)


def contexts_of(rule: Rule, marks: Marks, matches: Matches) -> list[ResolvedPlace]:
    """The places of a rule's contexts in their order, those of each match where it found them.

    Raises:
        PlanError: as :func:`resolve`.

    """
    found = iter(zip(matches_of(rule), matches, strict=True))
    every: list[ResolvedPlace] = []
    for context in rule.context:
        if isinstance(context, Match):
            match, places = next(found)
            every += [moved(marks(match.like), place) for place in places]
        else:
            every.append(marks(context))
    return every
