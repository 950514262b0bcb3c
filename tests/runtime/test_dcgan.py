"""DCGAN as a generator that can be cut at its layers, and the phases of its convolutions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from redraft.errors import ModelError
from redraft.models.arch import dcgan
from redraft.models.arch.dcgan import DCGAN
from redraft.models.generator import LayerInputs, transposed_phases

LAYERS = ("layer3", "layer6", "layer9")
StateMaker = Callable[..., dict[str, Tensor]]
GeneratorMaker = Callable[..., DCGAN]

# kernel, stride, padding, output padding of layers whose output is ``stride`` times their keys
SHAPES = [
    (4, 2, 1, 0),
    (2, 2, 0, 0),
    (6, 2, 2, 0),
    (3, 2, 1, 1),
    (5, 2, 2, 1),
    (3, 1, 1, 0),
    (5, 1, 2, 0),
    (1, 1, 0, 0),
    (3, 3, 0, 0),
    (5, 3, 1, 0),
    (7, 3, 2, 0),
    (8, 4, 2, 0),
]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("kernel", "stride", "padding", "more"), SHAPES)
def test_phases_give_the_dense_convolution(
    kernel: int, stride: int, padding: int, more: int
) -> None:
    keys, weight = noise(2, 3, 5, 4), noise(6, 3, kernel, kernel, seed=1)
    dense = functional.conv_transpose2d(
        keys, weight.transpose(0, 1), stride=stride, padding=padding, output_padding=more
    )
    for phase in transposed_phases(kernel, stride, padding):
        taps = torch.stack([weight[:, :, ky, kx] for ky, kx in phase.taps], 2)
        product = phase.unfold(keys) @ taps.reshape(6, -1).T
        wanted = phase.of(dense).permute(0, 2, 1).reshape(-1, 6)
        assert torch.allclose(product, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride", "padding", "more"), SHAPES)
def test_phases_share_no_output_and_no_tap(
    kernel: int, stride: int, padding: int, more: int
) -> None:
    phases = transposed_phases(kernel, stride, padding)
    numbers = torch.arange(4 * stride * 5 * stride).reshape(4 * stride, 5 * stride)
    positions = torch.cat([phase.of(numbers) for phase in phases])
    taps = [tap for phase in phases for tap in phase.taps]
    assert sorted(positions.tolist()) == list(range(numbers.numel()))
    assert sorted(taps) == [(ky, kx) for ky in range(kernel) for kx in range(kernel)]


def test_facts_come_from_the_shapes_alone(dcgan_state: StateMaker) -> None:
    facts = dcgan.facts({name: tuple(t.shape) for name, t in dcgan_state().items()})
    assert (facts.image_size, facts.latent_size) == ((64, 64), 10)
    assert facts.layer_names() == LAYERS
    seen = [(la.in_channels, la.out_channels, la.key_size, la.value_size) for la in facts.layers]
    assert seen == [
        (24, 16, (4, 4), (8, 8)),
        (16, 12, (8, 8), (16, 16)),
        (12, 8, (16, 16), (32, 32)),
    ]
    assert facts.layer("main.6") is facts.layers[1]


def test_sizes_follow_the_first_kernel(dcgan_state: StateMaker) -> None:
    state = dcgan_state()
    state["0.weight"] = state["0.weight"][:, :, :2, :2]
    generator = dcgan.build(state)
    assert generator.facts.image_size == (32, 32)
    assert generator.sample(torch.zeros(2, 10)).shape == (2, 3, 32, 32)


def _rename(state: dict[str, Tensor], old: str, new: str) -> None:
    state[new] = state.pop(old)


def _wrong_shapes() -> dict[str, tuple[Callable[[dict[str, Tensor]], object], str]]:
    return {
        "colours": (
            lambda s: s.update({"12.weight": torch.zeros(8, 2, 4, 4)}),
            "it draws 2 colour channels, and 1, 3 or 4 are read",
        ),
        "kernel": (
            lambda s: s.update({"6.weight": torch.zeros(16, 12, 3, 3)}),
            "`6.weight` has a 3 x 3 kernel, and 4 x 4 is read",
        ),
        "oblong": (
            lambda s: s.update({"0.weight": torch.zeros(10, 24, 4, 2)}),
            "`0.weight` has a 4 x 2 kernel, and 4 x 4 is read",
        ),
        "chain": (
            lambda s: s.update({"6.weight": torch.zeros(15, 12, 4, 4)}),
            "`6.weight` takes 15 channels, and 16 reach it",
        ),
        "norm": (
            lambda s: s.pop("4.running_var"),
            "`4.running_var` of shape (16,) is missing",
        ),
        "numbers": (
            lambda s: _rename(s, "9.weight", "5.weight"),
            "its convolutions do not follow each other in one chain "
            "(they are numbered 0, 3, 5, 6, 12)",
        ),
        "few": (
            lambda s: [s.pop(f"{i}.weight") for i in (3, 6, 9)],
            "it has 2 transposed convolutions, and a DCGAN has 3 or more",
        ),
    }


@pytest.mark.parametrize("case", _wrong_shapes())
def test_other_shapes_are_refused_with_the_reason(dcgan_state: StateMaker, case: str) -> None:
    change, reason = _wrong_shapes()[case]
    state = dcgan_state()
    change(state)
    with pytest.raises(ModelError) as caught:
        dcgan.build(state)
    assert caught.value.code == "RD626"
    assert caught.value.message == f"these weights are not a DCGAN generator: {reason}"
    assert caught.value.help


def test_a_tensor_that_belongs_nowhere_is_refused(dcgan_state: StateMaker) -> None:
    with pytest.raises(ModelError, match=r"`20\.weight`"):
        dcgan.build({**dcgan_state(), "20.weight": torch.zeros(3)})


def test_an_unknown_layer_is_refused_with_the_known_ones(make_generator: GeneratorMaker) -> None:
    with pytest.raises(ModelError, match="layer3, layer6, layer9"):
        make_generator().form("layer4")


@pytest.mark.parametrize("layer", LAYERS)
def test_keys_layer_and_rest_make_up_the_picture(
    make_generator: GeneratorMaker, layer: str
) -> None:
    generator = make_generator(dtype=torch.float64)
    latents = noise(3, 10)
    inputs = generator.inputs(latents, [layer])[layer]
    form = generator.form(layer)
    values = form.activate(form.response(inputs, form.weight))
    pictures = generator.pictures(layer, values, inputs)
    # Folding batch norm changes the order of operations, so only the last digits may differ.
    assert torch.allclose(pictures, generator.sample(latents), rtol=0, atol=1e-13)
    facts = generator.facts.layer(layer)
    assert facts is not None
    assert inputs.keys.shape[1:] == (facts.in_channels, *facts.key_size)
    assert values.shape[1:] == (facts.out_channels, *facts.value_size)


@pytest.mark.parametrize("layer", LAYERS)
def test_values_of_the_module_itself_give_its_picture_bit_for_bit(
    make_generator: GeneratorMaker, layer: str
) -> None:
    generator = make_generator()
    latents = noise(3, 10).float()
    inputs = generator.inputs(latents, [layer])[layer]
    start = int(layer.removeprefix("layer"))
    values = generator.module[start : start + 3](inputs.keys)
    assert torch.equal(generator.pictures(layer, values, inputs), generator.sample(latents))


@pytest.mark.parametrize("layer", LAYERS)
def test_batch_norm_is_folded_exactly(make_generator: GeneratorMaker, layer: str) -> None:
    generator = make_generator(3, torch.float64)
    start = int(layer.removeprefix("layer"))
    keys = generator.inputs(noise(4, 10), [layer])[layer].keys
    form = generator.form(layer)
    module = generator.module[start : start + 2](keys)
    folded = form.response(LayerInputs(keys), form.weight)
    assert torch.allclose(folded, module, rtol=0, atol=1e-13)


def test_a_bias_in_the_convolution_is_folded_too(dcgan_state: StateMaker) -> None:
    state = dcgan_state()
    for index, width in ((0, 24), (3, 16), (6, 12), (9, 8), (12, 3)):
        state[f"{index}.bias"] = noise(width, seed=index).float()
    generator = dcgan.build(state)
    generator.module.double()
    keys = generator.inputs(noise(2, 10), ["layer6"])["layer6"].keys
    form = generator.form("layer6")
    folded = form.response(LayerInputs(keys), form.weight)
    assert torch.allclose(folded, generator.module[6:8](keys), rtol=0, atol=1e-13)


def test_several_layers_in_one_pass_are_the_same(make_generator: GeneratorMaker) -> None:
    generator = make_generator()
    latents = noise(2, 10).float()
    together = generator.inputs(latents, ["layer9", "layer3", "layer6"])
    assert list(together) == ["layer9", "layer3", "layer6"]
    for layer, inputs in together.items():
        alone = generator.inputs(latents, [layer])[layer]
        assert torch.equal(inputs.keys, alone.keys)


def test_a_weight_is_written_bit_for_bit(make_generator: GeneratorMaker) -> None:
    generator, other = make_generator(0), make_generator(1)
    wanted = other.form("layer6").weight
    generator.set_weight("layer6", wanted)
    assert torch.equal(generator.form("layer6").weight, wanted)
    state, source = generator.module.state_dict(), other.module.state_dict()
    assert torch.equal(state["6.weight"], source["6.weight"])
    assert generator.weight_name("main.6") == "6.weight"


def test_looking_changes_nothing(make_generator: GeneratorMaker) -> None:
    generator = make_generator()
    before = {name: t.clone() for name, t in generator.module.state_dict().items()}
    inputs = generator.inputs(noise(5, 10).float(), ["layer6"])["layer6"]
    form = generator.form("layer6")
    form.weight.zero_()  # a copy, whatever the layout
    generator.pictures("layer6", form.activate(form.response(inputs, form.weight)), inputs)
    generator.sample(noise(5, 10).float())
    after = generator.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not generator.module.training
    assert not any(p.requires_grad for p in generator.module.parameters())
