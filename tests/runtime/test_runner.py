"""Runs: from a recipe file to an edit, whatever happens on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from redraft import load
from redraft.disk.cache import Cache
from redraft.edit.artifact import Edit, weight_digest
from redraft.errors import ArtifactError, ModelError, PlanError, RedraftError, RunError
from redraft.models.checkpoint.weights import load_state
from redraft.plans.planner import make_plan
from redraft.plans.run_folder import read_run
from redraft.plans.unseen import unseen
from redraft.runs.execute import check_untouched
from redraft.runs.runner import Run, finish, run_plan
from redraft_dsl import KnownModels, loads

EYES = "box(x 8..40, y 16..32)"
pytestmark = pytest.mark.usefixtures("one_thread")


def ran(path: Path, out: Path | None = None, **options: Any) -> Run:
    plan = make_plan(load(path), path.parent, cache=Cache())
    options.setdefault("force", out is None)
    run = run_plan(plan, out=out or path.parent / f"run-{path.stem}", cache=Cache(), **options)
    finish(run)
    return run


def bits(run: Run) -> bytes:
    return (run.folder / "edit.safetensors").read_bytes()


def weights(run: Run) -> dict[str, Tensor]:
    return run.session.model.generator.module.state_dict()


def test_a_chain_of_every_kind_runs_and_is_recorded(workshop: Any) -> None:
    run = ran(workshop.recipe(workshop.chain))
    record = read_run(run.folder).record
    assert record == run.record
    assert [(r.name, r.kind, r.layer) for r in record.rules] == [
        ("glasses", "rule", "layer6"), ("noise", "erase", "layer3"), ("stripe", "zero", "layer6")
    ]  # fmt: skip
    assert not (run.folder / "steps").exists()
    glasses, noise, stripe = record.rules
    assert glasses.loss_after < glasses.loss_before
    assert noise.loss_after < noise.loss_before
    found = [place for place in glasses.contexts if place.score is not None]
    assert 1 <= len(found) <= 4
    assert len(glasses.contexts) == 2 + len(found)
    assert all(10 <= place.index <= 40 and place.index != 12 for place in found)
    assert all(place.gain is not None for place in glasses.contexts)
    assert glasses.copy_from is not None
    assert glasses.copy_from.box == (16, 20, 40, 32)
    assert glasses.interference == {}
    assert stripe.interference.keys() == {"glasses"}
    assert 0.0 <= stripe.interference["glasses"] <= 1.0
    assert noise.share is not None
    assert noise.share_interval is not None
    assert noise.share_interval[0] <= noise.share <= noise.share_interval[1]
    assert record.evaluated_count == len(unseen(run.session.plan.recipe)) > 50


def test_the_edit_gives_the_weights_of_the_run_and_only_the_named_ones(workshop: Any) -> None:
    run = ran(workshop.recipe(workshop.chain))
    base = load_state(workshop.model).bare()
    edited = Edit.load(run.folder / "edit.safetensors").edited(base)
    after = weights(run)
    assert set(edited) == {"3.weight", "6.weight"}
    for name, tensor in base.items():
        assert torch.equal(after[name], edited.get(name, tensor))
    assert weight_digest(edited["6.weight"]) == run.record.rules[2].weight_after
    assert weight_digest(edited["3.weight"]) == run.record.rules[1].weight_after
    assert run.record.rules[0].weight_after == run.record.rules[2].weight_before


def test_a_weight_that_changed_unasked_is_noticed(workshop: Any) -> None:
    run = ran(workshop.recipe(workshop.chain))
    check_untouched(run.session)
    run.session.model.generator.module[4].bias[2] += 1e-7
    with pytest.raises(RunError, match=r"`4\.bias` changed, and no rule names it"):
        check_untouched(run.session)


def figures(run: Any) -> list[tuple[Any, ...]]:
    return [(rule.share, rule.amplitude, rule.outside) for rule in run.record.rules]


def test_the_unedited_pictures_are_drawn_once_for_all_runs(workshop: Any, tmp_path: Path) -> None:
    path = workshop.recipe(workshop.chain)
    first = ran(path, tmp_path / "one")
    entries = list((tmp_path / "cache" / "pictures").glob("*.safetensors"))
    assert entries, "those of the first rule, which no other comes before"
    again = ran(path, tmp_path / "two")
    assert figures(first) == figures(again)
    entries[0].write_bytes(b"damaged")
    assert figures(first) == figures(ran(path, tmp_path / "three"))
    assert entries[0].stat().st_size > 1000, "it is written anew"


def test_a_recipe_gives_the_same_bits_every_time(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workshop.recipe(workshop.chain)
    first = ran(path, tmp_path / "one")
    cached = ran(path, tmp_path / "two")
    assert [each.cached for each in cached.record.statistics] == [True] * 3
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "another"))
    anew = ran(path, tmp_path / "three")
    assert [each.cached for each in anew.record.statistics] == [False] * 3
    assert bits(first) == bits(cached) == bits(anew)
    assert first.record.edit_sha256 == anew.record.edit_sha256
    again = ran(path, tmp_path / "one")
    assert (bits(again), again.resumed) == (bits(anew), ())


INSERT = """
rule hat at layer6 {{
  copy    z[1] {eyes}
  context z[2] {eyes}
  context z[3] {eyes}
  context z[4] {eyes}
  {more}
}}
"""


@pytest.mark.parametrize(
    "more",
    [
        "directions goal  rank 2",
        "directions context  rank 2",
        "directions svd  rank 2",
        "directions units  rank 2",
        "directions mean  rank 1",
        "rank 2  solver exact { loss l2  iterations 5 }",
        "rank 2  keep 0  solver gradient { steps 60  rate 0.005 }",
        "rank 2  paste z[9] {eyes}  keep 0  solver gradient {{ steps 40  rate 0.005  goal crop }}",
        "rank 2  paste z[9] {eyes}  keep 0  contrast 0  directions context"
        "  solver projected-adam {{ steps 30  rate 0.002  goal crop }}",
        "rank 2  paste z[9] {eyes}  paste z[10] {eyes}",
        "rank 2  preserve 0  contrast 1  keep 4  strength -1.5",
    ],
)
def test_every_way_of_solving_runs_and_repeats(workshop: Any, tmp_path: Path, more: str) -> None:
    more = more.format(eyes=EYES) if "{eyes}" in more else more
    path = workshop.recipe(INSERT.format(eyes=EYES, more=more), count=40)
    first = ran(path, tmp_path / "one")
    assert bits(first) == bits(ran(path, tmp_path / "two"))
    rule = first.record.rules[0]
    assert rule.norm > 0
    assert len(rule.singular_values) == rule.rank
    delta = first.edit.deltas[0]
    gram = delta.directions.double() @ delta.directions.double().T
    assert torch.allclose(gram, torch.eye(rule.rank).double(), atol=1e-5)
    if rule.strength == 1:
        assert rule.loss_after < rule.loss_before


@pytest.mark.parametrize("more", ["", "directions svd", "directions units"])
def test_erase_and_zero_take_directions_too(workshop: Any, more: str) -> None:
    body = f"""
