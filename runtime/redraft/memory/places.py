"""Places of a recipe as numbers: which latent, and how much of each pixel the region covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redraft.errors import PlanError
from redraft.memory.marked import masks_of
from redraft.models import latents
from redraft.models.batches import inputs_of_all
from redraft.models.generator import Generator, LayerInputs
from redraft_dsl.facts import ModelFacts
from redraft_dsl.geometry.masks import MaskError, MaskFile, read_mask
from redraft_dsl.geometry.regions import coverage, resample
from redraft_dsl.recipe.model import Mask, Place, Recipe


@dataclass(frozen=True)
class ResolvedPlace:
    """One image and a region of it.

    Attributes:
        latents: name of the latents block.
        index: number of the image there.
        area: (H, W) float64 coverage of each pixel of the model's image.
        score: how well it matched, for a place that was found; None for one that was marked.
        mask: the file, where the region is a mask that goes to a grid in one step.
        shift: (dy, dx) pixels by which a found region is moved; None for a marked one.

    """

    latents: str
    index: int
    area: NDArray[np.float64]
    score: float | None = None
    mask: MaskFile | None = None
    shift: tuple[int, int] | None = None

    def on_grid(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """(h, w) coverage of each cell of a layer's grid, as by ``regions.on_grid``."""
        return resample(self.area, size) if self.mask is None else self.mask.resized(size)

    def box(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) half-open bounding box of the region in pixels."""
        ys, xs = np.nonzero(self.area.any(1))[0], np.nonzero(self.area.any(0))[0]
        return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


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
    return ResolvedPlace(place.latents, index, moved, score, shift=shift)


def covers(places: Sequence[ResolvedPlace], size: tuple[int, int]) -> Tensor:
    """(N, h, w) float64 coverage of the places on a grid of ``size``."""
    return torch.from_numpy(np.stack([place.on_grid(size) for place in places]))


def latents_of(recipe: Recipe, places: Sequence[ResolvedPlace], size: int) -> Tensor:
    """(N, size) float32 latents of the places, in their order."""
    rows = torch.empty(len(places), size)
    for block in recipe.latents:
        mine = [row for row, place in enumerate(places) if place.latents == block.name]
        if mine:
            rows[mine] = latents.rows(block.seed, [places[row].index for row in mine], size)
    return rows


def inputs_of(
    generator: Generator, recipe: Recipe, places: Sequence[ResolvedPlace], layer: str
) -> LayerInputs:
    """What enters ``layer`` for the pictures of the places."""
    device = next(generator.module.parameters()).device
    rows = latents_of(recipe, places, generator.facts.latent_size).to(device)
    return inputs_of_all(generator, rows, layer)
