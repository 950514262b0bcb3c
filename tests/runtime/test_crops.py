"""Windows of pictures: a layer run on a window and its halo gives what it gives on the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from redraft.models.arch.plain import form_of
from redraft.models.arch.proggan import ConvolutionForm, plain_phases
from redraft.models.arch.stylegan2.form import ModulatedForm
from redraft.models.generator import LayerForm, LayerInputs, Reach, Reaches
from redraft.solve import goals
from redraft.solve.descent import GradientSolver
from redraft.solve.directions import goal_directions
from redraft.solve.problem import Problem, data_loss
from redraft.solve.windows import Box, crop, focus, reach_of

ProblemMaker = Callable[..., Problem]
GeneratorMaker = Callable[..., object]
FormMaker = Callable[[], LayerForm]
pytestmark = pytest.mark.usefixtures("one_thread")
OUT, CHANNELS, COUNT = 3, 4, 2


def whole(*shape: int, seed: int = 0) -> Tensor:
    """Small whole numbers: every order of summation gives the same bits."""
    source = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, shape, generator=source).double()


def module(made: nn.Conv2d | nn.ConvTranspose2d, slope: float = 0.0) -> LayerForm:
    """A plain layer with whole weights, and a batch norm that multiplies by powers of two."""
    made = made.double()
    norm = nn.BatchNorm2d(OUT, eps=0.0).double().eval()
    with torch.no_grad():
        made.weight.copy_(whole(*made.weight.shape, seed=1))
        norm.running_mean.copy_(whole(OUT, seed=2))
        norm.running_var.copy_(torch.tensor([1.0, 4.0, 16.0]))
        norm.bias.copy_(whole(OUT, seed=3))
    return form_of(made.requires_grad_(False), norm.requires_grad_(False), slope)


def proggan() -> LayerForm:
    return ConvolutionForm(
        weight=whole(OUT, CHANNELS, 3, 3, seed=1),
        scale=torch.full((OUT,), 0.25).double(),
        offset=whole(OUT, seed=2),
        phases=plain_phases(3),
        negative_slope=0.25,
    )


def modulated(*, up: bool) -> LayerForm:
    blur = torch.tensor([1.0, 3.0, 3.0, 1.0]).double()
    return ModulatedForm(
        weight=whole(OUT, CHANNELS, 3, 3, seed=1),
        scale=1 / math.sqrt(9 * CHANNELS),
        strength=torch.tensor(0.5).double(),
        bias=whole(OUT, seed=2),
        # Not symmetric, so that a shift would show.
        kernel=torch.outer(blur, blur.roll(1)) / 16 if up else None,
    )


FORMS: dict[str, FormMaker] = {
    "dcgan": lambda: module(nn.ConvTranspose2d(CHANNELS, OUT, 4, 2, 1, bias=False)),
    "proggan": proggan,
    "stylegan2": lambda: modulated(up=False),
    "stylegan2, up": lambda: modulated(up=True),
    "convolution": lambda: module(nn.Conv2d(CHANNELS, OUT, 3, padding=1), slope=0.25),
    "one tap": lambda: module(nn.Conv2d(CHANNELS, OUT, 1), slope=1.0),
    "without padding": lambda: module(nn.Conv2d(CHANNELS, OUT, (3, 2))),
    "much padding": lambda: module(nn.Conv2d(CHANNELS, OUT, 4, padding=3)),
    "strided": lambda: module(nn.Conv2d(CHANNELS, OUT, 4, stride=2, padding=1)),
    "strided and dilated": lambda: module(
        nn.Conv2d(CHANNELS, OUT, 3, stride=(3, 2), padding=(2, 1), dilation=(2, 1))
    ),
    "transposed, three by three": lambda: module(
        nn.ConvTranspose2d(CHANNELS, OUT, 3, 2, 1, output_padding=1)
    ),
    "transposed, by three": lambda: module(nn.ConvTranspose2d(CHANNELS, OUT, 5, 3, 1)),
}


def inputs_for(form: LayerForm, size: tuple[int, int], count: int = COUNT) -> LayerInputs:
    keys = whole(count, CHANNELS, *size, seed=5)
    if not isinstance(form, ModulatedForm):
        return LayerInputs(keys)
    side = [each * (1 if form.kernel is None else 2) for each in size]
    return LayerInputs(
        keys,
        {
            "style": whole(count, CHANNELS, seed=6),
            "noise": whole(1, 1, *side, seed=7).expand(count, -1, -1, -1),
            "colours": whole(count, 3, 2, 2, seed=8),
        },
    )


def values_of(form: LayerForm, inputs: LayerInputs) -> Tensor:
    return form.activate(form.response(inputs, form.weight))


def assert_same_inside(form: LayerForm, inputs: LayerInputs, boxes: Sequence[Box]) -> None:
    """Every bit of every value in its window; and nothing is run but the windows and their halo."""
    expected = values_of(form, inputs)
    found = crop(form, inputs, boxes)
    if found is None:
        return
    values = values_of(form, found.inputs)
    assert values.shape == found.of(expected).shape
    for number, (top, bottom, left, right) in enumerate(boxes):
        y, x = found.rows[number][0], found.columns[number][0]
        inside = values[number, :, top - y : bottom - y, left - x : right - x]
        assert torch.equal(inside, expected[number, :, top:bottom, left:right])


def spans(size: int) -> st.SearchStrategy[tuple[int, int]]:
    """A part of so many positions; often at one of the ends."""
    return st.tuples(st.integers(0, size - 1), st.integers(1, size)).map(
        lambda drawn: (min(drawn[0], size - 1), min(size, drawn[0] + drawn[1]))
    )


@pytest.mark.parametrize("name", FORMS)
@given(data=st.data())
def test_a_window_has_the_values_of_the_whole(name: str, data: st.DataObject) -> None:
    form = FORMS[name]()
    size = data.draw(st.tuples(st.integers(5, 12), st.integers(5, 12)), label="keys")
    inputs = inputs_for(form, size)
    height, width = values_of(form, inputs).shape[2:]
    boxes = [
        (*data.draw(spans(height), label="rows"), *data.draw(spans(width), label="columns"))
        for _ in range(COUNT)
    ]
    assert_same_inside(form, inputs, boxes)


# how many rows and columns of 12 x 12 keys a window of 2 x 2 values in their middle takes along
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("dcgan", 3),
        ("proggan", 4),
        ("stylegan2", 4),
        ("stylegan2, up", 3),
        ("one tap", 2),
        ("strided", 7),  # one more at the start, for whole steps
    ],
)
def test_a_crop_takes_no_more_than_its_halo(name: str, keys: int) -> None:
    form = FORMS[name]()
    inputs = inputs_for(form, (12, 12), 1)
    middle = values_of(form, inputs).shape[2] // 2 // 2 * 2
    found = crop(form, inputs, [(middle, middle + 2, middle, middle + 2)])
    assert found is not None
    assert found.inputs.keys.shape[2:] == (keys, keys)


@pytest.mark.parametrize("name", ["dcgan", "stylegan2", "stylegan2, up"])
def test_a_halo_is_needed(name: str) -> None:
    """The border of what the layer gives for a crop lacks its neighbours; the window does not."""
    form = FORMS[name]()
    inputs = inputs_for(form, (12, 12))
    found = crop(form, inputs, [(8, 10, 8, 10), (4, 6, 6, 10)])
    assert found is not None
    assert not torch.equal(values_of(form, found.inputs), found.of(values_of(form, inputs)))


def test_the_noise_of_a_crop_is_the_crop_of_the_noise() -> None:
    form = FORMS["stylegan2, up"]()
    inputs = inputs_for(form, (8, 8))
    found = crop(form, inputs, [(4, 6, 10, 14), (0, 2, 2, 6)])
    assert found is not None
    rows, columns = found.rows, found.columns
    assert (rows, columns) == (((2, 8), (0, 6)), ((8, 16), (0, 8)))
    noise = inputs.carried["noise"]
    for number in range(COUNT):
        part = noise[number, :, slice(*rows[number]), slice(*columns[number])]
        assert torch.equal(found.inputs.carried["noise"][number], part)
    assert torch.equal(found.inputs.carried["style"], inputs.carried["style"])
    assert torch.equal(found.inputs.carried["colours"], inputs.carried["colours"])


def test_a_window_of_the_whole_needs_no_crop() -> None:
    form = FORMS["dcgan"]()
    assert crop(form, inputs_for(form, (4, 4), 1), [(0, 8, 0, 8)]) is None
    linear = form_of(nn.Linear(4, 3).double().requires_grad_(False), None, 0.0)
    assert crop(linear, LayerInputs(whole(1, 4, 1, 1)), [(0, 1, 0, 1)]) is None


def test_layers_of_every_architecture_are_known(
    make_generator: GeneratorMaker,
    make_proggan: GeneratorMaker,
    make_stylegan2: GeneratorMaker,
    make_sequential: GeneratorMaker,
) -> None:
    """On their own weights: nothing but the order of sums may differ."""
    for make in (make_generator, make_proggan, make_stylegan2, make_sequential):
        generator = make(dtype=torch.float64)
        rows = torch.randn(COUNT, generator.facts.latent_size,
                           generator=torch.Generator().manual_seed(1)).double()  # fmt: skip
        for layer in generator.facts.layers:
            form = generator.form(layer.name)
            assert reach_of(form) is not None
            inputs = generator.inputs(rows, [layer.name])[layer.name]
            expected = values_of(form, inputs)
            height, width = layer.value_size
            box = (height // 2, height // 2 + 1, width // 4, width // 2 + 1)
            found = crop(form, inputs, [box] * COUNT)
            if found is None:
                assert height <= 8
                continue
            y, x = found.rows[0][0], found.columns[0][0]
            values = values_of(form, found.inputs)
            inside = values[..., box[0] - y : box[1] - y, box[2] - x : box[3] - x]
            wanted = expected[..., box[0] : box[1], box[2] : box[3]]
            assert torch.allclose(inside, wanted, rtol=1e-12, atol=1e-13)


class _Strange:
    """Positions of a kind that nothing is known of."""

    reach = None


def test_a_layer_of_unknown_reach_stays_whole(
    make_problem: ProblemMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make_problem(keep=0.0)
    monkeypatch.setattr(type(problem.form), "phases", (_Strange(),), raising=False)
    object.__setattr__(problem.form, "phases", (_Strange(),))
    assert reach_of(problem.form) is None
    assert problem.focused() is problem


class _Foreign:
    """Positions of somebody's own class, which say what they read and nothing else."""

    def __init__(self, reach: Reaches | None) -> None:
        self.reach = reach


