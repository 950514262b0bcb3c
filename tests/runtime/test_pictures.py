"""Pictures, outlines and sheets: right pixels, right sizes, the same bytes each time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor

from redraft.show.contours import contours
from redraft.show.pictures import (
    ROLE_COLOURS,
    RegionOutline,
    Tile,
    enlarged,
    heated,
    outlined,
    placed_scores,
    png,
    roles_of,
    to_picture,
)
from redraft.show.sheets import EDGE, LABEL_HEIGHT, SPACE, WIDEST, Band, before_after, contact_sheet


def box_area(x0, y0, x1, y1, size=(16, 16)):
    area = np.zeros(size)
    area[y0:y1, x0:x1] = 1
    return area


def tile(seed=0, size=16, **more):
    values = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Tile(f"z[{seed}]", values[0], values[1], **more)


def test_values_become_levels():
    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0, float("nan")]).expand(3, 1, 6)
    assert np.asarray(to_picture(values))[0, :, 0].tolist() == [0, 0, 128, 255, 255, 0]


def test_channels_and_axes_are_kept():
    values = torch.full((3, 2, 3), -1.0)
    values[1, 0, 2] = 1
    assert to_picture(values).getpixel((2, 0)) == (0, 255, 0)


@pytest.mark.parametrize(
    ("size", "side", "shown"),
    [
        ((64, 64), 192, (192, 192)),
        ((64, 64), 200, (192, 192)),
        ((64, 32), 128, (128, 64)),
        ((64, 64), 64, (64, 64)),
        ((256, 128), 128, (128, 64)),
        ((300, 1), 100, (100, 1)),
    ],
)
def test_enlarging_is_by_whole_numbers(size, side, shown):
    assert enlarged(Image.new("RGB", size), side).size == shown


def test_enlarging_to_squares_repeats_pixels():
    picture = to_picture(tile().before)
    large = enlarged(picture, 48, smooth=False)
    assert np.array_equal(
        np.asarray(large), np.asarray(picture).repeat(3, axis=0).repeat(3, axis=1)
    )


def test_outline_of_a_box_lies_on_its_edges():
    (loop,) = contours(box_area(3, 4, 12, 9))
    xs, ys = zip(*loop, strict=True)
    assert (min(xs), max(xs), min(ys), max(ys)) == (3, 12, 4, 9)
    assert len(loop) == 8, "straight runs keep only their ends"


def test_outline_passes_where_the_coverage_is_a_half():
    area = np.zeros((4, 4))
    area[1:3, 1:3] = 1
    area[1:3, 3] = 0.25
    xs = [x for loop in contours(area) for x, _ in loop]
    # From the centre at 2.5 (coverage 1) to the one at 3.5 (coverage .25): a half at two thirds.
    assert max(xs) == pytest.approx(2.5 + 2 / 3)


def test_a_region_at_the_border_is_closed_there():
    (loop,) = contours(np.ones((5, 5)))
    assert {max(c) for c in zip(*loop, strict=True)} == {5.0}
    assert {min(c) for c in zip(*loop, strict=True)} == {0.0}


def test_holes_and_touching_corners_are_separate_lines():
    hole = np.ones((5, 5))
    hole[2, 2] = 0
    corners = np.zeros((5, 5))
    corners[1, 1] = corners[2, 2] = 1
    assert len(contours(hole)) == len(contours(corners)) == 2
    assert contours(np.zeros((5, 5))) == ()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 9), st.integers(1, 9))
def test_outlines_enclose_what_is_inside(seed, height, width):
    inside = np.random.default_rng(seed).random((height, width)) > 0.5
    signed = 0.0
    for loop in contours(inside.astype(float)):
        for (x0, y0), (x1, y1) in zip(loop, (*loop[1:], loop[0]), strict=True):
            signed += (x0 * y1 - x1 * y0) / 2
    padded = np.pad(inside, 1)
    square = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    count, crossed = square.sum(0), square[0] == square[3]
    # Each square of four centres gives the part of its area that lies within the outline.
    part = np.select([count == 1, count == 2, count == 3, count == 4], [1 / 8, 1 / 2, 7 / 8, 1], 0)
    part[(count == 2) & crossed] = 1 / 4
    assert abs(signed) == pytest.approx(part.sum())


def test_outline_is_drawn_at_the_right_pixels():
    plain = enlarged(to_picture(torch.zeros(3, 16, 16)), 48)
    drawn = outlined(plain, [RegionOutline(box_area(4, 5, 12, 10), "context")])
    colour = ImageColor.getrgb(ROLE_COLOURS["context"])
    # Edges at x = 12 and 36, y = 15 and 30, two pixels wide: one on each side of the edge.
    for x in (11, 12, 35, 36):
        assert drawn.getpixel((x, 22)) == colour, x
    for y in (14, 15, 29, 30):
        assert drawn.getpixel((24, y)) == colour, y
    for place in ((24, 22), (8, 22), (40, 22), (24, 10), (24, 35)):
        assert drawn.getpixel(place) == (128, 128, 128), place
    assert np.asarray(plain).std() == 0, "the picture itself is left alone"


def test_an_outline_along_the_border_stays_visible():
    drawn = outlined(Image.new("RGB", (32, 32)), [RegionOutline(np.ones((16, 16)), "copy")])
    colour = ImageColor.getrgb(ROLE_COLOURS["copy"])
    assert {drawn.getpixel(p) for p in ((0, 16), (31, 16), (16, 0), (16, 31))} == {colour}


def test_found_places_are_dashed_and_marked_ones_are_not():
    def inked(role):
        drawn = outlined(
            Image.new("RGB", (160, 160)), [RegionOutline(box_area(2, 2, 14, 14), role)]
        )
        colour = np.array(ImageColor.getrgb(ROLE_COLOURS[role]))
        return (np.asarray(drawn) == colour).all(-1)[20, 25:135].mean()

    assert inked("context") == 1
    assert 0.3 < inked("found") < 0.7


def test_heat_covers_hot_places_and_leaves_cold_ones_grey():
    heat = torch.zeros(16, 16)
    heat[:, 8:] = 5.0
    pixels = np.asarray(heated(to_picture(tile().before), heat)).astype(int)
    assert np.ptp(pixels[:, :7], axis=-1).max() == 0
    assert np.ptp(pixels[:, 9:], axis=-1).min() > 20


def test_scores_tint_what_their_patch_covers():
    scores = torch.zeros(6, 5)
    scores[2, 1] = 1.0
    heat = placed_scores(scores, (3, 4), (64, 64))
    assert heat.shape == (64, 64)
    hot = (heat == heat.max()).nonzero()
    assert heat.max() == 1
    # Cells 2..5 by 1..5, less the half cell at the rim that leads over to what is cold.
    assert hot.min(0).values.tolist() == [20, 12]
    assert hot.max(0).values.tolist() == [35, 35]
    assert heat[:, 56:].max() == 0


@pytest.mark.parametrize(
    ("count", "columns", "grid"), [(1, 8, (1, 1)), (8, 8, (8, 1)), (9, 8, (8, 2)), (5, 2, (2, 3))]
)
def test_contact_sheet_geometry(count, columns, grid):
    pictures = [Image.new("RGB", (32, 24), (number, 9, 9)) for number in range(count)]
    sheet = contact_sheet(pictures, [f"z[{n}]" for n in range(count)], columns)
    across, down = 32 + SPACE, 24 + LABEL_HEIGHT + SPACE
    assert sheet.size == (
        2 * EDGE + grid[0] * across - SPACE,
        2 * EDGE + grid[1] * down - SPACE,
    )
    for number in range(count):
        row, column = divmod(number, grid[0])
        assert sheet.getpixel((EDGE + column * across, EDGE + row * down)) == (number, 9, 9)


def test_wide_contact_sheets_are_reduced():
    pictures = [Image.new("RGB", (512, 512))] * 8
    assert contact_sheet(pictures, ["z"] * 8, 8).width <= WIDEST


def test_labels_of_any_text_fit_their_cell():
    labels = ["a" * 500, "two\nlines", "", "\x00\u202e\U0001f600"]
    wide = contact_sheet([Image.new("RGB", (40, 40))] * 4, labels, 4)
    # The long label ends with its own picture.
    gap = np.asarray(wide)[EDGE + 42 :, EDGE + 40]
    assert (gap == 255).all()


@pytest.mark.parametrize(("pictures", "labels", "columns"), [(0, 0, 4), (2, 1, 4), (2, 2, 0)])
def test_contact_sheet_refuses_what_it_cannot_lay_out(pictures, labels, columns):
    with pytest.raises(ValueError, match="one label for each"):
        contact_sheet([Image.new("RGB", (8, 8))] * pictures, ["z"] * labels, columns)


def bands():
    marked = (RegionOutline(box_area(4, 4, 12, 12), "context"),)
    return (
        Band("glasses at layer6", tuple(tile(n, outlines=marked) for n in range(3))),
        Band("unseen", tuple(tile(n) for n in range(10, 24))),
    )


def test_before_after_stays_readable_and_repeats():
    first, again = before_after(bands()), before_after(bands())
    assert first.width <= WIDEST
    assert png(first) == png(again)
    changed = Band("unseen", (*bands()[1].tiles[:-1], tile(99)))
    assert png(before_after((bands()[0], changed))) != png(first)


def test_before_after_shows_small_pictures_enlarged():
    one = Band("one", (tile(0, size=64),))
    # One 64 pixel picture three times enlarged, twice, one above the other.
    assert before_after((one,)).height > 2 * 192
    large = Band("large", tuple(tile(n, size=300) for n in range(12)))
    assert before_after((large,)).width <= WIDEST


def test_before_after_puts_originals_above():
    grey, black = torch.zeros(3, 64, 64), -torch.ones(3, 64, 64)
    pixels = np.asarray(before_after((Band("t", (Tile("z[0]", black, grey),)),)))
    column = pixels[:, pixels.shape[1] // 2 + 20, 0]
    original, edited = np.nonzero(column == 0)[0], np.nonzero(column == 128)[0]
    assert len(original) == len(edited) == 192
    assert original.max() < edited.min()


def test_before_after_of_nothing_is_still_a_picture():
    assert before_after((Band("empty", ()),)).width > 0


def test_roles_come_in_a_fixed_order():
    area = box_area(1, 1, 5, 5)
    tiles = [
        tile(0, outlines=(RegionOutline(area, "found"),)),
        tile(1, outlines=(RegionOutline(area, "copy"),)),
    ]
    assert roles_of(tiles) == ("copy", "found") == roles_of(tiles[::-1])