erase one at layer6 {{ context z[2] {EYES}  context z[3] {EYES}  rank 2  units 3  {more} }}
zero two at layer6 {{ context z[2] {EYES}  rank 2  {more} }}
"""
    run = ran(workshop.recipe(body, count=30))
    after = run.session.model.generator.form("layer6").weight.double()
    basis = run.edit.deltas[1].directions.double()
    assert torch.einsum("ocyx,sc->osyx", after, basis).abs().max() < 1e-5
    assert run.record.rules[0].loss_after < run.record.rules[0].loss_before


def test_side_keeps_the_left_out_side_effect_below_the_share(workshop: Any) -> None:
    def solved(restraint: str, name: str) -> Any:
        body = INSERT.format(eyes=EYES, more=f"rank 2  {restraint}")
        return ran(workshop.recipe(body, name, count=40)).record.rules[0]

    free = solved("preserve 0.01", "free")
    assert free.left_out.side > 0
    allowed = 100 * free.left_out.side / 4
    held = solved(f"side {allowed:.6f}%", "held")
    assert held.left_out.side <= allowed / 100
    assert held.preserve > free.preserve
    assert held.norm < free.norm
    # And it is the smallest such preserve: a good deal less would go too far.
    less = solved(f"preserve {held.preserve / 3:.6f}", "less")
    assert less.left_out.side > allowed / 100


def test_side_that_cannot_be_reached_or_estimated_is_told(workshop: Any) -> None:
    one = f"rule hat at layer6 {{ copy z[1] {EYES}  context z[2] {EYES}  rank 1  side 5% }}"
    with pytest.raises((RunError, PlanError)) as caught:
        ran(workshop.recipe(one, count=30))
    assert caught.value.help


def test_what_is_seen_on_new_pictures_is_warned_of(workshop: Any) -> None:
    rule = ran(workshop.recipe(INSERT.format(eyes=EYES, more="rank 2"), count=40)).record.rules[0]
    faint = INSERT.format(eyes=EYES, more="rank 2  strength 0.01")
    fainter = ran(workshop.recipe(faint, count=40)).record.rules[0]
    assert fainter.share == pytest.approx(rule.share, abs=0.1), "a share is blind to strength"
    (warning,) = fainter.warnings
    assert warning.startswith("too faint to see on new pictures, at ")
    assert warning.endswith(" (redraft explain RD430)")
    assert fainter.verdict == "too faint"


def test_the_pictures_that_stand_for_others_are_named(workshop: Any) -> None:
    run = ran(workshop.recipe(INSERT.format(eyes=EYES, more="rank 2"), count=40))
    rule = run.record.rules[0]
    assert len(rule.least) == 6
    assert min(rule.least) >= 40, "they are new pictures"
    assert not set(rule.typical) & set(rule.least)


def test_one_paste_is_judged_on_the_other_contexts(workshop: Any) -> None:
    body = INSERT.format(eyes=EYES, more=f"rank 2  paste z[9] {EYES}")
    run = ran(workshop.recipe(body, count=40))
    rule = run.record.rules[0]
    assert rule.left_out is not None
    assert [place.index for place in rule.pastes] == [9]
    assert [place.index for place in rule.contexts] == [2, 3, 4]


def test_unseen_pictures_are_those_that_nothing_was_made_from() -> None:
    text = f"""edition 2026
