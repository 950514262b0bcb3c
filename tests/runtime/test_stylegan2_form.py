"""The closed form of a styled convolution, at sizes and with kernels of every kind."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from redraft.models.arch.stylegan2.form import ModulatedForm
from redraft.models.generator import LayerInputs

SIZES = [(1, 1), (1, 4), (3, 2), (4, 4), (7, 5)]
CHANNELS, OUT, RANK, COUNT = 5, 4, 3, 2


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def layer(size: tuple[int, int], *, up: bool) -> tuple[ModulatedForm, LayerInputs]:
    height, width = (2 * side if up else side for side in size)
    style = noise(COUNT, CHANNELS, seed=1)
    form = ModulatedForm(
        weight=noise(OUT, CHANNELS, 3, 3, seed=2),
        scale=1 / math.sqrt(9 * CHANNELS),
        strength=torch.tensor(0.7, dtype=torch.float64),
        bias=noise(OUT, seed=3),
        kernel=noise(4, 4, seed=4) if up else None,
    )
    keys = noise(COUNT, CHANNELS, *size, seed=5) * style[:, :, None, None]
    return form, LayerInputs(
        keys, {"style": style, "noise": noise(COUNT, 1, height, width, seed=6)}
    )


def by_hand(form: ModulatedForm, inputs: LayerInputs, weight: Tensor) -> Tensor:
    """Every output position as a sum over keys, taps and blur, written with indices."""
    count, _, height, width = inputs.keys.shape
    style, kernel = inputs.carried["style"], form.kernel
    lengths = (form.scale * weight[None] * style[:, None, :, None, None]).square().sum((2, 3, 4))
    shared = torch.zeros(count, OUT, *inputs.carried["noise"].shape[2:], dtype=torch.float64)
    for y in range(shared.shape[2]):
        for x in range(shared.shape[3]):
            for i in range(height):
                for j in range(width):
                    reach = torch.zeros(3, 3, dtype=torch.float64)
                    for ky in range(3):
                        for kx in range(3):
                            if kernel is None:
                                reach[ky, kx] = float((i, j) == (y + ky - 1, x + kx - 1))
                                continue
                            # The key lands at 2 i + ky, one further for the border of the blur.
                            down, right = y - (2 * i + ky) + 2, x - (2 * j + kx) + 2
                            if 0 <= down < 4 and 0 <= right < 4:
                                reach[ky, kx] = kernel[down, right]
                    taps = torch.einsum("ocyx,yx->oc", weight, reach)
                    shared[:, :, y, x] += inputs.keys[:, :, i, j] @ taps.T
    scaled = form.scale * shared / (lengths + 1e-8).sqrt()[:, :, None, None]
    more = form.strength * inputs.carried["noise"] + form.bias[:, None, None]
    return math.sqrt(2) * (scaled + more)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_the_response_is_the_papers(size: tuple[int, int], up: bool) -> None:
    form, inputs = layer(size, up=up)
    expected = by_hand(form, inputs, form.weight)
    assert torch.allclose(form.response(inputs, form.weight), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_an_edit_is_foreseen_to_the_border(size: tuple[int, int], up: bool) -> None:
    form, inputs = layer(size, up=up)
    directions = torch.linalg.qr(noise(CHANNELS, RANK, seed=7))[0].T
    unknowns = noise(OUT, RANK * 9, seed=8)
    change = torch.einsum("osyx,sc->ocyx", unknowns.reshape(OUT, RANK, 3, 3), directions)
    (positions,) = form.phases
    maps = torch.einsum("sc,nchw->nshw", directions, inputs.keys)
    base = positions.unfold(inputs.keys) @ form.weight.flatten(2).flatten(1).T
    moved = base + positions.unfold(maps) @ unknowns.T
    law = form.demodulation(inputs, form.weight, directions)
    length = law.constant + 2 * torch.einsum("noj,oj->no", law.linear, unknowns)
    length = length + torch.einsum("oj,njk,ok->no", unknowns, law.quadratic, unknowns)
    gains = law.factor * length.rsqrt()
    found = moved.reshape(COUNT, -1, OUT).transpose(1, 2) * gains[:, :, None]
    found = found + positions.of(form.shift(inputs))
    expected = positions.of(by_hand(form, inputs, form.weight + change))
    assert torch.allclose(found, expected, rtol=0, atol=1e-11)


def test_values_are_held_within_the_limit() -> None:
    form, inputs = layer((4, 4), up=False)
    response = form.response(inputs, form.weight)
    free = form.activate(response)
    held = ModulatedForm(**{**vars(form), "limit": 0.5}).activate(response)
    assert float(free.max()) > 0.5
    assert torch.equal(held, free.clamp(-0.5, 0.5))


def test_one_noise_map_for_all_pictures_is_added_to_each() -> None:
    form, inputs = layer((3, 4), up=False)
    one = inputs.carried["noise"][:1]
    shared = LayerInputs(inputs.keys, {**inputs.carried, "noise": one.expand(COUNT, -1, -1, -1)})
    apart = LayerInputs(inputs.keys, {**inputs.carried, "noise": one.repeat(COUNT, 1, 1, 1)})
    for each in (form.response(shared, form.weight), form.shift(shared)):
        assert each.shape == (COUNT, OUT, 3, 4)
    assert torch.equal(form.response(shared, form.weight), form.response(apart, form.weight))
    assert torch.equal(form.shift(shared), form.shift(apart))
