"""Latents: which vectors a seed stands for.

Image ``i`` of seed ``s`` is row ``i`` of numpy's legacy
``RandomState(s).standard_normal((n, size))``, rounded to float32. The legacy generator fills
rows one after another, so row ``i`` does not depend on ``n``; its stream is frozen by numpy's
compatibility promise. This is the numbering of the original authors' mask files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from redraft.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

SAMPLER = "numpy-legacy-normal-float32"
_LARGEST_SEED = 2**32 - 1
_CHUNK_VALUES = 1 << 18


def sample(seed: int, count: int, size: int, start: int = 0) -> Tensor:
    """Rows ``start`` to ``start + count`` of the seed's stream.

    Args:
        seed: 0 to 2**32 - 1.
        count: how many latents.
        size: length of a latent.
        start: number of the first one.

    Returns:
        float32, (count, size).

    Raises:
        RunError: a seed out of range, or a negative count or start.

    """
    import torch

    # Ownership passes to the tensor: the array has no other reference.
    return torch.from_numpy(_draw(_stream(seed, count, size, start), count, size))


def batches(seed: int, count: int, size: int, batch: int, start: int = 0) -> Iterator[Tensor]:
    """The rows of ``sample`` in batches, drawn one batch at a time.

    Memory stays that of one batch however large ``count`` is.

    Yields:
        float32, (batch, size); the last one may have fewer rows.

    Raises:
        RunError: as ``sample``, or a batch below 1. Raised at the first step of the iteration.

    """
    import torch

    if batch < 1:
        raise RunError("RD590", f"a batch of {batch} latents is not possible", "use 1 or more")
    state = _stream(seed, count, size, start)
    for first in range(0, count, batch):
        yield torch.from_numpy(_draw(state, min(batch, count - first), size))


def rows(seed: int, indices: Sequence[int], size: int) -> Tensor:
    """The latents of the named images, in the order named; a number may come twice.

    Time grows with the largest index, memory only with ``len(indices)``.

    Returns:
        float32, (len(indices), size).

    Raises:
        RunError: a seed out of range, or a negative index.

    """
    import torch

    if any(index < 0 for index in indices):
        raise RunError(
            "RD590", f"there is no image {min(indices)}", "images are counted from 0 upwards"
        )
    places: dict[int, list[int]] = {}
    for place, index in enumerate(indices):
        places.setdefault(index, []).append(place)
    found = np.empty((len(indices), size), dtype=np.float32)
    state = _stream(seed, 0, size, 0)
    position = 0
    for index in sorted(places):
        _skip(state, index - position, size)
        found[places[index]] = _draw(state, 1, size)
        position = index + 1
    return torch.from_numpy(found)


def sampler_digest(seed: int, count: int, size: int, start: int = 0) -> str:
    """A name for a set of latents, made without drawing them: 64 hexadecimal digits.

    Equal arguments give equal digests on every platform; the sampler's name is part of it.
    """
    words = f"{SAMPLER} seed={seed} start={start} count={count} size={size}"
    return hashlib.sha256(words.encode("ascii")).hexdigest()


def _stream(seed: int, count: int, size: int, start: int) -> np.random.RandomState:
    """The seed's generator, moved to row ``start``."""
    if not 0 <= seed <= _LARGEST_SEED:
        raise RunError(
            "RD590",
            f"the seed {seed} is out of range",
            f"use a whole number from 0 to {_LARGEST_SEED}",
        )
    if count < 0 or start < 0 or size < 1:
        raise RunError(
            "RD590",
            f"cannot draw {count} latents of size {size} from image {start} on",
            "counts and image numbers start at 0, sizes at 1",
        )
    state = np.random.RandomState(seed)
    _skip(state, start, size)
    return state


def _skip(state: np.random.RandomState, count: int, size: int) -> None:
    # The generator draws values in pairs and keeps the second, so skipping in pieces is exact.
    left = count * size
    while left > 0:
        state.standard_normal(min(left, _CHUNK_VALUES))
        left -= _CHUNK_VALUES


def _draw(state: np.random.RandomState, count: int, size: int) -> NDArray[np.float32]:
    """float32, (count, size); the float64 intermediate is never larger than a chunk and a row."""
    out = np.empty((count, size), dtype=np.float32)
    step = max(1, _CHUNK_VALUES // size)
    for first in range(0, count, step):
        last = min(count, first + step)
        out[first:last] = state.standard_normal((last - first, size))
    return out
