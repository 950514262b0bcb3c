"""StyleGAN2 against a forward pass written another way, and what else is its own."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from redraft.errors import ModelError
from redraft.models import latents as sampling
from redraft.models.arch.stylegan2 import generator as stylegan2
from redraft.models.arch.stylegan2.generator import StyleGAN2

StateMaker = Callable[..., dict[str, Tensor]]
LAYOUTS = ("rosinality", "authors", "authors-fused", "stylegan2-ada")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# ---- the network once more, from the paper: weights modulated, then convolved, one picture at a
# time, every filter written out as sums --------------------------------------------------------


def filtered(maps: Tensor, kernel: Tensor, before: int, after: int) -> Tensor:
    """True convolution of (C, h, w) with zeros around: ``before`` on top and left."""
    padded = functional.pad(maps, (before, after, before, after))
    height, width = padded.shape[1] - 3, padded.shape[2] - 3
    total = torch.zeros(maps.shape[0], height, width, dtype=maps.dtype)
    for y in range(4):
        for x in range(4):
            total += kernel[3 - y, 3 - x] * padded[:, y : y + height, x : x + width]
    return total


def stuffed(maps: Tensor) -> Tensor:
    channels, height, width = maps.shape
    grown = torch.zeros(channels, 2 * height, 2 * width, dtype=maps.dtype)
    grown[:, ::2, ::2] = maps
    return grown


def transposed(maps: Tensor, weight: Tensor) -> Tensor:
    """Stride 2, 3 x 3, written as the sum of what each key throws onto the output."""
    _, height, width = maps.shape
    total = torch.zeros(weight.shape[0], 2 * height + 1, 2 * width + 1, dtype=maps.dtype)
    for ky in range(3):
        for kx in range(3):
            thrown = torch.einsum("oc,cyx->oyx", weight[:, :, ky, kx], maps)
            total[:, ky : ky + 2 * height : 2, kx : kx + 2 * width : 2] += thrown
    return total


def affine(state: dict[str, Tensor], root: str, w: Tensor) -> Tensor:
    return state[f"{root}.weight"] @ w / math.sqrt(len(w)) + state[f"{root}.bias"]


def reference(
    state: dict[str, Tensor],
    z: Tensor,
    psi: float,
    *,
    equalised: bool = True,
    limit: float = math.inf,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """One picture, and the keys and values of every layer, from weights in rosinality's layout."""
    w = z / torch.sqrt(z.square().mean() + 1e-8)
    for place in range(1, 9):
        weight, bias = state[f"style.{place}.weight"], state[f"style.{place}.bias"]
        w = weight @ w * 0.01 / math.sqrt(weight.shape[1]) + 0.01 * bias
        w = math.sqrt(2) * torch.where(w > 0, w, 0.2 * w)
    w = state["latent_avg"] + psi * (w - state["latent_avg"])
    maps, picture = state["input.input"][0], None
    keys, values = [], []
    roots = ["conv1"] + [f"convs.{i}" for i in range(50) if f"convs.{i}.conv.weight" in state]
    for place, root in enumerate(roots):
        style = affine(state, f"{root}.conv.modulation", w)
        keys.append(maps * style[:, None, None])
        weight = state[f"{root}.conv.weight"][0]
        if equalised:
            weight = weight / math.sqrt(weight[0].numel())
        weight = weight * style[:, None, None]
        weight = weight / torch.sqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        if f"{root}.conv.blur.kernel" in state:
            maps = filtered(transposed(maps, weight), state[f"{root}.conv.blur.kernel"], 1, 1)
        else:
            maps = functional.conv2d(maps[None], weight, padding=1)[0]
        maps = maps + state[f"{root}.noise.weight"] * state[f"noises.noise_{place}"][0]
        maps = maps + state[f"{root}.activate.bias"][:, None, None]
        maps = (math.sqrt(2) * functional.leaky_relu(maps, 0.2)).clamp(-limit, limit)
        values.append(maps)
        if place % 2:
            continue
        root = "to_rgb1" if place == 0 else f"to_rgbs.{place // 2 - 1}"
        style = affine(state, f"{root}.conv.modulation", w)
        weight = state[f"{root}.conv.weight"][0, :, :, 0, 0] * style / math.sqrt(len(style))
        drawn = torch.einsum("oc,cyx->oyx", weight, maps) + state[f"{root}.bias"][0]
        drawn = drawn.clamp(-limit, limit)
        if picture is not None:
            drawn = drawn + filtered(stuffed(picture), state[f"{root}.upsample.kernel"], 2, 1)
        picture = drawn
    assert picture is not None
    return picture, keys, values


