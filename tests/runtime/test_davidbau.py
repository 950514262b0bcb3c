"""``compat davidbau``: each of its numbers once more, written another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from redraft.errors import ModelError, RunError
from redraft.models import latents
from redraft.models.arch.dcgan import DCGAN
from redraft.models.arch.proggan import ConvolutionForm, ProgGAN, plain_phases
from redraft.models.arch.stylegan2.generator import StyleGAN2
from redraft.models.generator import Generator, LayerForm, LayerInputs
from redraft.rivals import davidbau
from redraft.rivals.davidbau import Region
from redraft.rivals.davidbau_layer import entering, layer_of, noise_maps
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.solve import goals

Maker = Callable[..., StyleGAN2]
pytestmark = pytest.mark.usefixtures("one_thread")
Array = NDArray[np.float64]
LAYERS = ("layer2", "layer5", "layer6", "layer7")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain_form(channels: int = 5, out: int = 4, seed: int = 1) -> ConvolutionForm:
    weight = noise(out, channels, 3, 3, seed=seed)
    return ConvolutionForm(weight, torch.tensor(0.3).expand(out), noise(out), plain_phases(3))


def marked(size: int, box: tuple[int, int, int, int], channels: int = 5, seed: int = 2) -> Region:
    """A picture of random keys and a box (top, bottom, left, right) of its grid."""
    cover = torch.zeros(size, size)
    cover[box[0] : box[1], box[2] : box[3]] = 1.0
    return Region(LayerInputs(noise(1, channels, size, size, seed=seed)), cover)


def one_picture(generator: Generator, layer: str, index: int = 3) -> LayerInputs:
    row = latents.sample(1, index + 1, generator.facts.latent_size)[index:]
    return generator.inputs(row, [layer])[layer]


# ---- the way to a layer -------------------------------------------------------------------------


def test_every_noise_map_is_the_start_of_one_stream() -> None:
    stream = np.random.RandomState(0).randn(3 * 64).astype(np.float32)
    assert noise_maps(1, 4, 4).flatten().tolist() == stream[:16].tolist()
    assert noise_maps(3, 8, 8).flatten().tolist() == stream.tolist()


@contextmanager
def noise_of_place(generator: StyleGAN2, place: int) -> Iterator[None]:
    """The network itself with the noise that a place in a batch has, at every layer."""
    held = {name: generator.module.state_dict()[name].clone() for name in generator.names.noises}
    for name, kept in held.items():
        drawn = noise_maps(place + 1, kept.shape[-2], kept.shape[-1])[place]
        generator.restore({name: drawn.reshape(kept.shape)})
    yield
    generator.restore(held)


@pytest.mark.parametrize("layer", ["layer2", "layer3", "layer6"])
@pytest.mark.parametrize("layout", ["rosinality", "authors", "stylegan2-ada"])
@pytest.mark.parametrize("truncation", [0.7, 1.0])
def test_the_way_to_a_layer_is_the_models_own_with_their_noise(
    make_stylegan2: Maker, layer: str, layout: str, truncation: float
) -> None:
    generator = make_stylegan2(layout=layout, truncation=truncation)
    rows = latents.sample(1, 3, 12)
    found = entering(generator, rows, layer)
    for place in range(3):
        with noise_of_place(generator, place):
            own = generator.inputs(rows[place : place + 1], [layer])[layer]
        for mine, its in (
            (found.keys, own.keys),
            (found.carried["style"], own.carried["style"]),
        ):
            assert torch.allclose(mine[place], its[0], rtol=1e-4, atol=1e-4)


def test_every_name_of_a_layer_will_do(make_stylegan2: Maker) -> None:
    generator = make_stylegan2()
    rows = latents.sample(1, 1, 12)
    wanted = entering(generator, rows, "layer6").keys
    for name in generator.facts.layers[4].names:
        assert torch.equal(entering(generator, rows, name).keys, wanted)
    with pytest.raises(ModelError, match="layer99"):
        entering(generator, rows, "layer99")


def test_other_networks_are_run_as_they_are(make_proggan: Callable[..., ProgGAN]) -> None:
    generator = make_proggan()
    found = entering(generator, latents.sample(1, 4, 10)[3:], "layer6")
    assert torch.equal(found.keys, one_picture(generator, "layer6").keys)


# ---- the layer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("layout", ["rosinality", "stylegan2-ada"])
def test_a_styled_layer_is_the_models_own_with_other_noise(
    make_stylegan2: Maker, layer: str, layout: str
) -> None:
    generator = make_stylegan2(layout=layout)
    form, inputs = generator.form(layer), one_picture(generator, layer)
    weight = form.weight + 0.1 * noise(*form.weight.shape)
    size = inputs.carried["noise"].shape[2]
    own = replace(inputs, carried={**inputs.carried, "noise": noise_maps(1, size, size)})
    wanted = form.activate(form.response(own, weight))
    found = layer_of(form, inputs)(weight)
    assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5)
    # Their noise is not the model's, and it shows.
    assert not torch.allclose(found, form.activate(form.response(inputs, weight)), atol=1e-2)


def test_the_noise_of_a_crop_starts_anew(make_stylegan2: Maker) -> None:
    generator = make_stylegan2()
    form, inputs = generator.form("layer7"), one_picture(generator, "layer7")
    crop = replace(inputs, keys=inputs.keys[:, :, 2:7, 3:5])
    carried = {**inputs.carried, "noise": noise_maps(1, 10, 4)}
    wanted = form.activate(form.response(replace(crop, carried=carried), form.weight))
    found = layer_of(form, crop)(form.weight)
    assert found.shape == (1, 6, 10, 4)
    assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_limit_holds_there_too(make_stylegan2: Maker) -> None:
    generator = make_stylegan2()
    form = replace(generator.form("layer6"), limit=0.25)
    found = layer_of(form, one_picture(generator, "layer6"))(form.weight)
    assert float(found.abs().max()) == 0.25


def test_a_plain_layer_ends_with_its_convolution(make_proggan: Callable[..., ProgGAN]) -> None:
    generator = make_proggan()
    form, inputs = generator.form("layer5"), one_picture(generator, "layer5")
    found = layer_of(form, inputs)(form.weight)
    patches = functional.unfold(inputs.keys, 3, padding=1)
    wanted = (form.weight.flatten(1) @ patches[0]).reshape(found.shape)
    assert torch.allclose(found, wanted, atol=1e-4)


def test_a_layer_they_did_not_have_is_this_projects(make_generator: Callable[..., DCGAN]) -> None:
    generator = make_generator()
    form, inputs = generator.form("layer6"), one_picture(generator, "layer6")
    found = layer_of(form, inputs)(form.weight)
    assert torch.equal(found, form.activate(form.response(inputs, form.weight)))


# ---- the second moment --------------------------------------------------------------------------


@pytest.mark.parametrize("count", [7, 23])
def test_the_moment_sees_the_noise_of_each_place_in_a_batch(
    make_stylegan2: Maker, count: int
) -> None:
    generator = make_stylegan2()
    batches = list(latents.batches(1, count, 12, davidbau.BATCH))
    found = davidbau.second_moment(generator, batches, "layer6")
    total = torch.zeros(8, 8, dtype=torch.float64)
    for number in range(count):
        with noise_of_place(generator, number % 10):
            row = batches[number // 10][number % 10]
            keys = generator.inputs(row[None], ["layer6"])["layer6"].keys[0].double()
        total += torch.einsum("cyx,dyx->cd", keys, keys) / (count * 256)
    assert torch.allclose(found, total, rtol=1e-4, atol=1e-4 * float(total.abs().max()))


def test_the_moment_is_added_up_in_float32(make_proggan: Callable[..., ProgGAN]) -> None:
    generator = make_proggan()
    rows = latents.sample(1, 25, 10)
    found = davidbau.second_moment(generator, rows.chunk(3), "layer7")
    keys = generator.inputs(rows, ["layer7"])["layer7"].keys.permute(0, 2, 3, 1).reshape(-1, 12)
    slow = np.zeros((12, 12), np.float32)
    for key in keys.numpy():
        slow += np.outer(key, key)
    exact = (keys.double().T @ keys.double() / len(keys)).numpy()
    slow_error = np.abs(slow / len(keys) - exact).max()
    assert np.abs(found.numpy() - exact).max() > 0.2 * slow_error
    assert np.abs(found.numpy() - slow / len(keys)).max() < 3 * slow_error
    assert slow_error < 1e-3


def test_a_moment_needs_latents(make_proggan: Callable[..., ProgGAN]) -> None:
    with pytest.raises(RunError, match="at least one latent"):
        davidbau.second_moment(make_proggan(), [], "layer7")


# ---- directions ---------------------------------------------------------------------------------


def moment(channels: int = 5, seed: int = 4) -> Tensor:
    rows = noise(40, channels, seed=seed).double() * torch.linspace(0.3, 2, channels)
    return (rows.T @ rows / 40).float().double()


def contexts() -> list[Region]:
    first, second = marked(6, (1, 4, 2, 5), seed=5), marked(6, (0, 2, 0, 3), seed=6)
    return [first, replace(second, cover=second.cover * torch.linspace(0.2, 1, 6))]


def context_rows() -> tuple[Array, Array]:
    """Keys (n, C) and weights (n,), position by position."""
    rows, weights = [], []
    for each in contexts():
        for y in range(6):
            for x in range(6):
                if each.cover[y, x] > 0:
                    rows.append(each.inputs.keys[0, :, y, x].double().numpy())
                    weights.append(float(each.cover[y, x]))
    return np.stack(rows), np.array(weights)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_whitened_directions(rank: int) -> None:
    values, vectors = np.linalg.eigh(moment().numpy())
    whiten = vectors @ np.diag(values**-0.5) @ vectors.T
    keys, weights = context_rows()
    rows = (keys @ whiten) * weights[:, None]
    leading = np.linalg.svd(rows)[2][:rank]
    # Gram-Schmidt, which is what the QR decomposition of their mapped directions amounts to.
    basis: list[Array] = []
    for mapped in leading @ whiten:
        rest = mapped - sum((known * (known @ mapped) for known in basis), np.zeros(5))
        rest = rest / np.linalg.norm(rest)
        basis.append(rest if rest @ rows.sum(0) > 0 else -rest)
    found = davidbau.whitened_directions(contexts(), moment(), rank)
    assert found.dtype == torch.float32
    assert np.allclose(found.numpy(), np.stack(basis), atol=2e-5)


def test_one_key_gives_the_papers_direction() -> None:
    context = marked(6, (2, 3, 4, 5))
    found = davidbau.whitened_directions([context], moment(), 1)[0]
    key = context.inputs.keys[0, :, 2, 4].double()
    wanted = torch.linalg.solve(moment(), key)
    assert torch.allclose(found.double(), wanted / wanted.norm(), atol=1e-5)


def test_svd_and_mean_directions() -> None:
    keys, weights = context_rows()
    rows = np.linalg.solve(moment().numpy(), (keys * weights[:, None]).T).T
    mean = rows.mean(0)
    found = davidbau.mean_direction(contexts(), moment()).numpy()
    assert np.allclose(found, mean / np.linalg.norm(mean), atol=2e-5)
    leading = np.linalg.svd(rows)[2][:3]
    found = davidbau.inverted_directions(contexts(), moment(), 3).numpy()
    assert found[0] @ mean > 0
    for mine, theirs in zip(leading, found, strict=True):
        assert abs(mine @ theirs) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("turned", [1.0, -1.0])
def test_the_first_svd_direction_agrees_with_the_mean(turned: float) -> None:
    context = marked(6, (1, 4, 2, 5))
    keys = turned * (context.inputs.keys + 3)
    context = replace(context, inputs=LayerInputs(keys))
    found = davidbau.inverted_directions([context], torch.eye(5, dtype=torch.float64), 1)[0]
    assert turned * float(found.sum()) > 0


def test_whitening_tames_nothing() -> None:
    """A channel that is seen a millionth of a millionth as often weighs a million times more."""
    spread = torch.diag(torch.tensor([1.0, 1e-12], dtype=torch.float64))
    assert davidbau.whitening(spread)[1, 1] == pytest.approx(1e6, rel=1e-5)


def test_whitening_without_a_number_is_refused() -> None:
    below = torch.diag(torch.tensor([1.0, -1e-9], dtype=torch.float64))
    with pytest.raises(RunError, match="no whitening") as raised:
        davidbau.whitening(below)
    assert raised.value.code == "RD514"


@pytest.mark.parametrize("directions", [davidbau.whitened_directions, davidbau.inverted_directions])
def test_a_rank_above_the_positions_is_refused(
    directions: Callable[[list[Region], Tensor, int], Tensor],
) -> None:
    with pytest.raises(RunError, match="rank 3 needs 3 context positions, and there are 2"):
        directions([marked(6, (1, 3, 2, 3))], moment(), 3)


def test_unusual_units() -> None:
    keys, weights = context_rows()
    scores = (weights[:, None] * keys**2).sum(0) / moment().numpy().diagonal() / weights.sum()
    wanted = np.argsort(-scores)[:3]
    assert davidbau.unusual_units(contexts(), moment(), 3).tolist() == wanted.tolist()


# ---- goals --------------------------------------------------------------------------------------

PLACES = [
    # box of the paste (top, bottom, left, right), size of the patch, where its top left corner goes
    ((4, 8, 4, 8), (2, 2), (5, 5)),
    ((4, 8, 4, 8), (3, 3), (5, 5)),
    ((4, 7, 4, 7), (2, 2), (4, 4)),  # the middle, 5.5, is rounded down
    ((4, 7, 4, 7), (3, 3), (4, 4)),
    ((0, 2, 0, 2), (6, 4), (0, 0)),  # pushed inside
    ((10, 12, 11, 12), (6, 3), (6, 9)),
    ((0, 1, 0, 12), (12, 12), (0, 0)),
]


@pytest.mark.parametrize(("box", "size", "corner"), PLACES)
def test_a_patch_goes_to_the_middle_of_the_box(
    box: tuple[int, int, int, int], size: tuple[int, int], corner: tuple[int, int]
) -> None:
    form, target = plain_form(), marked(12, box)
    alpha = torch.full(size, 0.25)
    patch = goals.Patch(noise(4, *size, seed=9), alpha, (0.0, 0.0))
    wanted = davidbau.pasted(form, target, patch)
    top, left = corner
    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
    before = functional.conv2d(target.inputs.keys, form.weight, padding=1)
    mixed = 0.75 * before[:, :, rows, columns] + 0.25 * patch.values
    assert torch.allclose(wanted.values, mixed, atol=1e-6)
    assert torch.equal(wanted.inputs.keys, target.inputs.keys[:, :, rows, columns])


def test_the_middle_is_that_of_the_box_not_of_the_region() -> None:
    form, target = plain_form(), marked(12, (2, 3, 2, 3))
    target.cover[8, 2] = 1 / 255  # hardly there, but the box reaches down to it
    patch = goals.Patch(noise(4, 1, 1), torch.ones(1, 1), (0.5, 0.5))
    wanted = davidbau.pasted(form, target, patch)
    assert torch.equal(wanted.inputs.keys[..., 0, 0], target.inputs.keys[..., 5, 2])
    assert torch.equal(wanted.values[0], patch.values)


def test_a_patch_larger_than_the_picture_is_refused() -> None:
    patch = goals.Patch(noise(4, 13, 2), torch.ones(13, 2), (0.0, 0.0))
    with pytest.raises(RunError, match="choose a smaller copy"):
        davidbau.pasted(plain_form(), marked(12, (4, 8, 4, 8)), patch)


def test_a_copy_is_the_box_of_its_region() -> None:
    form, source = plain_form(), marked(12, (4, 8, 5, 7))
    source.cover[4, 5] = 0.0
    source.cover[4, 6] = 0.5
    patch = davidbau.copied(form, source)
    values = functional.conv2d(source.inputs.keys, form.weight, padding=1)
    assert torch.equal(patch.values, values[0, :, 4:8, 5:7])
    assert patch.alpha[0].tolist() == [0.0, 0.5]


@given(st.integers(0, 30), st.integers(1, 8), st.integers(0, 30), st.integers(1, 8))
def test_a_crop_holds_whole_keys(top: int, tall: int, left: int, wide: int) -> None:
    """Where one key makes two rows, the crop grows to whole keys."""
    form = cast(LayerForm, Enlarging())
    keys = noise(1, 3, 16, 16)
    cover = torch.zeros(32, 32)
    cover[top : min(top + tall, 32), left : min(left + wide, 32)] = 1
    patch = goals.Patch(torch.full((2, tall, wide), 99.0), torch.ones(tall, wide), (0.0, 0.0))
    wanted = davidbau.pasted(form, Region(LayerInputs(keys), cover), patch)
    # Where the patch may go: from its middle, moved inside.
    first = [
        max(0, min(32 - length, (start + min(start + length, 32)) // 2 - length // 2))
        for start, length in ((top, tall), (left, wide))
    ]
    rows = slice(first[0] // 2, (first[0] + tall + 1) // 2)
    columns = slice(first[1] // 2, (first[1] + wide + 1) // 2)
    assert torch.equal(wanted.inputs.keys, keys[:, :, rows, columns])
    put = (wanted.values[0, 0] == 99).nonzero()
    assert put[0].tolist() == [first[0] % 2, first[1] % 2]
    assert len(put) == tall * wide
    kept = form.response(wanted.inputs, form.weight)
    assert torch.allclose(wanted.values[wanted.values != 99], kept[wanted.values != 99])


class Enlarging:
    """A layer of no known architecture that doubles the size: every key makes 2 x 2 positions."""

    weight = noise(2, 3, 1, 1)

    def response(self, inputs: LayerInputs, weight: Tensor) -> Tensor:
        return functional.interpolate(functional.conv2d(inputs.keys, weight), scale_factor=2)

    def activate(self, response: Tensor) -> Tensor:
        return response


def test_an_erase_asks_for_the_whole_picture_without_the_units() -> None:
    form, target = plain_form(), marked(12, (4, 8, 4, 8))
    wanted = davidbau.erased(form, target.inputs, torch.tensor([1, 3]))
    keys = target.inputs.keys * torch.tensor([1.0, 0, 1, 0, 1])[:, None, None]
    assert torch.equal(wanted.values, functional.conv2d(keys, form.weight, padding=1))
    assert torch.equal(wanted.inputs.keys, target.inputs.keys)


# ---- the insert ---------------------------------------------------------------------------------


def problem() -> tuple[ConvolutionForm, davidbau.Target, Tensor]:
    form, target = plain_form(), marked(8, (1, 6, 1, 6))
    patch = goals.Patch(3 * noise(4, 4, 5, seed=3), torch.ones(4, 5), (0.0, 0.0))
    basis = torch.linalg.qr(noise(5, 2, seed=8))[0].T.contiguous()
    return form, davidbau.pasted(form, target, patch), basis


def adam_by_hand(steps: int, rate: float, every: int) -> Array:
    """The weight after some steps, from Adam's formulas, in float64."""
    form, wanted, basis = problem()
    keys = functional.unfold(wanted.inputs.keys.double(), 3, padding=1)[0].numpy()
    goal = wanted.values[0].flatten(1).double().numpy()
    onto = (basis.T @ basis).double().numpy()
    start = form.weight.double().numpy()
    weight = start.copy()
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    for step in range(1, steps + 1):
        off = weight.reshape(4, -1) @ keys - goal
        slope = (np.sign(off) @ keys.T).reshape(weight.shape) / off.size
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        scaled = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        weight = weight - rate * first / (1 - 0.9**step) / scaled
        if step % every == 1 or step == steps or every == 1:
            weight = start + np.einsum("ocyx,cd->odyx", weight - start, onto)
    return weight


