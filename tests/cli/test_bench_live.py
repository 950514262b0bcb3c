"""``redraft bench live``, ``repeat`` and ``studio``: rows of what is measured, on a small model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result

from redraft.bench.page import studio

Invoke = Callable[..., Result]
GLASSES = """edition 2026

recipe demo 1.0.0 "A demonstration"

model tiny {
  arch    dcgan
  weights "tiny.pth"
}

latents z { seed 1  count 200 }

rule glasses at layer6 {
  copy    z[116] box(x 16..48, y 24..40)
  context z[116, 5, 7] box(x 16..48, y 24..40)
  rank     2
}
"""


@pytest.fixture
def glasses(recipe: Path) -> Path:
    """A recipe with the rule whose sliders are moved."""
    recipe.write_text(GLASSES, encoding="utf-8")
    return recipe


def figures(invoke: Invoke, *arguments: str) -> dict[str, Any]:
    result = invoke("bench", *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_live_times_each_kind_of_change(glasses: Path, invoke: Invoke) -> None:
    found = figures(invoke, "live", "--recipe", str(glasses), "--repeats", "1")
    rows = {row["change"]: row for row in found["rows"]}
    assert list(rows) == ["strength", "preserve", "rank", "copy", "context", "layer"]
    for row in rows.values():
        assert 0 < row["first_s"] <= row["to_16_s"]
        assert row["settled_s"] > 0
        assert row["bare_s"] > 0
    assert rows["context"]["to"] == "25"
    # What a change leaves as it was is not run again: 16 pictures from the layer on, once.
    assert rows["strength"]["passes"] == 16
    assert rows["layer"]["passes"] > rows["strength"]["passes"]
    assert found["machine"]["versions"]["torch"] == torch.__version__


@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN")
def test_repeat_solves_as_other_machines_would(glasses: Path, invoke: Invoke) -> None:
    text = glasses.read_text(encoding="utf-8")
    glasses.write_text(text.replace("count 200", "count 120"), encoding="utf-8")
    found = figures(invoke, "repeat", "--recipe", str(glasses))
    rows = {row["condition"]: row for row in found["rows"]}
    assert {row["rule"] for row in rows.values()} == {"glasses"}
    assert {"two threads", "four threads", "other convolution kernels"} < set(rows)
    assert rows["again"]["same_bits"]
    assert rows["again"]["difference"] == 0
    assert not rows["statistics in float32"]["same_bits"]
    for row in rows.values():
        assert 0 <= row["difference"] < 1e-2
        assert 0 <= row["angle"] < 1e-1
    worst = {row["condition"]: row for row in found["worst"]}
    assert worst["again"]["same_bits"] == worst["again"]["rules"] == 1


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Chromium adds is measured where a browser is tested."""
    monkeypatch.setattr(studio, "chromium", lambda: None)


@pytest.mark.usefixtures("no_browser")
def test_studio_is_timed_over_the_wire(glasses: Path, invoke: Invoke) -> None:
    text = glasses.read_text(encoding="utf-8")
    listed = text.replace('model tiny {\n  arch    dcgan\n  weights "tiny.pth"\n}', "model faces")
    glasses.write_text(listed, encoding="utf-8")
    found = figures(invoke, "studio", "--recipe", str(glasses), "--repeats", "1")
    assert [row["setting"] for row in found["sliders"]] == ["strength", "preserve", "rank"]
    for row in found["sliders"]:
        assert 0 < row["shown_ms"] <= row["worst_ms"]
        assert row["settled_ms"] > 0
    others = {row["what"]: row for row in found["others"]}
    assert others["settled after 200 changes in 2 s"]["note"] == "ends in the right pictures"
    assert others["first of more like it among 500"]["ms"] > 0
    assert "needs Chromium" in others["in Chromium"]["note"]


@pytest.mark.usefixtures("no_browser")
def test_a_recipe_that_studio_cannot_show_ends_its_bench(glasses: Path, invoke: Invoke) -> None:
    shown = invoke("bench", "studio", "--recipe", str(glasses), "--repeats", "1")
    assert shown.exit_code == 1
    assert "studio cannot show the recipe" in shown.stderr  # its file of weights is elsewhere
