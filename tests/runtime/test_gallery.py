"""A sweep as a page, and the cell that it says to begin with."""

from __future__ import annotations

import re
from typing import Any

import torch

from redraft.show.pictures import Tile
from redraft.sweep.best import best_of
from redraft.sweep.gallery import render
from redraft.sweep.summary import CellFailure, CellRecord, RuleFigures, SweepRecord


def cell(number: int, share: float | None, amplitude: float, outside: float = 0.02) -> CellRecord:
    ends = None if share is None else (share - 0.03, share + 0.03)
    rule = RuleFigures(
        name="hat", layer="layer6", rank=number, preserve=0.3, share=share, share_interval=ends,
        amplitude=None if share is None else amplitude, amplitude_interval=None,
        outside=None if share is None else outside, outside_interval=None, left_out=None,
        loss_before=1.0, loss_after=0.5, solve_seconds=0.1,
    )  # fmt: skip
    values = {"rank of hat": str(number)}
    return CellRecord(
        number=number, values=values, folder=f"cells/{number}", before=False, seconds=1.0,
        rules=(rule,),
    )  # fmt: skip


def failed(number: int, message: str = "it failed") -> CellRecord:
    error = CellFailure(code="RD513", message=message, help="try another")
    return cell(number, None, 0.0).model_copy(update={"rules": (), "error": error})


def sweep(*cells: CellRecord, **changes: Any) -> SweepRecord:
    fields: dict[str, Any] = {
        "recipe": "demo", "version": "1.0.0", "title": "A hat", "sweep": "ranks",
        "axes": {"rank of hat": tuple(str(each.number) for each in cells)}, "given": {},
        "model": "tiny", "evaluated_on": "pictures of z", "evaluated_count": 40, "processes": 1,
        "cells": cells, "shown": (50, 51), "seconds": 2.0,
    }  # fmt: skip
    return SweepRecord(**fields | changes)


def pictures(rows: int) -> list[list[torch.Tensor]]:
    made = torch.rand(rows, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return [list(row) for row in made]


def test_the_cell_to_begin_with_takes_effect_widely_and_changes_least_elsewhere() -> None:
    cells = [cell(1, 0.6, 0.9), cell(2, 0.95, 0.5, 0.03), cell(3, 0.93, 0.4, 0.01)]
    best = best_of(cells)
    assert best is not None
    assert best.number == 3
    assert "93 % of new pictures" in best.reason
    assert "(95 %)" in best.reason


def test_more_strength_at_about_the_same_price_is_no_fault() -> None:
    strengths = [
        cell(1, 0.89, 0.39, 0.0150),
        cell(2, 0.91, 0.58, 0.0232),
        cell(3, 0.91, 0.71, 0.0296),
    ]
    best = best_of(strengths)
    assert best is not None
    assert (best.number, "amplitude 0.71" in best.reason) == (3, True)


def test_a_cell_that_is_passed_over_for_chance_is_no_measure_of_the_others() -> None:
    chance = cell(2, 0.95, 0.9)
    lucky = chance.rules[0].model_copy(update={"null_interval": (0.0, 0.99)})
    best = best_of([cell(1, 0.78, 0.2), chance.model_copy(update={"rules": (lucky,)})])
    assert best is not None
    assert best.number == 1
    assert "as any" not in best.reason
    assert "cells with more are too faint, do no more than chance, or are not known" in best.reason


def test_nothing_is_recommended_that_nobody_can_see() -> None:
    assert best_of([cell(1, 0.9, 0.04), cell(2, None, 0.0), failed(3)]) is None
    assert best_of([]) is None


def test_the_rule_that_does_worst_counts() -> None:
    both = cell(1, 0.99, 0.9)
    weak = cell(1, 0.2, 0.4).rules[0].model_copy(update={"name": "other"})
    mixed = both.model_copy(update={"rules": (*both.rules, weak)})
    best = best_of([mixed, cell(2, 0.7, 0.4)])
    assert best is not None
    assert best.number == 2


def test_the_page_has_the_originals_the_goal_and_a_row_for_every_cell() -> None:
    record = sweep(cell(1, 0.6, 0.3), cell(2, 0.95, 0.5), failed(3, "<b>no</b>"))
    values = pictures(3)
    copied = Tile("z[5]", values[0][0], values[0][0])
    page = render(record, values, copied, best_of(record.cells))
    assert "the goal: what is marked in z[5]" in page
    assert len(re.findall(r'<tr id="cell-\d"', page)) == 3
    assert re.search(r'<tr id="cell-2" class="best"', page)
    assert "takes effect widely" in page
    assert 'href="cells/2/report.html"' in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "<b>no</b>" not in page
    # Two originals, the goal, and in each of two rows two pictures with their originals.
    assert page.count("<img ") == 2 + 1 + 2 * 2 * 2
    assert not re.search(r"https?:|<script", page)


def test_a_page_of_failures_alone_is_a_page() -> None:
    page = render(sweep(failed(1), shown=()), [], None, None)
    assert "it failed" in page
    assert "Begin with" not in page


def test_a_cell_is_judged_by_chance_as_its_run_is() -> None:
    (rule,) = cell(1, 0.5, 0.4).rules
    assert rule.judgement.word == "takes effect in part"
    by_chance = rule.model_copy(update={"null_interval": (0.4, 0.52), "elsewhere": 0.1})
    assert by_chance.judgement.word == "no more than chance"


def test_the_pictures_of_a_row_fill_one_line_or_two() -> None:
    record = sweep(cell(1, 0.6, 0.9), shown=tuple(range(50, 58)))
    assert 'style="--whole:8;--half:4"' in render(record, [], None, None)
