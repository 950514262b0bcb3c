"""Bilinear masks against the triangle filter, written here from its formula."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from redraft_dsl.geometry.masks import MaskError, mask_of, png_of
from redraft_dsl.geometry.measure import Measure
from redraft_dsl.geometry.regions import coverage, on_grid, resample
from redraft_dsl.recipe.model import All, Combination, Mask

SIDES = st.integers(1, 40)
STEP = 1 / 255
"""One step of 8 bits. Two passes are rounded, and the formula is not."""


def png(pixels: np.ndarray) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, format="PNG")
    return stored.getvalue()


def triangle(source: int, target: int) -> np.ndarray:
    """(target, source): weights of a triangle two target pixels wide, or two source pixels."""
    scale = source / target
    width = max(scale, 1.0)
    middles = (np.arange(target)[:, None] + 0.5) * scale
    weights = np.clip(1.0 - np.abs(np.arange(source) + 0.5 - middles) / width, 0.0, None)
    return np.asarray(weights / weights.sum(1, keepdims=True))


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 9))
def test_a_mask_is_averaged_under_a_triangle(
    height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = mask_of(png(pixels), "a.png").resized((rows, columns))
    red = pixels[..., 0] / 255.0
    wanted = triangle(height, rows) @ red @ triangle(width, columns).T
    assert found.shape == (rows, columns)
    assert np.abs(found - wanted).max() <= 1.5 * STEP


def test_transparency_is_dropped_and_red_is_what_counts(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[2:4, :, 0] = 255  # red, and wholly transparent
    pixels[5:7, :, 1] = 255  # green, and opaque
    pixels[5:7, :, 3] = 255
    (tmp_path / "m.png").write_bytes(png(pixels))
    sha256 = "0" * 64
    bilinear = Mask(path="m.png", sha256=sha256, resample="bilinear")
    found = coverage(bilinear, (8, 8), tmp_path)
    assert found[:, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    averaged = coverage(Mask(path="m.png", sha256=sha256), (8, 8), tmp_path)
    assert averaged[2:4].max() == 0
    assert averaged[5:7].min() > 0.5


@pytest.fixture
def edge(tmp_path: Path) -> Path:
    """A folder with a mask of 12 by 12 pixels whose left 6 columns are inside."""
    pixels = np.zeros((12, 12), np.uint8)
    pixels[:, :6] = 255
    (tmp_path / "m.png").write_bytes(png(pixels))
    return tmp_path


def test_a_mask_goes_to_a_layer_in_one_step(edge: Path) -> None:
    region = Mask(path="m.png", sha256="0" * 64, resample="bilinear")
    once = on_grid(region, (8, 8), (2, 2), edge)
    wanted = triangle(12, 2)[:, :6].sum(1)
    assert np.abs(once - wanted).max() <= STEP
    twice = resample(coverage(region, (8, 8), edge), (2, 2))
    assert np.abs(once - twice).max() > 10 * STEP


def test_joined_with_others_it_goes_to_the_picture_first(edge: Path) -> None:
    mask = Mask(path="m.png", sha256="0" * 64, resample="bilinear")
    joined = Combination(kind="within", left=mask, right=All())
    found = on_grid(joined, (8, 8), (2, 2), edge)
    assert np.array_equal(found, resample(coverage(mask, (8, 8), edge), (2, 2)))


def test_every_other_region_is_averaged_by_area(edge: Path) -> None:
    mask = Mask(path="m.png", sha256="0" * 64)
    for region in (mask, All(), Combination(kind="minus", left=All(), right=mask)):
        found = on_grid(region, (8, 8), (3, 3), edge)
        assert np.array_equal(found, resample(coverage(region, (8, 8), edge), (3, 3)))


def test_the_checker_counts_the_cells_that_it_touches(edge: Path) -> None:
    # The triangle reaches into a cell that the area does not touch.
    area, soft = (
        Mask.model_validate({"path": "m.png", "sha256": "0" * 64, "resample": how})
        for how in ("area", "bilinear")
    )
    measure = Measure((12, 12), edge)
    assert measure.cells(area, (1, 4)).touched == 2
    assert measure.cells(soft, (1, 4)).touched == 3


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 9))
def test_a_coverage_drawn_as_a_mask_is_read_back(height: int, width: int, seed: int) -> None:
    cover = np.random.default_rng(seed).random((height, width))
    mask = mask_of(png_of(cover), "a.png")
    assert mask.size == (height, width)
    assert np.abs(mask.coverage - cover).max() <= 0.5 * STEP + 1e-12
    assert np.array_equal(mask.coverage, mask.resized(mask.size))


def test_what_is_at_hand_has_the_limits_of_a_file() -> None:
    with pytest.raises(MaskError) as caught:
        mask_of(b"no picture", "a.png")
    assert caught.value.fault == "not an image"
    with pytest.raises(MaskError) as caught:
        mask_of(bytes(32 * 2**20 + 1), "a.png")
    assert caught.value.fault == "too large"
    whole = png_of(np.ones((64, 64)) * 0.5)
    with pytest.raises(MaskError) as caught:
        mask_of(whole[: len(whole) // 2], "a.png").resized((4, 4))
    assert caught.value.fault == "not an image"