# ---- against it -------------------------------------------------------------------------------


@pytest.mark.parametrize("psi", [1.0, 0.6, 0.0])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_network_of_the_paper(
    stylegan2_state: StateMaker, layout: str, psi: float
) -> None:
    plain = {name: tensor.double() for name, tensor in stylegan2_state(3).items()}
    generator = stylegan2.build(stylegan2_state(3, layout), layout, psi)
    generator.module.double()
    generator.module.get_buffer("truncation").fill_(psi)  # 0.6 itself, not its float32
    latents = noise(2, 12)
    layers = generator.facts.layer_names()
    inputs = generator.inputs(latents, layers)
    pictures = generator.sample(latents)
    vendor = layout == "stylegan2-ada"
    for row in range(2):
        picture, keys, values = reference(plain, latents[row], psi, equalised=not vendor)
        assert torch.allclose(pictures[row], picture.clamp(-1, 1), rtol=0, atol=1e-11)
        assert (picture.abs() < 1).double().mean() > 0.7  # or nothing could be told apart
        for place, layer in enumerate(layers):
            form = generator.form(layer)
            found = form.activate(form.response(inputs[layer], form.weight))
            assert torch.allclose(inputs[layer].keys[row], keys[place], rtol=0, atol=1e-11)
            assert torch.allclose(found[row], values[place], rtol=0, atol=1e-11)


def test_the_vendors_limit_holds_values_and_colours(stylegan2_state: StateMaker) -> None:
    plain = {name: tensor.double() for name, tensor in stylegan2_state(3).items()}
    attributes = {"synthesis.b4.conv1.conv_clamp": 0.5}
    generator = stylegan2.build(
        stylegan2_state(3, "stylegan2-ada"), "stylegan2-ada", attributes=attributes
    )
    generator.module.double()
    latents = noise(1, 12)
    picture, _, values = reference(plain, latents[0], 1.0, equalised=False, limit=0.5)
    assert torch.allclose(generator.sample(latents)[0], picture.clamp(-1, 1), rtol=0, atol=1e-11)
    inputs = generator.inputs(latents, ["layer8"])["layer8"]
    form = generator.form("layer8")
    found = form.activate(form.response(inputs, form.weight))[0]
    assert torch.allclose(found, values[-1], rtol=0, atol=1e-11)
    assert float(found.max()) == 0.5


@pytest.mark.parametrize(
    ("layout", "attributes", "limit"),
    [
        ("rosinality", {}, None),
        ("rosinality", {"synthesis.b4.conv1.conv_clamp": 3}, None),
        ("stylegan2-ada", {}, 256.0),
        ("stylegan2-ada", {"synthesis.b4.conv1.conv_clamp": 100}, 100.0),
        ("stylegan2-ada", {"synthesis.b4.conv1.conv_clamp": None}, None),
    ],
)
def test_the_limit_is_the_files_or_the_vendors_default(
    stylegan2_state: StateMaker, layout: str, attributes: dict[str, object], limit: float | None
) -> None:
    generator = stylegan2.build(stylegan2_state(0, layout), layout, attributes=attributes)
    assert generator.form("layer3").limit == limit


@pytest.mark.parametrize("layout", LAYOUTS)
def test_state_has_the_names_and_shapes_of_the_file(
    stylegan2_state: StateMaker, layout: str
) -> None:
    state = stylegan2_state(1, layout)
    generator = stylegan2.build(state, layout)
    found = generator.state()
    assert list(found) == list(state)
    assert all(torch.equal(found[name], state[name]) for name in state)
    assert all(found[name].data_ptr() != state[name].data_ptr() for name in state)


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("rosinality", ("conv1", "convs.0", "convs.5.conv.weight")),
        ("authors", ("layer2.conv", "layer3.sconv", "layer8.sconv.mconv.dconv.weight")),
        ("authors-fused", ("layer2.conv", "layer3.sconv", "layer8.sconv.mconv.weight")),
        (
            "stylegan2-ada",
            ("synthesis.b4.conv1", "synthesis.b8.conv0", "synthesis.b32.conv1.weight"),
        ),
    ],
)
def test_layers_go_by_the_papers_number_and_the_files_name(
    make_stylegan2: Callable[..., StyleGAN2], layout: str, names: tuple[str, str, str]
) -> None:
    generator = make_stylegan2(layout=layout)
    assert generator.facts.layer_names() == tuple(f"layer{n}" for n in range(2, 9))
    aliases = [layer.names[1] for layer in generator.facts.layers]
    assert aliases[:2] == list(names[:2])
    assert generator.weight_name("layer8") == names[2]
    assert generator.weight_name(aliases[-1]) == names[2]
    assert generator.weight_axes("layer8") == ("OI" if layout == "stylegan2-ada" else "1OI")