recipe demo 1.0.0 "Demo"
model faces
latents z {{ seed 3  count 30 }}
rule hat at layer6 {{
  copy    z[0] {EYES}
  paste   z[29] {EYES}
  context z[2] {EYES}
  context like z[3] {EYES} top 4 among 10..20 except 12
}}
"""
    from redraft.models.listed.catalog import known_models

    recipe = loads(text, known_models()).recipe
    assert isinstance(known_models(), KnownModels)
    assert recipe is not None
    assert unseen(recipe) == list(range(30, 60)), "statistics have seen the first 30"
    assert unseen(recipe, 3) == [30, 31, 32]
    twin = text.replace(" count 30 }", " count 30 }\nlatents w { seed 3  count 90 }")
    other = loads(twin.replace("context z[2]", "context w[31]"), known_models()).recipe
    assert other is not None
    assert unseen(other, 3) == [30, 32, 33], "an image by another name is the same image"


KILLED = """
import os, signal, sys
from pathlib import Path
from redraft import load
from redraft.disk.cache import Cache
from redraft.plans.planner import make_plan
from redraft.runs.runner import run_plan
import torch
torch.set_num_threads(1)
path, out, word = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def die(what, done, total):
    if what == word:
        os.kill(os.getpid(), signal.SIGKILL)

plan = make_plan(load(path), path.parent, cache=Cache())
run_plan(plan, out=out, cache=Cache(), progress=die, force=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(
    workshop: Any, tmp_path: Path, forking: Any
) -> None:
    path = workshop.recipe(workshop.chain)
    whole = ran(path, tmp_path / "whole")
    out = tmp_path / "killed"
    killed = forking.run(str(path), str(out), "rule stripe", program=KILLED)
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "run.json").exists()
    with pytest.raises(ArtifactError, match="is not a finished run"):
        read_run(out)
    again = ran(path, out)
    assert again.resumed == ("glasses", "noise")
    assert bits(again) == bits(whole)
    for one, other in zip(again.record.rules, whole.record.rules, strict=True):
        assert one.model_copy(update={"solve_seconds": 0}) == other.model_copy(
            update={"solve_seconds": 0}
        )


class StopError(Exception):
    pass


