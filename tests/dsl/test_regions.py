"""Regions as numbers, and mask files from other people."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from redraft_dsl.files import path_fault
from redraft_dsl.geometry.masks import MAX_BYTES, MaskError, read_mask
from redraft_dsl.geometry.measure import Measure
from redraft_dsl.geometry.regions import coverage, resample
from redraft_dsl.recipe.model import All, Box, Combination, Ellipse, Length, Mask, Polygon, Region

SIZE = (12, 20)
HERE = Path()


def px(value: float) -> Length:
    return Length(value=value)


def box(x0: float, x1: float, y0: float, y1: float) -> Box:
    return Box(x=(px(x0), px(x1)), y=(px(y0), px(y1)))


def covered(region: Region, size: tuple[int, int] = SIZE) -> np.ndarray:
    return coverage(region, size, HERE)


XS = st.floats(0, SIZE[1], allow_nan=False)
YS = st.floats(0, SIZE[0], allow_nan=False)
ENDS = st.tuples(XS, XS, YS, YS).map(
    lambda e: (min(e[0], e[1]), max(e[0], e[1]), min(e[2], e[3]), max(e[2], e[3]))
)
POINTS = st.tuples(XS, YS).map(lambda p: (px(p[0]), px(p[1])))
SHAPES = st.one_of(
    ENDS.map(lambda e: box(*e)),
    st.builds(Polygon, points=st.lists(POINTS, min_size=3, max_size=6).map(tuple)),
    st.builds(
        Ellipse,
        center=POINTS,
        radius=st.tuples(st.floats(0.1, 9).map(px), st.floats(0.1, 9).map(px)),
    ),
    st.just(All()),
)
REGIONS = st.recursive(
    SHAPES,
    lambda inner: st.builds(
        Combination, kind=st.sampled_from(["plus", "minus", "within"]), left=inner, right=inner
    ),
    max_leaves=4,
)


def join(kind: str, left: Region, right: Region) -> np.ndarray:
    return covered(Combination.model_validate({"kind": kind, "left": left, "right": right}))


@given(ENDS)
def test_a_box_covers_exactly_its_area(ends: tuple[float, float, float, float]) -> None:
    x0, x1, y0, y1 = ends
    cov = covered(box(*ends))
    assert cov.shape == SIZE
    assert cov.dtype == np.float64
    assert cov.sum() == pytest.approx((x1 - x0) * (y1 - y0), abs=1e-9)


def test_a_box_is_half_open_with_its_origin_at_the_top_left() -> None:
    cov = covered(box(2, 5, 1, 3))
    expected = np.zeros(SIZE)
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(cov, expected)


def test_a_box_covers_a_share_of_the_pixels_on_its_edge() -> None:
    cov = covered(box(0.25, 1.5, 0, 0.5))
    np.testing.assert_allclose(cov[0, :3], [0.375, 0.25, 0])
    assert cov[1:].sum() == 0


def test_per_cent_of_x_is_of_the_width_and_of_y_of_the_height() -> None:
    half = Box(
        x=(Length(value=50, unit="%"), Length(value=100, unit="%")),
        y=(Length(value=25, unit="%"), px(12)),
    )
    np.testing.assert_array_equal(covered(half), covered(box(10, 20, 3, 12)))


@given(REGIONS)
def test_coverage_is_a_share(region: Region) -> None:
    cov = covered(region)
    assert cov.shape == SIZE
    assert cov.min() >= 0
    assert cov.max() <= 1


@given(REGIONS, REGIONS)
def test_the_algebra_of_regions(a: Region, b: Region) -> None:
    plus, minus, within = (join(kind, a, b) for kind in ("plus", "minus", "within"))
    left, right = covered(a), covered(b)
    np.testing.assert_array_equal(plus, join("plus", b, a))
    np.testing.assert_allclose(within, join("within", b, a))
    np.testing.assert_array_equal(join("plus", a, a), left)
    assert np.all(within <= np.minimum(left, right) + 1e-12)
    assert np.all(plus >= np.maximum(left, right) - 1e-12)
    np.testing.assert_allclose(minus + within, left, atol=1e-12)
    assert join("minus", a, All()).sum() == 0
    np.testing.assert_array_equal(join("within", a, All()), left)


def test_minus_leaves_what_the_right_one_does_not_cover() -> None:
    frame = join("minus", box(0, 10, 0, 10), box(2, 8, 2, 8))
    assert frame.sum() == 64
    assert frame[5, 5] == 0
    assert frame[1, 1] == 1


@given(st.floats(3, 8), st.floats(3, 5), st.floats(8, 12), st.floats(5, 7))
def test_an_ellipse_covers_its_area(rx: float, ry: float, x: float, y: float) -> None:
    region = Ellipse(center=(px(x), px(y)), radius=(px(rx), px(ry)))
    assert covered(region).sum() == pytest.approx(math.pi * rx * ry, rel=0.01)


def test_an_ellipse_is_round_and_where_it_should_be() -> None:
    cov = covered(Ellipse(center=(px(10), px(6)), radius=(px(4), px(3))))
    np.testing.assert_allclose(cov, cov[::-1], atol=1e-12)
    np.testing.assert_allclose(cov, cov[:, ::-1], atol=1e-12)
    assert cov[5, 9] == 1
    assert cov[2, 9] == 0
    assert 0 < cov[3, 7] < 1


@given(ENDS)
def test_a_box_drawn_as_a_polygon_is_nearly_the_box(
    ends: tuple[float, float, float, float],
) -> None:
    x0, x1, y0, y1 = ends
    corners = tuple((px(x), px(y)) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
    difference = covered(Polygon(points=corners)) - covered(box(*ends))
    assert np.abs(difference).max() <= 1 / 16 + 1e-9


def test_a_triangle_covers_half_of_its_box() -> None:
    triangle = Polygon(points=((px(0), px(0)), (px(12), px(0)), (px(0), px(12))))
    assert covered(triangle).sum() == pytest.approx(72, rel=1e-3)


def test_a_polygon_that_crosses_itself_has_an_even_odd_inside() -> None:
    twice = tuple((px(x), px(y)) for x, y in ((2, 2), (8, 2), (8, 8), (2, 8)) * 2)
    assert covered(Polygon(points=twice)).sum() == 0


@given(REGIONS, st.integers(1, 25), st.integers(1, 25))
def test_resampling_keeps_the_mean(region: Region, height: int, width: int) -> None:
    cov = covered(region)
    cells = resample(cov, (height, width))
    assert cells.shape == (height, width)
    assert cells.mean() == pytest.approx(cov.mean(), abs=1e-9)
    assert cells.min() >= -1e-12
    assert cells.max() <= 1 + 1e-12


def test_resampling_splits_a_pixel_that_lies_across_two_cells() -> None:
    cells = resample(np.array([[1.0, 0.0, 0.0]]), (1, 2))
    np.testing.assert_allclose(cells, [[2 / 3, 0]])
    cells = resample(np.array([[0.0, 1.0, 0.0]]), (1, 2))
    np.testing.assert_allclose(cells, [[1 / 3, 1 / 3]])


@given(REGIONS)
def test_resampling_to_the_same_size_changes_nothing(region: Region) -> None:
    np.testing.assert_allclose(resample(covered(region), SIZE), covered(region), atol=1e-12)


def mask_of(folder: Path, name: str, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    return coverage(Mask(path=name, sha256="0" * 64), size, folder)


def test_light_is_inside(folder: Path) -> None:
    cov = mask_of(folder, "masks/eyes.png")
    np.testing.assert_array_equal(cov, coverage(box(12, 52, 24, 38), (64, 64), HERE))


def test_a_larger_mask_is_averaged_down(folder: Path) -> None:
    np.testing.assert_allclose(
        mask_of(folder, "masks/double.png"), mask_of(folder, "masks/eyes.png")
    )


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, 1.0),
        ("L", 51, 0.2),
        ("LA", (255, 51), 0.2),
        ("RGBA", (255, 255, 255, 0), 0.0),
        ("RGBA", (255, 255, 255, 51), 0.2),
        ("RGB", (255, 255, 255), 1.0),
        ("P", 0, 0.0),
        ("I;16", 13107, 0.2),
    ],
)
def test_every_kind_of_picture_is_luminance_over_black(
    tmp_path: Path, mode: str, color: object, expected: float
) -> None:
    Image.new(mode, (4, 4), color).save(tmp_path / "m.png")  # type: ignore[arg-type]
    np.testing.assert_allclose(mask_of(tmp_path, "m.png", (4, 4)), expected, atol=0.003)


def test_a_transparent_colour_of_a_palette_is_outside(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 255, 255, 255, 255, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "m.png", transparency=0)
    np.testing.assert_array_equal(mask_of(tmp_path, "m.png", (1, 2)), [[0, 1]])


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("masks/gone.png", "missing"),
        ("masks/eyes.png/inner.png", "unreadable"),
        ("masks", "unreadable"),
        ("masks/notes.txt", "not an image"),
        ("masks/huge.png", "too large"),
        ("masks/link.png", "outside"),
        ("../outside.png", "outside"),
        ("/etc/passwd", "outside"),
        ("masks/\0.png", "outside"),
    ],
)
def test_mask_files_that_cannot_be_used(folder: Path, name: str, fault: str) -> None:
    with pytest.raises(MaskError) as caught:
        read_mask(name, folder)
    assert caught.value.fault == fault


def test_a_cut_off_picture_is_reported_when_it_is_decoded(folder: Path) -> None:
    mask = read_mask("masks/cut.png", folder)
    with pytest.raises(MaskError, match="damaged"):
        _ = mask.coverage


def test_special_files_and_large_files_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (tmp_path / "loop.png").symlink_to("loop.png")
    for name, fault in (
        ("pipe.png", "unreadable"),
        ("large.png", "too large"),
        ("loop.png", "unreadable"),
    ):
        with pytest.raises(MaskError) as caught:
            read_mask(name, tmp_path)
        assert caught.value.fault == fault


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_damaged_picture_is_read_or_refused(folder: Path, junk: bytes, at: int) -> None:
    from redraft_dsl.geometry import masks

    good = (folder / "masks" / "eyes.png").read_bytes()
    data = good[:at] + junk + good[at + len(junk) :]
    try:
        size = masks._header(data)
        mask = masks.MaskFile("x", data, size)
        assert mask.coverage.shape == size
    except MaskError:
        pass


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        ("a.png", False),
        ("a/b c.png", False),
        ("a/../b.png", False),
        ("./a.png", False),
        ("..a/b", False),
        ("../a.png", True),
        ("a/../../b.png", True),
        ("/a.png", True),
        ("c:a.png", True),
        ("a\\b.png", True),
        ("", True),
        (" ", True),
        ("a\tb", True),
    ],
)
def test_paths_stay_in_the_folder(path: str, bad: bool) -> None:
    assert (path_fault(path) is not None) == bad


# ---- measures of regions ----------------------------------------------------------------------

BOXES = st.one_of(ENDS.map(lambda ends: box(*ends)), st.just(All()))
JOINS = st.recursive(
    BOXES,
    lambda inner: st.builds(
        Combination, kind=st.sampled_from(["plus", "minus", "within"]), left=inner, right=inner
    ),
    max_leaves=6,
)


@given(JOINS)
def test_the_box_around_a_region_is_the_smallest(region: Region) -> None:
    found = Measure(SIZE, HERE).bounds(region)
    rows, columns = covered(region).nonzero()
    if isinstance(region, Box) or not len(rows):
        assert found is None or isinstance(region, Box)
    else:
        assert found == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_round_hole_is_measured() -> None:
    circle = Ellipse(center=(px(5), px(5)), radius=(px(3), px(3)))
    joined = Combination(kind="minus", left=All(), right=circle)
    peak, touched, weight = Measure(SIZE, HERE).cells(joined, (3, 5))
    assert (peak, touched) == (1.0, 15)
    assert weight == pytest.approx(covered(joined).sum() * 15 / (SIZE[0] * SIZE[1]))


@given(ENDS, st.sampled_from([(3, 5), (12, 20), (6, 4), (1, 1)]))
def test_a_box_is_measured_as_its_pixels_are(
    ends: tuple[float, ...], size: tuple[int, int]
) -> None:
    cells = resample(covered(box(*ends)), size)
    found = Measure(SIZE, HERE).cells(box(*ends), size)
    assert found.peak == pytest.approx(cells.max())
    assert found.weight == pytest.approx(cells.sum())


def test_many_regions_are_measured_as_few_are() -> None:
    measure = Measure(SIZE, HERE)
    for number in range(60):
        region = Combination(kind="plus", left=box(number / 4, 16, 2, 6.5), right=box(0, 1, 0, 1))
        first = Measure(SIZE, HERE).cells(region, (3, 5))
        assert measure.cells(region, (3, 5)) == pytest.approx(first)
        assert measure.bounds(region) == (0.0, 0.0, 16.0, 7.0)
