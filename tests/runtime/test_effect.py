"""Measures of a rule's effect, on pictures whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from redraft.judge.effect import measure, summarise
from redraft.judge.intervals import CORRELATION
from redraft.judge.scores import PictureScores, score_pictures
from redraft.judge.wish import Wish, wish_of
from redraft.models.arch.dcgan import DCGAN
from redraft.models.generator import LayerInputs
from redraft.solve import goals
from redraft.solve.delta import Delta
from redraft.solve.goals import Goal
from redraft_dsl.facts import ModelFacts

GeneratorMaker = Callable[..., DCGAN]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small_wish() -> Wish:
    """A 4 x 4 picture: the region is one row of two pixels, everything else lies outside."""
    inside = torch.zeros(4, 4, dtype=torch.bool)
    inside[1, 1:3] = True
    change = torch.tensor([1.0, -1.0, 0.0, 0.0, 2.0, -2.0], dtype=torch.float64)
    return Wish(change, inside, ~inside, size=float(change.norm()))


def scores_of(correlation: Tensor, amplitude: Tensor, outside: Tensor) -> PictureScores:
    """Scores of pictures that all have something to wish for."""
    return PictureScores(correlation, amplitude, outside, torch.ones(len(outside)) > 0)


def pictures(*changes: tuple[Tensor, float]) -> tuple[Tensor, Tensor]:
    """Pairs of pictures: a change (3, 2) inside, and one number added everywhere outside."""
    before = 0.1 * noise(len(changes), 3, 4, 4)
    after = before.clone()
    for row, (inside, outside) in enumerate(changes):
        after[row] += outside
        after[row, :, 1, 1:3] += inside - outside
    return before, after


def test_scores_by_hand() -> None:
    wish = small_wish()
    wanted = wish.change.reshape(3, 2).float()
    across = torch.tensor([[1.0, 1.0], [-2.0, -2.0], [1.0, 1.0]])  # at right angles to the wish
    before, after = pictures(
        (wanted, 0.0),
        (wanted / 4, 0.02),
        (-wanted, -0.3),
        (across, 0.1),
        (wanted + 5.0, 0.0),  # a change of brightness alone is no part of the wish
        (torch.zeros(3, 2), 0.0),
    )
    scores = score_pictures(before, after, wish)
    assert scores.correlation.tolist() == pytest.approx([1, 1, -1, 0, 1, 0], abs=1e-4)
    assert scores.amplitude.tolist() == pytest.approx([1, 0.25, -1, 0, 1, 0], abs=1e-4)
    assert scores.outside.tolist() == pytest.approx([0, 0.02, 0.3, 0.1, 0, 0], abs=1e-4)
    effect = summarise(scores)
    assert effect.pictures == 6
    assert effect.share.value == pytest.approx(3 / 6)
    assert effect.amplitude.value == pytest.approx(1.25 / 6, abs=1e-4)
    assert effect.outside.value == pytest.approx(0.42 / 6, abs=1e-4)
    assert effect.ratio == pytest.approx(1.25 / 0.42, abs=1e-2)


def test_a_removal_is_judged_by_each_pictures_own_wish() -> None:
    wish = small_wish()
    wish = replace(wish, size=0.99 * wish.size)  # clear of rounding
    own = wish.change.reshape(3, 2).float()
    across = torch.tensor([[1.0, 1.0], [-2.0, -2.0], [1.0, 1.0]])
    # Removed; removed though it looks unlike the contexts; kept; nothing there to be removed.
    across *= 1.5  # larger than the contexts' own
    before, after = pictures((own, 0.0), (across / 2, 0.0), (torch.zeros(3, 2), 0.0), (own, 0.4))
    wanted = before.clone()
    for row, change in enumerate((own, across, own, own / 10)):
        wanted[row, :, 1, 1:3] += change
    effect = summarise(score_pictures(before, after, wish, wanted))
    assert (effect.pictures, effect.judged) == (4, 3)
    assert effect.share.value == pytest.approx(2 / 3)
    assert effect.amplitude.value == pytest.approx((1 + 0.5 + 0) / 3, abs=1e-4)
    assert effect.outside.value == pytest.approx(0.1, abs=1e-4)


def test_a_removal_of_what_no_picture_holds_has_no_effect() -> None:
    before, after = pictures((torch.ones(3, 2), 0.2))
    effect = summarise(score_pictures(before, after, small_wish(), before))
    assert (effect.judged, effect.share.value, effect.amplitude.value) == (0, 0.0, 0.0)
    assert effect.outside.value == pytest.approx(0.2, abs=1e-4)


def test_only_a_correlation_above_the_limit_counts() -> None:
    limit = CORRELATION
    near = torch.tensor([limit - 1e-6, limit, limit + 1e-6], dtype=torch.float64)
    scores = scores_of(near, torch.zeros(3).double(), torch.zeros(3).double())
    assert summarise(scores).share.value == pytest.approx(1 / 3)


@settings(max_examples=12)
@given(st.integers(2, 60), st.integers(0, 100))
def test_intervals_hold_the_mean_and_repeat(count: int, seed: int) -> None:
    scores = scores_of(*(noise(count, seed=seed + row).double() for row in range(3)))
    one, again = summarise(scores, 4), summarise(scores, 4)
    assert one == again
    for figure in (one.share, one.amplitude, one.outside):
        assert figure.low <= figure.value <= figure.high


def test_an_interval_is_as_wide_as_the_mean_is_uncertain() -> None:
    values = noise(400).double()
    figure = summarise(scores_of(values, values, values)).amplitude
    wanted = 2 * 1.96 * float(values.std()) / 20
    assert figure.high - figure.low == pytest.approx(wanted, rel=0.1)


def test_equal_pictures_have_no_uncertainty() -> None:
    ones = torch.ones(9).double()
    figure = summarise(scores_of(ones, ones / 2, ones / 4)).amplitude
    assert (figure.value, figure.low, figure.high) == (0.5, 0.5, 0.5)


class Painter:
    """All that a wish needs of a generator: pictures from values, and their size."""

    facts = ModelFacts(arch="dcgan", image_size=(16, 16), latent_size=1, layers=())

    def pictures(self, layer: str, values: Tensor, inputs: LayerInputs) -> Tensor:
        return values


def test_the_wish_is_the_mean_change_inside_the_region() -> None:
    before = noise(2, 3, 16, 16)
    change = torch.zeros_like(before)
    change[0, 0, 4:6, 4:8] = 1.0
    change[1, 1, 4:6, 4:8] = 0.5
    regions = torch.zeros(2, 16, 16, dtype=torch.float64)
    regions[:, 4:6, 4:8] = 1.0
    regions[1, 9, 9] = 0.9  # in one picture only, by less than half on the mean
    goal = Goal(LayerInputs(before), before, before + change, regions, regions)
    wish = wish_of(Painter(), "any", goal, regions)  # type: ignore[arg-type]
    assert int(wish.inside.sum()) == 8
    assert wish.inside[4:6, 4:8].all()
    wanted = torch.tensor([0.5, 0.25, 0.0]).double().repeat_interleave(8)
    assert torch.allclose(wish.change, wanted - 0.25, atol=1e-6)
    grown = ~wish.outside
    assert grown[2:8, 2:10].all(), "grown by an eighth of the side"
    assert int(grown.sum()) == 6 * 8


def test_regions_that_never_agree_still_make_a_wish() -> None:
    before = noise(3, 3, 16, 16)
    regions = torch.zeros(3, 16, 16, dtype=torch.float64)
    for row in range(3):
        regions[row, 4 * row, 4 * row] = 1.0
    goal = Goal(LayerInputs(before), before, before + 1, regions, regions)
    wish = wish_of(Painter(), "any", goal, regions)  # type: ignore[arg-type]
    assert int(wish.inside.sum()) == 3


def test_a_region_that_fills_the_picture_has_no_outside() -> None:
    wish = Wish(noise(48).double(), torch.ones(4, 4).bool(), torch.zeros(4, 4).bool(), 1.0)
    scores = score_pictures(noise(2, 3, 4, 4), noise(2, 3, 4, 4, seed=1), wish)
    assert scores.outside.tolist() == [0.0, 0.0]


def test_measuring_a_rule_is_comparing_pictures_and_changes_nothing(
    make_generator: GeneratorMaker, monkeypatch: pytest.MonkeyPatch
) -> None:

    generator = make_generator()
    rows = noise(9, 10)
    inputs = generator.inputs(rows[:2], ["layer6"])["layer6"]
    form = generator.form("layer6")
    cover = torch.zeros(16, 16, dtype=torch.float64)
    cover[4:8, 4:12] = 1.0
    values = form.activate(form.response(inputs, form.weight))
    goal = goals.paste(form, inputs, form.weight, goals.cut(values[0], cover), [cover] * 2)
    area = cover.repeat_interleave(4, 0).repeat_interleave(4, 1)
    wish = wish_of(generator, "layer6", goal, area.expand(2, 64, 64))
    delta = Delta("hat", "layer6", torch.linalg.qr(noise(16, 2))[0].T, 0.2 * noise(12, 2, 4, 4))
    state = {name: tensor.clone() for name, tensor in generator.module.state_dict().items()}
    found = measure(generator, "layer6", delta, rows, wish)
    assert all(torch.equal(t, state[n]) for n, t in generator.module.state_dict().items())
    monkeypatch.setattr("redraft.models.batches.POSITIONS", 4 * 64 * 64)
    parts = measure(generator, "layer6", delta, rows, wish)
    before = generator.sample(rows)
    generator.set_weight("layer6", delta.added_to(form.weight))
    plain = summarise(score_pictures(before, generator.sample(rows), wish))
    for one in (found, parts):
        assert one.pictures == 9
        assert one.amplitude.value == pytest.approx(plain.amplitude.value, abs=1e-5)
        assert one.outside.value == pytest.approx(plain.outside.value, abs=1e-5)


def test_a_rule_that_does_nothing_has_no_effect(make_generator: GeneratorMaker) -> None:
    generator = make_generator()
    delta = Delta("hat", "layer6", torch.linalg.qr(noise(16, 2))[0].T, torch.zeros(12, 2, 4, 4))
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[10:20, 10:20] = True
    wish = Wish(noise(300).double(), inside, ~inside, 1.0)
    found = measure(generator, "layer6", delta, noise(5, 10), wish)
    assert (found.share.value, found.amplitude.value, found.outside.value) == (0.0, 0.0, 0.0)
