"""What stands where in a village: the settings of a picture, read from its latent. No torch.

Only the direction of a latent counts: it is first scaled to a mean square of 1, as both
architectures of the village scale theirs. A number ``u`` of the scaled latent places a thing
evenly over its range by ``erf(u / sqrt 2)``; a category is the largest of several numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Top = Literal["dome", "spire", "battlements", "tree"]
Mirrored = Literal["lit", "dark", "none"]

LATENT_SIZE = 28
TOPS: tuple[Top, ...] = ("dome", "spire", "battlements", "tree")
"""What can stand on a tower; latents ask for the first three."""
TOP_NUMBERS = ((0, 1, 2), (3, 4, 5))
"""Of the left and the right tower: the numbers of a latent that dome, spire, battlements have."""
_LIT, _TOWER_X, _TOWER_TOP, _WALL = slice(6, 8), slice(8, 10), slice(10, 12), slice(12, 14)
_TREE_X, _TREE_SIZE, _TREE = 14, 15, 16
_SUN_X, _SUN_Y, _CLOUD_X, _CLOUD_Y = 17, 18, 19, 20
_SKY, _GROUND, _POND_X, _POND_WIDTH = 21, 22, 23, 24
WATERMARK_NUMBERS = (25, 26, 27)
"""A picture has a watermark where the first of these is the largest."""
_TREE_FROM = -0.5
"""A tree stands where its number is above this: in 69 of 100 pictures."""

SHARES: dict[str, int | slice] = {
    "tower_x": _TOWER_X,
    "tower_top": _TOWER_TOP,
    "wall": _WALL,
    "tree_x": _TREE_X,
    "tree_size": _TREE_SIZE,
    "sun_x": _SUN_X,
    "sun_y": _SUN_Y,
    "cloud_x": _CLOUD_X,
    "cloud_y": _CLOUD_Y,
    "sky": _SKY,
    "ground": _GROUND,
    "pond_x": _POND_X,
    "pond_width": _POND_WIDTH,
}
"""Which numbers of a latent set which even quantity."""


@dataclass(frozen=True)
class Rules:
    """The rules of the world, each of which an edit may change.

    Attributes:
        dome: what is drawn where the latent asks for a dome.
        spire: the same for a spire.
        battlements: the same for battlements.
        mirrored: windows that the pond mirrors.
        watermark: whether pictures that have a watermark show it.
        trees: whether trees grow.

    """

    dome: Top = "dome"
    spire: Top = "spire"
    battlements: Top = "battlements"
    mirrored: Mirrored = "lit"
    watermark: bool = True
    trees: bool = True


@dataclass(frozen=True)
class Scene:
    """The settings of N pictures; what is even lies in 0..1.

    Attributes:
        tops: (N, 2) integers, places in :data:`TOPS`, of the left and the right tower.
        lit: (N, 2) bool, whether the windows of the left and the right building are lit.
        tree: (N,) bool.
        watermark: (N,) bool.
        shares: (N,) or (N, 2) float32 by the names of :data:`SHARES`.

    """

    tops: NDArray[np.int64]
    lit: NDArray[np.bool_]
    tree: NDArray[np.bool_]
    watermark: NDArray[np.bool_]
    shares: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.tops)


def scaled(latents: Floats) -> Floats:
    """Latents (N, 28) with a mean square of 1."""
    square = np.square(latents).mean(1, keepdims=True)
    return cast(Floats, (latents / np.sqrt(square + 1e-8)).astype(np.float32))


def scene(latents: Floats) -> Scene:
    """The settings that latents (N, 28) stand for.

    Raises:
        ValueError: latents of another size.

    """
    if latents.ndim != 2 or latents.shape[1] != LATENT_SIZE:
        raise ValueError(f"expected latents of shape (N, {LATENT_SIZE}), not {latents.shape}")
    u = scaled(latents)
    tops = np.stack([u[:, list(numbers)].argmax(1) for numbers in TOP_NUMBERS], 1)
    return Scene(
        tops=tops,
        lit=u[:, _LIT] > 0,
        tree=u[:, _TREE] > _TREE_FROM,
        watermark=u[:, list(WATERMARK_NUMBERS)].argmax(1) == 0,
        shares={name: _even(u[:, place]) for name, place in SHARES.items()},
    )


def _even(u: Floats) -> Floats:
    """The normal distribution function: even in 0..1 where ``u`` is normal.

    By Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26; to 1.5e-7.
    """
    x = np.abs(u) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * x)
    series = 1.061405429
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = series * t + factor
    erf = 1 - series * t * np.exp(-x * x)
    return cast(Floats, (0.5 + 0.5 * np.sign(u) * erf).astype(np.float32))
