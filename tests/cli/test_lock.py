"""``redraft lock``, and what it does to ``run`` and ``plan``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Invoke = Callable[..., Result]


@pytest.fixture
def locked(invoke: Invoke, recipe: Path) -> Path:
    """A recipe with its lock, in the current folder."""
    done = invoke("lock", recipe.name)
    assert done.exit_code == 0, done.stderr
    return recipe


def test_a_lock_lies_beside_its_recipe(invoke: Invoke, recipe: Path) -> None:
    shown = invoke("lock", "demo.redraft")
    text = Path("demo.lock").read_text(encoding="utf-8")
    assert shown.stdout == f"written: demo.lock ({len(text.splitlines()) - 1} records)\n"
    head, *lines = text.splitlines()
    assert head == "redraft-lock 1"
    assert lines[0].startswith("latents z seed 1 count 60 size 16 ")
    assert "rule dot rank 2" in lines
    assert sum(line.startswith("match dot line 1 place ") for line in lines) == 6
    assert invoke("lock", "demo.redraft").stdout == "unchanged: demo.lock\n"
    assert Path("demo.lock").read_text(encoding="utf-8") == text


def test_a_renewed_lock_tells_what_changed(invoke: Invoke, locked: Path) -> None:
    locked.write_text(locked.read_text().replace("rank     2", "rank     1"))
    lines = invoke("lock", "demo.redraft").stdout.splitlines()
    assert lines[0].startswith("written: demo.lock")
    assert "  - rule dot rank 2" in lines
    assert "  + rule dot rank 1" in lines
    assert len([line for line in lines if line.startswith("  - ")]) == 2  # and the recipe


def test_a_lock_that_cannot_be_read_is_replaced(invoke: Invoke, locked: Path) -> None:
    good = Path("demo.lock").read_text()
    Path("demo.lock").write_text("redraft-lock 99\n")
    assert invoke("lock", "demo.redraft").exit_code == 0
    assert Path("demo.lock").read_text() == good


def test_checking_a_lock_that_agrees(invoke: Invoke, locked: Path) -> None:
    before = Path("demo.lock").read_bytes()
    shown = invoke("lock", "--check", "demo.redraft")
    assert (shown.exit_code, shown.stdout) == (0, "demo.lock: agrees\n")
    assert Path("demo.lock").read_bytes() == before
    Path("demo.lock").write_bytes(before.replace(b"\n", b"\r\n"))
    assert invoke("lock", "--check", "demo.redraft").exit_code == 0


def test_checking_tells_what_differs_and_writes_nothing(invoke: Invoke, locked: Path) -> None:
    before = Path("demo.lock").read_bytes()
    number = before.decode().splitlines().index("rule dot rank 2") + 1
    locked.write_text(locked.read_text().replace("rank     2", "rank     1"))
    shown = invoke("lock", "--check", "demo.redraft")
    assert shown.exit_code == 1
    wanted = (
        "rule dot rank\n"
        "  the lock says  2\n"
        "  now it is      1\n"
        "  to go back     put the setting back in the recipe\n"
        f"  see            demo.lock:{number}\n"
    )
    assert wanted in shown.stdout
    assert "error[RD410]: demo.lock differs from what is there now in 2 records" in shown.stdout
    assert "accept it with `redraft lock demo.redraft`" in shown.stdout
    assert Path("demo.lock").read_bytes() == before


def test_checking_as_json(invoke: Invoke, locked: Path) -> None:
    Path("other.redraft").write_text(locked.read_text())
    locked.write_text(locked.read_text().replace("rank     2", "rank     1"))
    shown = invoke("lock", "--check", ".", "--format", "json")
    assert shown.exit_code == 1
    demo, other = json.loads(shown.stdout)
    assert (demo["lock"], demo["holds"], demo["error"]["code"]) == ("demo.lock", False, "RD410")
    (rank,) = [each for each in demo["differences"] if each["record"] == "rule dot rank"]
    assert (rank["lock"], rank["now"]) == ("2", "1")
    assert (other["holds"], other["error"]["code"]) == (False, "RD416")
    assert other["differences"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: Path("demo.lock").unlink(), "RD416"),
        (lambda: Path("demo.lock").write_text("redraft-lock 2\n"), "RD412"),
        (lambda: Path("demo.redraft").write_text("recipe"), "RD400"),
        (lambda: Path("demo.redraft").unlink(), "RD638"),
        (lambda: Path("tiny.pth").unlink(), "RD601"),
    ],
)
def test_what_cannot_be_compared_is_an_error(
    invoke: Invoke, locked: Path, change: Callable[[], Any], code: str
) -> None:
    change()
    shown = invoke("lock", "--check", "./demo.redraft")
    assert shown.exit_code == 1
    assert f"error[{code}" in shown.stdout
    assert "Traceback" not in shown.output


def test_a_run_obeys_its_lock_and_says_so(invoke: Invoke, locked: Path) -> None:
    shown = invoke("run", "demo.redraft", "--out", "out")
    assert shown.exit_code == 0, shown.stderr
    assert "\nits lock was obeyed\n" in shown.stdout
    record = json.loads(Path("out/run.json").read_text(encoding="utf-8"))
    assert len(record["lock"]) == 64
    assert Path("out/recipe.lock").read_text() == Path("demo.lock").read_text()
    free = invoke("run", "demo.redraft", "--out", "free", "--no-lock", "--format", "json")
    assert json.loads(free.stdout)["lock"] is None
    assert Path("free/edit.safetensors").read_bytes() == Path("out/edit.safetensors").read_bytes()


def test_a_run_stops_where_its_lock_differs(invoke: Invoke, locked: Path) -> None:
    before = Path("demo.lock").read_bytes()
    locked.write_text(locked.read_text().replace("rank     2", "rank     1"))
    shown = invoke("run", "demo.redraft", "--out", "out")
    assert shown.exit_code == 1
    assert "  rule dot rank: the lock says 2, now it is 1; put the setting back" in shown.stderr
    assert "error[RD410]: demo.lock differs" in shown.stderr
    assert not Path("out").exists()
    assert Path("demo.lock").read_bytes() == before
    told = json.loads(invoke("run", "demo.redraft", "--format", "json").stdout)["error"]
    assert any(each.startswith("rule dot rank: ") for each in told["details"])
    assert invoke("run", "demo.redraft", "--out", "out", "--no-lock").exit_code == 0
    assert invoke("lock", "demo.redraft").exit_code == 0
    assert invoke("run", "demo.redraft", "--out", "out").exit_code == 0


def test_the_recipe_of_a_locked_run_runs_again(invoke: Invoke, locked: Path) -> None:
    assert invoke("run", "demo.redraft", "--out", "out").exit_code == 0
    Path("out/tiny.pth").symlink_to(Path("tiny.pth").resolve())
    again = invoke("run", "out/recipe.redraft", "--out", "again")
    assert again.exit_code == 0, again.stderr
    assert Path("again/edit.safetensors").read_bytes() == Path("out/edit.safetensors").read_bytes()


@pytest.mark.parametrize("words", [("eval",), ("locate",), ("match", "dot")])
def test_what_looks_at_a_recipe_obeys_its_lock_too(
    invoke: Invoke, locked: Path, words: tuple[str, ...]
) -> None:
    name, *more = words
    locked.write_text(locked.read_text().replace("rank     2", "rank     1"))
    shown = invoke(name, "demo.redraft", *more)
    assert shown.exit_code == 1
    assert "error[RD410]: demo.lock differs" in shown.stderr
    assert invoke(name, "demo.redraft", *more, "--set", "dot.rank=2").exit_code == 0
    assert invoke(name, "demo.redraft", *more, "--no-lock").exit_code == 0


def test_locked_places_are_shown_scored_and_tried(invoke: Invoke, locked: Path) -> None:
    moved = "match dot line 1 place 1 z[39] x +8 y 0"
    lock = Path("demo.lock")
    lines = lock.read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("match dot line 1 place 1 "))
    lines[first] = moved
    lock.write_text("\n".join(lines) + "\n")
    shown = invoke("match", "demo.redraft", "dot")
    assert re.search(r"1 +\S* *z\[39\] .*x 16..48, y 8..40", shown.stdout), shown.output
    assert "the lock says these places" in shown.stdout
    searched = invoke("match", "demo.redraft", "dot", "--top", "6").stdout
    assert "x 16..48, y 8..40" not in searched
    plain = json.loads(invoke("locate", "demo.redraft", "--format", "json", "--no-lock").stdout)
    held = json.loads(invoke("locate", "demo.redraft", "--format", "json").stdout)
    assert held["lock"] is not None
    before, after = (
        {(each["layer"], each["rank"]): each["gain"] for each in found["candidates"]}
        for found in (plain, held)
    )
    # At its own layer the rule has the places of the lock; at the others it searches.
    assert before["layer6", 2] != after["layer6", 2]
    assert before["layer9", 2] == after["layer9", 2]
    scored = invoke("eval", "demo.redraft", "--out", "scores.json")
    assert "its lock was obeyed" in scored.stdout


def test_a_plan_takes_places_from_the_lock(invoke: Invoke, locked: Path) -> None:
    shown = invoke("plan", "demo.redraft").stdout
    assert "7 contexts, 6 of them from the lock" in shown
    assert "not searched, for the lock says them" in shown
    assert ", obeyed\n" in shown
    plan = json.loads(invoke("plan", "demo.redraft", "--format", "json").stdout)
    assert len(plan["lock"]) == 64
    assert plan["steps"][1]["matches"] is None
    free = json.loads(invoke("plan", "demo.redraft", "--no-lock", "--format", "json").stdout)
    assert free["lock"] is None
    assert len(free["steps"][1]["matches"][0]["places"]) == 6


def test_a_recipe_that_comes_with_redraft_is_copied_first(invoke: Invoke) -> None:
    shown = invoke("lock", "glasses")
    assert shown.exit_code == 1
    assert "error[RD417]: `glasses` comes with redraft" in shown.stderr
    assert "copy it first: cp " in shown.stderr


# ---- values -----------------------------------------------------------------------------------


def test_a_lock_with_values_holds_for_runs_with_the_same(invoke: Invoke, recipe: Path) -> None:
    assert invoke("lock", "demo.redraft", "--set", "dot.rank=1").exit_code == 0
    assert "\nrule dot rank 1\n" in Path("demo.lock").read_text()
    assert "\nset dot.rank 1\n" in Path("demo.lock").read_text()
    before = Path("demo.lock").read_bytes()
    plain = invoke("run", "demo.redraft", "--out", "out")
    assert plain.exit_code == 1
    assert "error[RD419]: demo.lock was made with `--set dot.rank=1`" in plain.stderr
    assert "set dot.rank: the lock says 1, now it is nothing; give `--set dot.rank=1`" in (
        plain.stderr
    )
    assert not Path("out").exists()
    given = invoke("run", "demo.redraft", "--out", "out", "--set", "dot.rank=1")
    assert given.exit_code == 0, given.stderr
    assert "\nits lock was obeyed\n" in given.stdout
    assert Path("demo.lock").read_bytes() == before
    # The run folder's recipe has the values written out, and so agrees with the lock.
    Path("out/tiny.pth").symlink_to(Path("tiny.pth").resolve())
    assert invoke("lock", "--check", "out/recipe.redraft", "--set", "dot.rank=1").exit_code == 0
    assert invoke("run", "out/recipe.redraft", "--out", "again").exit_code == 0
    assert invoke("verify", "out").exit_code == 0


def test_checking_takes_the_values_of_the_lock_unless_others_are_given(
    invoke: Invoke, recipe: Path
) -> None:
    missing = invoke("lock", "--check", "demo.redraft", "--set", "dot.rank=1")
    assert "make it with `redraft lock demo.redraft --set dot.rank=1`" in missing.stdout
    invoke("lock", "demo.redraft", "--set", "dot.rank=1")
    for more in ((), ("--set", "dot.rank=1")):
        shown = invoke("lock", "--check", "demo.redraft", *more)
        assert shown.stdout == "demo.lock: agrees, with `--set dot.rank=1`\n"
    told = json.loads(invoke("lock", "--check", ".", "--format", "json").stdout)
    assert (told[0]["holds"], told[0]["given"]) == (True, {"dot.rank": "1"})
    other = invoke("lock", "--check", "demo.redraft", "--set", "dot.rank=2")
    assert other.exit_code == 1
    assert "set dot.rank\n  the lock says  1\n  now it is      2\n" in other.stdout
    dropped = invoke("lock", "demo.redraft").stdout
    assert "  - set dot.rank 1\n" in dropped
    assert "--set goes with one recipe" in invoke("lock", "a", "b", "--set", "x=1").stderr


# ---- imports ----------------------------------------------------------------------------------

PART = """edition 2026

