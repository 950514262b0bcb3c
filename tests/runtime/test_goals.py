"""Goals: what is copied, where it is put, what is silenced."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from redraft.errors import RunError
from redraft.models import batches
from redraft.models.arch.dcgan import DCGAN, TransposedForm
from redraft.models.generator import LayerInputs, transposed_phases
from redraft.solve import goals
from redraft.solve.goals import Goal, Patch
from redraft_dsl.geometry.regions import coverage, resample
from redraft_dsl.recipe.model import Length, Polygon

GeneratorMaker = Callable[..., DCGAN]
SIZE = 8


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def layer(channels: int = 3, out: int = 2, seed: int = 0) -> tuple[TransposedForm, Tensor]:
    weight = noise(out, channels, 4, 4, seed=seed)
    form = TransposedForm(
        weight, torch.ones(out).double(), torch.zeros(out).double(),
        transposed_phases(4, 2, 1), negative_slope=0.0, stride=2, padding=1,
    )  # fmt: skip
    return form, weight


def box(y0: float, y1: float, x0: float, x1: float, size: int = SIZE) -> Tensor:
    """Coverage (size, size) of a box that may end inside a cell."""
    cells = torch.arange(size, dtype=torch.float64)
    down, across = (
        torch.clamp(torch.clamp(cells + 1, max=high) - torch.clamp(cells, min=low), 0)
        for low, high in ((y0, y1), (x0, x1))
    )
    return torch.outer(down, across)


def pasted(patch: Patch, *regions: Tensor) -> Goal:
    form, weight = layer()
    return goals.paste(form, LayerInputs(noise(len(regions), 3, 4, 4)), weight, patch, regions)


def test_a_copy_holds_the_values_in_its_box_and_its_centre() -> None:
    values = noise(2, SIZE, SIZE)
    patch = goals.cut(values, box(2, 5, 1, 5))
    assert torch.equal(patch.values, values[:, 2:5, 1:5])
    assert patch.center == (1.5, 2.0)
    assert torch.equal(patch.alpha, torch.ones(3, 4).double())
    partly = goals.cut(values, box(2.5, 4, 1, 3))
    assert partly.alpha[:, 0].tolist() == [0.5, 1.0]
    assert partly.center[0] == pytest.approx(2 / 3 * 1.5 + 1 / 3 * 0.5)


# centre of the paste region, and where the first row of a 2 x 2 patch lands
@pytest.mark.parametrize(
    ("region", "first"),
    [
        ((2, 4), 2),
        ((0, 2), 0),
        ((2, 5), 3),  # centre 3.5: half-way, goes to the next cell
        ((3, 6), 4),  # and so does 4.5
        ((1, 4), 2),
        ((0, 1), 0),  # centre 0.5: starts at -0.5, which rounds up to 0
        ((0, 8), 3),
    ],
)
def test_a_paste_is_centred_on_its_region(region: tuple[int, int], first: int) -> None:
    values = 1 + noise(2, SIZE, SIZE).abs()
    patch = goals.cut(values, box(0, 2, 0, 2))
    goal = pasted(patch, box(*region, *region))
    landed = slice(first, first + 2)
    assert torch.equal(goal.values[0, :, landed, landed], values[:, 0:2, 0:2])
    kept = goal.inside[0] == 0
    assert int(goal.inside.sum()) == 4
    assert goal.inside[0, landed, landed].all()
    assert torch.equal(goal.alpha, goal.inside)
    assert torch.equal(goal.values[0][:, kept], goal.before[0][:, kept])


@given(
    st.tuples(st.integers(0, 5), st.integers(1, 3)),
    st.tuples(st.integers(0, 5), st.integers(1, 3)),
    st.tuples(st.integers(0, 7), st.integers(1, 4)),
    st.tuples(st.integers(0, 7), st.integers(1, 4)),
)
def test_what_hangs_over_the_edge_is_cut_off_and_nothing_moves(
    copy_y: tuple[int, int],
    copy_x: tuple[int, int],
    paste_y: tuple[int, int],
    paste_x: tuple[int, int],
) -> None:
    values = noise(2, SIZE, SIZE)
    spans = [(start, min(start + length, SIZE)) for start, length in
             (copy_y, copy_x, paste_y, paste_x)]  # fmt: skip
    patch = goals.cut(values, box(*spans[0], *spans[1]))
    goal = pasted(patch, box(*spans[2], *spans[3]))
    starts = []
    for copied, target in (spans[0::2], spans[1::2]):
        offset = (target[0] + target[1]) / 2 - (copied[1] - copied[0]) / 2
        starts.append(int(np.floor(offset + 0.5)))
    for y in range(SIZE):
        for x in range(SIZE):
            py, px = y - starts[0], x - starts[1]
            inside = 0 <= py < patch.alpha.shape[0] and 0 <= px < patch.alpha.shape[1]
            wanted = patch.values[:, py, px] if inside else goal.before[0, :, y, x]
            assert torch.equal(goal.values[0, :, y, x], wanted)
            assert bool(goal.inside[0, y, x]) == inside


def test_a_paste_wholly_outside_is_refused() -> None:
    values = noise(2, SIZE, SIZE)
    cover = box(0, 8, 0, 8)
    cover[1:] = 0
    cover[0, :3] = 1e-9  # a copy whose weight lies at its right end
    patch = goals.cut(values, cover)
    far = Patch(patch.values[:, :, :1], patch.alpha[:, :1], (0.5, 9.5))
    with pytest.raises(RunError, match="wholly outside its picture"):
        pasted(far, box(0, 1, 0, 1))


@pytest.mark.parametrize("at_once", [1, 2])
def test_pictures_that_do_not_fit_at_once_get_the_same_goal(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    form, weight = layer()
    inputs = LayerInputs(noise(5, 3, 4, 4).round())
    whole = form.weight.round()
    patch = goals.cut(noise(2, SIZE, SIZE), box(0, 2, 0, 2))
    regions = [box(row, row + 2, 1, 3) for row in range(5)]
    silenced = torch.tensor([1])
    expected = [
        goals.paste(form, inputs, whole, patch, regions),
        goals.silence(form, inputs, whole, silenced, torch.stack(regions)),
    ]
    monkeypatch.setattr(batches, "ELEMENTS", at_once * 4 * len(weight) * 16)
    found = [
        goals.paste(form, inputs, whole, patch, regions),
        goals.silence(form, inputs, whole, silenced, torch.stack(regions)),
    ]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.before, other.before)
        assert torch.equal(one.values, other.values)


def test_a_copy_without_any_cover_is_refused() -> None:
    with pytest.raises(RunError) as caught:
        goals.cut(noise(2, SIZE, SIZE), torch.zeros(SIZE, SIZE))
    assert caught.value.help


def test_a_polygon_is_blended_by_its_coverage() -> None:
    corners = tuple((Length(value=x), Length(value=y)) for x, y in ((8, 8), (40, 8), (8, 40)))
    area = resample(coverage(Polygon(points=corners), (64, 64), None), (SIZE, SIZE))  # type: ignore[arg-type]
    cover = torch.from_numpy(area)
    values = noise(2, SIZE, SIZE)
    goal = pasted(goals.cut(values, cover), cover)
    assert 0.4 < float(cover[2, 3]) < 0.6  # on the slanted side
    wanted = cover * values + (1 - cover) * goal.before[0]
    assert torch.allclose(goal.values[0], wanted, atol=1e-14)
    assert torch.equal(goal.alpha[0], cover)
    assert torch.equal(goal.inside[0], goals.box_mask(cover))


def test_every_picture_has_its_own_place() -> None:
    values = noise(2, SIZE, SIZE)
    patch = goals.cut(values, box(0, 2, 0, 2))
    both = pasted(patch, box(1, 3, 1, 3), box(4, 6, 2, 4))
    assert torch.equal(both.values[0, :, 1:3, 1:3], patch.values)
    assert torch.equal(both.values[1, :, 4:6, 2:4], patch.values)
    second = both.select([1])
    assert torch.equal(second.values, both.values[1:])
    assert torch.equal(second.inputs.keys, both.inputs.keys[1:])


def test_an_erase_silences_the_named_units_and_no_other() -> None:
    form, weight = layer(channels=6)
    inputs = LayerInputs(noise(2, 6, 4, 4))
    regions = torch.stack([box(0, 8, 0, 8), box(2, 5, 1, 4)])
    goal = goals.silence(form, inputs, weight, torch.tensor([1, 4]), regions)
    rest = torch.tensor([0, 2, 3, 5])
    without = functional.conv_transpose2d(
        inputs.keys[:, rest], weight[:, rest].transpose(0, 1), stride=2, padding=1
    ).relu()
    assert torch.allclose(goal.values[0], without[0], atol=1e-12)
    inside = regions[1] == 1
    assert torch.allclose(goal.values[1][:, inside], without[1][:, inside], atol=1e-12)
    assert torch.equal(goal.values[1][:, ~inside], goal.before[1][:, ~inside])
    assert torch.equal(goal.inside[1], regions[1])
    assert torch.equal(inputs.keys, noise(2, 6, 4, 4)), "the keys themselves are left alone"


def test_an_erase_follows_partial_coverage() -> None:
    form, weight = layer()
    inputs = LayerInputs(noise(1, 3, 4, 4))
    half = goals.silence(form, inputs, weight, torch.tensor([0]), 0.5 * torch.ones(1, SIZE, SIZE))
    full = goals.silence(form, inputs, weight, torch.tensor([0]), torch.ones(1, SIZE, SIZE))
    assert torch.allclose(half.values, (half.before + full.values) / 2, atol=1e-13)


def _cropped() -> tuple[TransposedForm, Tensor, Goal, Goal]:
    form, weight = layer()
    values = noise(2, 16, 16)
    inputs = LayerInputs(noise(1, 3, 8, 8, seed=4))
    region = box(4, 10, 6, 12, 16)
    whole = goals.paste(form, inputs, weight, goals.cut(values, region), [region])
    return form, weight, whole, goals.crop(form, whole, weight, torch.zeros(8, 8))


def test_a_crop_is_the_layer_run_on_the_crop_of_the_keys() -> None:
    form, weight, whole, crop = _cropped()
    assert torch.equal(crop.inputs.keys, whole.inputs.keys[:, :, 2:5, 3:6])
    alone = form.activate(form.response(LayerInputs(whole.inputs.keys[:, :, 2:5, 3:6]), weight))
    assert torch.equal(crop.before, alone)
    assert torch.equal(crop.values, whole.values[:, :, 4:10, 6:12])
    assert crop.inside.all()


def test_only_the_border_of_a_crop_lacks_its_neighbours() -> None:
    _, _, whole, crop = _cropped()
    present = whole.before[:, :, 4:10, 6:12]
    assert torch.allclose(crop.before[:, :, 1:-1, 1:-1], present[:, :, 1:-1, 1:-1], atol=1e-13)
    assert not torch.allclose(crop.before[:, :, 0], present[:, :, 0])
    assert not torch.allclose(crop.before[:, :, :, -1], present[:, :, :, -1])


def test_a_crop_covers_whole_keys() -> None:
    form, weight = layer()
    inputs = LayerInputs(noise(1, 3, 8, 8))
    region = box(5, 8, 3, 8, 16)  # ends inside keys on three sides
    whole = goals.paste(form, inputs, weight, goals.cut(noise(2, 16, 16), region), [region])
    crop = goals.crop(form, whole, weight, torch.zeros(8, 8))
    assert torch.equal(crop.inputs.keys, inputs.keys[:, :, 2:4, 1:4])
    assert torch.equal(crop.values, whole.values[:, :, 4:8, 2:8])


def test_a_crop_of_several_pictures_is_refused() -> None:
    form, weight = layer()
    patch = goals.cut(noise(2, SIZE, SIZE), box(0, 2, 0, 2))
    goal = pasted(patch, box(1, 3, 1, 3), box(4, 6, 2, 4))
    with pytest.raises(RunError, match="works on one picture, and this rule pastes into 2"):
        goals.crop(form, goal, weight, torch.zeros(4, 4))


def test_importance_is_a_mean_over_the_paste_and_keep_weighs_the_rest() -> None:
    patch = goals.cut(noise(2, SIZE, SIZE), box(0, 2, 0, 3))
    goal = pasted(patch, box(1, 3, 1, 4), box(4, 6, 2, 5))
    inside = goal.inside > 0
    paper = goals.importance(goal, 0.0)
    assert float(paper.sum()) == pytest.approx(1.0)
    assert not paper[~inside].any()
    kept = goals.importance(goal, 3.0)
    assert torch.equal(kept[inside], paper[inside])
    rest = kept[~inside]
    assert torch.allclose(rest, torch.full_like(rest, 3 * goals.KEEP_UNIT / len(rest)))


@pytest.mark.parametrize("side", [1, 2, 4, 6])
def test_the_rest_weighs_the_same_whatever_the_region_is(side: int) -> None:
    patch = goals.cut(noise(2, SIZE, SIZE), box(0, side, 0, side))
    goal = pasted(patch, box(1, 1 + side, 1, 1 + side))
    kept = goals.importance(goal, 2.0)
    inside = goal.inside > 0
    assert float(kept[inside].sum()) == pytest.approx(1.0)
    assert float(kept[~inside].sum()) == pytest.approx(14.0)


def test_keep_costs_nothing_where_there_is_no_rest() -> None:
    patch = goals.cut(noise(2, SIZE, SIZE), box(0, SIZE, 0, SIZE))
    goal = pasted(patch, box(0, SIZE, 0, SIZE))
    kept = goals.importance(goal, 3.0)
    assert torch.equal(kept, goals.importance(goal, 0.0))
