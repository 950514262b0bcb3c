"""Masks as people paint them: read as the person sees them, whatever program saved them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from redraft.models.listed.catalog import known_models
from redraft_dsl.geometry.masks import mask_of, read_mask
from redraft_dsl.reading import loads

SIDE = 64
INSIDE = np.zeros((SIDE, SIDE), bool)
INSIDE[16:40, 8:56] = True


def cover(path: Path) -> np.ndarray:
    return read_mask(path.name, path.parent).coverage


def canvas(ground: tuple[int, ...], *strokes: tuple[int, ...]) -> Image.Image:
    """Strokes side by side in the marked rectangle."""
    pixels = np.zeros((SIDE, SIDE, len(ground)), np.uint8)
    pixels[:] = ground
    for number, colour in enumerate(strokes):
        part = INSIDE.copy()
        part[:, : 8 + 48 * number // len(strokes)] = False
        pixels[part] = colour
    return Image.fromarray(pixels)


RED, DARK, GREEN = (220, 20, 30), (60, 0, 0), (0, 128, 0)
PAINTED = {
    "red on transparent": canvas((0, 0, 0, 0), (*RED, 255)),
    "black on transparent": canvas((0, 0, 0, 0), (0, 0, 0, 255)),
    "colours on transparent": canvas((255, 255, 255, 0), (*RED, 255), (*GREEN, 255)),
    "red on white": canvas((255, 255, 255), RED),
    "dark red on black": canvas((0, 0, 0), DARK),
    "colours on black": canvas((0, 0, 0), RED, DARK, GREEN),
    "colours on white": canvas((255, 255, 255), RED, GREEN),
    "white on black": canvas((0, 0, 0), (255, 255, 255)),
}


@pytest.mark.parametrize("name", PAINTED)
def test_what_is_painted_is_inside(tmp_path: Path, name: str) -> None:
    PAINTED[name].save(tmp_path / "mask.png")
    np.testing.assert_allclose(cover(tmp_path / "mask.png"), INSIDE, atol=0.02)


def test_a_soft_edge_of_a_coloured_stroke_is_partly_inside(tmp_path: Path) -> None:
    large = canvas((255, 255, 255), RED).resize((256, 256), Image.Resampling.NEAREST)
    large.rotate(7, fillcolor=(255, 255, 255)).resize((64, 64)).save(tmp_path / "mask.png")
    found = cover(tmp_path / "mask.png")
    assert found.sum() == pytest.approx(INSIDE.sum(), rel=0.03)
    assert 0.1 < found[(found > 0.02) & (found < 0.98)].mean() < 0.9


def test_a_stroke_in_a_photo_s_format_has_noise_around_it(tmp_path: Path) -> None:
    canvas((255, 255, 255), RED).save(tmp_path / "mask.jpg", quality=85)
    assert np.abs(cover(tmp_path / "mask.jpg") - INSIDE).mean() < 0.03


def test_a_photo_and_white_with_black_are_luminance_as_ever(tmp_path: Path) -> None:
    source = np.random.RandomState(0)
    photo = source.randint(0, 256, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(photo).resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    grey = Image.open(tmp_path / "a.png").convert("L")
    np.testing.assert_allclose(cover(tmp_path / "a.png"), np.asarray(grey) / 255, atol=0.003)
    canvas((255, 255, 255), (0, 0, 0)).save(tmp_path / "b.png")
    np.testing.assert_array_equal(cover(tmp_path / "b.png"), ~INSIDE)


@pytest.mark.parametrize("number", [1, 7, 15])
def test_classes_of_an_annotation_tool(tmp_path: Path, number: int) -> None:
    palette = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128, 0, 128, 128]
    palette += [128, 128, 128, 64, 0, 0, 192, 0, 0, 64, 128, 0, 192, 128, 0, 64, 0, 128, 192, 0]
    palette += [128, 64, 128, 128, 192, 128, 128]
    classes = Image.fromarray(np.where(INSIDE, number, 0).astype(np.uint8))
    classes.putpalette(palette)
    classes.save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as stored:
        assert stored.mode == "P"
    np.testing.assert_array_equal(cover(tmp_path / "mask.png"), INSIDE)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photo_is_seen_upright(tmp_path: Path, turn: int) -> None:
    marked = np.zeros((32, 48), np.uint8)
    marked[4:12, 6:40] = 255
    # As a camera stores it that was held so: turned back when it is shown.
    stored = Image.fromarray(marked)
    back = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    for step in back.get(turn, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = turn
    for name, options in (("a.jpg", {"quality": 95}), ("a.png", {}), ("a.tif", {})):
        stored.save(tmp_path / name, exif=exif, **options)
        mask = read_mask(name, tmp_path)
        assert mask.size == (32, 48)
        np.testing.assert_allclose(mask.coverage, marked / 255, atol=0.1)
        np.testing.assert_allclose(mask.resized((32, 48)), marked / 255, atol=0.1)


def test_sixteen_bits_are_not_clipped(tmp_path: Path) -> None:
    deep = np.where(INSIDE, 32768, 0).astype(np.uint16)
    for name in ("mask.png", "mask.tif"):
        Image.fromarray(deep).save(tmp_path / name)
        mask = read_mask(name, tmp_path)
        np.testing.assert_allclose(mask.coverage, INSIDE / 2, atol=0.001)
        np.testing.assert_allclose(mask.resized((64, 64)), INSIDE / 2, atol=0.003)


def test_numbers_with_a_point_in_a_tiff(tmp_path: Path) -> None:
    for most in (1.0, 255.0):
        Image.fromarray((INSIDE * most).astype(np.float32)).save(tmp_path / "mask.tif")
        np.testing.assert_array_equal(cover(tmp_path / "mask.tif"), INSIDE)


RECIPE = """edition 2026

recipe r 1.0.0 "R"

model faces
latents z {{ seed 1  count 200 }}

rule r at layer6 {{
  copy    z[1] mask("{name}")
  context z[2] box(x 12..52, y 24..38)
}}
"""


def test_a_mask_that_is_never_more_than_half_inside_is_a_warning(tmp_path: Path) -> None:
    Image.fromarray(np.where(INSIDE, 3, 0).astype(np.uint8)).save(tmp_path / "classes.png")
    found = loads(RECIPE.format(name="classes.png"), known_models(), folder=tmp_path)
    assert "RD318" in [each.code for each in found.diagnostics]
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "empty.png")
    found = loads(RECIPE.format(name="empty.png"), known_models(), folder=tmp_path)
    assert [each.code for each in found.diagnostics] == ["RD317"]


def test_a_damaged_note_of_a_camera_is_no_reason_to_refuse_a_picture(tmp_path: Path) -> None:
    Image.fromarray((INSIDE * 255).astype(np.uint8)).save(
        tmp_path / "mask.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"
    )
    mask = mask_of((tmp_path / "mask.jpg").read_bytes(), "mask.jpg")
    assert mask.size == (64, 64)
    assert mask.coverage.shape == (64, 64)
