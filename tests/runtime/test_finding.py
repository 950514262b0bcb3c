"""Rules in pictures where things stand elsewhere in each: places, and the measures taken there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from redraft.bench.cases import judged_latents, open_case
from redraft.judge.effect import draw_unchanged, measure, summarise
from redraft.judge.finding import match_finder
from redraft.judge.scores import score_pictures
from redraft.judge.spots import Spots, framed, spots_of
from redraft.judge.wish import GoalPictures, Wish, layout_of
from redraft.models import latents
from redraft.models.generator import LayerInputs
from redraft.runs.execute import _finder, _goal_pictures
from redraft.runs.rule import solve_rule
from redraft.world.drawing import LABELS, draw


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def boxes(*corners: tuple[int, int], size: int = 4, side: int = 32) -> Tensor:
    """(N, side, side) regions, squares with these corners (y, x)."""
    found = torch.zeros(len(corners), side, side, dtype=torch.float64)
    for region, (y, x) in zip(found, corners, strict=True):
        region[y : y + size, x : x + size] = 1.0
    return found


WANDERING = ((3, 5), (20, 9), (11, 25), (24, 2))


def test_regions_that_agree_are_fixed_and_others_are_found() -> None:
    assert layout_of(boxes((8, 8), (8, 8), (8, 9))) == "fixed"
    assert layout_of(boxes((8, 8))) == "fixed"
    assert layout_of(boxes(*WANDERING)) == "placed"


def test_a_change_that_follows_its_places_counts_wherever_it_is() -> None:
    """The same mark at another place of each picture, and nothing in the last one."""
    regions = boxes(*WANDERING)
    mark = noise(3, 4, 4, seed=1)
    before = noise(5, 3, 32, 32, seed=2)
    after = before.clone()
    for row, (y, x) in enumerate(WANDERING):
        after[row, :, y : y + 4, x : x + 4] += mark * (0.5 + row / 4)
    drawn = GoalPictures(before[:4], after[:4], regions, layout_of(regions))
    wish, spots = drawn.wish(), drawn.spots
    assert spots is not None
    assert int(wish.inside.sum()) == 16, "regions are laid upon each other"
    found = score_pictures(before, after, wish, spots=spots)
    assert found.counts.tolist() == [True] * 4 + [False]
    assert found.correlation[:4].tolist() == pytest.approx([1.0] * 4)
    mean = (0.5 + 0.75 + 1.0 + 1.25) / 4
    wanted = [each / mean for each in (0.5, 0.75, 1.0, 1.25)]
    assert found.amplitude[:4].tolist() == pytest.approx(wanted, rel=1e-5)
    assert found.outside.tolist() == pytest.approx([0.0] * 5, abs=1e-7)
    effect = summarise(found)
    assert (effect.pictures, effect.judged, effect.share.value) == (5, 4, 1.0)
    assert effect.elsewhere is not None
    assert effect.elsewhere.value == 0.0
    fixed = summarise(score_pictures(before, after, GoalPictures(*drawn_parts(drawn)).wish()))
    assert fixed.amplitude.value < 0.8, "one region for all would miss most of it"


def drawn_parts(drawn: GoalPictures) -> tuple[Tensor, Tensor, Tensor]:
    return drawn.present, drawn.wanted, drawn.regions


def test_what_changes_around_no_place_lies_outside() -> None:
    regions = boxes((3, 5), (20, 9))
    before = noise(2, 3, 32, 32)
    drawn = GoalPictures(before, before + regions[:, None].float(), regions, "placed")
    after = before.clone()
    after[0, :, 20:24, 9:13] += 0.5  # where the other picture has its place
    after[1, :, 22, 11] += 0.5  # in its own
    scores = score_pictures(before, after, drawn.wish(), spots=drawn.spots)
    assert scores.outside[0] > 0.005
    assert scores.outside[1] == 0.0


def test_places_that_do_not_move_give_the_figures_of_a_fixed_region() -> None:
    regions = boxes(*[(14, 14)] * 6)
    before, change = noise(6, 3, 32, 32), noise(6, 3, 32, 32, seed=1)
    wanted = before + noise(3, 32, 32, seed=4) * regions[:, None].float()
    fixed = GoalPictures(before, wanted, regions)
    placed = GoalPictures(before, wanted, regions, "placed", pasted=wanted)
    one = score_pictures(before, before + change, fixed.wish())
    other = score_pictures(before, before + change, placed.wish(), spots=placed.spots)
    for name in ("correlation", "amplitude", "outside"):
        assert torch.allclose(getattr(one, name), getattr(other, name), atol=1e-9)
    # The copy's pixels are wanted here, so both wishes are one.
    assert other.pixels is not None
    assert torch.allclose(other.pixels, other.correlation, atol=1e-9)


def test_a_place_at_the_edge_counts_by_what_is_in_the_picture() -> None:
    regions = boxes((14, 14), size=8)
    frame = spots_of(regions)
    edge = Spots(frame.rows, frame.shifts + torch.tensor([[0, -18]]))
    pixels, valid = edge.cut(noise(1, 3, 32, 32), regions[0] > 0)
    assert int(valid.sum()) == 8 * 6, "two of its columns lie outside"
    assert bool((pixels[:, :, ~valid[0]] == 0).all())
    assert int(edge.covered(1, regions[0] > 0).sum()) == 8 * 6


def test_a_removal_counts_only_places_that_hold_something() -> None:
    regions = boxes((3, 5), (20, 9))
    before = noise(2, 3, 32, 32)
    wanted = before + noise(3, 32, 32, seed=4) * regions[:, None].float()
    wish = GoalPictures(before, wanted, regions, "placed").wish()
    spots = spots_of(regions)
    own = wanted.clone()
    own[1] = before[1]
    scores = score_pictures(before, own, wish, own, spots)
    assert scores.counts.tolist() == [True, False]
    assert float(scores.amplitude[0]) == pytest.approx(1.0)


def planted(places: tuple[tuple[int, int], ...], seed: int) -> tuple[LayerInputs, Tensor]:
    """Keys (N, 8, 16, 16) and pictures twice as large, each with one thing in it at (y, x) px."""
    keys, pictures = 0.3 * noise(len(places), 8, 16, 16, seed=seed), noise(len(places), 3, 32, 32)
    code, look = noise(8, 2, 2, seed=99), 3 * noise(3, 4, 4, seed=98)
    for row, (y, x) in enumerate(places):
        top, left = (y + 1) // 2, (x + 1) // 2
        keys[row, :, top : top + 2, left : left + 2] += code
        pictures[row, :, y : y + 4, x : x + 4] = look
    return LayerInputs(keys), pictures


def test_the_filter_of_the_contexts_finds_their_like_to_the_pixel() -> None:
    marked = ((3, 5), (20, 8), (11, 24), (25, 2), (8, 17))
    inputs, pictures = planted(marked, 1)
    regions = boxes(*marked)
    on_keys = torch.nn.functional.avg_pool2d(regions[:, None], 2)[:, 0]
    spots = spots_of(regions)
    inside = framed(regions, spots).mean(0) >= 0.5
    finder = match_finder(
        inputs, on_keys, torch.eye(8, dtype=torch.float64), pictures, inside, spots
    )
    wanted = ((6, 7), (21, 22), (13, 4))
    found = finder(*planted(wanted, 5))
    assert found.rows.tolist() == [0, 1, 2]
    assert found.shifts.tolist() == spots_of(boxes(*wanted)).shifts.tolist()
    empty = LayerInputs(0.3 * noise(4, 8, 16, 16, seed=9)), noise(4, 3, 32, 32)
    assert len(finder(*empty).rows) == 0
    assert finder.to(torch.device("cpu")).name == "match"


VILLAGE = """edition 2026
recipe spires 1.0.0 "Spires"
model village-proggan
latents z {{ seed 1  count 200 }}
rule spires at layer6 {{
  copy z[1] box(x 2..18, y 17..33)
{contexts}
  rank 2
}}
"""


def village(folder: Path, marked: int) -> Path:
    """A recipe with a spire to copy, and domes as contexts."""
    labels = draw(latents.sample(seed=1, count=60, size=28).numpy()).labels == LABELS.index("dome")
    lines = []
    halves = [(row, left) for row in range(len(labels)) for left in (0, 32)]
    for row, left in halves:
        ys, xs = np.nonzero(labels[row, :, left : left + 32])
        if len(ys) > 80 and len(lines) < marked:
            x, y = left + (xs.min() + xs.max() + 1) // 2, ys.max() + 2
            lines.append(
                f"  context z[{row}] box(x {max(x - 8, 0)}..{min(x + 8, 64)}, y {y - 16}..{y})"
            )
    path = folder / "spires.redraft"
    path.write_text(VILLAGE.format(contexts="\n".join(lines)))
    return path


def test_domes_of_the_village_are_found_where_they_stand(tmp_path: Path) -> None:
    case = open_case(village(tmp_path, 20), "cpu")
    opened = case.opened(case.rule)
    with torch.no_grad():
        drawn = _goal_pictures(case.session.model.generator, opened)
    assert drawn.layout == "placed"
    wish: Wish = drawn.wish(partial(_finder, opened))
    rows = judged_latents(case, 40)
    generator, layer = case.session.model.generator, case.step.facts.name
    with torch.no_grad():
        spots = draw_unchanged(generator, layer, rows, wish).spots
    assert spots is not None
    domes = torch.from_numpy(draw(rows.numpy()).labels == LABELS.index("dome"))
    covered = spots.covered(len(rows), wish.inside)
    assert float((covered & domes).sum() / domes.sum()) > 0.8
    effect = measure(generator, layer, solve_rule(opened).delta, rows, wish, null=False)
    assert effect.places == "match"
    assert 10 < effect.judged < 40, "pictures without a dome are not judged"
    assert effect.pixel_amplitude is not None
