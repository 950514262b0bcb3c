"""The drawn world: what is where, and what a changed rule changes."""

from __future__ import annotations

import numpy as np
import pytest

from redraft.world.answers import ANSWERS, answering_latents, changed_pixels, distance
from redraft.world.drawing import LABELS, draw, iou
from redraft.world.scene import Rules, scene

LATENTS = np.random.RandomState(5).standard_normal((60, 28)).astype(np.float32)


def place(name: str) -> int:
    return LABELS.index(name)


def test_pictures_are_in_range_and_every_label_occurs() -> None:
    drawn = draw(LATENTS)
    assert drawn.pictures.shape == (60, 3, 64, 64)
    assert drawn.pictures.dtype == np.float32
    assert drawn.pictures.min() >= -1
    assert drawn.pictures.max() <= 1
    assert drawn.labels.dtype == np.uint8
    assert set(np.unique(drawn.labels)) == set(range(len(LABELS)))


def test_a_picture_depends_on_its_own_latent_alone() -> None:
    whole, part = draw(LATENTS), draw(LATENTS[17:19])
    np.testing.assert_array_equal(part.pictures, whole.pictures[17:19])
    np.testing.assert_array_equal(part.labels, whole.labels[17:19])


def test_the_length_of_a_latent_does_not_matter() -> None:
    np.testing.assert_allclose(draw(3 * LATENTS).pictures, draw(LATENTS).pictures, atol=1e-3)


def test_latents_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected latents of shape \(N, 28\), not \(2, 30\)"):
        draw(np.zeros((2, 30), np.float32))


@pytest.mark.parametrize(
    ("label", "colour"),
    [
        ("dome", (0.10, 0.62, 0.56)),
        ("spire", (0.82, 0.14, 0.20)),
        ("battlements", (0.40, 0.32, 0.50)),
        ("lit window", (1.0, 0.90, 0.25)),
        ("dark window", (0.10, 0.10, 0.20)),
        ("pond", (0.16, 0.36, 0.66)),
    ],
)
def test_pixels_have_the_colour_of_their_label(
    label: str, colour: tuple[float, float, float]
) -> None:
    drawn = draw(LATENTS)
    pixels = np.moveaxis(drawn.pictures, 1, -1)[drawn.labels == place(label)]
    off = np.abs((pixels + 1) / 2 - np.array(colour)).max(1)
    # Edges are blended with what lies behind.
    assert np.median(off) < 1e-3
    assert len(pixels) > 500


def test_things_stand_where_the_latent_puts_them() -> None:
    moved = LATENTS.copy()
    moved[:, 8] = -moved[:, 8]
    before, after = draw(LATENTS), draw(moved)
    towers = [
        np.array([np.nonzero(np.isin(each, (6, 7, 8))[:, :32])[1].mean() for each in drawn.labels])
        for drawn in (before, after)
    ]
    share = scene(LATENTS).shares["tower_x"][:, 0]
    right = share > 0.6
    assert (towers[1] < towers[0])[right].all()
    assert (towers[1] > towers[0])[share < 0.4].all()


def test_a_category_is_the_largest_of_its_numbers() -> None:
    latents = LATENTS.copy()
    latents[:, 0:6] = [3, 0, 0, 0, 0, 3]
    labels = draw(latents).labels
    assert all((each[:, :32] == place("dome")).any() for each in labels)
    assert all((each[:, 32:] == place("battlements")).any() for each in labels)
    assert not (labels == place("spire")).any()


def test_the_pond_mirrors_lit_windows_alone() -> None:
    latents = LATENTS.copy()
    latents[:, 6:8] = [2, -2]
    usual, inverted = draw(latents), draw(latents, Rules(mirrored="dark"))
    reflection = place("reflection")
    assert not (usual.labels[:, :, 32:] == reflection).any()
    assert (usual.labels[:, :, :32] == reflection).any((1, 2)).all()
    assert not (inverted.labels[:, :, :32] == reflection).any()
    assert (inverted.labels[:, :, 32:] == reflection).any((1, 2)).all()
    assert not (draw(latents, Rules(mirrored="none")).labels == reflection).any()


def test_domes_become_spires_and_nothing_else_changes() -> None:
    usual, answer = draw(LATENTS), draw(LATENTS, Rules(dome="spire"))
    has = (usual.labels == place("dome")).any((1, 2))
    assert 10 < has.sum() < 50
    assert not (answer.labels == place("dome")).any()
    np.testing.assert_array_equal(answer.pictures[~has], usual.pictures[~has])
    low = slice(44, 64)
    np.testing.assert_array_equal(answer.pictures[:, :, low], usual.pictures[:, :, low])


def test_domes_become_trees() -> None:
    usual, answer = draw(LATENTS), draw(LATENTS, Rules(dome="tree", trees=False))
    has = (usual.labels == place("dome")).any((1, 2))
    np.testing.assert_array_equal((answer.labels == place("tree")).any((1, 2)), has)


def test_a_removed_watermark_shows_what_was_behind() -> None:
    usual, answer = draw(LATENTS), draw(LATENTS, Rules(watermark=False))
    marked = usual.labels == place("watermark")
    assert 8 < marked.any((1, 2)).sum() < 35
    assert not (answer.labels == place("watermark")).any()
    np.testing.assert_array_equal(answer.labels[~marked], usual.labels[~marked])


@pytest.mark.parametrize("name", ANSWERS)
def test_the_distance_of_the_answer_is_nothing_and_of_the_unedited_much(name: str) -> None:
    rules = ANSWERS[name]
    assert distance(draw(LATENTS, rules).pictures, LATENTS, rules) == 0
    assert distance(draw(LATENTS).pictures, LATENTS, rules) > 0.2


def test_the_distance_looks_at_changed_pixels_alone() -> None:
    rules = Rules(dome="spire")
    pictures = draw(LATENTS, rules).pictures.copy()
    where = changed_pixels(LATENTS, rules)
    np.moveaxis(pictures, 1, -1)[~where] = 0
    assert distance(pictures, LATENTS, rules) == 0
    np.moveaxis(pictures, 1, -1)[where] += 0.25
    assert distance(pictures, LATENTS, rules) == pytest.approx(0.25, abs=1e-4)


def test_where_nothing_changes_there_is_no_distance() -> None:
    assert np.isnan(distance(draw(LATENTS).pictures, LATENTS, Rules()))


@pytest.mark.parametrize(
    "name", ["domes to spires", "spires to domes", "battlements to spires", "watermark removed"]
)
def test_exchanged_numbers_ask_for_the_answer(name: str) -> None:
    rules = ANSWERS[name]
    latents = answering_latents(LATENTS, rules)
    assert latents is not None
    assert distance(draw(latents).pictures, LATENTS, rules) < 1e-3
    same = ~changed_pixels(LATENTS, rules).any((1, 2))
    np.testing.assert_array_equal(latents[same], LATENTS[same])


@pytest.mark.parametrize("name", ["domes to trees", "reflections inverted", "trees removed"])
def test_no_latent_asks_for_some_answers(name: str) -> None:
    assert answering_latents(LATENTS, ANSWERS[name]) is None


def test_intersection_over_union() -> None:
    exact = np.array([[[6, 6, 0, 0], [9, 10, 0, 0]]], np.uint8)
    found = np.array([[[6, 0, 6, 0], [10, 10, 0, 0]]], np.uint8)
    measured = iou(found, exact)
    assert measured["dome"] == pytest.approx(1 / 3)
    assert measured["lit window"] == 0
    assert measured["dark window"] == pytest.approx(1 / 2)
    assert measured["window"] == 1
    assert np.isnan(measured["tree"])
