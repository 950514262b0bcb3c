"""Latents: which vectors a seed stands for.

Image ``i`` of seed ``s`` is row ``i`` of numpy's legacy
``RandomState(s).standard_normal((n, size))``, rounded to float32. The legacy generator fills
rows one after another, so row ``i`` does not depend on ``n``; its stream is frozen by numpy's
compatibility promise. This is the numbering of the original authors' mask files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from redraft.errors import ModelError, RunError
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import Latents

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


def batches(
    seed: int, count: int, size: int, batch: int, start: int = 0, kind: str = "normal"
) -> Iterator[Tensor]:
    """The rows of ``sample`` in batches, drawn one batch at a time; ``kind`` as of :func:`rows`.

    Memory stays that of one batch however large ``count`` is.

    Yields:
        float32, (batch, size); the last one may have fewer rows.

    Raises:
        RunError: as ``sample``, or a batch below 1. Raised at the first step of the iteration.

    """
    import torch

    if batch < 1:
        raise RunError("RD590", f"a batch of {batch} latents is not possible", "use 1 or more")
    state = _stream(seed, count, size, start, kind)
    for first in range(0, count, batch):
        yield torch.from_numpy(_draw(state, min(batch, count - first), size, kind))


def rows(seed: int, indices: Sequence[int], size: int, kind: str = "normal") -> Tensor:
    """The latents of the named images, in the order named; a number may come twice.

    Time grows with the largest index, memory only with ``len(indices)``. ``kind`` is ``"normal"``
    or ``"uniform"``: row i of ``2 * RandomState(seed).random_sample((n, size)) - 1``.

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
        _skip(state, index - position, size, kind)
        found[places[index]] = _draw(state, 1, size, kind)
        position = index + 1
    return torch.from_numpy(found)


def name_of(block: Latents, facts: ModelFacts) -> str:
    """What a lock calls the way in which a recipe's latents are drawn for a model."""
    kind = facts.latents
    name = f"numpy-legacy-{kind}-float32" if kind in ("normal", "uniform") else kind
    if not facts.classes:
        return name
    return f"{name}-class-{'each' if block.label is None else block.label}-of-{facts.classes}"


def check_classes(blocks: Iterable[Latents], facts: ModelFacts) -> None:
    """Raise ModelError where latents are of a class that a model does not have."""
    for block in blocks:
        if block.label is not None and block.label >= facts.classes:
            has = f"has classes 0 to {facts.classes - 1}" if facts.classes else "has no classes"
            raise ModelError(
                "RD679",
                f"the latents `{block.name}` are of class {block.label}, and the model {has}",
                "write one of its classes, or leave `class` out",
            )


def digest_of(block: Latents, facts: ModelFacts) -> str:
    """:func:`sampler_digest` of a recipe's latents, drawn as a model draws them."""
    return sampler_digest(block.seed, block.count, facts.latent_size, name=name_of(block, facts))


def sampler_digest(
    seed: int, count: int, size: int, start: int = 0, name: str = SAMPLER
) -> str:  # fmt: skip
    """A name for a set of latents, made without drawing them: 64 hexadecimal digits.

    Equal arguments give equal digests on every platform; the sampler's name is part of it.
    """
    words = f"{name} seed={seed} start={start} count={count} size={size}"
    return hashlib.sha256(words.encode("ascii")).hexdigest()


def _stream(
    seed: int, count: int, size: int, start: int, kind: str = "normal"
) -> np.random.RandomState:
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
    _skip(state, start, size, kind)
    return state


def _skip(state: np.random.RandomState, count: int, size: int, kind: str = "normal") -> None:
    # The generator draws values in pairs and keeps the second, so skipping in pieces is exact.
    left = count * size
    while left > 0:
        _values(state, min(left, _CHUNK_VALUES), kind)
        left -= _CHUNK_VALUES


def _values(state: np.random.RandomState, count: int, kind: str) -> NDArray[np.float64]:
    if kind == "uniform":
        return 2 * state.random_sample(count) - 1
    return state.standard_normal(count)


def _draw(
    state: np.random.RandomState, count: int, size: int, kind: str = "normal"
) -> NDArray[np.float32]:  # fmt: skip
    """float32, (count, size); the float64 intermediate is never larger than a chunk and a row."""
    out = np.empty((count, size), dtype=np.float32)
    step = max(1, _CHUNK_VALUES // size)
    for first in range(0, count, step):
        last = min(count, first + step)
        drawn = _values(state, (last - first) * size, kind)
        out[first:last] = drawn.reshape(last - first, size)
    return out
