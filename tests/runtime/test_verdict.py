"""What is said of a rule, and the nulls that it is said against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from redraft.judge.chance import DRAWS, moved_region, random_edit
from redraft.judge.effect import Effect, measure, summarise
from redraft.judge.intervals import CORRELATION, null_of, wilson
from redraft.judge.scores import score_pictures
from redraft.judge.verdict import verdict
from redraft.judge.wish import Wish
from redraft.judge.words import headline
from redraft.models.arch.dcgan import DCGAN
from redraft.solve.delta import Delta


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def box(top: int, bottom: int, left: int, right: int, side: int = 64) -> Tensor:
    inside = torch.zeros(side, side, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    return inside


@pytest.mark.parametrize(
    ("share", "amplitude", "lowest", "null", "word"),
    [
        (0.97, 0.5, 0.95, 0.1, "takes effect widely"),
        (0.6, 0.5, 0.55, 0.1, "takes effect in part"),
        (0.3, 0.5, 0.25, 0.1, "seldom takes effect"),
        (0.97, 0.5, None, None, "takes effect widely"),
        # A share alone is blind to size.
        (0.55, 0.07, 0.5, 0.1, "too faint"),
        (0.49, -0.05, 0.44, 0.1, "too faint"),
        (1.0, 0.149, 0.99, 0.0, "too faint"),
        (0.9, 0.5, 0.87, 0.87, "no more than chance"),
        (None, None, None, None, "not measured"),
        (0.9, None, None, None, "not measured"),
    ],
)
def test_a_verdict_comes_from_share_nulls_and_amplitude(
    share: float | None,
    amplitude: float | None,
    lowest: float | None,
    null: float | None,
    word: str,
) -> None:
    found = verdict(share, amplitude, lowest, null)
    assert found.word == word
    assert bool(found.reason) == (word in ("too faint", "no more than chance"))


@pytest.mark.parametrize(
    ("share", "amplitude", "word"),
    [
        (0.97, 0.5, "not known"),
        (0.6, 0.5, "not known"),
        (0.3, 0.5, "seldom takes effect"),
        (0.97, 0.05, "too faint"),
    ],
)
def test_a_rule_that_is_judged_at_what_a_misaimed_match_finds_is_not_praised(
    share: float, amplitude: float, word: str
) -> None:
    found = verdict(share, amplitude, share, 0.1, misaimed=True)
    assert found.word == word
    said = headline(found, share, amplitude)
    assert "visible" not in said or word == "seldom takes effect"


def test_an_interval_does_not_collapse_where_all_or_none_follow() -> None:
    every, none = wilson(24, 24), wilson(0, 24)
    assert (every.value, every.high) == (1.0, 1.0)
    assert every.low == pytest.approx(24 / (24 + 1.959964**2))
    assert (none.low, none.high) == (0.0, pytest.approx(1 - every.low))
    half = wilson(200, 400)
    assert half.low == pytest.approx(0.4512, abs=1e-4)
    assert half.high == pytest.approx(0.5488, abs=1e-4)
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def test_a_random_edit_has_the_norm_and_nothing_else_of_the_rule() -> None:
    rows = torch.linalg.qr(noise(16, 3))[0].T.contiguous()
    delta = Delta("hat", "layer6", rows, 0.2 * noise(12, 3, 4, 4, seed=1))
    one, again, other = random_edit(delta, 0), random_edit(delta, 0), random_edit(delta, 1)
    assert torch.equal(one.coefficients, again.coefficients)
    assert not torch.equal(one.coefficients, other.coefficients)
    assert one.norm() == pytest.approx(delta.norm(), rel=1e-6)
    assert one.directions.shape == delta.directions.shape
    overlap = one.directions @ one.directions.T
    assert torch.allclose(overlap, torch.eye(3), atol=1e-6)


@pytest.mark.parametrize("where", [(24, 40, 16, 48), (0, 8, 0, 8), (40, 64, 8, 56)])
def test_a_region_elsewhere_keeps_its_shape_and_leaves_its_place(where: Any) -> None:
    inside = box(*where)
    inside[where[0], where[2]] = False  # a shape, and not a box
    moved = moved_region(inside)
    assert moved is not None
    assert not (moved & inside).any()
    rows, columns = (torch.nonzero(moved.any(axis))[:, 0] for axis in (1, 0))
    cut = moved[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert torch.equal(cut, inside[where[0] : where[1], where[2] : where[3]])


def test_a_region_that_fills_the_picture_is_nowhere_else() -> None:
    assert moved_region(box(0, 64, 0, 64)) is None
    assert moved_region(box(4, 60, 4, 60)) is None


def judged(generator: DCGAN, delta: Delta, wish: Wish, pictures: int = 80) -> Effect:
    return measure(generator, "layer6", delta, noise(pictures, 10, seed=40), wish)


def wish_of(inside: Tensor, change: Tensor) -> Wish:
    centred = change.double() - change.double().mean()
    return Wish(centred, inside, ~inside, float(centred.norm()))


@torch.no_grad()
def test_the_share_of_a_random_edit_lies_within_the_interval_of_its_null(
    make_generator: Callable[..., DCGAN],
) -> None:
    """Other edits than those that the null was made of, over wishes smooth and rough."""
    generator = make_generator()
    rows = torch.linalg.qr(noise(16, 2))[0].T.contiguous()
    within = []
    for case in range(3):
        inside = box(16, 40, 8, 48)
        rough = noise(3, int(inside.sum()), seed=case)
        change = rough.cumsum(1).flatten() if case % 2 else rough.flatten()
        wish = wish_of(inside, change)
        delta = Delta("hat", "layer6", rows, 0.3 * noise(12, 2, 4, 4, seed=case))
        null = judged(generator, delta, wish).null
        assert null is not None
        assert null.low <= null.value <= null.high
        for draw in range(3):
            share = judged(generator, random_edit(delta, 100 + draw), wish).share.value
            within.append(null.low <= share <= null.high)
    assert sum(within) >= 0.9 * len(within)


def test_a_null_is_as_wide_as_random_edits_differ() -> None:
    counts = torch.ones(400, dtype=torch.bool).numpy()
    follows, not_at_all = CORRELATION + 0.1, CORRELATION - 0.1
    some = torch.full((400,), not_at_all)
    some[torch.randperm(400, generator=torch.Generator().manual_seed(0))[:40]] = follows
    alike = null_of(some, counts)
    assert alike.high < 0.25
    unlike = torch.full((400,), not_at_all)
    unlike[0::DRAWS] = follows  # one of the eight edits follows everywhere
    assert null_of(unlike, counts).high == pytest.approx(1.0, abs=0.05)


def test_what_changes_everywhere_alike_has_its_share_elsewhere_too() -> None:
    inside = box(4, 20, 8, 24)
    before = noise(6, 3, 64, 64)
    tile = noise(3, 4, 4, seed=3)
    change = torch.zeros(6, 3, 64, 64)
    change[:] = tile.repeat(1, 16, 16)
    wish = wish_of(inside, change[0][:, inside].flatten())
    everywhere = summarise(score_pictures(before, before + change, wish))
    assert everywhere.elsewhere is not None
    assert everywhere.share.value == everywhere.elsewhere.value == 1.0
    change[:, :, ~inside] = 0
    there = summarise(score_pictures(before, before + change, wish))
    assert there.elsewhere is not None
    assert (there.share.value, there.elsewhere.value) == (1.0, 0.0)
