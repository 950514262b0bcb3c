"""Repeating a run: what is identical, what was tampered with, what differs."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from redraft import load
from redraft.disk.cache import Cache
from redraft.edit.artifact import Edit, weight_digest
from redraft.errors import ArtifactError, RedraftError, VerifyMismatchError
from redraft.models.checkpoint.weights import load_state
from redraft.plans.planner import make_plan
from redraft.plans.record import MachineRecord
from redraft.runs.runner import finish, run_plan
from redraft.runs.verify import RuleCheck, Verified, subspace_angle, verify

EYES = "box(x 8..40, y 16..32)"
BODY = f"""
rule glasses at layer6 {{
  copy    z[1] {EYES}
  context z[2] mask("eyes.png")
  context z[3] {EYES}
  context z[4] {EYES}
  rank 2
}}
zero stripe at layer6 {{ context z[8] {EYES}  rank 1  strength 0.4 }}
"""
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(workshop: Any) -> Path:
    path = workshop.recipe(BODY, count=40)
    plan = make_plan(load(path), path.parent, cache=Cache())
    run = run_plan(plan, out=workshop.folder / "run", cache=Cache())
    finish(run)
    return run.folder


def test_a_run_repeats_bit_for_bit(folder: Path) -> None:
    found = verify(folder)
    assert found.holds
    assert found.same_machine
    assert found.differences == ()
    assert [check.name for check in found.rules] == ["glasses", "stripe"]
    for check in found.rules:
        assert check.identical
        assert check.weights_identical
        assert check.angle == check.difference == 0.0


def test_the_record_may_be_named_instead_of_its_folder(folder: Path) -> None:
    assert verify(folder / "run.json").holds


def test_a_run_repeats_without_the_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "none"))
    assert verify(folder).holds


def test_verifying_changes_no_file(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    verify(folder)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_changed_edit_is_refused(folder: Path) -> None:
    data = bytearray((folder / "edit.safetensors").read_bytes())
    data[-3] ^= 1
    (folder / "edit.safetensors").write_bytes(data)
    with pytest.raises(ArtifactError, match="is not the edit that") as caught:
        verify(folder)
    assert caught.value.code == "RD663"


def test_a_changed_recipe_is_refused_and_a_comment_is_not(folder: Path) -> None:
    recipe = folder / "recipe.redraft"
    text = recipe.read_text()
    recipe.write_text("# a note\n" + text)
    assert verify(folder).holds
    recipe.write_text(text.replace("rank 2", "rank 1"))
    with pytest.raises(VerifyMismatchError, match="is not the one that was run") as caught:
        verify(folder)
    assert caught.value.exit_status == 4


def test_a_changed_base_is_refused(folder: Path, workshop: Any, dcgan_state: Any) -> None:
    named = {f"main.{name}": tensor for name, tensor in dcgan_state(6).items()}
    torch.save({"netG_state_dict": named}, workshop.model)
    with pytest.raises(VerifyMismatchError, match="is not the file that the run started from"):
        verify(folder)


def test_a_folder_without_a_finished_run_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is not a finished run"):
        verify(tmp_path)
    (folder / "edit.safetensors").unlink()
    with pytest.raises(RedraftError):
        verify(folder)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the record of a run says."""
    record = json.loads((folder / "run.json").read_text())
    change(record)
    (folder / "run.json").write_text(json.dumps(record))


def test_a_figure_that_was_not_measured_is_named(folder: Path) -> None:
    rewritten(folder, lambda record: record["rules"][0].update(amplitude=0.99))
    found = verify(folder)
    assert not found.holds
    assert not found.holds_for(found.rules[0])
    assert found.holds_for(found.rules[1])
    (differing,) = found.rules[0].figures
    assert (differing.field, differing.recorded) == ("amplitude", 0.99)
    assert isinstance(differing.repeated, float)
    assert differing.repeated < 0.9


@pytest.mark.parametrize("part", [("left_out", "gain"), ("contexts", 0, "index"), ("rank",)])
def test_every_field_of_a_rule_counts(folder: Path, part: tuple[Any, ...]) -> None:
    def change(record: dict[str, Any]) -> None:
        inner: Any = record["rules"][0]
        for key in part[:-1]:
            inner = inner[key]
        inner[part[-1]] += 1

    rewritten(folder, change)
    (differing,) = verify(folder).rules[0].figures
    assert differing.field == ".".join(map(str, part))


def test_on_another_machine_figures_may_differ_a_little(folder: Path) -> None:
    def change(record: dict[str, Any], by: float) -> None:
        record["machine"]["versions"]["torch"] = "1.0"
        record["rules"][0]["amplitude"] += by

    rewritten(folder, lambda record: change(record, 0.005))
    assert verify(folder).holds
    rewritten(folder, lambda record: change(record, 0.1))
    assert [each.field for each in verify(folder).rules[0].figures] == ["amplitude"]


def test_what_the_record_says_of_the_run_is_compared(folder: Path) -> None:
    rewritten(folder, lambda record: record.update(title="Best of all", evaluated_count=100_000))
    found = verify(folder)
    assert not found.holds
    assert [each.field for each in found.record] == ["title", "evaluated_count"]


def test_without_figures_it_says_that_they_were_not_looked_at(folder: Path) -> None:
    assert "figures" not in verify(folder).unverified
    rewritten(folder, lambda record: record["rules"][0].update(amplitude=0.99))
    found = verify(folder, figures=False)
    assert found.holds
    assert not found.measured
    assert "the figures in run.json" in found.unverified


