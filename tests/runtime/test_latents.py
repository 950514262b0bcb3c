from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from redraft.errors import RunError
from redraft.models.latents import batches, rows, sample, sampler_digest

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(0, 40), st.integers(1, 17), st.integers(0, 30))
def test_image_i_is_row_i_of_the_legacy_stream(
    seed: int, count: int, size: int, start: int
) -> None:
    expected = np.random.RandomState(seed).standard_normal((start + count + 3, size))
    drawn = sample(seed, count, size, start)
    assert drawn.dtype == torch.float32
    assert drawn.shape == (count, size)
    assert np.array_equal(drawn.numpy(), expected[start : start + count].astype(np.float32))


def test_known_values() -> None:
    # Fixed for good: RandomState's stream never changes.
    assert sample(1, 1, 3).tolist() == [
        [1.6243454217910767, -0.6117563843727112, -0.5281717777252197]
    ]


@given(SEEDS, st.integers(1, 50), st.integers(1, 9), st.integers(1, 60), st.integers(0, 9))
def test_batches_are_the_same_rows(
    seed: int, count: int, size: int, batch: int, start: int
) -> None:
    pieces = list(batches(seed, count, size, batch, start))
    assert all(len(piece) == batch for piece in pieces[:-1])
    assert torch.equal(torch.cat(pieces), sample(seed, count, size, start))


@given(SEEDS, st.lists(st.integers(0, 60), min_size=1, max_size=12), st.integers(1, 9))
def test_rows_are_the_named_images_in_their_order(seed: int, indices: list[int], size: int) -> None:
    assert torch.equal(rows(seed, indices, size), sample(seed, 61, size)[indices])


def test_pieces_that_are_larger_than_a_chunk() -> None:
    # Odd sizes: the generator makes values in pairs, and a pair may straddle two draws.
    whole = np.random.RandomState(7).standard_normal((3000, 513)).astype(np.float32)
    assert np.array_equal(sample(7, 3000, 513).numpy(), whole)
    assert np.array_equal(sample(7, 2, 513, start=2997).numpy(), whole[2997:2999])
    assert np.array_equal(rows(7, [2999, 0], 513).numpy(), whole[[2999, 0]])


def test_no_images() -> None:
    assert sample(0, 0, 4).shape == (0, 4)
    assert rows(0, [], 4).shape == (0, 4)
    assert list(batches(0, 0, 4, 8)) == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sample(-1, 1, 1), "the seed -1 is out of range"),
        (lambda: sample(2**32, 1, 1), "the seed 4294967296 is out of range"),
        (lambda: sample(1, -1, 1), "cannot draw -1 latents"),
        (lambda: sample(1, 1, 1, start=-2), "from image -2 on"),
        (lambda: rows(1, [3, -4], 1), "there is no image -4"),
        (lambda: next(batches(1, 1, 1, 0)), "a batch of 0 latents"),
    ],
)
def test_impossible_requests(call: object, words: str) -> None:
    with pytest.raises(RunError, match=words):
        call()  # type: ignore[operator]


def test_a_long_stream_stays_small() -> None:
    program = (
        "import tracemalloc; from redraft.models.latents import batches; import torch\n"
        "tracemalloc.start()\n"
        "n = sum(len(b) for b in batches(1, 60_000, 100, 50))\n"
        "print(n, tracemalloc.get_traced_memory()[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    count, peak = map(int, done.stdout.split())
    assert count == 60_000
    assert peak < 1_000_000  # one batch is 20 kB of float32 and 40 kB of float64


def test_digests_tell_samplers_apart() -> None:
    assert sampler_digest(1, 10, 4) == sampler_digest(1, 10, 4, start=0)
    different = {
        sampler_digest(1, 10, 4),
        sampler_digest(2, 10, 4),
        sampler_digest(1, 11, 4),
        sampler_digest(1, 10, 5),
        sampler_digest(1, 10, 4, start=1),
    }
    assert len(different) == 5
    # A lock file keeps this text, so it may not change between releases.
    assert sampler_digest(1, 2000, 100).startswith("afa6f5ae8de1181d")


def test_naming_latents_needs_no_torch() -> None:
    program = (
        "import sys; from redraft.models.latents import sampler_digest\n"
        "sampler_digest(1, 2, 3); print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
