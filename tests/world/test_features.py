"""What the judging segmenter's features say of pictures, and Fréchet distances."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from redraft.judge.frechet import frechet
from redraft.models import latents
from redraft.world.answers import ANSWERS
from redraft.world.drawing import draw
from redraft.world.judging.features import perceptual, pooled
from redraft.world.segmenter import shipped_segmenter

JUDGE = shipped_segmenter()
ROWS = latents.sample(seed=3, count=40, size=28).numpy()
DRAWN = draw(ROWS)
PICTURES = torch.from_numpy(DRAWN.pictures)


def test_normal_distributions_have_the_distance_of_their_formula() -> None:
    dice = np.random.default_rng(0)
    one = dice.standard_normal((40_000, 3))
    other = 2 * dice.standard_normal((40_000, 3)) + np.array([3.0, 0.0, 0.0])
    # |m|^2 = 9, and each of three axes adds (2 - 1)^2.
    assert frechet(one, other) == pytest.approx(12.0, rel=0.03)
    assert frechet(one, one) == pytest.approx(0.0, abs=1e-9)
    assert frechet(one, other) == pytest.approx(frechet(other, one), rel=1e-6)


def test_a_distance_needs_two_pictures_and_the_same_features() -> None:
    for one, other in ((np.ones((1, 3)), np.ones((5, 3))), (np.ones((5, 2)), np.ones((5, 3)))):
        with pytest.raises(ValueError, match="two sets of features"):
            frechet(one, other)


def test_right_answers_are_nearer_to_right_answers_than_unedited_pictures_are() -> None:
    rules = ANSWERS["domes to spires"]
    others = latents.sample(seed=8, count=300, size=28).numpy()
    reference = pooled(JUDGE, torch.from_numpy(draw(others, rules).pictures))
    right = pooled(JUDGE, torch.from_numpy(draw(ROWS, rules).pictures))
    assert frechet(right, reference) < frechet(pooled(JUDGE, PICTURES), reference)


def test_what_changes_inside_only_is_no_perceptual_change() -> None:
    nowhere = np.zeros((40, 64, 64), bool)
    answer = torch.from_numpy(draw(ROWS, ANSWERS["watermark removed"]).pictures)
    whole = perceptual(JUDGE, PICTURES, answer, nowhere)
    marked = np.abs(DRAWN.pictures - answer.numpy()).max((1, 2, 3)) > 0.1
    assert float(whole[marked].min()) > 0.01
    assert np.allclose(whole[~marked], 0.0)
    everywhere = ~nowhere
    assert np.allclose(perceptual(JUDGE, PICTURES, answer, everywhere), 0.0)
    # The layers of the segmenter see some pixels around, so a little is left outside of the change.
    changed = draw(ROWS).labels != draw(ROWS, ANSWERS["watermark removed"]).labels
    assert perceptual(JUDGE, PICTURES, answer, changed).mean() < whole.mean()
