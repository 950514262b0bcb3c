"""``redraft paper`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import redraft.cli.commands.paper as paper
from redraft.bench.paper.experiments import Budget, Experiment
from redraft.bench.paper.methods import Method
from redraft.cli import main

RULE = """edition 2026
recipe spires 1.0.0 "Spires"
model village-proggan
latents z { seed 1  count 60 }
rule spires at layer7 {
  copy z[0] box(x 38..54, y 7..23)
  context z[0] box(x 11..27, y 16..32)
  context z[3] box(x 6..22, y 14..30)
  rank 1
}
"""
OURS = "redraft, as the recipe has it"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One experiment with few pictures, and the first three methods."""
    from redraft.bench.paper import rows

    whole = rows.methods

    def few(ground: object) -> tuple[Method, ...]:
        return whole(ground)[:3]  # type: ignore[arg-type]

    (tmp_path / "spires.redraft").write_text(RULE)
    experiment = Experiment("Domes become spires", "spires.redraft", "domes to spires")
    budget = Budget("quick", choosing=4, judged=8, settings=1, steps=2, network_steps=1)
    monkeypatch.setattr(paper, "EXPERIMENTS", (experiment,))
    monkeypatch.setattr(paper, "QUICK", budget)
    monkeypatch.setattr(paper, "_recipes", lambda: tmp_path)
    monkeypatch.setattr(rows, "methods", few)
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_page_with_pictures_is_written_and_its_rows_are_printed(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = small / "made" / "page.md"
    assert main(["paper", "--quick", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert OURS in printed
    assert "page.md" in printed
    text = out.read_text("utf-8")
    assert "```sh\nredraft paper --quick\n```" in text
    assert OURS in text
    with Image.open(out.parent / "pictures" / "paper-spires.webp") as picture:
        assert picture.width > 400
    assert (out.parent / "pictures" / "paper-spires.svg").read_text().startswith("<svg")
    # Its own page is replaced, and nothing is measured a second time.
    assert main(["paper", "--quick", "--out", str(out), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (experiment,) = found["experiments"]
    assert experiment["rows"][0]["method"] == OURS
    assert experiment["rows"][0]["strength"] == 1.0
    assert out.read_text("utf-8") == text


def test_another_page_is_left_alone(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = small / "mine.md"
    out.write_text("# Mine\n")
    assert main(["paper", "--quick", "--out", str(out)]) == 1
    assert "RD681" in capsys.readouterr().err
    assert out.read_text() == "# Mine\n"


def test_an_unknown_experiment_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper", "--only", "wigs"]) == 2
    assert "wigs" in capsys.readouterr().err
