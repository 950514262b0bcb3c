"""``redraft fmt``."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Invoke = Callable[..., Result]

UGLY = 'edition   2026\nrecipe a 1.0.0   "A"   # kept\nmodel    faces\n'
NEAT = 'edition 2026\nrecipe a 1.0.0 "A"  # kept\nmodel faces\n'
BROKEN = 'edition 2026\nrecipe a 1.0.0 "A\n'


def test_a_file_is_rewritten_once(invoke: Invoke) -> None:
    path = Path("a.redraft")
    path.write_text(UGLY, encoding="utf-8")
    shown = invoke("fmt", "a.redraft")
    assert (shown.exit_code, shown.stdout) == (0, "rewritten: a.redraft\n")
    assert path.read_text(encoding="utf-8") == NEAT
    before = path.stat()
    again = invoke("fmt", "a.redraft")
    assert (again.exit_code, again.stdout) == (0, "")
    assert path.stat().st_ino == before.st_ino


def test_check_lists_what_would_change(invoke: Invoke) -> None:
    Path("a.redraft").write_text(UGLY, encoding="utf-8")
    Path("b.redraft").write_text(NEAT, encoding="utf-8")
    shown = invoke("fmt", "--check", "a.redraft", "b.redraft")
    assert (shown.exit_code, shown.stdout) == (1, "a.redraft\n")
    assert shown.stderr == "to lay them out: redraft fmt a.redraft\n"
    assert Path("a.redraft").read_text(encoding="utf-8") == UGLY
    assert invoke("fmt", "--check", "b.redraft").exit_code == 0


def test_diff_writes_nothing(invoke: Invoke) -> None:
    Path("a.redraft").write_text(UGLY, encoding="utf-8")
    shown = invoke("fmt", "--diff", "a.redraft")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("--- a.redraft\n+++ a.redraft (formatted)\n@@ -1,3 +1,3 @@\n")
    assert "\n-edition   2026\n" in shown.stdout
    assert "\n+edition 2026\n" in shown.stdout
    assert Path("a.redraft").read_text(encoding="utf-8") == UGLY
    assert invoke("fmt", "--diff", "--check", "a.redraft").exit_code == 1


def test_windows_line_ends(invoke: Invoke) -> None:
    path = Path("a.redraft")
    path.write_bytes(NEAT.replace("\n", "\r\n").encode())
    assert "only line ends" in invoke("fmt", "--diff", "a.redraft").stdout
    assert invoke("fmt", "a.redraft").exit_code == 0
    assert path.read_bytes() == NEAT.encode()


def test_standard_input(invoke: Invoke) -> None:
    shown = invoke("fmt", "-", text=UGLY)
    assert (shown.exit_code, shown.stdout) == (0, NEAT)
    assert invoke("fmt", "--check", "-", text=UGLY).exit_code == 1
    assert invoke("fmt", "--check", "-", text=NEAT).exit_code == 0


def test_any_character_passes_through(invoke: Invoke) -> None:
    text = NEAT.replace('"A"', '"Ä 眼鏡"')
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "redraft", "fmt", "-"],
        input=text.encode(),
        capture_output=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, text.encode())


def test_a_syntax_error_leaves_the_file_alone(invoke: Invoke) -> None:
    Path("a.redraft").write_text(BROKEN, encoding="utf-8")
    Path("b.redraft").write_text(UGLY, encoding="utf-8")
    shown = invoke("fmt", "a.redraft", "b.redraft")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD0")
    assert " --> a.redraft:2:" in shown.stderr
    assert shown.stdout == "rewritten: b.redraft\n"
    assert Path("a.redraft").read_text(encoding="utf-8") == BROKEN
    from_input = invoke("fmt", "-", text=BROKEN)
    assert (from_input.exit_code, from_input.stdout) == (1, "")


def test_permissions_stay(invoke: Invoke) -> None:
    path = Path("a.redraft")
    path.write_text(UGLY, encoding="utf-8")
    path.chmod(0o640)
    assert invoke("fmt", "a.redraft").exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(invoke: Invoke) -> None:
    Path("real").mkdir()
    target = Path("real/a.redraft")
    target.write_text(UGLY, encoding="utf-8")
    Path("link.redraft").symlink_to(target)
    assert invoke("fmt", "link.redraft").exit_code == 0
    assert Path("link.redraft").is_symlink()
    assert target.read_text(encoding="utf-8") == NEAT
    assert [each.name for each in Path("real").iterdir()] == ["a.redraft"]


def test_a_file_that_may_not_be_written(invoke: Invoke, ordinary_user: Path) -> None:
    path = ordinary_user / "a.redraft"
    path.write_text(UGLY, encoding="utf-8")
    path.chmod(0o444)
    shown = invoke("fmt", str(path))
    assert shown.exit_code == 1
    assert shown.stderr.startswith(f"error[RD642]: {path} may not be written to\n")
    assert path.read_text(encoding="utf-8") == UGLY


def test_a_folder_that_may_not_be_written(invoke: Invoke, ordinary_user: Path) -> None:
    path = ordinary_user / "a.redraft"
    path.write_text(UGLY, encoding="utf-8")
    ordinary_user.chmod(0o555)
    shown = invoke("fmt", str(path))
    ordinary_user.chmod(0o777)
    assert shown.exit_code == 1
    assert shown.stderr.startswith(f"error[RD633]: cannot write {path}")
    assert path.read_text(encoding="utf-8") == UGLY


def test_files_that_cannot_be_read(invoke: Invoke) -> None:
    shown = invoke("fmt", "missing.redraft")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD003]: the recipe `missing.redraft` cannot be read")


def test_a_run_keeps_the_recipe_that_it_ran(invoke: Invoke) -> None:
    Path("runs/x").mkdir(parents=True)
    Path("runs/x/run.json").write_text("{}", encoding="utf-8")
    kept = Path("runs/x/recipe.redraft")
    kept.write_text(UGLY, encoding="utf-8")
    Path("a.redraft").write_text(UGLY, encoding="utf-8")
    assert invoke("fmt", ".").stdout == "rewritten: a.redraft\n"
    assert kept.read_text(encoding="utf-8") == UGLY
