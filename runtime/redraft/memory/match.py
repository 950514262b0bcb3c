"""Find more context: the places of other pictures whose keys look most like a marked one.

A matched filter. The marked regions' keys are whitened and averaged cell by cell into a patch;
every placement of that patch on every picture is scored by the sum of products with the whitened
keys there (Bau et al. 2020, section 3.3, score keys by their projection on the context direction;
taking the whole patch, cell by cell, is past the paper).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from redraft.errors import PlanError
from redraft.memory.boxes import bounding_box
from redraft.models.generator import LayerInputs

CLEAR_MARGIN = 0.15
"""A picture's best place counts when it stands out of the picture's scores by this share of how
far the marked place stands out of its own."""
ROUNDING = 1e-6
"""A marked place whose score lies no further above the mean, by the largest score of its picture,
does not stand out: it is rounding that put it there."""


@dataclass(frozen=True)
class Filter:
    """A patch of whitened keys to look for.

    Attributes:
        patch: (C, ph, pw), already multiplied by the whitening on both sides and the coverage.
        anchor: (y, x) key position of the patch's first cell in the marked picture.
        reach: how far the marked place's score lies above the mean of its picture; above 0.

    """

    patch: Tensor
    anchor: tuple[int, int]
    reach: float


@dataclass(frozen=True)
class Candidate:
    """The best place of one picture.

    Attributes:
        index: number of the picture.
        shift: (dy, dx) key positions from where the marked region lies to where it fits best.
        score: 1 at the marked place, 0 at the mean of the picture's places.
        clear: whether the place stands out of its picture.

    """

    index: int
    shift: tuple[int, int]
    score: float
    clear: bool


def build_filter(
    inputs: LayerInputs, coverage: Tensor, inverse: Tensor, marked: str = "the marked place"
) -> Filter:
    """The filter of one marked place.

    Args:
        inputs: the layer's inputs for the marked picture (N = 1).
        coverage: (h, w) of the marked region at the keys' resolution.
        inverse: (C, C) float64, the inverse of the second moment.
        marked: what to call the place in an error.

    Raises:
        RunError: the region is empty at the keys' resolution.
        PlanError: the place does not stand out of its own picture.

    """
    keys = inputs.keys[0]
    top, bottom, left, right = bounding_box(coverage)
    window = keys[:, top:bottom, left:right].double()
    patch = torch.einsum("cd,dyx->cyx", inverse.to(window.device), window)
    patch = (patch * coverage[top:bottom, left:right].to(window)).to(keys.dtype)
    scores = _scores(inputs.keys, patch)[0]
    reach = float(scores[top, left] - scores.mean())
    if reach <= ROUNDING * float(scores.abs().max()):
        raise PlanError(
            "RD422",
            f"{marked} does not stand out of its own picture, so nothing can be like it",
            "mark a smaller or a clearer place, or use a layer whose keys tell it from the rest",
        )
    return Filter(patch, (top, left), reach)


def score_map(keys: Tensor, pattern: Filter) -> Tensor:
    """(N, h - ph + 1, w - pw + 1) scores of every placement of the filter's first cell.

    Args:
        keys: (N, C, h, w).
        pattern: what to look for. 1 is as far above the picture's mean as the marked place.

    """
    scores = _scores(keys, pattern.patch)
    mean = scores.mean((1, 2), keepdim=True)
    return (scores - mean) / pattern.reach


def score_at(scores: Tensor, pattern: Filter, shift: tuple[int, int]) -> float | None:
    """The score of one placement on one picture's (h, w) map; None outside of it.

    Args:
        scores: as from :func:`score_map`, of one picture.
        pattern: what was looked for.
        shift: (dy, dx) key positions from where the marked region lies.

    """
    y, x = pattern.anchor[0] + shift[0], pattern.anchor[1] + shift[1]
    inside = 0 <= y < scores.shape[0] and 0 <= x < scores.shape[1]
    return float(scores[y, x]) if inside else None


def best_places(
    batches: Iterable[tuple[Sequence[int], Tensor]], pattern: Filter, spread: float = CLEAR_MARGIN
) -> list[Candidate]:
    """The best place of every picture, best first.

    Args:
        batches: picture numbers and their keys (n, C, h, w).
        pattern: what to look for.
        spread: least score of a clear place.

    """
    found = []
    for indices, keys in batches:
        scores = score_map(keys, pattern)
        width = scores.shape[2]
        best, flat = scores.flatten(1).max(1)
        for index, score, place in zip(indices, best.tolist(), flat.tolist(), strict=True):
            shift = (place // width - pattern.anchor[0], place % width - pattern.anchor[1])
            found.append(Candidate(index, shift, score, score >= spread))
    return sorted(found, key=lambda place: (-place.score, place.index))


def _scores(keys: Tensor, patch: Tensor) -> Tensor:
    return functional.conv2d(keys, patch[None])[:, 0]
