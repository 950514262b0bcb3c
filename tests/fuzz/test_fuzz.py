"""The fuzzing job itself: it makes the same file again, notes what fails, and goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz import damage, seeds
from tests.fuzz.cases import KINDS


def fuzz(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", *words, "--state", str(state)]
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["recipes", "masks"])
def test_a_few_of_each_kind_and_on_from_there(tmp_path: Path, name: str) -> None:
    for done in (8, 16):
        result = fuzz(tmp_path, name, "--most", "8")
        assert (result.returncode, result.stdout) == (0, f"{name}: {done} done, 0 failed\n")
    assert json.loads((tmp_path / "1.json").read_text())[name]["next"] == 16


def test_a_number_gives_the_same_file_each_time() -> None:
    kind, good = KINDS["recipes"], seeds.recipes()
    assert kind.case(1, 7, good) == kind.case(1, 7, good)
    assert len({kind.case(1, number, good) for number in range(20)}) > 15


def test_damage_is_done_inside_of_an_archive_too(tmp_path: Path) -> None:
    import random

    good = seeds.checkpoints(tmp_path)
    made = [damage.checkpoint_of(random.Random(number), good) for number in range(60)]
    assert sum(each.startswith(b"PK") for each in made) > 20
    assert any(b"touch /tmp/redraft-fuzz-marker" in each for each in made)
