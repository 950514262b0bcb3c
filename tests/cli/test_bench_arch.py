"""``redraft bench solve --arch``: no recipe and no trained weights are needed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from redraft.bench import architectures

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
