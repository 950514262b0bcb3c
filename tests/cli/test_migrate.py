"""``redraft migrate``, also with an edition that these tests alone know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from click.testing import CliRunner, Result

from redraft.cli.app import app
from redraft_dsl.language.language import LANGUAGE, LATEST
from redraft_dsl.source import Source
from redraft_dsl.syntax.editions import Edition, Editions
from redraft_dsl.syntax.format import format_tree
from redraft_dsl.syntax.parse import parse
from redraft_dsl.syntax.tree import Tree

Invoke = Callable[..., Result]
NEXT = 2099
RECIPE = """# mine
edition 2026

recipe demo 1.0.0 "Demo"

model faces
latents z { seed 1  count 60 }

rule dot at layer6 {
  copy    z[3] box(x 8..40, y 8..40)  # here
  context z[5] box(x 8..40, y 8..40)
}
"""


def two(write: Callable[[Tree], Tree] = lambda tree: tree) -> Editions:
    known = {2026: Edition(), NEXT: Edition(write=write)}
    rows = [
        replace(row, defaults={**row.defaults, NEXT: 2}) if row.name == "rank" else row
        for row in LANGUAGE.settings
    ]
    return Editions(MappingProxyType(known), replace(LANGUAGE, settings=tuple(rows)))


def other_rank(tree: Tree) -> Tree:
    return parse(Source("x", format_tree(tree).replace("rank     4", "rank     5"))).tree


def broken(tree: Tree) -> Tree:
    return parse(Source("x", format_tree(tree).replace("layer6", "layer66"))).tree


def run(*arguments: str, editions: Editions | None = None) -> Result:
    known = two() if editions is None else editions
    return CliRunner().invoke(app, ["migrate", *arguments], obj=known, prog_name="redraft")


@pytest.fixture
def demo() -> Path:
    path = Path("demo.redraft")
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_with_one_edition_there_is_nothing_to_do(invoke: Invoke, demo: Path) -> None:
    before = demo.stat().st_mtime_ns
    shown = invoke("migrate", "demo.redraft", "--check")
    assert shown.exit_code == 0
    assert shown.stdout == f"demo.redraft: is in the newest edition, {LATEST}\n"
    assert invoke("migrate", ".").stdout == shown.stdout
    assert demo.stat().st_mtime_ns == before


def test_a_recipe_is_rewritten_and_what_was_written_out_is_told(demo: Path) -> None:
    demo.chmod(0o640)
    shown = run("demo.redraft")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout == (
        f"rewritten: demo.redraft (edition 2026 -> {NEXT})\n  written out: rank of dot\n"
    )
    text = RECIPE.replace("2026", str(NEXT)).replace("\n}\n", "\n  rank     8\n}\n")
    assert demo.read_text(encoding="utf-8") == text
    assert demo.stat().st_mode & 0o777 == 0o640
    again = run("demo.redraft")
    assert again.stdout == f"demo.redraft: is in the newest edition, {NEXT}\n"
    assert demo.read_text(encoding="utf-8") == text


def test_check_writes_nothing_and_says_so_by_its_status(demo: Path) -> None:
    shown = run("demo.redraft", "--check")
    assert shown.exit_code == 1
    assert f"demo.redraft: would be rewritten (edition 2026 -> {NEXT})" in shown.stdout
    assert demo.read_text(encoding="utf-8") == RECIPE
    assert run("demo.redraft", "--check", "--to", "2026").stdout == (
        "demo.redraft: is in edition 2026\n"
    )


def test_diff_shows_the_lines(demo: Path) -> None:
    shown = run("demo.redraft", "--diff")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[1] == f"+++ demo.redraft (edition {NEXT})"
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        "-edition 2026",
        f"+edition {NEXT}",
        "+  rank     8",
    ]
    assert demo.read_text(encoding="utf-8") == RECIPE


def test_where_the_meaning_would_change_nothing_is_written(demo: Path) -> None:
    text = RECIPE.replace("\n}\n", "\n  rank     4\n}\n")
    demo.write_text(text, encoding="utf-8")
    shown = run("demo.redraft", editions=two(other_rank))
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert (
        f"error[RD740]: demo.redraft cannot be moved to edition {NEXT}: "
        "changed rank of dot: 4 -> 5" in shown.stderr
    )
    assert demo.read_text(encoding="utf-8") == text


def test_a_new_text_with_errors_is_shown(demo: Path) -> None:
    shown = run("demo.redraft", editions=two(broken))
    assert shown.exit_code == 1
    assert "layer66" in shown.stderr
    assert "the new text has errors" in shown.stderr
    assert demo.read_text(encoding="utf-8") == RECIPE


def test_one_recipe_with_errors_does_not_stop_the_others(demo: Path) -> None:
    Path("a.redraft").write_text("edition 2026\n", encoding="utf-8")
    shown = run("a.redraft", "gone.redraft", "demo.redraft")
    assert shown.exit_code == 1
    assert "error[RD104]" in shown.stderr
    assert "error[RD003]" in shown.stderr
    assert shown.stdout.startswith("rewritten: demo.redraft")


@pytest.mark.parametrize(
    ("to", "said"),
    [("1999", "there is no edition 1999"), ("2026", "which is newer than 2026")],
)
def test_editions_that_cannot_be_reached(demo: Path, to: str, said: str) -> None:
    new = RECIPE.replace("2026", str(NEXT))
    demo.write_text(new, encoding="utf-8")
    shown = run("demo.redraft", "--to", to)
    assert shown.exit_code == 1
    assert "error[RD741]" in shown.stderr
    assert said in shown.stderr
    assert demo.read_text(encoding="utf-8") == new