def test_missing_noise_maps_are_drawn_from_one_stream(stylegan2_state: StateMaker) -> None:
    state = stylegan2_state(0)
    for number in (0, 4):
        del state[f"noises.noise_{number}"]
    generator = stylegan2.build(state)
    stream = np.random.RandomState(1)
    sizes = (4, 8, 8, 16, 16, 32, 32)
    drawn = [stream.standard_normal((1, 1, size, size)).astype(np.float32) for size in sizes]
    inputs = generator.inputs(noise(2, 12).float(), ["layer2", "layer6", "layer7"])
    for number, layer in ((0, "layer2"), (4, "layer6")):
        for row in range(2):
            assert np.array_equal(inputs[layer].carried["noise"][row].numpy(), drawn[number][0])
    kept = inputs["layer7"].carried["noise"][1]
    assert torch.equal(kept, state["noises.noise_5"][0])
    assert list(generator.state()) == list(state)


def test_a_missing_mean_is_estimated_and_told(stylegan2_state: StateMaker) -> None:
    state = stylegan2_state(0)
    mean = state.pop("latent_avg")
    generator = stylegan2.build(state, truncation=0.5)
    estimate = generator.mean_estimate
    assert estimate is not None
    rows = sampling.sample(estimate.seed, estimate.count, 12)
    found = generator.module.get_buffer("latent_avg")
    assert torch.allclose(found, generator.mapped(rows).mean(0), rtol=0, atol=1e-6)
    assert list(generator.state()) == list(state)
    # At 0 there is the mean picture alone.
    still = stylegan2.build(state, truncation=0.0)
    one, other = still.sample(noise(2, 12).float())
    assert torch.allclose(one, other, rtol=0, atol=1e-5)
    # Nothing is estimated that is there, or that nothing asks for.
    assert stylegan2.build({**state, "latent_avg": mean}, truncation=0.5).mean_estimate is None
    assert stylegan2.build(state).mean_estimate is None


def test_the_authors_lone_zero_is_no_mean(stylegan2_state: StateMaker) -> None:
    state = stylegan2_state(0, "authors")
    state["latents.latent_avg"] = torch.tensor(0.0)
    generator = stylegan2.build(state, "authors", 0.5)
    assert generator.mean_estimate is not None
    assert torch.equal(generator.state()["latents.latent_avg"], torch.tensor(0.0))
    port = stylegan2_state(0)
    del port["latent_avg"]
    latents = noise(2, 12).float()
    expected = stylegan2.build(port, truncation=0.5).sample(latents)
    assert torch.equal(generator.sample(latents), expected)


def test_no_truncation_leaves_the_inner_latents_alone(stylegan2_state: StateMaker) -> None:
    state = stylegan2_state(0)
    generator = stylegan2.build(state)
    state["latent_avg"] = state["latent_avg"] + 1e3
    latents = noise(3, 12).float()
    assert torch.equal(stylegan2.build(state).sample(latents), generator.sample(latents))


@pytest.mark.parametrize(("size", "depth", "last"), [(8, 1, 4), (64, 2, 10)])
def test_other_sizes_and_depths_are_read(
    stylegan2_state: StateMaker, size: int, depth: int, last: int
) -> None:
    for layout in LAYOUTS:
        generator = stylegan2.build(stylegan2_state(0, layout, size=size, depth=depth), layout)
        assert generator.sample(noise(1, 12).float()).shape == (1, 3, size, size)
        assert generator.facts.layer_names()[-1] == f"layer{last}"


def test_another_networks_weights_are_refused() -> None:
    with pytest.raises(ModelError) as caught:
        stylegan2.build({"0.weight": torch.zeros(1)})
    assert caught.value.code == "RD626"
    assert "its names are 0.weight" in caught.value.message
