"""Where a rule belongs in pictures that it never saw, when things stand elsewhere in each.

Past the paper. The places are found before the rule is applied, by the keys of its own layer: the
mean whitened patch of its contexts is a matched filter, as in :mod:`redraft.memory.match`. Cells of
early layers are large, so each place is then moved within its cell to where the picture looks most
like the contexts: by as much as the contexts lie off the corners of their own cells, and so not at
all where all of them lie alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from redraft.judge.spots import Spots, framed
from redraft.memory.boxes import bounding_box
from redraft.memory.keys import grow
from redraft.models.generator import LayerInputs

RANGE = (0.35, 0.75)
"""Least and most score from which a place counts; 1 is that of the contexts."""
GROWN = 3
"""Pixels by which a region is grown where a place is moved within its cell."""


class Finder(Protocol):
    """Finds the places of a rule in pictures."""

    @property
    def name(self) -> str:
        """What the record calls it."""
        ...

    def __call__(self, inputs: LayerInputs, pictures: Tensor) -> Spots:
        """The places in N pictures (N, 3, H, W), of which ``inputs`` enters the layer."""
        ...

    def to(self, device: torch.device) -> Finder:
        """The same on a device."""
        ...


@dataclass(frozen=True)
class MatchFinder:
    """Finds places by the layer's keys.

    Attributes:
        patch: (C, ph, pw), the filter.
        corner: (y, x) key position of the filter's first cell in the frame.
        reach: how far the contexts' scores lie above the means of their pictures.
        least: score, in units of ``reach``, from which a place counts.
        cell: (height, width) in pixels of a key.
        least_off: (dy, dx) pixels, the least by which contexts lie off whole cells.
        most_off: the most.
        looks: (3, K), the mean picture of the contexts in ``near``.
        near: (H, W) bool, the grown region of the frame.
        name: what the record calls it.

    """

    patch: Tensor
    corner: tuple[int, int]
    reach: float
    least: float
    cell: tuple[int, int]
    least_off: tuple[int, int]
    most_off: tuple[int, int]
    looks: Tensor
    near: Tensor
    name: str = "match"

    def to(self, device: torch.device) -> MatchFinder:
        """The same on a device."""
        moved = {name: getattr(self, name).to(device) for name in ("patch", "looks", "near")}
        return replace(self, **moved)

    def scores(self, keys: Tensor) -> Tensor:
        """(N, h - ph + 1, w - pw + 1): 1 is as far above the picture's mean as the contexts."""
        found = functional.conv2d(keys, self.patch[None])[:, 0]
        return (found - found.mean((1, 2), keepdim=True)) / self.reach

    def __call__(self, inputs: LayerInputs, pictures: Tensor) -> Spots:
        """The places in N pictures (N, 3, H, W), of which ``inputs`` enters the layer."""
        scores = self.scores(inputs.keys)
        rows, ys, xs = torch.nonzero(peaks(scores, self.patch.shape[1:], self.least), as_tuple=True)
        cells = torch.stack([ys - self.corner[0], xs - self.corner[1]], 1)
        shifts = cells * torch.tensor(self.cell, device=cells.device)
        return self.nearest(pictures, Spots(rows, shifts))

    def nearest(self, pictures: Tensor, spots: Spots) -> Spots:
        """Each spot moved within its cell, to where the picture looks most like the contexts."""
        if not len(spots.rows) or not max(self.cell) > 1:
            return spots
        best = torch.full((len(spots.rows),), -torch.inf, device=pictures.device)
        shifts = spots.shifts.clone()
        ranges = [
            range(low, high + 1) for low, high in zip(self.least_off, self.most_off, strict=True)
        ]
        for off in product(*ranges):
            moved = spots.shifts + torch.tensor(off, device=shifts.device)
            seen, valid = Spots(spots.rows, moved).cut(pictures, self.near)
            likeness = _likeness(seen, self.looks * valid[:, None])
            better = likeness > best
            best = torch.where(better, likeness, best)
            shifts[better] = moved[better]
        return Spots(spots.rows, shifts)