@pytest.mark.parametrize("name", ["strided", "stylegan2, up", "dcgan"])
def test_positions_of_any_class_are_known_by_what_they_say(name: str) -> None:
    form = FORMS[name]()
    foreign = Foreign(form, tuple(_Foreign(each.reach) for each in form.phases))
    assert reach_of(foreign) == reach_of(form)
    inputs = inputs_for(form, (12, 12))
    boxes = [(4, 6, 4, 6), (0, 2, 6, 8)]
    found, wanted = (crop(each, inputs, boxes) for each in (foreign, form))
    assert found is not None
    assert wanted is not None
    assert (found.rows, found.columns) == (wanted.rows, wanted.columns)
    assert torch.equal(found.inputs.keys, wanted.inputs.keys)


@dataclass(frozen=True)
class Foreign:
    """A layer that is known by its protocol alone."""

    form: LayerForm
    phases: tuple[_Foreign, ...]

    def __getattr__(self, name: str) -> object:
        return getattr(self.form, name)


def test_positions_that_step_unlike_each_other_are_not_known_together() -> None:
    form = FORMS["proggan"]()
    one, other = Reach(1, 1, -1, 1), Reach(2, 1, -1, 1)
    alike = Foreign(form, (_Foreign((one, one)), _Foreign((Reach(1, 1, 0, 2), one))))
    assert reach_of(alike) == (Reach(1, 1, -1, 2), one)
    for unlike in ((other, one), (one, other), None):
        mixed = Foreign(form, (_Foreign((one, one)), _Foreign(unlike)))
        assert reach_of(mixed) is None


