"""What differs between two edits, and between two runs."""

from __future__ import annotations

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
from torch import Tensor

import redraft
from redraft.edit.artifact import Edit
from redraft.errors import ArtifactError
from redraft.plans.loading import CheckFailedError
from redraft.runs.runner import Run, finish, run_plan
from redraft.show.compare import compare_edits, compare_runs, principal_angles
from redraft.solve.delta import Delta

BODY = """
rule hat at layer6 {
  copy    z[3] box(x 8..40, y 8..40)
  context z[5] box(x 8..40, y 8..40)
  context z[8] box(x 8..40, y 8..40)
  context z[9] box(x 8..40, y 8..40)
  rank     2
}
"""
SECOND = BODY.replace("hat at layer6", "tie at layer3")


@pytest.fixture
def run(workshop: Any) -> Callable[..., Path]:
    """Runs a recipe into a folder."""

    def make(folder: str, body: str = BODY) -> Path:
        path = workshop.recipe(body)
        done: Run = run_plan(redraft.plan(path), out=workshop.folder / folder)
        finish(done)
        return done.folder

    return make


def change_record(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((folder / "run.json").read_text())
    change(record)
    (folder / "run.json").write_text(json.dumps(record))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.lists(st.floats(0, 90), min_size=1, max_size=3), st.integers(0, 999), st.integers(0, 2))
def test_principal_angles_are_those_that_were_built_in(
    angles: list[float], seed: int, more: int
) -> None:
    basis = torch.linalg.qr(noise(9, 9, seed=seed).double())[0].T
    count = len(angles)
    first = basis[:count]
    turned = torch.stack(
        [
            math.cos(math.radians(angle)) * basis[row]
            + math.sin(math.radians(angle)) * basis[count + row]
            for row, angle in enumerate(angles)
        ]
    )
    first = torch.cat([first, basis[9 - more :]])
    for found in (principal_angles(first, turned), principal_angles(turned, first)):
        # A sine and a cosine each hold 16 digits; at 0 and 90 degrees one of the two is left.
        assert list(found) == pytest.approx(sorted(angles), abs=1e-5)


def test_an_edit_is_the_same_as_itself(run: Callable[..., Path]) -> None:
    edit = Edit.load(run("one") / "edit.safetensors")
    found = compare_edits(edit, edit)
    assert found.same
    (rule,) = found.rules
    assert rule.identical
    assert rule.angles == pytest.approx((0.0, 0.0), abs=1e-4)
    assert rule.cosine == pytest.approx(1.0)
    newer = replace(edit, facts=edit.facts.model_copy(update={"redraft": "9.0.0"}))
    assert compare_edits(edit, newer).same


def test_a_stronger_edit_reads_the_same_keys(run: Callable[..., Path]) -> None:
    edit = Edit.load(run("one") / "edit.safetensors")
    found = compare_edits(edit, edit.choose(None, -2.0))
    assert not found.same
    (rule,) = found.rules
    assert not rule.identical
    assert rule.norms[1] == pytest.approx(2 * rule.norms[0])
    assert rule.angles == pytest.approx((0.0, 0.0), abs=1e-4)
    assert rule.cosine == pytest.approx(-1.0)


def test_rules_and_bases_that_differ_are_named(run: Callable[..., Path]) -> None:
    one = Edit.load(run("one", BODY + SECOND) / "edit.safetensors")
    other = Edit.load(run("two", BODY.replace("layer6", "layer9")) / "edit.safetensors")
    facts = other.facts.model_copy(update={"tensors_digest": "7" * 64})
    found = compare_edits(one, replace(other, facts=facts))
    told = [each.sentence() for each in found.differences]
    assert (
        f"changed  the base's weights: {one.facts.tensors_digest[:12]}... -> 777777777777..."
        in (told)
    )
    assert "removed  rule tie: at layer3" in told
    assert "changed  rule hat: its layer: layer6 -> layer9" in told
    assert "changed  rule hat: its weight: 6.weight -> 9.weight" in told
    (rule,) = found.rules
    # Keys of two layers cannot be compared.
    assert rule.angles is None
    assert rule.cosine is None
    back = [each.sentence() for each in compare_edits(other, one).differences]
    assert "added    rule tie: at layer3" in back


def test_the_order_of_rules_counts(run: Callable[..., Path]) -> None:
    edit = Edit.load(run("one", BODY + SECOND) / "edit.safetensors")
    facts = edit.facts.model_copy(update={"rules": edit.facts.rules[::-1]})
    found = compare_edits(edit, replace(edit, facts=facts, deltas=edit.deltas[::-1]))
    assert [each.kind for each in found.differences] == ["moved"]
    assert all(rule.identical for rule in found.rules)
    assert not found.same


