"""Records of runs in which the share of new pictures is still called ``effect``."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Invoke = Callable[..., Result]


@pytest.fixture
def former(finished: Path) -> Path:
    """A finished run, with its recipe and model, whose record has the former names."""
    for name in ("demo.redraft", "tiny.pth"):
        shutil.copy(finished / name, name)
    shutil.copytree(finished / "run", "former")
    path = Path("former/run.json")
    text, count = re.subn(r'"share(_interval)?":', r'"effect\1":', path.read_text())
    assert count == 2
    path.write_text(text)
    return path.parent


def test_a_former_record_says_what_it_said(former: Path, finished: Path, invoke: Invoke) -> None:
    done = invoke("diff", "former", str(finished / "run"), "--format", "json")
    assert done.exit_code == 0, done.output
    figures = {each["figure"]: each for each in json.loads(done.stdout)["figures"]}
    assert "effect" not in figures
    assert figures.get("share", {}).get("after") == figures.get("share", {}).get("before")
    assert invoke("verify", "former").exit_code == 0


def test_a_former_run_is_combined_and_packed(former: Path, finished: Path, invoke: Invoke) -> None:
    text = Path("demo.redraft").read_text()
    for old, new in (("rule dot", "rule hat"), ("copy    z[3]", "copy    z[4]")):
        text = text.replace(old, new)
    Path("hat.redraft").write_text(text)
    assert invoke("run", "hat.redraft", "--out", "hat").exit_code == 0
    done = invoke("combine", "former", "hat", "-o", "both.safetensors", "--model", "tiny.pth")
    assert done.exit_code == 0, done.output
    done = invoke("pack", "former", "-o", "former.redraftpack")
    assert done.exit_code == 0, done.output
    assert invoke("unpack", "former.redraftpack", "--out", "unpacked").exit_code == 0
    share = json.loads((finished / "run" / "run.json").read_text())["rules"][0]["share"]
    assert f"| {share:.2f} (" in Path("unpacked/README.md").read_text()


def test_a_sweep_goes_on_in_a_folder_with_former_records(recipe: Path, invoke: Invoke) -> None:
    path = recipe
    path.write_text(path.read_text() + "\nsweep ranks { vary rank of dot over 1, 2 }\n")
    first = invoke("sweep", "demo.redraft", "--out", "out")
    assert first.exit_code == 0, first.output
    for record in Path("out").rglob("*.json"):
        text = re.sub(r'"share(_interval)?":', r'"effect\1":', record.read_text())
        record.write_text(text)
    again = invoke("sweep", "demo.redraft", "--out", "out")
    assert again.exit_code == 0, again.output
    assert "2 of 2 cells were finished before" in again.output
    assert '"share"' in Path("out/sweep.json").read_text()