recipe part 2.0.0 "A part"

model tiny { arch dcgan  weights "tiny.pth" }
latents z { seed 1  count 60 }

rule dot at layer6 {
  copy    z[3] box(x 8..40, y 8..40)
  context z[5] box(x 8..40, y 8..40)
}
"""
WHOLE = """edition 2026

recipe whole 1.0.0 "Made of parts"

use "./part.redraft" 2.0.0 as part

model tiny { arch dcgan  weights "tiny.pth" }
latents z { seed 1  count 60 }

include part.dot
"""


@pytest.fixture
def imported(invoke: Invoke, recipe: Path) -> Path:
    """A locked recipe that is made of another one."""
    Path("part.redraft").write_text(PART)
    Path("whole.redraft").write_text(WHOLE)
    done = invoke("lock", "whole.redraft")
    assert done.exit_code == 0, done.output
    return Path("part.redraft")


def test_an_import_is_locked(invoke: Invoke, imported: Path) -> None:
    line = Path("whole.lock").read_text().splitlines()[1]
    start = 'import "part.redraft" as part part 2.0.0 redraft-recipe-v1+sha256 '
    assert line.startswith(start)
    imported.write_text("# a comment\n" + imported.read_text())
    assert invoke("lock", "--check", "whole.redraft").exit_code == 0


def test_an_import_that_changed_under_its_version_is_told_with_both_places(
    invoke: Invoke, imported: Path
) -> None:
    imported.write_text(imported.read_text().replace("x 8..40", "x 8..44", 1))
    shown = invoke("lock", "--check", "whole.redraft")
    assert shown.exit_code == 1
    assert 'error[RD415]: import "part.redraft" changed without a new version' in shown.stdout
    assert "  see            whole.redraft:5\n  see            whole.lock:2\n" in shown.stdout
    ran = invoke("run", "whole.redraft")
    assert ran.exit_code == 1
    assert "error[RD415]" in ran.stderr
    assert "whole.redraft:5" in ran.stderr
    assert "whole.lock:2" in ran.stderr


def test_a_new_version_of_an_import_is_an_ordinary_difference(
    invoke: Invoke, imported: Path
) -> None:
    imported.write_text(imported.read_text().replace("2.0.0", "2.1.0"))
    Path("whole.redraft").write_text(WHOLE.replace("2.0.0", "2.1.0"))
    shown = invoke("lock", "--check", "whole.redraft")
    assert "error[RD410]" in shown.stdout
    assert "2.1.0" in shown.stdout


def test_the_flattened_recipe_of_a_run_keeps_its_lock(invoke: Invoke, imported: Path) -> None:
    assert invoke("run", "whole.redraft", "--out", "out").exit_code == 0
    assert "use " not in Path("out/recipe.redraft").read_text()
    Path("out/tiny.pth").symlink_to(Path("tiny.pth").resolve())
    shown = invoke("lock", "--check", "out/recipe.redraft")
    assert shown.exit_code == 0, shown.output
