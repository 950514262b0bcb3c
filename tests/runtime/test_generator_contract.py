"""What every generator promises, whatever its architecture.

A new one joins by a fixture ``make(seed=0, dtype=torch.float32)`` that gives a small network with
weights that all matter, and its name in ``MAKERS``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from redraft.edit.layout import from_file, to_file
from redraft.errors import ModelError
from redraft.models.generator import Generator, LayerForm, LayerInputs

MAKERS = ("make_generator", "make_proggan", "make_sequential", "make_stylegan2")
Maker = Callable[..., Generator]


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Maker:
    maker: Maker = request.getfixturevalue(request.param)
    return maker


def latents(generator: Generator, count: int = 3, seed: int = 0) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    dtype = next(generator.module.parameters()).dtype
    rows = torch.randn(count, generator.facts.latent_size, generator=source, dtype=torch.float64)
    return rows.to(dtype)


def every_layer(generator: Generator) -> list[tuple[str, LayerInputs, LayerForm]]:
    names = generator.facts.layer_names()
    inputs = generator.inputs(latents(generator), names)
    return [(name, inputs[name], generator.form(name)) for name in names]


def convolved(form: LayerForm, keys: Tensor, weight: Tensor, values: Tensor) -> Tensor:
    """(N, O, H, W), what the layer's positions and taps make of keys and a weight."""
    found = torch.full_like(values, torch.nan)
    numbers = torch.arange(values[0, 0].numel()).reshape(values.shape[2:])
    flat = found.reshape(*values.shape[:2], -1)
    for phase in form.phases:
        taps = torch.stack([weight[:, :, ky, kx] for ky, kx in phase.taps], 2)
        product = phase.unfold(keys) @ taps.reshape(len(weight), -1).T
        rows = product.reshape(len(keys), -1, len(weight)).transpose(1, 2)
        flat[:, :, phase.of(numbers)] = rows
    return found


def test_keys_layer_and_rest_make_up_the_picture(make: Maker) -> None:
    generator = make(dtype=torch.float64)
    expected = generator.sample(latents(generator))
    assert expected.shape == (3, 3, *generator.facts.image_size)
    assert float(expected.min()) >= -1
    assert float(expected.max()) <= 1
    for name, inputs, form in every_layer(generator):
        values = form.activate(form.response(inputs, form.weight))
        pictures = generator.pictures(name, values, inputs)
        assert torch.allclose(pictures, expected, rtol=0, atol=1e-12), name


def test_sizes_are_those_of_the_facts(make: Maker) -> None:
    generator = make()
    for name, inputs, form in every_layer(generator):
        facts = generator.facts.layer(name)
        assert facts is not None
        assert inputs.keys.shape == (3, facts.in_channels, *facts.key_size)
        assert form.weight.shape == (facts.out_channels, facts.in_channels, *facts.kernel)
        values = form.activate(form.response(inputs, form.weight))
        assert values.shape == (3, facts.out_channels, *facts.value_size)
        assert all(len(tensor) == 3 for tensor in inputs.carried.values())


def test_positions_and_taps_give_the_layers_response(make: Maker) -> None:
    generator = make(dtype=torch.float64)
    for name, inputs, form in every_layer(generator):
        response = form.response(inputs, form.weight)
        dense = convolved(form, inputs.keys, form.weight, response)
        gains = form.gains(inputs, form.weight)
        assert gains.shape in {(3, len(form.weight)), (1, len(form.weight))}
        built = gains[:, :, None, None] * dense + form.shift(inputs)
        assert torch.allclose(built, response, rtol=0, atol=1e-12), name


def test_a_change_along_directions_is_foreseen_in_closed_form(make: Maker) -> None:
    generator = make(dtype=torch.float64)
    source = torch.Generator().manual_seed(5)
    for name, inputs, form in every_layer(generator):
        weight = form.weight
        drawn = torch.randn(2, weight.shape[1], generator=source, dtype=torch.float64)
        directions = torch.linalg.qr(drawn.T)[0].T
        change = 0.3 * torch.randn(
            len(weight), 2, *weight.shape[2:], generator=source, dtype=torch.float64
        )
        edited = weight + torch.einsum("osyx,sc->ocyx", change, directions)
        maps = torch.einsum("sc,nchw->nshw", directions, inputs.keys)
        gains = form.gains(inputs, edited)
        plain = convolved(form, inputs.keys, weight, form.response(inputs, weight))
        moved = plain + convolved(form, maps, change, plain)
        built = gains[:, :, None, None] * moved + form.shift(inputs)
        assert torch.allclose(built, form.response(inputs, edited), rtol=0, atol=1e-12), name
        law = form.demodulation(inputs, weight, directions)
        if law is None:
            assert torch.equal(gains, form.gains(inputs, weight)), name
            continue
        (phase,) = form.phases
        taps = torch.stack([change[:, :, ky, kx] for ky, kx in phase.taps], 2).flatten(1)
        length = law.constant + 2 * torch.einsum("noj,oj->no", law.linear, taps)
        length = length + torch.einsum("oj,njk,ok->no", taps, law.quadratic, taps)
        assert torch.allclose(law.factor * length.rsqrt(), gains, rtol=1e-12, atol=0), name


