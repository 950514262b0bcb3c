"""A scene as a row of numbers that a network finds easy: flags and hat functions.

The first layers of both generators are fitted to this code before the rest is trained.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from redraft.world.scene import LATENT_SIZE, Floats, Scene, scene

_ACROSS, _UP, _FEW, _TREES = 8, 5, 3, 12
"""How many hats stand on a quantity's range."""
_SHARP = (-0.2, -0.04, 0.04, 0.2)
"""Where hinges stand around the edge of a category, in units of a scaled latent."""
_STEEP = 3.0
_QUANTILES = (-1.7, -1.15, -0.67, -0.32, 0.0, 0.32, 0.67, 1.15, 1.7)
"""Where hinges stand on a number that sets an even quantity."""


def encode(latents: Floats) -> Floats:
    """(N, code size) in 0..1, the code of latents (N, 28)."""
    return code(scene(latents))


def code(settings: Scene) -> Floats:
    """(N, code size) in 0..1, the code of settings."""
    return np.concatenate(list(_columns(settings)), 1).astype(np.float32)


def code_size() -> int:
    """How many numbers a code has."""
    return int(encode(np.ones((1, LATENT_SIZE), np.float32)).shape[1])


def _columns(settings: Scene) -> Iterator[Floats]:
    of = settings.shares
    for side in range(2):
        top = np.eye(3, dtype=np.float32)[settings.tops[:, side]]
        x, up = _hats(of["tower_x"][:, side], _ACROSS), _hats(of["tower_top"][:, side], _UP)
        lit = _flag(settings.lit[:, side])
        yield from (top, x, up, _each(top, x), _each(top, up), lit, lit * x)
        yield of["wall"][:, side, None]
    tree = _flag(settings.tree)
    yield from (tree, tree * _hats(of["tree_x"], _TREES), _hats(of["tree_size"], _FEW))
    for thing in ("sun", "cloud"):
        yield from (_hats(of[f"{thing}_x"], _ACROSS), _hats(of[f"{thing}_y"], _FEW))
    yield from (of["sky"][:, None], of["ground"][:, None])
    yield from (_hats(of["pond_x"], _UP), _hats(of["pond_width"], _FEW))
    yield _flag(settings.watermark)


def _flag(yes: object) -> Floats:
    return np.asarray(yes, np.float32)[:, None]


def _hats(share: Floats, count: int) -> Floats:
    """(N, count): hat functions of a quantity in 0..1, which sum to 1."""
    places = np.arange(count, dtype=np.float32)
    hats: Floats = np.clip(1 - np.abs(share[:, None] * np.float32(count - 1) - places), 0, 1)
    return hats


def _each(first: Floats, second: Floats) -> Floats:
    """(N, a * b), all products."""
    return (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)


def hinges() -> tuple[Floats, Floats]:
    """Weights (H, 28) and biases (H,) of a first layer whose units bend where the world does.

    A category is the largest of several numbers, so it changes where the difference of two is 0.
    """
    pairs = [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5), (25, 26), (25, 27)]
    edges = [_direction({first: 1, second: -1}) / np.sqrt(2) for first, second in pairs]
    edges += [_direction({place: 1}) for place in (6, 7)]
    rows = [(_STEEP * edge, _STEEP * at) for edge in edges for at in _SHARP]
    rows += [(_STEEP * _direction({16: 1}), _STEEP * (0.5 + at)) for at in _SHARP]
    even = [*range(8, 16), *range(17, 25)]
    rows += [(_direction({place: 1}), -at) for place in even for at in _QUANTILES]
    weights = np.stack([row for row, _ in rows]).astype(np.float32)
    return weights, np.array([bias for _, bias in rows], np.float32)


def _direction(parts: dict[int, float]) -> Floats:
    found = np.zeros(LATENT_SIZE, np.float32)
    for place, value in parts.items():
        found[place] = value
    return found
