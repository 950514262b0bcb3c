"""``redraft bench``: figures that can be trusted to be of what they say, on a small model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image, ImageColor

from redraft.bench.agreement import rank_row
from redraft.show.scatter import COLOURS

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


def test_effect_takes_a_rule_apart(figures: Callable[..., Any], tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    rows = figures("effect", "--steps", "5", "--pictures", str(shown))["rows"]
    methods = [row["method"] for row in rows]
    assert [method.split(",")[0] for method in methods[:3]] == ["authors"] * 3
    assert methods[3] == "exact, one paste, preserve 0"
    assert "+ directions from the goal (the recipe)" in methods
    for row in rows:
        low, high = row["share_interval"]
        assert low <= row["share"] <= high
        assert row["contexts"] == 7
    (sheet,) = shown.iterdir()
    with Image.open(sheet) as picture:
        # One row of pictures for each way, and one for the originals above them.
        assert picture.height > 60 * (len(rows) + 1)


def test_settings_are_shown_one_by_one(figures: Callable[..., Any], tmp_path: Path) -> None:
    rows = figures("settings", "--pictures", str(tmp_path / "shown"))["rows"]
    given: dict[str, list[str]] = {}
    for row in rows:
        given.setdefault(row["setting"], []).append(row["value"])
    assert given["keep"] == ["0", "1", "3", "10"]
    assert given["paste"] == ["one", "four", "each context"]
    assert {path.stem for path in (tmp_path / "shown").iterdir()} == set(given)
    by = {(row["setting"], row["value"]): row for row in rows}
    weak, strong = by["strength", "0.5"], by["strength", "2"]
    assert weak["amplitude"] < strong["amplitude"]
    assert weak["outside"] < strong["outside"]
    assert by["preserve", "3"]["outside"] < by["preserve", "0"]["outside"]


LEFTOUT = ("leftout", "--layer", "layer6", "--layer", "layer9", "--judged", "20")


def test_leftout_sets_left_out_pictures_beside_unseen_ones(
    figures: Callable[..., Any], tmp_path: Path
) -> None:
    found = figures(*LEFTOUT, "--side", "40", "--plot", str(tmp_path / "plot.png"))
    assert [(row["rule"], row["layer"]) for row in found["pairs"]] == [
        ("demo", "layer6"),
        ("demo", "layer9"),
    ]
    for row in found["pairs"]:
        assert {round(7 * row[name], 9) % 1 for name in ("left_share",)} == {0}
        assert -1 <= row["left_correlation"] <= 1
        low, high = row["share_interval"]
        assert low <= row["share"] <= high
    ranks = {(row["statistic"], row["against"]): row for row in found["ranks"]}
    assert {("gain", "share"), ("left correlation", "share")} <= set(ranks)
    assert all(-1 <= row["spearman"] <= 1 and row["pairs"] == 2 for row in found["ranks"])
    sides = [row["side"] for row in found["pairs"]]
    every = found["sides"][-1]
    assert every["layers"] == "layer6, layer9"
    assert every["most_by_least"] == pytest.approx(max(sides) / min(sides))
    (chosen,) = found["chosen"]
    assert chosen["layer"] == "layer6"
    assert chosen["left_side"] <= chosen["wanted"] == 0.4
    assert chosen["unseen_by_wanted"] == pytest.approx(chosen["unseen_side"] / 0.4)
    with Image.open(tmp_path / "plot.png") as drawing:
        colours = {colour for _, colour in drawing.convert("RGB").getcolors(1 << 20) or ()}
    assert {ImageColor.getrgb(colour) for colour in COLOURS[:2]} <= colours


def test_leftout_reports_the_gain_and_the_share_that_a_run_reports(
    figures: Callable[..., Any], recipe: Path, invoke: Invoke
) -> None:
    (row,) = figures(*LEFTOUT[:3], "--judged", "40", "--side", "0")["pairs"]
    assert invoke("run", str(recipe), "--out", "run").exit_code == 0
    (rule,) = json.loads(Path("run/run.json").read_text(encoding="utf-8"))["rules"]
    assert rule["left_out"]["gain"] == pytest.approx(row["gain"])
    assert rule["left_out"]["side"] == pytest.approx(row["side"])


def test_leftout_says_what_it_cannot_measure(recipe: Path, invoke: Invoke) -> None:
    text = recipe.read_text(encoding="utf-8").replace("top 6 among", "top 1 among")
    recipe.write_text(text, encoding="utf-8")
    result = invoke("bench", *LEFTOUT, "--recipe", str(recipe))
    assert result.exit_code == 1
    assert "RD532" in result.stderr
    assert "nothing can be left out" in " ".join(result.stderr.split())


def test_leftout_without_side_prints_no_table_of_it(recipe: Path, invoke: Invoke) -> None:
    text = recipe.read_text(encoding="utf-8").replace("count 60", "count 240")
    recipe.write_text(text, encoding="utf-8")
    result = invoke("bench", *LEFTOUT[:3], "--side", "0", "--recipe", str(recipe))
    assert result.exit_code == 0, result.output
    assert "left correlation" in result.stdout
    assert "wanted" not in result.stdout


def test_leftout_moves_a_recipe_with_errors_to_no_layer(recipe: Path, invoke: Invoke) -> None:
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("copy", "cpy"), encoding="utf-8")
    result = invoke("bench", *LEFTOUT, "--recipe", str(recipe))
    assert result.exit_code == 1
    assert "redraft check" in result.stderr


def test_speed_solves_each_size_and_compares_match_with_the_forward_pass(
    figures: Callable[..., Any],
) -> None:
    sizes = ("--size", "1", "3", "--size", "2", "9")
    found = figures("speed", *sizes, "--count", "60", "--among", "40")
    assert [(row["rank"], row["pastes"]) for row in found["solve"]] == [(1, 3), (2, 9)]
    for row in found["solve"]:
        assert 0 < row["seconds_least"] <= row["seconds"]
        assert row["seconds_processor"] > 0
    peaks = [row["peak_mib"] for row in found["solve"]]
    assert peaks == sorted(peaks)
    (match,) = found["match"]
    assert match["count"] == 60
    assert match["ratio"] > 0
    assert match["ratio_processor"] > 0


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0.1, 0.2, 0.9), (1.0, 2.0, 3.0), 1.0),
        ((0.1, 0.2, 0.9), (3.0, 2.0, 1.0), -1.0),
        ((1.0, 2.0, 3.0, 4.0), (1.0, 3.0, 2.0, 4.0), 0.8),
        # Equal values share their rank: ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3.
        ((1.0, 2.0, 2.0, 4.0), (1.0, 2.0, 3.0, 4.0), 0.9**0.5),
    ],
)
def test_rank_correlation(
    first: tuple[float, ...], second: tuple[float, ...], expected: float
) -> None:
    row = rank_row("a", "b", first, second)
    assert row["spearman"] == pytest.approx(expected)
    low, high = row["interval"]
    assert -1 - 1e-9 <= low <= high <= 1 + 1e-9


def test_a_figure_that_never_changes_orders_nothing() -> None:
    row = rank_row("a", "b", (1.0, 1.0, 1.0), (1.0, 2.0, 3.0))
    assert (row["spearman"], row["interval"]) == (0.0, (-1.0, 1.0))


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


def test_a_run_draws_what_it_needs_and_nothing_twice(figures: Callable[..., Any]) -> None:
    found = figures("run")
    needed = {row["pass"]: row["needed"] for row in found["rows"]}
    drawn = {row["pass"]: row["drawn"] for row in found["rows"]}
    # Pictures that a rule names in two roles are read once; a rule that is warned of draws its own
    # contexts once more.
    passes = ("up to layer6", "on from layer6")
    assert all(needed[each] - 3 <= drawn[each] <= needed[each] + 48 for each in passes)
    assert drawn.get("whole", 0) <= 1
    (run,) = found["run"]
    assert run["seconds"] > run["solve_s"] > 0
    # Statistics are there now; the pictures that judge are too, unchanged.
    again = {row["pass"]: row["drawn"] for row in figures("run")["rows"]}
    assert again["up to layer6"] == drawn["up to layer6"] - 240
    assert again["on from layer6"] < drawn["on from layer6"]
