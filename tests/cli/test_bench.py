"""``redraft bench``: figures that can be trusted to be of what they say, on a small model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Invoke = Callable[..., Result]


@pytest.fixture
def figures(recipe: Path, invoke: Invoke) -> Callable[..., dict[str, Any]]:
    """Runs a bench on the small recipe and reads what it prints."""
    text = recipe.read_text(encoding="utf-8").replace("rank     2", "rank     2\n  preserve 0.3")
    recipe.write_text(text.replace("count 60", "count 240"), encoding="utf-8")

    def run(*arguments: str) -> dict[str, Any]:
        result = invoke("bench", *arguments, "--recipe", str(recipe), "--format", "json")
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return run


def test_solve_compares_both_solvers_on_one_problem(figures: Callable[..., Any]) -> None:
    found = figures("solve", "--rank", "1,2", "--steps", "60")
    assert [row["rank"] for row in found["rows"]] == [1, 2]
    for row in found["rows"]:
        assert set(row) >= {"arch", "layer", "seconds_exact", "seconds_adam", "ratio"}
        assert (row["arch"], row["layer"]) == ("dcgan", "layer6")
        assert row["loss_exact"] <= row["loss_adam"] <= row["loss_start"]
        assert row["ratio"] == pytest.approx(row["seconds_adam"] / row["seconds_exact"])
    assert len(found["follow"]) == 4
    assert all(0 <= row["share"] <= 1 and row["outside"] >= 0 for row in found["follow"])


def test_stats_compares_the_passes_and_says_how_much_memory(figures: Callable[..., Any]) -> None:
    found = figures("stats", "--count", "200")
    (row,) = found["rows"]
    assert row["count"] == 200
    assert row["seconds_forward"] > 0
    assert row["seconds_statistics"] > 0
    peaks = [each["peak_mib"] for each in found["memory"]]
    assert peaks == sorted(peaks)
    # Eight times as many latents, and no more than rounding of memory more.
    assert peaks[-1] < peaks[0] + 64


def test_effect_takes_a_rule_apart(figures: Callable[..., Any]) -> None:
    rows = figures("effect", "--steps", "5")["rows"]
    methods = [row["method"] for row in rows]
    assert [method.split(",")[0] for method in methods[:3]] == ["authors"] * 3
    assert methods[3] == "exact, one paste, preserve 0"
    assert "+ directions from the goal (the recipe)" in methods
    for row in rows:
        low, high = row["share_interval"]
        assert low <= row["share"] <= high
        assert row["contexts"] == 7


@pytest.mark.parametrize("ranks", ["0", "one", "1,,2", ""])
def test_ranks_that_are_none_are_refused(invoke: Invoke, ranks: str) -> None:
    result = invoke("bench", "solve", "--rank", ranks)
    assert result.exit_code == 2
    assert "rank" in result.stderr


def test_a_recipe_without_an_insert_is_refused(recipe: Path, invoke: Invoke) -> None:
    text = recipe.read_text(encoding="utf-8")
    kept = [
        line for line in text.replace("rule dot", "zero dot").splitlines() if "copy" not in line
    ]
    recipe.write_text("\n".join(line for line in kept if "solver" not in line), encoding="utf-8")
    result = invoke("bench", "stats", "--recipe", str(recipe))
    assert result.exit_code == 1
    assert "RD532" in result.stderr


def test_tables_are_for_people(recipe: Path, invoke: Invoke) -> None:
    result = invoke("bench", "stats", "--count", "40", "--recipe", str(recipe))
    assert result.exit_code == 0
    assert "seconds forward" in result.stdout
    assert "peak mib" in result.stdout
