"""The second moment of a layer's keys, and its roots."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from redraft.errors import RunError
from redraft.memory import moments
from redraft.memory.moments import Whitening, outer_sum, second_moments
from redraft.models.arch.dcgan import DCGAN

GeneratorMaker = Callable[..., DCGAN]


def latents(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 10, generator=torch.Generator().manual_seed(seed))


def dense(generator: DCGAN, rows: Tensor, layer: str) -> Tensor:
    keys = generator.inputs(rows, [layer])[layer].keys.double()
    total = torch.zeros(keys.shape[1], keys.shape[1], dtype=torch.float64)
    for picture in keys:
        for y in range(keys.shape[2]):
            for x in range(keys.shape[3]):
                total += torch.outer(picture[:, y, x], picture[:, y, x])
    return total / (keys.shape[0] * keys.shape[2] * keys.shape[3])


@pytest.mark.parametrize("layer", ["layer3", "layer6"])
def test_it_is_the_mean_outer_product_of_all_keys(
    make_generator: GeneratorMaker, layer: str
) -> None:
    generator = make_generator(dtype=torch.float64)
    rows = latents(7).double()
    found = second_moments(generator, rows.split(3), [layer])[layer]
    assert torch.allclose(found.matrix, dense(generator, rows, layer), rtol=1e-13, atol=0)
    assert found.keys == 7 * {"layer3": 16, "layer6": 64}[layer]


def test_the_centre_is_kept(make_generator: GeneratorMaker) -> None:
    # Keys leave a ReLU, so a covariance would be far from the second moment.
    generator = make_generator(dtype=torch.float64)
    rows = latents(40).double()
    keys = generator.inputs(rows, ["layer6"])["layer6"].keys.transpose(0, 1).flatten(1)
    found = second_moments(generator, [rows], ["layer6"])["layer6"].matrix
    assert torch.allclose(found - torch.cov(keys, correction=0),
                          torch.outer(keys.mean(1), keys.mean(1)), atol=1e-12)  # fmt: skip


def test_layers_together_are_the_same_as_each_alone(make_generator: GeneratorMaker) -> None:
    generator = make_generator()
    batches = latents(30).split(8)
    layers = ["layer3", "layer6", "layer9"]
    together = second_moments(generator, batches, layers)
    for layer in layers:
        alone = second_moments(generator, batches, [layer])[layer]
        assert torch.equal(together[layer].matrix, alone.matrix)


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_batches_matter_no_more_than_rounding(make_generator: GeneratorMaker, batch: int) -> None:
    generator = make_generator()
    whole = second_moments(generator, [latents(50)], ["layer6"])["layer6"]
    parts = second_moments(generator, latents(50).split(batch), ["layer6"])["layer6"]
    assert parts.keys == whole.keys
    assert torch.allclose(parts.matrix, whole.matrix, rtol=1e-5, atol=1e-6)


def test_progress_counts_latents(make_generator: GeneratorMaker) -> None:
    seen: list[int] = []
    second_moments(make_generator(), latents(10).split(4), ["layer3"], seen.append)
    assert seen == [4, 4, 2]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_keys_that_are_no_numbers_are_refused(make_generator: GeneratorMaker, bad: float) -> None:
    generator = make_generator()
    generator.module[4].bias[3] = bad
    with pytest.raises(RunError, match="the keys of layer6 hold NaN or infinite") as caught:
        second_moments(generator, [latents(3)], ["layer3", "layer6"])
    assert caught.value.code == "RD502"


def test_no_latents_are_refused(make_generator: GeneratorMaker) -> None:
    with pytest.raises(RunError, match="at least one latent"):
        second_moments(make_generator(), [], ["layer3"])


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 10_000))
def test_roots_are_inverse_to_each_other_at_any_rank(size: int, count: int, seed: int) -> None:
    rows = torch.randn(count, size, dtype=torch.float64,
                       generator=torch.Generator().manual_seed(seed))  # fmt: skip
    matrix = rows.T @ rows / count
    one = torch.eye(size, dtype=torch.float64)
    found = Whitening(matrix)
    assert torch.allclose(found.root @ found.inverse_root, one, atol=1e-9)
    if count >= 2 * size:
        assert torch.allclose(found.root @ found.root, matrix, atol=1e-12)


def test_dead_channels_give_finite_roots() -> None:
    matrix = torch.diag(torch.tensor([4.0, 0.0, 1.0, 0.0], dtype=torch.float64))
    inverse = Whitening(matrix).inverse_root
    assert torch.isfinite(inverse).all()
    assert torch.allclose(inverse.diagonal()[[0, 2]], torch.tensor([0.5, 1.0]).double())
    assert torch.isfinite(Whitening(torch.zeros(3, 3, dtype=torch.float64)).inverse_root).all()


@pytest.mark.parametrize("size", [(2, 2), (3, 4), (5, 7), (9, 8)])
@pytest.mark.parametrize("block", [4096, 10])
def test_small_and_large_maps_give_the_sum_of_all_outer_products(
    size: tuple[int, int], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With whole numbers every order of summation gives the same bits."""
    monkeypatch.setattr(moments, "BLOCK_POSITIONS", block)
    source = torch.Generator().manual_seed(0)
    keys = torch.randint(-9, 10, (3, 11, *size), generator=source).float()
    rows = keys.permute(0, 2, 3, 1).reshape(-1, 11).double()
    expected = torch.zeros(11, 11, dtype=torch.float64)
    for row in rows:
        expected += torch.outer(row, row)
    assert torch.equal(outer_sum(keys), expected)


def test_large_maps_are_summed_in_float64_over_pictures() -> None:
    keys = torch.zeros(2, 4, 4, 4)
    keys[0, :, 0, 0] = 2**13
    keys[1, :, 0, 0] = 1.0
    # 2**26 + 1 needs more than the 24 bits of float32.
    assert torch.equal(outer_sum(keys), torch.full((4, 4), 2.0**26 + 1, dtype=torch.float64))