def test_a_record_of_other_rules_is_refused(folder: Path) -> None:
    rewritten(folder, lambda record: record["rules"].pop())
    with pytest.raises(VerifyMismatchError, match="does not hold the rules of the recipe"):
        verify(folder)


def forge(folder: Path, edit: Edit, base: Path) -> None:
    """Write another edit into a run and make the record agree with it."""
    data = edit.to_bytes()
    (folder / "edit.safetensors").write_bytes(data)
    record = json.loads((folder / "run.json").read_text())
    record["edit_sha256"] = hashlib.sha256(data).hexdigest()
    weight = weight_digest(edit.edited(load_state(base).bare())["6.weight"])
    record["rules"][1]["weight_after"] = weight
    (folder / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize(("noise", "within"), [(1e-5, True), (0.5, False)])
def test_a_forged_edit_is_a_mismatch(
    folder: Path, workshop: Any, noise: float, within: bool
) -> None:
    edit = Edit.load(folder / "edit.safetensors")
    first = edit.deltas[0]
    coefficients = first.coefficients
    moved = coefficients + noise * coefficients.abs().mean() * torch.randn(
        coefficients.shape, generator=torch.Generator().manual_seed(0)
    )
    forged = replace(edit, deltas=(replace(first, coefficients=moved), edit.deltas[1]))
    forge(folder, forged, workshop.model)
    found = verify(folder)
    assert not found.holds
    check = found.rules[0]
    assert not check.identical
    assert check.weights_identical
    assert check.within == within
    size = float((moved - coefficients).norm() / moved.norm())
    assert check.difference == pytest.approx(size, rel=1e-3)
    # On another machine the digests in the record are not compared, as they were here.
    elsewhere = replace(verify(folder, figures=False), differences=("threads 1 -> 2",))
    assert elsewhere.holds == within


def test_a_rotated_key_space_shows_its_angle(folder: Path, workshop: Any) -> None:
    edit = Edit.load(folder / "edit.safetensors")
    first = edit.deltas[0]
    rows = first.directions.clone()
    away = torch.linalg.svd(rows, full_matrices=True)[2][-1]
    rows[1] = math.cos(0.2) * rows[1] + math.sin(0.2) * away
    forged = replace(edit, deltas=(replace(first, directions=rows), edit.deltas[1]))
    forge(folder, forged, workshop.model)
    check = verify(folder).rules[0]
    assert check.angle == pytest.approx(0.2, abs=1e-4)
    assert not check.within


def test_a_moved_run_still_verifies(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder, tmp_path / "elsewhere")
    assert verify(tmp_path / "elsewhere").holds


def test_a_run_by_relative_paths_verifies_from_anywhere(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workshop.recipe(BODY, count=40)
    monkeypatch.chdir(workshop.folder)
    plan = make_plan(load(path.name), Path(), cache=Cache())
    run = run_plan(plan, out=Path("runs/one"), cache=Cache())
    finish(run)
    path.unlink()  # the run has its own copy of the recipe
    assert verify(run.folder).holds
    monkeypatch.chdir(tmp_path)
    assert verify(workshop.folder / "runs" / "one").holds


def test_promises_depend_on_the_machine() -> None:
    near = RuleCheck("a", False, 1e-4, 1e-4, True)
    elsewhere = ("torch 2.12 -> 2.13",)
    assert not Verified((), (near,)).holds
    assert Verified(elsewhere, (near,)).holds
    assert not Verified(elsewhere, (replace(near, weights_identical=False),)).holds


def test_what_differs_from_the_recorded_machine_is_named(folder: Path) -> None:
    record = json.loads((folder / "run.json").read_text())
    here = record["machine"]["versions"]["torch"]
    record["machine"]["threads"] += 1
    record["machine"]["versions"]["torch"] = "1.0"
    (folder / "run.json").write_text(json.dumps(record))
    threads = record["machine"]["threads"]
    found = verify(folder, threads=threads - 1)
    assert not found.same_machine
    assert found.holds
    assert found.differences == (f"threads {threads} -> {threads - 1}", f"torch 1.0 -> {here}")


def test_every_field_of_a_machine_counts() -> None:
    def machine(**more: Any) -> MachineRecord:
        fields = {"device": "cpu", "threads": 1, "platform": "Linux", "deterministic": True}
        return MachineRecord(**{**fields, "versions": {"torch": "2"}, **more})

    assert machine().differences(machine()) == ()
    other = machine(device="gpu", threads=2, platform="Mac", deterministic=False)
    assert machine().differences(other) == (
        *("device cpu -> gpu", "threads 1 -> 2", "platform Linux -> Mac"),
        *("deterministic yes -> no", "tf32 no -> not recorded"),
    )
    assert other.differences(other.model_copy(update={"tf32": True})) == (
        "tf32 not recorded -> yes",
    )
    renamed = machine(versions={"numpy": "3"})
    assert machine().differences(renamed) == ("torch 2 -> none", "numpy none -> 3")


@given(st.integers(1, 4), st.floats(1e-7, math.pi / 2), st.integers(0, 1000))
def test_the_angle_between_two_spans(rank: int, angle: float, seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    rows = torch.randn(9, 9, dtype=torch.float64, generator=source)
    basis = torch.linalg.qr(rows)[0].T
    one, turned = basis[:rank], basis[:rank].clone()
    turned[0] = math.cos(angle) * basis[0] + math.sin(angle) * basis[8]
    mixing = torch.linalg.qr(torch.randn(rank, rank, dtype=torch.float64, generator=source))[0]
    assert subspace_angle(one, mixing @ turned) == pytest.approx(angle, rel=1e-5, abs=1e-9)
    assert subspace_angle(one, mixing @ one) < 1e-12
