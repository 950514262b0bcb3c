"""Low-rank changes of one layer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from redraft.solve.delta import Delta, interference, zeroing


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def orthonormal(rank: int, channels: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(noise(channels, rank, seed=seed).double())[0].T.contiguous()


def delta(rank: int = 3, seed: int = 0, out: int = 5, channels: int = 7) -> Delta:
    return Delta("hat", "layer6", orthonormal(rank, channels, seed).float(),
                 noise(out, rank, 4, 4, seed=seed + 1))  # fmt: skip


@given(st.integers(1, 6), st.integers(0, 1000))
def test_the_change_is_the_product(rank: int, seed: int) -> None:
    one = delta(rank, seed)
    wanted = torch.einsum("osyx,sc->ocyx", one.coefficients.double(), one.directions.double())
    assert torch.allclose(one.change(), wanted, rtol=0, atol=1e-14)
    assert one.rank == rank
    assert one.norm() == pytest.approx(float(wanted.norm()), rel=1e-5)
    found = torch.linalg.svdvals(wanted.permute(0, 2, 3, 1).reshape(-1, 7))[:rank]
    assert torch.allclose(one.singular_values(), found, rtol=1e-5)


def test_strength_scales_the_change() -> None:
    one = delta()
    assert one.scaled(1.0) is one
    assert torch.allclose(one.scaled(-2.5).change(), -2.5 * one.change(), atol=1e-5)
    assert torch.equal(one.scaled(-2.5).directions, one.directions)
    assert not one.scaled(0.0).change().any()


def test_it_is_added_with_one_rounding() -> None:
    one, weight = delta(), noise(5, 7, 4, 4, seed=9)
    exact = weight.double() + one.change()
    assert torch.equal(one.added_to(weight), exact.float())
    assert torch.equal(one.added_to(weight.double()), exact)
    assert one.added_to(weight.half()).dtype == torch.float16


def test_the_layout_in_memory_changes_no_bit() -> None:
    one, weight = delta(8, channels=32, out=24), noise(24, 32, 4, 4, seed=9)
    wanted = one.added_to(weight)
    turned = weight.transpose(0, 1).contiguous().transpose(0, 1)
    last = weight.contiguous(memory_format=torch.channels_last)
    strided = one.coefficients.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    other = Delta(one.rule, one.layer, one.directions.T.contiguous().T, strided)
    assert torch.equal(one.added_to(turned), wanted)
    assert torch.equal(one.added_to(last), wanted)
    assert torch.equal(other.added_to(weight), wanted)


@pytest.mark.usefixtures("one_thread")
def test_threads_change_no_bit() -> None:
    one, weight = delta(8, channels=256, out=128), noise(128, 256, 4, 4, seed=9)
    alone = one.added_to(weight)
    torch.set_num_threads(3)
    assert torch.equal(one.added_to(weight), alone)


def moment(size: int = 7) -> Tensor:
    rows = noise(60, size, seed=3).double() * torch.linspace(0.3, 3.0, size).double()
    return rows.T @ rows / 60


def test_a_rule_meets_itself_wholly() -> None:
    one = delta()
    assert interference(one, one, moment()) == pytest.approx(1.0, abs=1e-6)
    assert interference(one, delta(3, 0).scaled(-7.0), moment()) == pytest.approx(1.0, abs=1e-6)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 500))
def test_interference_is_symmetric_and_a_cosine(first: int, second: int, seed: int) -> None:
    one, other = delta(first, seed), delta(second, seed + 10)
    there = interference(one, other, moment())
    assert there == pytest.approx(interference(other, one, moment()), abs=1e-6)
    assert 0.0 <= there <= 1.0


def test_rules_that_read_unrelated_keys_do_not_meet() -> None:
    second = moment()
    one = orthonormal(2, 7)
    _, _, rest = torch.linalg.svd(one @ second, full_matrices=True)
    other = rest[2:5]  # orthogonal under C to both rows of the first
    assert torch.allclose(one @ second @ other.T, torch.zeros(2, 3).double(), atol=1e-12)
    pair = [Delta("a", "l", rows.float(), noise(5, len(rows), 4, 4)) for rows in (one, other)]
    assert interference(pair[0], pair[1], second) < 1e-6
    assert interference(pair[0], pair[1], torch.eye(7).double()) > 1e-2, "plain angles mislead"


def test_a_shared_direction_is_seen_among_others() -> None:
    shared = orthonormal(4, 7)
    one = Delta("a", "l", shared[:2].float(), noise(5, 2, 4, 4))
    other = Delta("b", "l", shared[1:].float(), noise(5, 3, 4, 4))
    assert interference(one, other, moment()) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("strength", [1.0, 0.25])
def test_zeroing_removes_the_part_along_the_directions(strength: float) -> None:
    weight, basis = noise(5, 7, 4, 4, seed=2), orthonormal(2, 7)
    edited = zeroing("gone", "layer6", weight, basis, strength).added_to(weight)
    along = torch.einsum("ocyx,sc->osyx", edited.double(), basis)
    before = torch.einsum("ocyx,sc->osyx", weight.double(), basis)
    assert torch.allclose(along, (1 - strength) * before, atol=1e-6)
    away = torch.einsum("ocyx,cd->odyx", (edited - weight).double(), torch.eye(7).double()
                        - basis.T @ basis)  # fmt: skip
    assert float(away.norm()) < 1e-5
