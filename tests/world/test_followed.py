"""What became of the things of a rule, on pictures whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from redraft.models import latents
from redraft.world.answers import ANSWERS, answering_latents
from redraft.world.drawing import draw
from redraft.world.judging.followed import TASKS, bench_of
from redraft.world.scene import Rules
from redraft.world.segmenter import shipped_segmenter

JUDGE = shipped_segmenter()
ROWS = latents.sample(seed=3, count=24, size=28)


def drawn(rows: Tensor) -> Tensor:
    """A generator that draws the village without fault."""
    return torch.from_numpy(draw(rows.numpy()).pictures)


def answered(name: str, rows: Tensor = ROWS) -> Tensor:
    return torch.from_numpy(draw(rows.numpy(), ANSWERS[name]).pictures)


@pytest.mark.parametrize(
    "name", ["domes to spires", "domes to trees", "watermark removed", "reflections inverted"]
)
def test_the_answer_is_right_and_the_unedited_picture_is_not(name: str) -> None:
    bench = bench_of(TASKS[name], drawn, ROWS, JUDGE)
    right, unedited = bench.measure(answered(name)), bench.measure(drawn(ROWS))
    assert right.distance == 0.0
    assert right.way == 1.0
    assert right.outside < 0.004, "edges that cover less than half a pixel"
    assert unedited.way == 0.0
    assert unedited.false == 0.0
    assert right.became > unedited.became + 0.5
    assert right.objects > 0.95
    assert unedited.objects < 0.05


def test_intervals_hold_their_figures() -> None:
    bench = bench_of(TASKS["domes to spires"], drawn, ROWS, JUDGE)
    half = torch.cat([answered("domes to spires")[:12], drawn(ROWS)[12:]])
    tallies = bench.tallies(half)
    for name, tally in tallies.items():
        found = tally.interval(share=name == "objects")
        assert found.low <= found.value <= found.high
        assert found.value == pytest.approx(getattr(bench.measure(half), name), rel=1e-5)
    assert 0.2 < tallies["objects"].value < 0.8
    assert tallies["objects"].interval(share=True).high > 0.5


def test_a_spire_in_place_of_battlements_is_a_false_change() -> None:
    bench = bench_of(TASKS["domes to spires"], drawn, ROWS, JUDGE)
    rules = Rules(dome="spire", battlements="spire")
    found = bench.measure(torch.from_numpy(draw(ROWS.numpy(), rules).pictures))
    assert found.objects > 0.95
    assert found.false > 0.3
    assert bench.measure(answered("domes to spires")).false < 0.03


def test_a_dome_that_merely_vanishes_is_no_spire() -> None:
    bench = bench_of(TASKS["domes to spires"], drawn, ROWS, JUDGE)
    flat = answered("domes to battlements")
    found = bench.measure(flat)
    assert found.objects == 0.0
    assert found.became < 0.05


def test_the_floor_is_what_the_generator_draws_when_asked() -> None:
    asked = answering_latents(ROWS.numpy(), ANSWERS["domes to spires"])
    assert asked is not None
    bench = bench_of(TASKS["domes to spires"], drawn, ROWS, JUDGE)
    assert bench.floor == pytest.approx(0.0, abs=1e-6)
    assert bench_of(TASKS["domes to trees"], drawn, ROWS, JUDGE).floor is None


def test_what_is_not_there_cannot_follow() -> None:
    some = [row for row in range(24) if not (draw(ROWS[row : row + 1].numpy()).labels == 14).any()]
    bench = bench_of(TASKS["watermark removed"], drawn, ROWS[some], JUDGE)
    assert math.isnan(bench.measure(drawn(ROWS[some])).distance)