def test_changes_of_different_kernels_have_angles_and_no_cosine(run: Callable[..., Path]) -> None:
    edit = Edit.load(run("one") / "edit.safetensors")
    (delta,) = edit.deltas
    small = Delta(delta.rule, delta.layer, delta.directions, delta.coefficients[:, :, :3, :3])
    (rule,) = compare_edits(edit, replace(edit, deltas=(small,))).rules
    assert rule.angles == pytest.approx((0.0, 0.0), abs=1e-4)
    assert rule.cosine is None


def test_a_run_that_is_repeated_is_the_same(run: Callable[..., Path]) -> None:
    found = compare_runs(run("one"), run("two"))
    assert found.same
    assert found.causes == ()
    assert found.verdict() == "the runs are the same"


def test_a_changed_recipe_explains_changed_results(run: Callable[..., Path]) -> None:
    found = compare_runs(run("one"), run("two", BODY.replace("rank     2", "rank     3")))
    assert [each.sentence() for each in found.recipe] == ["changed  rank of hat: 2 -> 3"]
    assert found.verdict() == "different results: the recipe differed"
    (rule,) = found.edits.rules
    assert rule.ranks == (2, 3)
    assert rule.angles is not None
    assert len(rule.angles) == 2
    figures = {each.figure: each for each in found.figures}
    assert figures["norm"].before == pytest.approx(rule.norms[0])
    assert figures["norm"].after == pytest.approx(rule.norms[1])
    assert "loss after" in figures
    assert "loss before" not in figures


def test_a_remark_in_the_recipe_is_no_difference(run: Callable[..., Path]) -> None:
    one, other = run("one"), run("two", "# a remark\n" + BODY)
    assert (one / "recipe.redraft").read_text() != (other / "recipe.redraft").read_text()
    assert compare_runs(one, other).same


def test_a_rule_more_is_told_once_for_the_recipe_and_once_for_the_change(
    run: Callable[..., Path],
) -> None:
    found = compare_runs(run("one"), run("two", BODY + SECOND))
    assert [each.sentence() for each in found.recipe] == ["added    rule tie: at layer3"]
    assert [each.sentence() for each in found.edits.differences] == ["added    rule tie: at layer3"]
    assert found.edits.rules[0].identical


def test_another_machine_that_gave_the_same_is_told(run: Callable[..., Path]) -> None:
    one, other = run("one"), run("two")
    change_record(other, lambda record: record["machine"].update(threads=16))
    found = compare_runs(one, other)
    assert not found.same
    assert len(found.machine) == 1
    assert found.machine[0].endswith("-> 16")
    assert found.verdict() == "the machine or versions differed, and the same came out"


def test_another_model_is_told(run: Callable[..., Path]) -> None:
    one, other = run("one"), run("two")
    change_record(
        other,
        lambda record: (
            record["model"].update(file_sha256="9" * 64, assumed=["a mean"]),
            record["rules"][0].update(norm=3.0, left_out=None, share=None),
        ),
    )
    found = compare_runs(one, other)
    told = [each.sentence() for each in found.model]
    assert told[0].endswith("-> 999999999999...")
    assert (
        told[1]
        == "changed  what was filled in: ReLU behind its layers, batch norm with eps 1e-05, tanh "
        "at its end, all of its 10 input numbers are noise -> a mean"
    )
    assert found.verdict() == "different results: the model differed"
    figures = {each.figure: each for each in found.figures}
    assert figures["norm"].after == 3.0
    assert figures["left-out gain"].before is not None
    assert figures["left-out gain"].after is None
    assert figures["share"].after is None


def test_results_that_nothing_explains_are_called_so(run: Callable[..., Path]) -> None:
    one, other = run("one"), run("two")
    change_record(other, lambda record: record["rules"][0].update(norm=3.0))
    found = compare_runs(one, other)
    assert found.verdict().startswith("different results, and nothing that is recorded explains")


def test_a_recipe_that_was_changed_after_its_run(run: Callable[..., Path]) -> None:
    one, other = run("one"), run("two", BODY.replace("rank     2", "rank     3"))
    shutil.copy(one / "recipe.redraft", other / "recipe.redraft")
    (found,) = compare_runs(one, other).recipe
    assert found.what == "the recipe's meaning"
    (other / "recipe.redraft").write_text("rule")
    with pytest.raises(CheckFailedError):
        compare_runs(one, other)


def test_a_folder_that_is_no_finished_run_is_refused(
    run: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError) as caught:
        compare_runs(run("one"), tmp_path)
    assert caught.value.code == "RD660"


def test_the_record_stands_for_its_folder(run: Callable[..., Path]) -> None:
    one = run("one")
    assert compare_runs(one / "run.json", one).same
