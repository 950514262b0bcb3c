"""Key directions from the context regions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from redraft.errors import RunError
from redraft.memory import keys
from redraft.memory.keys import ContextKeys
from redraft.memory.moments import Whitening
from redraft.models.generator import LayerInputs

METHODS = [keys.whitened_directions, keys.svd_directions]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def moment(size: int, seed: int = 9) -> Tensor:
    rows = noise(5 * size, size, seed=seed) * torch.linspace(0.3, 3.0, size).double()
    return rows.T @ rows / len(rows)


def context(count: int, size: int, seed: int = 0) -> ContextKeys:
    weights = torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return ContextKeys(noise(count, size, seed=seed), 0.1 + 0.9 * weights)


def test_context_keys_are_those_inside_with_their_coverage() -> None:
    maps = noise(2, 3, 2, 2)
    cover = torch.tensor([[[0.0, 0.5], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.25]]])
    found = keys.context_keys(LayerInputs(maps), cover)
    wanted = torch.stack([maps[0, :, 0, 1], maps[1, :, 0, 0], maps[1, :, 1, 1]])
    assert torch.equal(found.rows, wanted)
    assert found.weights.tolist() == [0.5, 1.0, 0.25]


def test_a_context_without_keys_is_refused() -> None:
    with pytest.raises(RunError, match="hold no key of the layer"):
        keys.context_keys(LayerInputs(noise(1, 3, 2, 2)), torch.zeros(1, 2, 2))


@pytest.mark.parametrize("method", [*METHODS, keys.mean_direction])
def test_one_key_at_rank_1_is_the_papers_direction(method) -> None:  # type: ignore[no-untyped-def]
    size = 7
    second, key = moment(size), noise(1, size)
    one = ContextKeys(key, torch.ones(1, dtype=torch.float64))
    found = (
        method(one, Whitening(second))
        if method is keys.mean_direction
        else method(one, Whitening(second), 1)
    )
    wanted = torch.linalg.solve(second, key[0])
    assert torch.allclose(found[0], wanted / wanted.norm(), atol=1e-10)


@given(st.integers(2, 8), st.integers(1, 6), st.integers(0, 1000))
def test_directions_are_orthonormal_and_agree_with_the_mean(
    size: int, rank: int, seed: int
) -> None:
    rank = min(rank, size)
    inside, second = context(size + 3, size, seed), moment(size)
    found = keys.whitened_directions(inside, Whitening(second), rank)
    assert torch.allclose(found @ found.T, torch.eye(rank, dtype=torch.float64), atol=1e-9)
    values, vectors = torch.linalg.eigh(second)
    whitened = inside.rows @ (vectors * values.rsqrt()) @ vectors.T * inside.weights[:, None]
    assert (found @ whitened.sum(0) >= -1e-9).all()
    other = keys.svd_directions(inside, Whitening(second), rank)
    assert torch.allclose(other @ other.T, torch.eye(rank, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_full_coverage_of_everything_or_half_of_it_is_the_same(method) -> None:  # type: ignore[no-untyped-def]
    inside, second = context(9, 6), Whitening(moment(6))
    halved = ContextKeys(inside.rows, inside.weights / 2)
    assert torch.allclose(method(inside, second, 3), method(halved, second, 3), atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_contexts_is_irrelevant(method) -> None:  # type: ignore[no-untyped-def]
    inside, second = context(9, 6), Whitening(moment(6))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    mixed = ContextKeys(inside.rows[order], inside.weights[order])
    first, other = method(inside, second, 3), method(mixed, second, 3)
    # Beyond the first, svd leaves the signs open; the span is what an edit depends on.
    assert torch.allclose(first.T @ first, other.T @ other, atol=1e-9)


def test_a_key_that_is_barely_covered_barely_counts() -> None:
    second = Whitening(torch.eye(4, dtype=torch.float64))
    rows = torch.eye(4, dtype=torch.float64)[:2]
    faint = ContextKeys(rows, torch.tensor([1.0, 0.01], dtype=torch.float64))
    found = keys.whitened_directions(faint, second, 1)
    assert abs(float(found[0, 0])) > 0.999
    mean = keys.mean_direction(faint, second)
    assert float(mean[0, 1] / mean[0, 0]) == pytest.approx(0.01)


@pytest.mark.parametrize("method", METHODS)
def test_more_rank_than_positions_is_refused(method) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RunError, match="rank 3 needs 3 context positions, and there are 2"):
        method(context(2, 6), Whitening(moment(6)), 3)


@given(st.integers(0, 11), st.integers(0, 1000))
def test_units_picks_the_unit_that_is_unusual_inside(planted: int, seed: int) -> None:
    population = noise(500, 12, seed=seed)
    rows = noise(5, 12, seed=seed + 1)
    rows[:, planted] = 4.0
    found = keys.unit_directions(ContextKeys(rows, torch.ones(5).double()), population, 3)
    assert found[0].argmax() == planted
    assert torch.equal(found.sum(1), torch.ones(3).double())
    assert len({int(row.argmax()) for row in found}) == 3


def test_units_go_by_quantiles_and_not_by_size() -> None:
    # Channel 0 is large everywhere, channel 1 only inside.
    population = noise(400, 2)
    population[:, 0] += 100
    rows = torch.tensor([[100.0, 3.0], [100.1, 3.5]], dtype=torch.float64)
    found = keys.unit_directions(ContextKeys(rows, torch.ones(2).double()), population, 1)
    assert found.tolist() == [[0.0, 1.0]]


def test_units_that_are_always_silent_come_last() -> None:
    """After a ReLU most keys are 0: a channel that never is anything else is unusual nowhere."""
    population = noise(400, 6, seed=3).clamp_min(0)
    population[:, [0, 1]] = 0.0
    rows = population[:40].clone()
    rows[:, 4] += 2.0  # unusual
    rows[:, 5] = 0.0  # as silent here as it often is
    found = keys.unit_directions(ContextKeys(rows.double(), torch.ones(40).double()), population, 6)
    order = found.argmax(1).tolist()
    assert order[0] == 4
    assert set(order[-3:]) == {0, 1, 5}


def test_the_middle_of_equal_activations_counts() -> None:
    population = torch.tensor([[0.0], [0.0], [0.0], [5.0]]).repeat(1, 2)
    population[:, 1] = torch.tensor([-3.0, -2.0, -1.0, 5.0])
    rows = torch.tensor([[0.0, -2.0]]).double()
    # Three zeros at places 1 to 3 stand at the second: just where -2 stands.
    found = keys.unit_directions(ContextKeys(rows, torch.ones(1).double()), population, 2)
    assert found.argmax(1).tolist() == [0, 1], "equal scores keep their order"


def test_unusual_units_are_those_above_their_usual_energy() -> None:
    second = torch.diag(torch.tensor([100.0, 1.0, 4.0], dtype=torch.float64))
    rows = torch.tensor([[10.0, 3.0, 0.5]], dtype=torch.float64)
    inside = ContextKeys(rows, torch.ones(1).double())
    assert keys.unusual_units(inside, second, 2).tolist() == [1, 0]


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 6), st.integers(0, 99))
def test_a_region_grows_by_a_square(height: int, width: int, reach: int, seed: int) -> None:
    cover = noise(2, height, width, seed=seed)
    places = [(range(max(0, y - reach), min(height, y + reach + 1)),
               range(max(0, x - reach), min(width, x + reach + 1)))
              for y in range(height) for x in range(width)]  # fmt: skip
    expected = [cover[:, down][:, :, across].amax((1, 2)) for down, across in places]
    found = keys.grow(cover, reach)
    assert torch.equal(found, torch.stack(expected, 1).reshape(found.shape))


def test_elsewhere_leaves_the_grown_regions_out() -> None:
    maps = noise(1, 3, 5, 5)
    cover = torch.zeros(1, 5, 5)
    cover[0, 0, 0] = 0.2
    outside = torch.ones(5, 5, dtype=torch.bool)
    outside[:2, :2] = False
    rows = maps[0][:, outside].T
    found = keys.elsewhere_moment(LayerInputs(maps), cover)
    assert torch.allclose(found, rows.T @ rows / len(rows), atol=1e-13)


def test_elsewhere_gives_up_the_margin_when_nothing_would_be_left() -> None:
    maps = noise(1, 3, 2, 2)
    cover = torch.zeros(1, 2, 2)
    cover[0, 0, 0] = 1.0
    rows = maps.flatten(2)[0].T[1:]
    found = keys.elsewhere_moment(LayerInputs(maps), cover)
    assert torch.allclose(found, rows.T @ rows / 3, atol=1e-13)


def test_elsewhere_of_a_partly_covered_whole_counts_what_is_not_covered() -> None:
    maps = noise(1, 3, 1, 2)
    cover = torch.tensor([[[0.75, 1.0]]])
    key = maps[0, :, 0, 0]
    found = keys.elsewhere_moment(LayerInputs(maps), cover)
    assert torch.allclose(found, torch.outer(key, key), atol=1e-12)
    assert not keys.elsewhere_moment(LayerInputs(maps), torch.ones(1, 1, 2)).any()


def test_no_contrast_is_the_papers_moment_bit_for_bit() -> None:
    everywhere, elsewhere = moment(5), moment(5, 1)
    assert torch.equal(keys.mix_moments(everywhere, elsewhere, 0.0), everywhere)
    assert torch.allclose(keys.mix_moments(everywhere, elsewhere, 1.0), elsewhere)
