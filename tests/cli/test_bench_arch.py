"""``redraft bench ... --arch``: no recipe and no trained weights are needed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from redraft.bench import architectures, stats

Invoke = Callable[..., Result]


def test_random_networks_are_solved(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "DCGAN_WIDTHS", (16, 16, 12, 8, 6, 4))
    monkeypatch.setattr(architectures, "POPULATION", 20)
    arguments = ("bench", "solve", "--arch", "dcgan", "--rank", "1,2", "--steps", "10")
    found = json.loads(invoke(*arguments, "--format", "json").stdout)
    assert [(row["arch"], row["rank"]) for row in found["rows"]] == [("dcgan", 1), ("dcgan", 2)]
    shown = invoke(*arguments)
    assert shown.exit_code == 0
    assert shown.stdout.lstrip().startswith(
        "Preserve 0, same goal and directions, random weights, on the"
    )


@pytest.mark.parametrize("names", ["vgg", "dcgan|vgg", "dcgan,vgg"])
def test_an_architecture_that_the_bench_has_not(invoke: Invoke, names: str) -> None:
    shown = invoke("bench", "solve", "--arch", names)
    assert shown.exit_code == 2
    assert "`vgg` is none of dcgan, proggan, stylegan2" in shown.stderr


def test_the_statistics_of_random_networks_are_timed(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architectures, "DCGAN_WIDTHS", (16, 16, 12, 8, 6, 4))
    monkeypatch.setattr(stats, "BATCH", 3)
    arguments = ("bench", "stats", "--arch", "dcgan")
    found = json.loads(invoke(*arguments, "--format", "json").stdout)
    (row,) = found["rows"]
    assert (row["arch"], row["layer"], row["count"]) == ("dcgan", "layer6", 6)
    assert row["seconds_forward"] > 0
    assert row["seconds_statistics"] > 0
    assert [each["count"] for each in found["memory"]] == [6, 12, 24]
    chosen = invoke(*arguments, "--layer", "layer9", "--count", "4", "--format", "json")
    (other,) = json.loads(chosen.stdout)["rows"]
    assert (other["layer"], other["count"]) == ("layer9", 4)
    shown = invoke(*arguments, "--count", "4")
    assert shown.exit_code == 0
    assert shown.stdout.lstrip().startswith("Medians of five pairs")


def test_a_layer_that_no_network_has_is_refused(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architectures, "DCGAN_WIDTHS", (16, 16, 12, 8, 6, 4))
    shown = invoke("bench", "stats", "--arch", "dcgan", "--layer", "layer77")
    assert shown.exit_code == 1
    assert "layer77" in shown.stderr
    assert "layer6" in shown.stderr


def test_a_layer_goes_with_an_architecture(invoke: Invoke) -> None:
    shown = invoke("bench", "stats", "--layer", "layer6")
    assert shown.exit_code == 2
    assert "--layer goes with --arch" in shown.stderr


def test_a_default_rule_is_run_on_a_random_network(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architectures, "DCGAN_WIDTHS", (16, 16, 16, 12, 8, 6))
    shown = invoke("bench", "run", "--arch", "dcgan", "--layer", "layer9", "--format", "json")
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    (up,) = [row for row in found["rows"] if row["pass"] == "up to layer9"]
    # Statistics, 24 contexts, the copy, and a hundred pictures of 256 px that judge.
    assert up["drawn"] == up["needed"] == 200 + 24 + 1 + 100
