"""Methods that do not change one layer: all weights, latents, styles, and pixels."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest
import torch

import redraft
from redraft.errors import RunError
from redraft.judge.spots import Spots
from redraft.models.generator import Generator
from redraft.models.hooked.hooked import HookedGenerator
from redraft.rivals import pixels
from redraft.rivals.changes import Change, LayerChange, Subject, WeightsChange
from redraft.rivals.pixels import EditTransfer, Manner, manners
from redraft.rivals.tuning import Example, Fit, fine_tuned, latent_direction, style_channels
from redraft.solve.delta import Delta

Maker = Callable[..., Generator]
needs_opencv = pytest.mark.skipif(
    importlib.util.find_spec("cv2") is None, reason="OpenCV is not installed"
)


def subject_of(generator: Generator, count: int = 4) -> Subject:
    source = torch.Generator().manual_seed(5)
    latents = torch.randn(count, generator.facts.latent_size, generator=source)
    layer = generator.facts.layers[2].name
    inputs = generator.inputs(latents, [layer])[layer]
    return Subject(generator, layer, latents, inputs, generator.sample(latents))


def example_of(subject: Subject) -> Example:
    """Asks for the pictures of latents that are all moved alike."""
    moved = subject.latents + torch.linspace(-0.8, 0.8, subject.latents.shape[1])
    return Example(subject.latents, subject.generator.sample(moved))


def left(change: Change, subject: Subject, example: Example) -> float:
    """How much of what was asked for is left to do."""
    wrong = (change(subject, 1.0) - example.wanted).square().mean()
    return float(wrong / (subject.before - example.wanted).square().mean())


@pytest.mark.parametrize(("method", "rate"), [(fine_tuned, 0.003), (latent_direction, 0.05)])
@pytest.mark.parametrize("maker", ["make_generator", "make_proggan", "make_stylegan2"])
def test_what_is_fitted_comes_nearer_and_leaves_the_network_as_it_was(
    maker: str,
    method: Fit,
    rate: float,
    request: pytest.FixtureRequest,
) -> None:
    generator: Generator = request.getfixturevalue(maker)()
    before = {name: each.clone() for name, each in generator.state().items()}
    subject = subject_of(generator)
    example = example_of(subject)
    change = method(generator, example, rate, 30)
    assert left(change, subject, example) < 0.9
    assert torch.equal(change(subject, 0.0), subject.before)
    assert all(torch.equal(each, before[name]) for name, each in generator.state().items())
    assert not any(each.requires_grad for each in generator.module.parameters())


def test_all_weights_move_when_all_are_tuned(make_proggan: Maker) -> None:
    generator = make_proggan()
    subject = subject_of(generator)
    change = fine_tuned(generator, example_of(subject), 0.01, 3)
    moved = {name for name, part in change.parts.items() if float(part.abs().max()) > 0}
    assert moved == set(dict(generator.module.named_parameters()))


def test_a_style_channel_moves_one_number_of_the_network(make_stylegan2: Maker) -> None:
    generator = make_stylegan2()
    subject = subject_of(generator)
    example = example_of(subject)
    channels = style_channels(generator, example, 6)  # type: ignore[arg-type]
    assert len(channels) == 6
    numbers = set()
    for change in channels:
        ((name, part),) = change.parts.items()
        (place,) = part.nonzero().flatten().tolist()
        numbers.add((name, place))
    assert len(numbers) == 6
    small = min(left(WeightsChange(dict(each.parts)), subject, example) for each in channels)
    assert small < 1.0


def test_a_layer_changes_as_if_its_weight_were_written(make_proggan: Maker) -> None:
    generator = make_proggan()
    subject = subject_of(generator)
    weight = generator.form(subject.layer).weight
    directions = torch.eye(weight.shape[1])[:2]
    coefficients = 0.3 * torch.ones(len(weight), 2, *weight.shape[2:])
    delta = Delta("rule", subject.layer, directions, coefficients)
    change = LayerChange(delta)(subject, 0.5)
    generator.set_weight(subject.layer, delta.scaled(0.5).added_to(weight))
    assert torch.allclose(change, generator.sample(subject.latents), atol=1e-5)
    assert float((change - subject.before).abs().mean()) > 1e-3


def test_a_network_without_gradients_says_so() -> None:
    module = torch.nn.Sequential(
        torch.nn.Linear(8, 48), torch.nn.Unflatten(1, (12, 2, 2)),
        torch.nn.Conv2d(12, 12, 3, padding=1), torch.nn.ReLU(), torch.nn.Upsample(scale_factor=4),
        torch.nn.Conv2d(12, 3, 3, padding=1), torch.nn.Tanh(),
    )  # fmt: skip
    generator = HookedGenerator(redraft.Generator(module))
    example = Example(torch.randn(2, 8), torch.zeros(2, 3, 8, 8))
    with pytest.raises(RunError) as caught:
        fine_tuned(generator, example, 0.01, 2)
    assert caught.value.code == "RD538"


# ---- pixels ------------------------------------------------------------------------------------

RED = torch.tensor([0.9, -0.8, -0.8])


def pictures() -> Subject:
    """Grey pictures, brighter to the right; two places in the first, one in the second."""
    before = torch.linspace(-0.4, 0.4, 32).expand(2, 3, 32, 32).clone()
    spots = Spots(torch.tensor([0, 0, 1]), torch.tensor([[-6, -8], [5, 7], [0, 6]]))
    return Subject(None, "layer", torch.zeros(2, 1), None, before, spots)  # type: ignore[arg-type]


def transfer(manner: Manner) -> EditTransfer:
    """A red square of 6 px on grey, copied with a margin of 2 px."""
    picture = torch.zeros(3, 32, 32)
    picture[:, 13:19, 5:11] = RED[:, None, None]
    region = torch.zeros(32, 32, dtype=torch.float64)
    region[11:21, 3:13] = 1.0
    return EditTransfer(picture, region, torch.ones(32, 32, dtype=torch.bool), manner)


@needs_opencv
@pytest.mark.parametrize("blend", ["copy", "laplacian", "poisson"])
def test_a_copy_appears_at_its_places_and_nowhere_else(blend: pixels.Blend) -> None:
    subject = pictures()
    for manner in manners(blend):
        after = transfer(manner)(subject, 1.0)
        for row, y, x in ((0, 10, 8), (0, 21, 23), (1, 16, 22)):
            patch = after[row, :, y - 1 : y + 1, x - 1 : x + 1].mean((1, 2))
            assert float(patch[0] - patch[1]) > 0.7, f"{manner}: red at {row, y, x}"
        far = (after - subject.before)[1, :, :, :8].abs().max()
        assert float(far) < 0.03, str(manner)
        assert torch.equal(transfer(manner)(subject, 0.0), subject.before)


@needs_opencv
def test_a_plain_copy_is_the_copy_and_fades_with_strength() -> None:
    subject = pictures()
    half, whole = (transfer(Manner("copy", 0, 0.0))(subject, each) for each in (0.5, 1.0))
    assert torch.allclose(whole[0, :, 10, 8], RED, atol=1e-6)
    assert torch.allclose(half, (whole + subject.before) / 2, atol=1e-6)


@needs_opencv
def test_a_poisson_blend_takes_the_colours_of_the_surroundings() -> None:
    subject = pictures()
    plain = transfer(Manner("copy", 1, 0.0))(subject, 1.0)
    blended = transfer(Manner("poisson", 1, 0.0))(subject, 1.0)
    edge = (1, slice(None), slice(12, 20), 25)  # the grey margin of the copy
    blends = float((blended - subject.before)[edge].abs().mean())
    assert blends < 0.6 * float((plain - subject.before)[edge].abs().mean())


def test_without_opencv_a_blend_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(pixels, "import_module", missing)
    with pytest.raises(RunError) as caught:
        transfer(Manner("copy", 0, 0.0))(pictures(), 1.0)
    assert caught.value.code == "RD539"
    assert "opencv-python-headless" in str(caught.value)


@needs_opencv
def test_pictures_that_hold_nothing_to_remove_are_left_alone() -> None:
    subject = pictures()
    holding = torch.tensor([False, True])
    fixed = Subject(None, "layer", subject.latents, None, subject.before, None, holding)  # type: ignore[arg-type]
    change = transfer(Manner("copy", 0, 0.0))
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[11:21, 3:13] = True
    after = EditTransfer(change.picture, change.region, inside, change.manner)(fixed, 1.0)
    assert torch.equal(after[0], subject.before[0])
    assert torch.allclose(after[1, :, 15, 8], RED, atol=1e-6)
