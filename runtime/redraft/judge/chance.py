"""Nulls: the share that a rule would have if it did not follow.

Past the paper. There are two, each of the same pictures as the rule's own share.

- *random edits*: changes of the same layer, rank and norm, with directions and coefficients drawn
  at random, judged by the rule's own wish.
- *elsewhere*: the rule's own change, looked at where the region would lie in another corner of the
  picture. What changes everywhere alike has as large a share there.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from redraft.memory.boxes import bounding_box
from redraft.solve.delta import Delta

DRAWS = 8
"""Random edits; each is judged on every eighth picture, so all of them cost one rule's judging."""
MOST_SHARED = 0.5
"""Of a region may also be in its moved place; where more would be, there is no place elsewhere."""


def random_edit(delta: Delta, draw: int) -> Delta:
    """A change with the shapes and the norm of another one, and nothing else of it.

    Args:
        delta: whose layer, rank and norm are taken.
        draw: which of them; equal numbers give equal changes.

    """
    source = torch.Generator().manual_seed(draw)
    rank, channels = delta.directions.shape
    rows = torch.randn(channels, rank, generator=source, dtype=torch.float64)
    directions = torch.linalg.qr(rows)[0].T.contiguous()
    shape = delta.coefficients.shape
    coefficients = torch.randn(shape, generator=source, dtype=torch.float64)
    # Directions are orthonormal, so the norm is that of the coefficients.
    coefficients *= delta.norm() / torch.linalg.vector_norm(coefficients).clamp_min(1e-30)
    device = delta.directions.device
    return Delta(
        delta.rule, delta.layer, directions.float().to(device), coefficients.float().to(device)
    )


def moved_region(inside: Tensor) -> Tensor | None:
    """A region (H, W) bool where it lies as far from itself as the picture allows; None if nowhere.

    It keeps its shape, and goes to the corner or edge where it covers least of its own place.
    """
    top, bottom, left, right = bounding_box(inside)
    height, width = inside.shape
    shifts = product((-top, 0, height - bottom), (-left, 0, width - right))
    shifted = [inside.roll(shift, (0, 1)) for shift in shifts if any(shift)]
    shared = [float((inside & each).sum()) for each in shifted]
    if not shifted or min(shared) > MOST_SHARED * float(inside.sum()):
        return None
    return shifted[shared.index(min(shared))]
