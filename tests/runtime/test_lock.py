"""Locks: what they hold, what they notice, and that a run takes its contexts from them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import redraft
from redraft.disk.cache import Cache
from redraft.errors import VerifyMismatchError
from redraft.models.checkpoint.weights import load_state
from redraft.plans import lock
from redraft.plans.lock import Lock, Record
from redraft.plans.lock_compare import LockDiffersError
from redraft.plans.obeying import plan_obeying
from redraft.plans.planner import make_plan
from redraft.runs.locking import make_lock
from redraft.runs.runner import Run, finish, run_plan
from redraft.runs.verify import verify

EYES = "box(x 8..40, y 16..32)"
SEARCH = f"""
rule glasses at layer6 {{
  copy    z[1] mask("eyes.png") within {EYES}
  context z[2] {EYES}
  context like z[2] {EYES} top 4 among 10..40 except 12
  rank 2
}}
"""
CHAIN = f"""
zero first at layer9 {{ context z[8] {EYES}  rank 1  strength 0.4 }}
erase noise at layer3 {{
  context z[5] ellipse(30,30 radius 20,12)
  context z[6] {EYES}
  context z[7] {EYES}
  rank 2  units 4  strength 0.5
}}
{SEARCH}
rule late at layer9 {{
  copy    z[3] {EYES}
  context like z[2] {EYES} top 3 among 10..60
  context like z[4] polygon(8,16 40,16 24,36) top 2 among 10..60
  rank 2
}}
zero last at layer3 {{ context z[8] {EYES}  rank 1  strength 0.4 }}
"""
pytestmark = pytest.mark.usefixtures("one_thread")

DIGEST = "0123456789abcdef" * 4


# ---- what it holds ----------------------------------------------------------------------------


def locked(path: Path, **options: Any) -> Lock:
    made = make_lock(redraft.load(path), path.parent, device="cpu", cache=Cache(), **options)
    lock.lock_path(path).write_text(made.text)
    return made


def ran(path: Path, out: str, *, obey: bool = True) -> Run:
    plan = (plan_obeying if obey else make_plan)(redraft.load(path), path.parent, cache=Cache())
    run = run_plan(plan, out=path.parent / out, device="cpu", cache=Cache())
    finish(run)
    return run


def bits(run: Run) -> bytes:
    return (run.folder / "edit.safetensors").read_bytes()


def lines(made: Lock, kind: str) -> list[str]:
    return [record.line for record in made.records if record.kind == kind]


def test_a_lock_holds_every_input(workshop: Any) -> None:
    path = workshop.recipe(CHAIN)
    made = locked(path)
    checked = redraft.load(path)
    assert checked.recipe is not None
    plan = make_plan(checked, path.parent)
    assert lines(made, "recipe") == [
        f"recipe demo 1.0.0 redraft-recipe-v1+sha256 {checked.recipe.digest()}"
    ]
    tensors = ran(path, "run").record.model.tensors_digest
    assert lines(made, "model") == [
        f"model tiny file sha256 {plan.base.sha256}",
        f"model tiny tensors sha256 {tensors}",
    ]
    assert len(lines(made, "mask")) == 1
    assert lines(made, "mask")[0].startswith('mask "eyes.png" sha256 ')
    assert [line.split()[:4] for line in lines(made, "statistics")] == [
        ["statistics", step.layer, "before", step.before]
        for step in sorted(plan.statistics, key=lambda step: (step.layer, step.before))
    ]
    settings = lines(made, "rule")
    assert "rule glasses preserve 0.3" in settings
    assert "rule glasses solver.iterations 20" in settings
    assert "rule noise strength 0.5" in settings
    assert "rule last rank 1" in settings
    assert not [line for line in settings if line.startswith("rule last solver")]


def test_side_is_locked_as_written(workshop: Any) -> None:
    made = locked(workshop.recipe(SEARCH.replace("rank 2", "rank 2  side 5.5%")))
    assert "rule glasses side 5.5%" in lines(made, "rule")
    assert not [line for line in lines(made, "rule") if "preserve" in line]


def test_a_lock_is_the_same_wherever_the_recipe_lies(workshop: Any, tmp_path: Path) -> None:
    path = workshop.recipe(CHAIN)
    made = locked(path)
    other = tmp_path / "another place"
    shutil.copytree(workshop.folder, other)
    shutil.rmtree(tmp_path / "cache")
    moved = other / path.name
    moved.write_text("# a comment\n" + moved.read_text().replace("  ", " "))
    assert locked(moved).text == made.text
    assert made.text.isascii()
    assert str(tmp_path) not in made.text


def test_the_places_are_those_that_a_run_finds(workshop: Any) -> None:
    """One search sees a rule that was solved before it, one sees none, and a last rule is free."""
    path = workshop.recipe(CHAIN)
    free = ran(path, "free", obey=False)
    made = locked(path)
    for rule in ("glasses", "late"):
        record = next(each for each in free.record.rules if each.name == rule)
        found = [p.index for p in record.contexts if p.score is not None]
        assert [p.index for line in made.places(rule).values() for p in line] == found
    held = ran(path, "held")
    assert bits(held) == bits(free)
    for one, other in zip(held.record.rules, free.record.rules, strict=True):
        assert one.model_copy(update={"solve_seconds": other.solve_seconds}) == other


def test_locking_leaves_no_wrong_statistics(workshop: Any, tmp_path: Path) -> None:
    """A lock skips rules that no search needs; what it keeps is what a run would keep."""
    path = workshop.recipe(CHAIN)
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    made = make_lock(redraft.load(path), path.parent, cache=Cache())
    assert made.places("late")
    after_lock = ran(path, "one", obey=False)
    shutil.rmtree(tmp_path / "cache")
    assert bits(ran(path, "two", obey=False)) == bits(after_lock)


def test_a_recipe_without_matches_is_locked_too(workshop: Any) -> None:
    path = workshop.recipe("zero last at layer3 { context z[8] all  rank 1  strength 0.4 }")
    made = locked(path)
    assert lines(made, "match") == []
    assert ran(path, "run").record.lock == made.sha256


# ---- obeying ----------------------------------------------------------------------------------


def edited(path: Path, old: str, new: str) -> None:
    text = lock.lock_path(path).read_text()
    assert text.count(old) == 1
    lock.lock_path(path).write_text(text.replace(old, new))


def test_a_run_takes_its_contexts_from_the_lock(workshop: Any) -> None:
    """A place of the lock is used although a search would never find it there."""
    path = workshop.recipe(SEARCH)
    made = locked(path)
    best = made.places("glasses")[1][0]
    free = next(i for i in range(10, 41)
                if i != 12 and i not in [p.index for p in made.places("glasses")[1]])  # fmt: skip
    text = next(line for line in lines(made, "match") if "place 1 " in line)
    edited(path, text, f"match glasses line 1 place 1 z[{free}] x +8 y -4")
    run = ran(path, "run")
    contexts = run.record.rules[0].contexts
    assert [c.index for c in contexts][:2] == [2, free]
    assert best.index not in [c.index for c in contexts]
    assert contexts[1].box == (16, 12, 48, 28)
    assert run.record.lock == lock.parse(lock.lock_path(path).read_text(), "").sha256
    assert bits(run) != bits(ran(path, "free", obey=False))


def test_a_region_that_leaves_the_picture_in_part_is_locked_by_its_move(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    made = locked(path)
    index = made.places("glasses")[1][0].index
    text = next(line for line in lines(made, "match") if "place 1 " in line)
    edited(path, text, f"match glasses line 1 place 1 z[{index}] x +40 y 0")
    assert ran(path, "run").record.rules[0].contexts[1].box == (48, 16, 64, 32)


def test_rules_of_another_lock_are_not_taken_from_a_broken_run(workshop: Any) -> None:
    path = workshop.recipe(CHAIN)
    made = locked(path)

    def digests(held: Lock | None) -> dict[str, str]:
        plan = make_plan(redraft.load(path), path.parent, cache=Cache(), lock=held)
        return {step.rule.name: step.digest for step in plan.rules}

    kept = [record for record in made.records if not record.line.startswith("match late line 2 pl")]
    other = lock.make([*kept, Record("match", "late line 2 place 1 z[33] x 0 y 0")])
    one, two, free = digests(made), digests(other), digests(None)
    assert [name for name in one if one[name] != two[name]] == ["late"]
    assert one["noise"] == free["noise"]
    assert one["glasses"] != free["glasses"]


def test_a_lock_without_all_places_is_not_half_obeyed(workshop: Any) -> None:
    path = workshop.recipe(CHAIN)
    made = locked(path)
    kept = [r for r in made.records if not r.line.startswith("match late line 1")]
    lock.lock_path(path).write_text(lock.make(kept).text)
    with pytest.raises(LockDiffersError) as caught:
        ran(path, "run")
    assert [(d.what, d.said) for d in caught.value.differences] == [("match late line 1", None)]
    assert caught.value.differences[0].now == "a search like z[2] among 10..60"


def test_the_python_interface_obeys_too(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    made = locked(path)
    assert redraft.run(path, workshop.folder / "one").record.lock == made.sha256
    assert redraft.run(redraft.plan(path), workshop.folder / "two").record.lock is None
    path.write_text(path.read_text().replace("rank 2", "rank 1"))
    with pytest.raises(LockDiffersError):
        redraft.run(path, workshop.folder / "three")
    assert not (workshop.folder / "three").exists()


# ---- what differs -----------------------------------------------------------------------------


def differences(path: Path) -> list[tuple[str, str | None, str | None]]:
    with pytest.raises(LockDiffersError) as caught:
        plan_obeying(redraft.load(path), path.parent, cache=Cache())
    assert caught.value.code == "RD410"
    assert caught.value.help is not None
    assert f"redraft lock {path}" in caught.value.help
    for found, sentence in zip(caught.value.differences, caught.value.details, strict=True):
        assert found.what in sentence
        assert found.remedy in sentence
    return [(d.what, d.said, d.now) for d in caught.value.differences if d.what != "recipe"]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("rank 2", "rank 1", [("rule glasses rank", "2", "1")]),
        ("rank 2", "rank 2  preserve 0.5", [("rule glasses preserve", "0.3", "0.5")]),
        (
            "rank 2",
            "rank 2  side 5%",
            [("rule glasses preserve", "0.3", None), ("rule glasses side", None, "5%")],
        ),
        ("z[2] box(x 8..40", "z[2] box(x 8..44", []),
        ('"A demonstration"', '"Another title"', []),
    ],
)
def test_a_changed_recipe_differs_by_setting(
    workshop: Any, old: str, new: str, found: list[Any]
) -> None:
    path = workshop.recipe(SEARCH)
    locked(path)
    path.write_text(path.read_text().replace(old, new, 1))
    assert differences(path) == found


def test_a_comment_is_no_difference(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    made = locked(path)
    path.write_text("# more\n" + path.read_text().replace("rank 2", "keep 3   rank 2"))
    assert plan_obeying(redraft.load(path), path.parent).lock == made


def test_other_latents_differ_with_all_that_hangs_on_them(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    locked(path)
    path.write_text(path.read_text().replace("count 120", "count 121"))
    found = differences(path)
    assert [what for what, _, _ in found] == ["latents z", "statistics of layer6 before glasses"]
    assert (found[0][1] or "").startswith("seed 3 count 120 size 10")
    assert (found[0][2] or "").startswith("seed 3 count 121 size 10")


def test_another_mask_differs(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    locked(path)
    with Image.open(workshop.folder / "eyes.png") as picture:
        picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(workshop.folder / "eyes.png")
    assert [what for what, _, _ in differences(path)] == ['mask "eyes.png"']


def test_a_model_that_was_only_saved_anew_is_told_from_another_one(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    locked(path)
    tensors = load_state(workshop.model).tensors
    torch.save(dict(tensors), workshop.model)
    assert [what for what, _, _ in differences(path)] == ["model tiny file"]
    name = next(name for name in tensors if name.endswith("3.weight"))
    torch.save({**tensors, name: tensors[name] + 1}, workshop.model)
    assert [what for what, _, _ in differences(path)] == ["model tiny file", "model tiny tensors"]


@pytest.mark.parametrize(
    "place",
    [
        "z[41] x 0 y 0",  # beyond the range
        "z[12] x 0 y 0",  # left out by `except`
        "z[2] x 0 y 0",  # marked by the rule itself
        "y[20] x 0 y 0",  # of other latents
        "z[20] x +99 y 0",  # outside the picture
    ],
)
def test_a_place_that_no_search_can_find_differs(workshop: Any, place: str) -> None:
    path = workshop.recipe(SEARCH)
    text = next(line for line in lines(locked(path), "match") if "place 1 " in line)
    edited(path, text, f"match glasses line 1 place 1 {place}")
    assert differences(path) == [("match glasses line 1 place 1", place, None)]


def test_places_of_rules_that_are_gone_and_too_many_places_differ(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    made = locked(path)
    extra = [
        Record("match", "glasses line 1 place 5 z[40] x 0 y 0"),
        Record("match", "glasses line 2 place 1 z[39] x 0 y 0"),
        Record("match", "gone line 1 place 1 z[39] x 0 y 0"),
        Record("mask", f'"old.png" sha256 {DIGEST}'),
    ]
    four = [r for r in made.records if r.kind == "match"]
    assert len(four) == 4, "the search finds all that it may"
    lock.lock_path(path).write_text(lock.make([*made.records, *extra]).text)
    assert [what for what, _, now in differences(path) if now is None] == [
        'mask "old.png"',
        "match glasses line 1 place 5",
        "match glasses line 2 place 1",
        "match gone line 1 place 1",
    ]


def test_values_that_change_nothing_are_no_difference(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    made = locked(path)
    assert plan_obeying(redraft.load(path, {"glasses.rank": "2"}), path.parent).lock == made
    given = make_lock(redraft.load(path, {"glasses.rank": "2"}), path.parent, cache=Cache())
    assert lines(given, "set") == ["set glasses.rank 2"]
    lock.lock_path(path).write_text(given.text)
    assert plan_obeying(redraft.load(path), path.parent).lock == given


@pytest.mark.parametrize(
    ("held", "given", "told", "undo"),
    [
        ({}, {"glasses.rank": 1}, "made without `--set`, and now there is `--set glasses.rank=1`",
         "leave out `--set`, or accept it with `redraft lock PATH --set glasses.rank=1`"),
        ({"glasses.rank": 1}, {}, "made with `--set glasses.rank=1`, and now there is no `--set`",
         "give the lock's values, `--set glasses.rank=1`, or accept it with `redraft lock PATH`"),
        ({"glasses.rank": 1}, {"glasses.rank": 2, "glasses.keep": 3},
         "made with `--set glasses.rank=1`, and now there is `--set glasses.rank=2 --set "
         "glasses.keep=3`",
         "give the lock's values, `--set glasses.rank=1`, or accept it with `redraft lock PATH "
         "--set glasses.rank=2 --set glasses.keep=3`"),
    ],
)  # fmt: skip
def test_other_values_than_those_of_the_lock_are_told(
    workshop: Any, held: dict[str, Any], given: dict[str, Any], told: str, undo: str
) -> None:
    path = workshop.recipe(SEARCH)
    made = make_lock(redraft.load(path, held), path.parent, cache=Cache())
    lock.lock_path(path).write_text(made.text)
    with pytest.raises(LockDiffersError) as caught:
        plan_obeying(redraft.load(path, given), path.parent, cache=Cache())
    error = caught.value
    assert error.code == "RD419"
    assert told in error.message
    assert undo.replace("PATH", str(path)) in (error.help or "")
    (rank,) = [each for each in error.differences if each.what == "rule glasses rank"]
    assert rank.remedy.startswith("give the lock's values; if that is not it, put the setting")
    sets = {each.what: each.remedy for each in error.differences if each.kind == "set"}
    for name in held.keys() | given.keys():
        number = held.get(name)
        wanted = f"leave out `--set {name}={given.get(name)}`"
        if number is not None:
            wanted = f"give `--set {name}={number}`"
        assert sets[f"set {name}"] == wanted


# ---- verifying --------------------------------------------------------------------------------


def test_a_locked_run_is_repeated_with_its_lock(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    made = locked(path)
    text = next(line for line in lines(made, "match") if "place 1 " in line)
    edited(
        path, text, f"match glasses line 1 place 1 {text.split('place 1 ')[1].split()[0]} x 0 y -4"
    )
    run = ran(path, "run")
    lock.lock_path(path).unlink()
    assert verify(run.folder).holds
    (run.folder / "recipe.lock").write_text(made.text)
    with pytest.raises(VerifyMismatchError, match="is not the lock that the run obeyed") as caught:
        verify(run.folder)
    assert caught.value.code == "RD418"
    (run.folder / "recipe.lock").unlink()
    with pytest.raises(VerifyMismatchError, match="is not the lock that the run obeyed"):
        verify(run.folder)


def test_a_run_without_a_lock_leaves_none_of_an_earlier_one(workshop: Any) -> None:
    path = workshop.recipe(SEARCH)
    locked(path)
    assert (ran(path, "run").folder / "recipe.lock").exists()
    lock.lock_path(path).unlink()
    run = ran(path, "run")
    assert run.record.lock is None
    assert not (run.folder / "recipe.lock").exists()
    assert json.loads((run.folder / "run.json").read_text())["lock"] is None