# ---- what counts for a solver -------------------------------------------------------------------


def test_a_focused_problem_asks_for_the_same(make_problem: ProblemMaker) -> None:
    problem = make_problem(keep=0.0)
    found = problem.focused()
    assert found.goal.inputs.keys.shape[2:] == (4, 4)  # rows 2..6, columns 1..6 of 8 values
    assert found.goal.values.shape[2:] == found.weights.shape[1:] == (8, 8)


def test_a_goal_is_focused_on_its_windows() -> None:
    form = FORMS["stylegan2, up"]()
    inputs = inputs_for(form, (12, 12))
    cover = torch.zeros(COUNT, 24, 24).double()
    cover[0, 4:8, 6:10] = 1.0
    cover[1, 20:24, 0:3] = 1.0
    patch = goals.cut(values_of(form, inputs)[0], cover[1])
    goal = goals.paste(form, inputs, form.weight, patch, list(cover))
    weights = goals.importance(goal, 0.0)
    focused, shares = focus(form, goal, weights)
    assert focused.inputs.keys.shape[2:] == (4, 4)
    assert float(shares.sum()) == pytest.approx(float(weights.sum()))
    weighed = shares[:, None] > 0
    for before, after in ((goal.before, focused.before), (goal.values, focused.values)):
        assert torch.equal(
            torch.masked_select(after, weighed),
            torch.masked_select(before, weights[:, None] > 0),
        )
    own = values_of(form, focused.inputs)
    assert torch.equal(torch.masked_select(own, weighed),
                       torch.masked_select(focused.before, weighed))  # fmt: skip
    assert focus(form, goal, goals.importance(goal, 1.0))[0] is goal


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_descent_on_the_windows_comes_to_the_same(
    make_problem: ProblemMaker, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make_problem(layer="layer6", keep=0.0, loss=loss)
    basis = goal_directions(problem, 2)
    found = GradientSolver(30, 0.02)(problem, basis)
    seen = problem.focused().goal.inputs.keys.shape
    assert seen[2] < problem.goal.inputs.keys.shape[2]
    monkeypatch.setattr(Problem, "focused", lambda self: self)
    expected = GradientSolver(30, 0.02)(problem, basis)
    assert found.loss_after < 0.9 * found.loss_before
    assert found.loss_before == pytest.approx(expected.loss_before, rel=1e-12)
    assert found.loss_after == pytest.approx(expected.loss_after, rel=1e-9)
    assert torch.allclose(found.coefficients, expected.coefficients, rtol=0, atol=1e-9)
    assert data_loss(problem, problem.weight) == pytest.approx(found.loss_before, rel=1e-12)