@pytest.mark.parametrize(("steps", "every"), [(1, 10), (11, 10), (16, 10), (9, 4), (8, 1)])
def test_the_descent_is_adam_projected_every_so_often(steps: int, every: int) -> None:
    form, wanted, basis = problem()
    found = davidbau.insert(ProjectedAdam(steps, 0.02, every), form, wanted, basis)
    weight = adam_by_hand(steps, 0.02, every)
    edited = form.weight + torch.einsum("osyx,sc->ocyx", found.coefficients, found.directions)
    change = np.abs(weight - form.weight.numpy()).max()
    assert np.abs(edited.numpy() - weight).max() < 1e-3 * change
    keys = wanted.inputs.keys
    after = functional.conv2d(keys, torch.from_numpy(weight).float(), padding=1)
    before = functional.conv2d(keys, form.weight, padding=1)
    assert found.loss_after == pytest.approx(float((after - wanted.values).abs().mean()), rel=1e-3)
    assert found.loss_before == pytest.approx(float((before - wanted.values).abs().mean()))
    assert found.iterations == steps


def test_a_descent_that_runs_away_says_so() -> None:
    form, wanted, basis = problem()
    damaged = LayerInputs(wanted.inputs.keys * float("nan"))
    with pytest.raises(RunError, match="diverged"):
        davidbau.insert(ProjectedAdam(3), form, replace(wanted, inputs=damaged), basis)


# ---- the crop of other solvers ------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["layer6", "layer7"])
def test_a_crop_takes_its_part_of_the_models_noise(make_stylegan2: Maker, layer: str) -> None:
    generator = make_stylegan2()
    form, inputs = generator.form(layer), one_picture(generator, layer)
    before = form.activate(form.response(inputs, form.weight))
    size, step = inputs.keys.shape[2], before.shape[2] // inputs.keys.shape[2]
    inside = torch.zeros_like(before[:, 0])
    inside[:, 4 * step : 11 * step, 5 * step : 13 * step] = 1
    whole = goals.Goal(inputs, before, before + 1, inside, inside)
    crop = goals.crop(form, whole, form.weight, torch.zeros(size, size))
    middle = before[:, :, 4 * step : 11 * step, 5 * step : 13 * step]
    inner = slice(2 * step, -2 * step)
    assert crop.before.shape == middle.shape
    assert torch.allclose(
        crop.before[..., inner, inner], middle[..., inner, inner], rtol=1e-5, atol=1e-5
    )
    assert torch.equal(crop.values, middle + 1)