def interrupted(path: Path, out: Path, word: str = "rule stripe", *, force: bool = False) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == word:
            raise StopError

    with pytest.raises(StopError):
        ran(path, out, progress=stop, force=force)


def steps(out: Path) -> dict[str, Path]:
    return {path.name.split("-")[0]: path for path in (out / "steps").iterdir()}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def _flip(path: Path) -> None:
    # Deep in the numbers: the file stays well formed.
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    head = json.loads(bytes(data[8 : 8 + length]))
    place = 8 + length + head["coefficients"]["data_offsets"][0] + 40
    data[place] ^= 0x01
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_cut, _flip])
def test_a_damaged_step_is_solved_anew(workshop: Any, tmp_path: Path, damage: Any) -> None:
    path = workshop.recipe(workshop.chain)
    whole = ran(path, tmp_path / "whole")
    out = tmp_path / "out"
    interrupted(path, out)
    assert steps(out).keys() == {"glasses", "noise"}
    damage(steps(out)["glasses"])
    again = ran(path, out)
    assert again.resumed == ("noise",)
    assert bits(again) == bits(whole)


def test_steps_of_a_changed_rule_are_not_taken(workshop: Any, tmp_path: Path) -> None:
    path = workshop.recipe(workshop.chain)
    out = tmp_path / "out"
    interrupted(path, out)
    path.write_text(path.read_text().replace("units 4", "units 5"))
    again = ran(path, out)
    assert again.resumed == ("glasses",)
    interrupted(path, out)
    fresh = ran(path, out, fresh=True)
    assert fresh.resumed == ()
    assert bits(fresh) == bits(again)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_second_run_that_fails_loses_nothing_of_the_first(workshop: Any, tmp_path: Path) -> None:
    path, out = workshop.recipe(workshop.chain), tmp_path / "out"
    ran(path, out)
    before = content(out)
    assert before.keys() == {"run.json", "recipe.redraft", "eyes.png", "edit.safetensors"}
    Image.new("L", (64, 64), 255).save(workshop.folder / "eyes.png")
    path.write_text(path.read_text() + "# another\n")
    interrupted(path, out, force=True)
    assert content(out) == before
    assert read_run(out).record.recipe == "demo"
    done = ran(path, out, force=True)
    assert "glasses" in done.resumed
    assert (out / "recipe.redraft").read_text().endswith("# another\n")
    assert (out / "eyes.png").read_bytes() != before["eyes.png"]


@pytest.mark.parametrize(
    ("meddle", "said"),
    [
        (lambda mask: mask.unlink(), "there is no such file"),
        (lambda mask: Image.new("L", (64, 64), 9).save(mask), "it is another picture now"),
        (lambda mask: mask.write_bytes(b"no"), "it is not a picture"),
    ],
)
def test_a_mask_that_changes_after_the_plan_is_told(
    workshop: Any, tmp_path: Path, meddle: Callable[[Path], None], said: str
) -> None:
    path, out = workshop.recipe(workshop.chain), tmp_path / "out"
    ran(path, out)
    before = content(out)
    plan = make_plan(load(path), path.parent, cache=Cache())
    meddle(workshop.folder / "eyes.png")
    with pytest.raises(ArtifactError, match=said) as caught:
        run_plan(plan, out=out, cache=Cache())
    assert (caught.value.code, "eyes.png" in caught.value.message) == ("RD666", True)
    assert content(out) == before


def test_a_mask_that_vanishes_during_the_run_is_kept(workshop: Any, tmp_path: Path) -> None:
    path = workshop.recipe(workshop.chain.replace('z[8] mask("eyes.png")', f"z[8] {EYES}"))
    mask = workshop.folder / "eyes.png"
    data = mask.read_bytes()

    def remove(what: str, done: int, total: int) -> None:
        if what == "rule stripe":
            mask.unlink()

    run = ran(path, tmp_path / "out", progress=remove)
    assert (run.folder / "eyes.png").read_bytes() == data


def test_a_run_takes_its_masks_along(workshop: Any) -> None:
    run = ran(workshop.recipe(workshop.chain))
    assert (run.folder / "eyes.png").read_bytes() == (workshop.folder / "eyes.png").read_bytes()
    assert (run.folder / "recipe.redraft").read_text() == run.session.plan.text


