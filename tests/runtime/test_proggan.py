"""ProgGAN as a generator that can be cut at its layers, against a plain forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from redraft.disk.cache import Cache
from redraft.edit.artifact import Edit
from redraft.errors import ModelError
from redraft.models.arch import proggan
from redraft.models.arch.families import recognise
from redraft.models.arch.proggan import ProgGAN, plain_phases
from redraft.models.arch.proggan_shapes import facts_for
from redraft.models.generator import LayerForm, LayerInputs
from redraft.models.locate import locate_file
from redraft.models.open import open_base
from redraft.runs.runner import Run

LAYERS = ("layer2", "layer3", "layer4", "layer5", "layer6", "layer7", "layer8")
LATENT = 10
Shapes = dict[str, tuple[int, ...]]
Maker = Callable[..., ProgGAN]
StateMaker = Callable[..., dict[str, Tensor]]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def older(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in the older naming."""
    renamed = {}
    for name, tensor in state.items():
        block, _, rest = name.partition(".")
        number = block.removeprefix("layer")
        own = f"features.{int(number) - 1}" if number.isdigit() else "output"
        renamed[f"{own}.{rest}"] = tensor
    return renamed


def shapes_of(state: dict[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


# ---- an independent forward pass --------------------------------------------------------------


def normed(maps: Tensor) -> Tensor:
    """Pixel norm, as a length: each position's channels get the length of sqrt(C)."""
    squares = torch.einsum("nchw,nchw->nhw", maps, maps)
    return maps * (squares / maps.shape[1] + 1e-8).rsqrt()[:, None]


def convolved(maps: Tensor, weight: Tensor) -> Tensor:
    """A convolution that keeps the size, as one matrix product over unfolded patches."""
    count, _, height, width = maps.shape
    kernel = weight.shape[-1]
    patches = functional.unfold(maps, kernel, padding=kernel // 2)
    return torch.einsum("ok,nkp->nop", weight.flatten(1), patches).reshape(count, -1, height, width)


def bent(maps: Tensor) -> Tensor:
    return torch.where(maps > 0, maps, maps / 5)


def straightforward(state: dict[str, Tensor], latents: Tensor) -> Tensor:
    """Pictures in float64, computed from the formulas of the paper."""
    first = state["layer1.conv.weight"].double()
    latents = normed(latents[:, :, None, None])[:, :, 0, 0]
    # Of the 4 x 4 kernel on a picture of one pixel, each output position sees one tap.
    start = torch.einsum("ocyx,nc->noyx", first.flip(2, 3), latents)
    maps = start * math.sqrt(2 / first.shape[1]) / 4
    maps = bent(maps + state["layer1.wscale.b"].double()[:, None, None])
    number = 2
    while f"layer{number}.conv.weight" in state:
        weight = state[f"layer{number}.conv.weight"].double()
        maps = normed(maps)
        if number % 2:
            maps = torch.kron(maps, torch.ones(2, 2, dtype=torch.float64))
        maps = convolved(maps, weight) * math.sqrt(2 / (9 * weight.shape[1]))
        maps = bent(maps + state[f"layer{number}.wscale.b"].double()[:, None, None])
        number += 1
    (name,) = [name for name in state if name.startswith("output") and name.endswith("weight")]
    weight = state[name].double()
    colours = torch.einsum("oc,nchw->nohw", weight[:, :, 0, 0], normed(maps))
    colours = colours / math.sqrt(weight.shape[1])
    bias = state[name.replace("conv.weight", "wscale.b")].double()
    return (colours + bias[:, None, None]).clamp(-1, 1)


def test_pictures_are_those_of_the_formulas(make_proggan: Maker, proggan_state: StateMaker) -> None:
    latents = noise(3, LATENT)
    pictures = make_proggan(dtype=torch.float64).sample(latents)
    wanted = straightforward(proggan_state(), latents)
    assert pictures.shape == (3, 3, 32, 32)
    assert torch.allclose(pictures, wanted, rtol=0, atol=1e-12)
    assert 0 < (wanted.abs() == 1).double().mean() < 0.5, "the clamp is at work, but not alone"


@pytest.mark.parametrize("count", [2, 3, 6])
def test_any_number_of_sizes_is_read(count: int, proggan_state: StateMaker) -> None:
    widths = (8, 8, 8, 4, 4, 4)[:count]
    generator = proggan.build(proggan_state(3, widths))
    generator.module.double()
    size = 2 ** (count + 1)
    assert generator.facts.image_size == (size, size)
    assert generator.facts == facts_for(size, widths, LATENT)
    pictures = generator.sample(noise(2, LATENT))
    wanted = straightforward(proggan_state(3, widths), noise(2, LATENT))
    assert torch.allclose(pictures, wanted, rtol=0, atol=1e-11)


# ---- what the shapes tell ---------------------------------------------------------------------


def test_facts_come_from_the_shapes_alone(proggan_state: StateMaker) -> None:
    facts = proggan.facts(shapes_of(proggan_state()))
    assert (facts.arch, facts.image_size, facts.latent_size) == ("proggan", (32, 32), LATENT)
    assert facts.layer_names() == LAYERS
    seen = [(la.in_channels, la.out_channels, la.key_size, la.value_size) for la in facts.layers]
    assert seen == [
        (16, 16, (4, 4), (4, 4)),
        (16, 16, (8, 8), (8, 8)),
        (16, 16, (8, 8), (8, 8)),
        (16, 12, (16, 16), (16, 16)),
        (12, 12, (16, 16), (16, 16)),
        (12, 8, (32, 32), (32, 32)),
        (8, 8, (32, 32), (32, 32)),
    ]
    assert all((layer.kind, layer.kernel) == ("conv", (3, 3)) for layer in facts.layers)
    assert facts.layer("layer8.conv") is facts.layer("layer8")


@pytest.mark.parametrize(
    ("resolution", "layer", "channels", "size"),
    [
        (256, "layer6", (512, 512), 16),
        (256, "layer7", (512, 256), 32),
        (256, "layer14", (32, 32), 256),
        (1024, "layer8", (512, 512), 32),
        (1024, "layer18", (16, 16), 1024),
    ],
)
def test_facts_of_the_published_sizes(
    resolution: int, layer: str, channels: tuple[int, int], size: int
) -> None:
    facts = facts_for(resolution)
    found = facts.layer(layer)
    assert found is not None
    assert (facts.image_size, facts.latent_size) == ((resolution, resolution), 512)
    assert ((found.in_channels, found.out_channels), found.value_size) == (channels, (size, size))


def test_widths_that_do_not_reach_the_resolution_are_refused() -> None:
    with pytest.raises(ValueError, match="3 widths do not reach 64 px"):
        facts_for(64, (8, 8, 8))


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_gain_that_the_file_holds_is_used(
    shape: tuple[int, ...], proggan_state: StateMaker
) -> None:
    state = older(proggan_state())
    own = 2 * math.sqrt(2 / (9 * 16))
    latents = noise(2, LATENT)
    doubled = {**proggan_state(), "layer4.conv.weight": 2 * proggan_state()["layer4.conv.weight"]}
    state["features.3.wscale.scale"] = torch.full(shape, own)
    generator = proggan.build(state, "features")
    generator.module.double()
    pictures = generator.sample(latents)
    assert torch.allclose(pictures, straightforward(doubled, latents), rtol=0, atol=1e-6)
    assert generator.state()["features.3.wscale.scale"].shape == shape


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("naming", [dict, older])
def test_files_of_both_namings_give_the_same_pictures(
    tmp_path: Path,
    naming: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    prefix: str,
    wrapped: bool,
    make_proggan: Maker,
    proggan_state: StateMaker,
) -> None:
    state = {prefix + name: tensor for name, tensor in naming(proggan_state()).items()}
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "net.pth")
    base = locate_file(tmp_path / "net.pth", "net")
    assert base.facts.arch == "proggan"
    opened = open_base(base, torch.device("cpu"))
    latents = noise(2, LATENT).float()
    assert torch.equal(opened.generator.sample(latents), make_proggan().sample(latents))
    own = opened.generator.weight_name("layer6")
    assert torch.equal(opened.state.tensors[prefix + own], proggan_state()["layer6.conv.weight"])
    assert set(opened.generator.state()) == set(naming(proggan_state()))
    assert base.facts.layer(own.removesuffix(".weight").removesuffix(".conv")) is not None


def wrong_shapes() -> dict[str, tuple[Callable[[Shapes], object], str]]:
    return {
        "gap": (lambda s: s.pop("layer5.conv.weight"), "`layer5.conv.weight` is missing"),
        "start": (lambda s: s.pop("layer1.conv.weight"), "`layer1.conv.weight` is missing"),
        "odd": (
            lambda s: s.pop("layer8.conv.weight"),
            "it has 7 layers, and a ProgGAN has two per size, 4 or more",
        ),
        "none": (
            lambda s: [s.pop(f"layer{i}.conv.weight") for i in range(1, 9)],
            "it has 0 layers, and a ProgGAN has two per size, 4 or more",
        ),
        "output": (
            lambda s: s.update({"output_64x64.conv.weight": s.pop("output_32x32.conv.weight")}),
            "`output_32x32.conv.weight` is missing",
        ),
        "kernel": (
            lambda s: s.update({"layer3.conv.weight": (16, 16, 5, 5)}),
            "`layer3.conv.weight` has shape (16, 16, 5, 5), and a 3 x 3 kernel is read",
        ),
        "flat": (
            lambda s: s.update({"layer1.conv.weight": (16, 10)}),
            "`layer1.conv.weight` has shape (16, 10), and a 4 x 4 kernel is read",
        ),
        "chain": (
            lambda s: s.update({"layer5.conv.weight": (12, 15, 3, 3)}),
            "`layer5.conv.weight` takes 15 channels, and 16 reach it",
        ),
        "bias": (
            lambda s: s.update({"layer4.wscale.b": (3,)}),
            "`layer4.wscale.b` of shape (16,) is missing",
        ),
        "grey": (
            lambda s: s.update(
                {"output_32x32.conv.weight": (1, 8, 1, 1), "output_32x32.wscale.b": (1,)}
            ),
            "it draws 1 colour channels, and 3 are read",
        ),
        "more": (
            lambda s: s.update({"layer4.noise": (7,)}),
            "it has a tensor `layer4.noise` of shape (7,), which is not read",
        ),
        "gain per channel": (
            lambda s: s.update({"layer4.wscale.scale": (16,)}),
            "it has a tensor `layer4.wscale.scale` of shape (16,), which is not read",
        ),
        "large": (
            lambda s: s.update({f"layer{i}.conv.weight": (8, 8, 3, 3) for i in range(9, 21)}),
            "it draws 2048 px, and 1024 px is the largest that is read",
        ),
    }


@pytest.mark.parametrize("case", wrong_shapes())
def test_other_shapes_are_refused_with_the_reason(case: str, proggan_state: StateMaker) -> None:
    change, reason = wrong_shapes()[case]
    shapes = shapes_of(proggan_state())
    change(shapes)
    with pytest.raises(ModelError) as caught:
        recognise(shapes)
    assert caught.value.code == "RD626"
    assert caught.value.message == f"these weights are not a ProgGAN generator: {reason}"
    assert caught.value.help


def test_another_networks_names_are_refused() -> None:
    with pytest.raises(ModelError, match="it has no `layer1"):
        proggan.facts({"features.0.weight": (8, 3, 3, 3)})


def test_an_unknown_layer_is_refused_with_the_known_ones(make_proggan: Maker) -> None:
    with pytest.raises(ModelError, match="layer2, layer3, layer4"):
        make_proggan().form("layer1")


# ---- cutting ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS)
def test_keys_layer_and_rest_make_up_the_picture_bit_for_bit(
    layer: str, make_proggan: Maker
) -> None:
    generator = make_proggan()
    latents = noise(3, LATENT).float()
    inputs = generator.inputs(latents, [layer])[layer]
    form = generator.form(layer)
    values = form.activate(form.response(inputs, form.weight))
    assert torch.equal(generator.pictures(layer, values, inputs), generator.sample(latents))
    facts = generator.facts.layer(layer)
    assert facts is not None
    assert inputs.keys.shape[1:] == (facts.in_channels, *facts.key_size)
    assert values.shape[1:] == (facts.out_channels, *facts.value_size)


def test_keys_are_what_enters_the_convolution(make_proggan: Maker) -> None:
    generator = make_proggan(dtype=torch.float64)
    keys = generator.inputs(noise(2, LATENT), ["layer5"])["layer5"].keys
    assert torch.allclose(keys.square().mean(1), torch.ones(2, 16, 16, dtype=torch.float64))
    assert torch.equal(keys[:, :, ::2, ::2], keys[:, :, 1::2, 1::2]), "up-sampled already"


@pytest.mark.parametrize("layer", LAYERS)
def test_the_closed_form_gives_the_dense_layer(layer: str, make_proggan: Maker) -> None:
    generator = make_proggan(1, torch.float64)
    inputs = generator.inputs(noise(3, LATENT), [layer])[layer]
    form: LayerForm = generator.form(layer)
    channels_out, channels_in, _, _ = form.weight.shape
    directions = torch.linalg.qr(noise(channels_in, 2, seed=4)).Q.T
    coefficients = 0.2 * noise(channels_out, 2, 3, 3, seed=5)
    edited = form.weight + torch.einsum("osyx,sc->ocyx", coefficients, directions)
    (phase,) = form.phases
    design = phase.unfold(torch.einsum("sc,nchw->nshw", directions, inputs.keys))
    taps = torch.stack([coefficients[:, :, ky, kx] for ky, kx in phase.taps], 2)
    added = (design @ taps.flatten(1).T).reshape(3, -1, channels_out).mT
    gains = form.gains(inputs, edited)
    base = phase.of(form.response(inputs, form.weight))
    closed = base + gains[..., None] * added
    assert gains.shape == (1, channels_out)
    assert form.demodulation(inputs, edited, directions) is None
    assert torch.allclose(closed, phase.of(form.response(inputs, edited)), rtol=0, atol=1e-12)
    raw = functional.conv2d(inputs.keys, edited, padding=1)
    dense = raw * gains[..., None, None] + form.shift(inputs)
    assert torch.allclose(form.response(inputs, edited), dense, rtol=0, atol=1e-12)


def test_the_activation_is_the_one_whose_slope_is_told(make_proggan: Maker) -> None:
    form = make_proggan().form("layer3")
    assert form.negative_slope == 0.2
    assert form.activate(torch.tensor([-10.0, 0.0, 3.0])).tolist() == [-2.0, 0.0, 3.0]


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_the_phase_of_a_plain_convolution_is_the_convolution(kernel: int) -> None:
    keys, weight = noise(2, 3, 5, 4), noise(6, 3, kernel, kernel, seed=1)
    (phase,) = plain_phases(kernel)
    taps = torch.stack([weight[:, :, ky, kx] for ky, kx in phase.taps], 2)
    product = phase.unfold(keys) @ taps.reshape(6, -1).T
    dense = functional.conv2d(keys, weight, padding=kernel // 2)
    wanted = phase.of(dense).permute(0, 2, 1).reshape(-1, 6)
    assert torch.allclose(product, wanted, rtol=0, atol=1e-12)


def test_several_layers_in_one_pass_are_the_same(make_proggan: Maker) -> None:
    generator = make_proggan()
    latents = noise(2, LATENT).float()
    together = generator.inputs(latents, ["layer8", "layer2", "layer5"])
    assert list(together) == ["layer8", "layer2", "layer5"]
    for layer, inputs in together.items():
        assert torch.equal(inputs.keys, generator.inputs(latents, [layer])[layer].keys)


# ---- weights ----------------------------------------------------------------------------------


def test_a_weight_is_written_and_put_back_bit_for_bit(
    make_proggan: Maker, proggan_state: StateMaker
) -> None:
    generator, other = make_proggan(0), make_proggan(1)
    before = {name: tensor.clone() for name, tensor in generator.state().items()}
    wanted = other.form("layer6").weight
    generator.set_weight("layer6", wanted)
    assert torch.equal(generator.form("layer6").weight, wanted)
    assert generator.weight_name("layer6.conv") == "layer6.conv.weight"
    assert generator.weight_axes("layer6") == "OI"
    assert torch.equal(generator.state()["layer6.conv.weight"], wanted)
    generator.restore(before)
    assert all(torch.equal(generator.state()[name], proggan_state()[name]) for name in before)


def test_looking_changes_nothing(make_proggan: Maker, proggan_state: StateMaker) -> None:
    random = torch.random.get_rng_state()
    generator = make_proggan()
    inputs = generator.inputs(noise(5, LATENT).float(), ["layer4"])["layer4"]
    form = generator.form("layer4")
    form.weight.zero_()
    generator.pictures("layer4", form.activate(form.response(inputs, form.weight)), inputs)
    after = generator.module.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in proggan_state().items())
    assert not generator.module.training
    assert not any(parameter.requires_grad for parameter in generator.module.parameters())
    assert torch.equal(torch.random.get_rng_state(), random), "the reader's random numbers stay"


def test_sizes_of_another_dtype_and_layer_inputs_by_hand(make_proggan: Maker) -> None:
    form = make_proggan(dtype=torch.float64).form("layer2")
    inputs = LayerInputs(noise(1, 16, 4, 4))
    assert form.response(inputs, form.weight).dtype == torch.float64
    assert form.gains(inputs, form.weight).dtype == torch.float64


# ---- a whole run ------------------------------------------------------------------------------

RECIPE = """edition 2026
recipe demo 1.0.0 "A demonstration"
model tiny {{ arch proggan  weights "tiny.pth" }}
latents z {{ seed 3  count 60 }}
rule hat at {layer} {{
  copy     z[1] box(x 8..24, y 8..16)
  context  z[2] box(x 8..24, y 8..16)
  context  z[3] box(x 8..24, y 8..16)
  context  z[4] box(x 8..24, y 8..16)
  paste    each context
  rank     4
  preserve 0
  keep     0
}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proggan_state: StateMaker) -> Path:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))
    torch.save({"state_dict": older(proggan_state(4))}, tmp_path / "tiny.pth")
    return tmp_path


def ran(path: Path, out: Path, **more: Any) -> Run:
    from redraft import load
    from redraft.plans.planner import make_plan
    from redraft.runs.runner import run_plan

    plan = make_plan(load(path), path.parent, cache=Cache())
    return run_plan(plan, out=out, cache=Cache(), **more)


@pytest.mark.parametrize("layer", ["layer4", "layer5", "layer8"])
@pytest.mark.usefixtures("one_thread")
def test_a_recipe_rewrites_one_layer_and_leaves_the_rest(folder: Path, layer: str) -> None:
    path = folder / "demo.redraft"
    path.write_text(RECIPE.format(layer=layer))
    run = ran(path, folder / "out")
    (rule,) = run.record.rules
    assert rule.loss_after < 0.9 * rule.loss_before
    edit = Edit.load(folder / "out" / "edit.safetensors")
    generator = open_base(locate_file(folder / "tiny.pth", "tiny"), torch.device("cpu")).generator
    latents = noise(4, LATENT).float()
    before = {name: tensor.clone() for name, tensor in generator.state().items()}
    originals = generator.sample(latents)
    with edit.applied(generator.module):
        assert not torch.equal(generator.sample(latents), originals)
        changed = {n for n, t in generator.state().items() if not torch.equal(t, before[n])}
        assert changed == {generator.weight_name(layer)}
    assert torch.equal(generator.sample(latents), originals)