def match_finder(
    inputs: LayerInputs, on_keys: Tensor, inverse: Tensor, pictures: Tensor, inside: Tensor,
    spots: Spots,
) -> MatchFinder:  # fmt: skip
    """The finder that goes by the contexts of a rule.

    Args:
        inputs: what enters the layer for the N context pictures.
        on_keys: (N, h, w), their regions at the keys' resolution.
        inverse: (C, C) float64, the inverse of the second moment.
        pictures: (N, 3, H, W), the context pictures.
        inside: (H, W) bool, the region in the frame.
        spots: of the N contexts.

    """
    keys = inputs.keys
    height, width = inside.shape[0] // keys.shape[2], inside.shape[1] // keys.shape[3]
    cells = Spots(spots.rows, _whole_cells(spots.shifts, (height, width)))
    cover = framed(on_keys.to(keys), cells)
    box = bounding_box(cover.mean(0) >= 0.5 * cover.mean(0).max())
    window = torch.zeros(keys.shape[2:], dtype=torch.bool, device=keys.device)
    window[box[0] : box[1], box[2] : box[3]] = True
    shape = (box[1] - box[0], box[3] - box[2])
    there = cells.cut(keys, window)[0]
    weights = cover.mean(0)[window].to(there)
    patches = torch.einsum("cd,ndk->nck", inverse.to(there), there) * weights
    patch = patches.mean(0)
    near = grown(inside, GROWN).to(pictures.device)
    seen, valid = spots.cut(pictures, near)
    looks = seen.sum(0) / valid.sum(0).clamp_min(1)
    off = spots.shifts - cells.shifts * torch.tensor((height, width), device=cells.shifts.device)
    found = MatchFinder(
        patch=patch.reshape(-1, *shape),
        corner=(box[0], box[2]),
        reach=1.0,
        least=RANGE[0],
        cell=(height, width),
        least_off=_pair(off.amin(0)),
        most_off=_pair(off.amax(0)),
        looks=looks,
        near=near,
    )
    return _calibrated(found, keys, there, patches, cells)


def _calibrated(
    finder: MatchFinder, keys: Tensor, there: Tensor, patches: Tensor, cells: Spots
) -> MatchFinder:
    """The finder with the scores of its contexts, each by the filter of all the others.

    A place counts from the score that tells the contexts best from what else their pictures hold.
    """
    count = len(patches)
    others = (patches.sum(0) - patches) / max(count - 1, 1) if count > 1 else patches
    raw = functional.conv2d(keys, finder.patch[None])[:, 0]
    means = raw.mean((1, 2))
    own = (others * there).sum((1, 2)) - means
    reach = float(own.mean().clamp_min(1e-12))
    scores = (raw - means[:, None, None]) / reach
    rivals = peaks(scores, finder.patch.shape[1:], 0.0)
    # What overlaps a context is not elsewhere.
    height, width = finder.patch.shape[1:]
    rows, ys, xs = torch.nonzero(rivals, as_tuple=True)
    y = cells.shifts[:, 0] + finder.corner[0]
    x = cells.shifts[:, 1] + finder.corner[1]
    same = (rows[:, None] == cells.rows) & ((ys[:, None] - y).abs() < height)
    same &= (xs[:, None] - x).abs() < width
    elsewhere = scores[rows, ys, xs][~same.any(1)]
    return replace(finder, reach=reach, least=_threshold(own / reach, elsewhere))


def _threshold(own: Tensor, elsewhere: Tensor) -> float:
    """The score that parts both with the fewest errors, the middle one of several."""
    tried = torch.linspace(*RANGE, 41, device=own.device)
    missed = (own[:, None] < tried).double().mean(0)
    wrong = (elsewhere[:, None] >= tried).double().sum(0) / max(len(own), 1)
    errors = missed + wrong
    best = tried[errors <= errors.min() + 1e-9]
    return float(best[len(best) // 2])


def peaks(scores: Tensor, size: torch.Size | tuple[int, int], least: float) -> Tensor:
    """(N, h, w) bool, the largest scores within ``size`` of them that are at least ``least``."""
    around = (2 * (size[0] // 2) + 1, 2 * (size[1] // 2) + 1)
    padding = (around[0] // 2, around[1] // 2)
    highest = functional.max_pool2d(scores[:, None], around, stride=1, padding=padding)[:, 0]
    return (scores >= highest) & (scores >= least)


def _likeness(seen: Tensor, looks: Tensor) -> Tensor:
    """(P,) correlation of (P, 3, K) pictures, channel by channel about their means."""
    one, other = (each - each.mean(2, keepdim=True) for each in (seen, looks))
    sizes = one.square().sum((1, 2)).sqrt() * other.square().sum((1, 2)).sqrt()
    return (one * other).sum((1, 2)) / sizes.clamp_min(1e-12)


def _whole_cells(shifts: Tensor, cell: tuple[int, int]) -> Tensor:
    return torch.floor(shifts / torch.tensor(cell, device=shifts.device) + 0.5).long()


def _pair(values: Tensor) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def grown(region: Tensor, reach: int) -> Tensor:
    """A region (H, W) bool grown by some pixels."""
    return grow(region[None].float(), reach)[0] > 0