def test_the_response_can_be_differentiated_by_the_weight(make: Maker) -> None:
    generator = make(dtype=torch.float64)
    for name, inputs, form in every_layer(generator):
        weight = form.weight.clone().requires_grad_()
        step = torch.zeros_like(weight)
        step[0, 0, 0, 0], step[-1, -1, -1, -1] = 1e-5, -2e-5
        with torch.enable_grad():
            total = form.activate(form.response(inputs, weight)).square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        sides = [
            form.activate(form.response(inputs, form.weight + sign * step)).square().sum()
            for sign in (1, -1)
        ]
        assert weight.grad is not None
        slope = float((weight.grad * step).sum())
        assert float(sides[0] - sides[1]) / 2 == pytest.approx(slope, rel=1e-4, abs=1e-9), name


def test_the_activation_has_the_slope_that_it_tells(make: Maker) -> None:
    generator = make(dtype=torch.float64)
    for _, inputs, form in every_layer(generator):
        response = form.response(inputs, form.weight)
        below = torch.where(response > 0, response, form.negative_slope * response)
        assert torch.allclose(form.activate(response), below, rtol=0, atol=1e-15)


def test_several_layers_in_one_pass_are_the_same(make: Maker) -> None:
    generator = make()
    names = list(reversed(generator.facts.layer_names()))
    together = generator.inputs(latents(generator), names)
    assert list(together) == names
    for name, inputs in together.items():
        alone = generator.inputs(latents(generator), [name])[name]
        assert torch.equal(inputs.keys, alone.keys)
        assert set(inputs.carried) == set(alone.carried)
        assert all(torch.equal(inputs.carried[n], alone.carried[n]) for n in alone.carried)


def test_some_of_the_pictures_can_be_taken_alone(make: Maker) -> None:
    generator = make(dtype=torch.float64)
    expected = generator.sample(latents(generator))[[2, 0]]
    for name, inputs, form in every_layer(generator):
        part = inputs.select([2, 0])
        values = form.activate(form.response(part, form.weight))
        pictures = generator.pictures(name, values, part)
        assert torch.allclose(pictures, expected, rtol=0, atol=1e-12), name


def test_a_weight_is_written_bit_for_bit(make: Maker) -> None:
    generator, other = make(0), make(1)
    for name in generator.facts.layer_names():
        axes, file_name = generator.weight_axes(name), generator.weight_name(name)
        before = generator.state()
        kept = {each: tensor.clone() for each, tensor in before.items()}
        wanted = other.form(name).weight
        generator.set_weight(name, wanted)
        assert torch.equal(generator.form(name).weight, wanted)
        after = generator.state()
        assert torch.equal(after[file_name], to_file(wanted, axes))
        kernel = (wanted.shape[2], wanted.shape[3])
        assert torch.equal(from_file(after[file_name], axes, kernel), wanted)
        assert [each for each in kept if not torch.equal(kept[each], after[each])] == [file_name]
        generator.restore(kept)
        assert torch.equal(generator.state()[file_name], kept[file_name])


def test_every_name_of_a_layer_means_it(make: Maker) -> None:
    generator = make()
    for facts in generator.facts.layers:
        assert len({generator.weight_name(name) for name in facts.names}) == 1
    parameters = dict(generator.module.named_parameters())
    assert {generator.weight_name(n) for n in generator.facts.layer_names()} <= set(parameters)


def test_looking_changes_nothing(make: Maker) -> None:
    generator = make()
    before = {name: tensor.clone() for name, tensor in generator.module.state_dict().items()}
    for name, inputs, form in every_layer(generator):
        values = form.activate(form.response(inputs, form.weight))
        generator.pictures(name, values, inputs)
        form.weight.zero_()  # a copy, whatever the layout
    generator.sample(latents(generator))
    after = generator.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not generator.module.training
    assert not any(parameter.requires_grad for parameter in generator.module.parameters())


def test_an_unknown_layer_is_refused_with_the_known_ones(make: Maker) -> None:
    generator = make()
    with pytest.raises(ModelError) as caught:
        generator.form("layer99")
    assert caught.value.code == "RD625"
    assert caught.value.help == f"its layers are {', '.join(generator.facts.layer_names())}"


def test_inputs_can_be_changed_by_their_keys_alone(make: Maker) -> None:
    """An erase silences some key channels and runs the layer again."""
    generator = make(dtype=torch.float64)
    for name, inputs, form in every_layer(generator):
        keys = inputs.keys.clone()
        keys[:, 0] = 0
        weight = form.weight.clone()
        silenced = form.response(dataclasses.replace(inputs, keys=keys), weight)
        change = form.response(inputs, weight) - silenced
        only = torch.zeros_like(inputs.keys)
        only[:, 0] = inputs.keys[:, 0]
        alone = form.response(dataclasses.replace(inputs, keys=only), weight)
        assert torch.allclose(change, alone - form.shift(inputs), rtol=0, atol=1e-12), name
