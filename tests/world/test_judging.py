"""The program that judges a recipe of the village."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from redraft.world.judging.program import main

RULE = """edition 2026
recipe spires 1.0.0 "Spires"
model {model}
latents z {{ seed 1  count 200 }}
rule spires at layer6 {{
  copy z[0] box(x 38..54, y 7..23)
  context z[3] box(x 6..22, y 14..30)
  context z[4] box(x 9..25, y 16..32)
  context z[5] box(x 43..59, y 7..23)
  context z[6] box(x 14..30, y 14..30)
  context z[7] box(x 33..49, y 9..25)
  context z[10] box(x 40..56, y 12..28)
  strength {strength}
}}
"""


def judged(folder: Path, capsys: pytest.CaptureFixture[str], strength: float) -> dict[str, float]:
    path = folder / "spires.redraft"
    path.write_text(RULE.format(model="village-proggan", strength=strength))
    assert main([str(path), "--count", "40", "--format", "json"]) == 0
    found: dict[str, float] = json.loads(capsys.readouterr().out)
    return found


def test_a_rule_goes_some_of_the_way_and_none_goes_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    followed = judged(tmp_path, capsys, 1.0)
    assert followed["way"] > 0.3
    assert followed["objects"] > 0.3
    assert followed["floor"] < followed["distance"] < followed["unedited"]
    idle = judged(tmp_path, capsys, 0.0)
    assert idle["way"] == 0.0
    assert idle["false"] == 0.0


def test_other_models_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "missing.redraft"
    assert main([str(path)]) == 1
    assert "Traceback" not in capsys.readouterr().err
