"""The public interface, as a user's script calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import redraft
from redraft.models.checkpoint.weights import load_state

EYES = "box(x 8..40, y 16..32)"
BODY = f"""
rule hat at layer6 {{
  copy    z[1] {EYES}
  context z[2] mask("eyes.png")
  context z[3] {EYES}
  context z[4] {EYES}
  rank 2
}}
"""
pytestmark = pytest.mark.usefixtures("one_thread")


def test_from_a_recipe_to_an_edited_module(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workshop.recipe(BODY, count=40)
    monkeypatch.chdir(workshop.folder)
    checked = redraft.load(path)
    assert checked.recipe is not None
    plan = redraft.plan(checked, device="cpu")
    run = redraft.run(plan, device="cpu")
    assert run.folder.parent == Path("runs")
    names = {file.name for file in run.folder.iterdir()}
    assert {"edit.safetensors", "run.json", "report.html", "before-after.png"} <= names
    edit = redraft.Edit.load(run.folder / "edit.safetensors")
    from redraft.models.arch import dcgan

    module = dcgan.build(load_state(workshop.model).bare()).module
    before = module[6].weight.clone()
    with edit.applied(module):
        assert torch.equal(module[6].weight, run.session.model.generator.module[6].weight)
    assert torch.equal(module[6].weight, before)
    assert redraft.verify(run.folder, device="cpu").holds


def test_a_path_alone_is_enough(workshop: Any) -> None:
    path = workshop.recipe(BODY, count=40)
    assert [step.rule.name for step in redraft.plan(str(path)).rules] == ["hat"]
    run = redraft.run(path, out=str(workshop.folder / "out"), device="cpu")
    assert run.folder == workshop.folder / "out"


def test_a_text_finds_its_files_in_its_folder(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = workshop.recipe(BODY, count=40).read_text()
    monkeypatch.chdir(tmp_path)
    checked = redraft.loads(text, folder=workshop.folder)
    assert checked.recipe is not None
    plan = redraft.plan(checked, device="cpu")
    assert plan.base.path == workshop.model
    assert plan.folder == workshop.folder


def test_what_is_left_at_the_end_of_a_cell_is_a_line(workshop: Any) -> None:
    path = workshop.recipe(BODY, count=40)
    model = redraft.Model.open(workshop.model, device="cpu")
    assert repr(model) == "<Model tiny.pth: dcgan, 64 x 64, layers layer3, layer6, layer9>"
    found = model.match(f"z[3] {EYES}", layer="layer6", top=2, among=range(20))
    assert repr(found[0]) == "<z[3] x 8..40, y 16..32, score 1.00>"
    with redraft.Live(path, device="cpu", numbers=range(2)) as live:
        shown = [redraft.load(path), redraft.plan(path), model, live, live.answer, *found]
        shown += [live.answer.edit(), *live.answer.left_out().values()]
        assert max(map(len, map(repr, shown))) < 400


def test_errors_in_a_recipe_are_data_and_planning_it_an_error(workshop: Any) -> None:
    checked = redraft.loads("edition 2026\n")
    assert checked.recipe is None
    assert checked.errors
    with pytest.raises(redraft.RedraftError, match="the recipe has"):
        redraft.plan(checked)
    missing = redraft.load(workshop.folder / "none.redraft")
    assert "there is no such file" in missing.errors[0].message


def test_unknown_devices_are_refused(workshop: Any) -> None:
    with pytest.raises(redraft.RedraftError, match="`tpu` is not a device"):
        redraft.plan(workshop.recipe(BODY), device="tpu")


def test_every_public_name_is_there_and_no_other() -> None:
    for name in redraft.__all__:
        assert getattr(redraft, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        redraft.nothing  # noqa: B018


def test_checking_a_recipe_loads_no_torch(workshop: Any) -> None:
    path = workshop.recipe(BODY)
    script = (
        "import sys, redraft\n"
        f"assert redraft.load({str(path)!r}).recipe is not None\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