def test_the_default_folder_is_named_after_recipe_and_base(workshop: Any, tmp_path: Path) -> None:
    path = workshop.recipe(workshop.chain)
    plan = make_plan(load(path), path.parent, cache=Cache())
    assert plan.run_name == f"demo-1.0.0-{plan.digest[:8]}"


def test_weights_that_are_no_numbers_are_refused(workshop: Any, dcgan_state: Any) -> None:
    state = dcgan_state(5)
    state["3.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, workshop.model)
    with pytest.raises(ModelError) as caught:
        ran(workshop.recipe(workshop.chain))
    assert "3.weight" in caught.value.message


def test_a_rule_that_changes_nothing_is_an_error(workshop: Any) -> None:
    body = f"rule hat at layer6 {{ copy z[2] {EYES}  paste z[2] {EYES}  context z[3] {EYES} "
    with pytest.raises(RedraftError) as caught:
        ran(workshop.recipe(body + " rank 1  directions context }", count=30))
    assert caught.value.help


@pytest.mark.skipif(os.name != "posix", reason="permissions of a folder")
def test_a_folder_that_may_not_be_written_to_is_told_at_once(
    workshop: Any, ordinary_user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = as_owner(lambda: _files(workshop))
    for name, content in data.items():
        (ordinary_user / name).write_bytes(content)
    monkeypatch.setenv("REDRAFT_CACHE", str(ordinary_user / "cache"))
    shut = ordinary_user / "shut"
    shut.mkdir()
    shut.chmod(0o500)
    path = ordinary_user / "demo.redraft"
    plan = make_plan(load(path), path.parent, cache=Cache())
    told: list[str] = []
    for out in (shut / "run", shut):
        with pytest.raises(ArtifactError, match="cannot be made") as caught:
            run_plan(plan, out=out, progress=lambda what, *_: told.append(what))
        assert caught.value.help
    assert told == [], "nothing was computed in vain"


def _files(workshop: Any) -> dict[str, bytes]:
    workshop.recipe(workshop.chain)
    return {path.name: path.read_bytes() for path in workshop.folder.iterdir()}


def as_owner(read: Callable[[], dict[str, bytes]]) -> dict[str, bytes]:
    """Read files of a folder that a lesser user may not look into."""
    lesser = os.geteuid()
    os.seteuid(os.getuid())
    try:
        return read()
    finally:
        os.seteuid(lesser)


LIMITED = """
import resource, sys
from pathlib import Path
from redraft import load
from redraft.disk.cache import Cache
from redraft.errors import ArtifactError
from redraft.plans.planner import make_plan
from redraft.runs.runner import run_plan
path, out = Path(sys.argv[1]), Path(sys.argv[2])
plan = make_plan(load(path), path.parent, cache=Cache())

def fill(what, done, total):
    if what == "rule noise":
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

try:
    run_plan(plan, out=out, cache=Cache(), progress=fill)
except ArtifactError as error:
    sys.stdout.write(f"{error.code} {error.message}")
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on file sizes")
def test_a_full_disk_is_told_and_loses_nothing(workshop: Any, tmp_path: Path) -> None:
    path = workshop.recipe(workshop.chain)
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path), str(out)],
                          check=False, capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stdout[:5]) == (7, "RD634"), done.stderr
    assert "full" in done.stdout
    assert not list((out / "steps").glob(".redraft-*")), "no half-written file is left"
    assert ran(path, out).resumed == ("glasses",)


@pytest.mark.parametrize("content", ["", "{", '{"format": "redraft-run-9"}', "[]", "\udcff"])
def test_a_record_that_is_not_right_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ArtifactError) as caught:
        read_run(tmp_path)
    assert caught.value.code == "RD661"


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16])
def test_weights_of_another_precision_are_computed_with_in_float32(
    workshop: Any, tmp_path: Path, dcgan_state: Any, dtype: torch.dtype
) -> None:
    state = {n: t.to(dtype) if t.is_floating_point() else t for n, t in dcgan_state(5).items()}
    torch.save(state, workshop.model)
    path = workshop.recipe(workshop.chain)
    run = ran(path, tmp_path / "out")
    assert all(delta.directions.dtype == torch.float32 for delta in run.edit.deltas)
    assert all(rule.norm > 0 for rule in run.record.rules)
