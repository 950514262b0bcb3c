"""The hooks for pre-commit: run as pre-commit runs them, on what is staged in a repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Hook = dict[str, Any]
Done = subprocess.CompletedProcess[str]
Commit = Callable[..., Done]
GOOD = """edition 2026

recipe own 1.0.0 "Mine"

model faces
latents z { seed 1  count 2000 }

rule glasses at layer6 {
  copy    z[116] box(x 14..51, y 23..38)
  context z[130] box(x 12..52, y 24..38)
}
"""
UNTIDY = GOOD.replace("copy    z", "copy z")
WRONG = GOOD.replace("layer6", "layer66")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")


@pytest.fixture(scope="session")
def hooks(root: Path) -> dict[str, Hook]:
    """The hooks by id."""
    listed = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    return {hook["id"]: hook for hook in listed}


@pytest.fixture
def commit(
    tmp_path: Path, hooks: dict[str, Hook], monkeypatch: pytest.MonkeyPatch, forking: Any
) -> Commit:
    """Stages files in one repository, and runs one hook on them as pre-commit does.

    What needs torch runs in a process that has it loaded.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "REDRAFT_CACHE": str(tmp_path / "cache")}
    folder = tmp_path / "checkout"
    folder.mkdir()

    def call(*words: str) -> Done:
        return subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    def heavy(program: str, *words: str) -> Done:
        assert program == "redraft"
        with monkeypatch.context() as place:
            place.chdir(folder)
            place.setenv("REDRAFT_CACHE", environment["REDRAFT_CACHE"])
            done: Done = forking.run(*words, module="redraft")
        return done

    assert call("git", "init", "-q").returncode == 0

    def run(name: str, files: dict[str, str | bytes], first: str = "") -> Done:
        hook = hooks[name]
        for file, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (folder / file).write_bytes(data)
        if first:
            before = heavy(*shlex.split(first))
            assert before.returncode == 0, before.stdout + before.stderr
        call("git", "add", "-A")
        staged = call("git", "diff", "--cached", "--name-only", "-z").stdout.split("\0")
        given = [file for file in staged if re.search(hook["files"], file)]
        words = *shlex.split(hook["entry"]), *hook.get("args", []), *given
        return heavy(*words) if name == "redraft-lock" else call(*words)

    return run


def test_each_hook_is_whole(hooks: dict[str, Hook]) -> None:
    assert list(hooks) == ["redraft-fmt", "redraft-check", "redraft-lock"]
    for hook in hooks.values():
        assert {"id", "name", "description", "entry", "language", "files"} <= set(hook)
        assert hook["entry"].startswith("redraft ")
        assert hook["language"] == "python"
        assert re.search(hook["files"], "recipes/a.redraft")
        assert not re.search(hook["files"], "recipes/a.redraft.orig")


@pytest.mark.parametrize("hook", ["redraft-fmt", "redraft-check"])
def test_a_good_recipe_may_be_committed(commit: Commit, hook: str) -> None:
    done = commit(hook, {"own.redraft": GOOD, "notes.txt": "rule of thumb {"})
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_untidy_recipe_may_not(commit: Commit) -> None:
    done = commit("redraft-fmt", {"own.redraft": GOOD, "untidy.redraft": UNTIDY})
    assert done.returncode == 1
    assert done.stdout == "untidy.redraft\n"


def test_a_wrong_recipe_may_not(commit: Commit) -> None:
    done = commit("redraft-check", {"own.redraft": GOOD, "wrong.redraft": WRONG})
    assert done.returncode == 1
    assert "error[RD102]: unknown layer `layer66`" in done.stdout
    assert "wrong.redraft:8:17" in done.stdout


def test_a_recipe_is_committed_with_its_lock(commit: Commit, tiny: bytes) -> None:
    recipe = GOOD.replace("model faces", 'model tiny {\n  arch    dcgan\n  weights "tiny.pth"\n}')
    files = {"own.redraft": recipe, "tiny.pth": tiny}
    without = commit("redraft-lock", files)
    assert without.returncode == 1
    assert "error[RD416]: there is no lock own.lock" in without.stdout
    locked = commit("redraft-lock", files, first="redraft lock own.redraft")
    assert (locked.returncode, locked.stdout) == (0, "own.lock: agrees\n")
    changed = {**files, "own.redraft": recipe.replace("14..51", "15..50")}
    differs = commit("redraft-lock", changed)
    assert differs.returncode == 1
    assert "the lock says" in differs.stdout


def test_the_page_names_hooks_that_are_there(root: Path, hooks: dict[str, Hook]) -> None:
    page = (root / "docs" / "how-to" / "ci-and-editors.md").read_text(encoding="utf-8")
    shown = re.findall(r"^~~~yaml\n(.*?)^~~~$", page, re.M | re.S)
    configurations = [yaml.safe_load(block) for block in shown]
    assert configurations
    for configuration in configurations:
        for repository in configuration["repos"]:
            for hook in repository["hooks"]:
                assert set(hook) <= {"id", "language", "name", "entry", "files", "args"}
                if repository["repo"] != "local":
                    assert hook["id"] in hooks
                else:
                    known = hooks[hook["id"]]
                    assert hook["entry"] == known["entry"]
                    assert hook["files"] == known["files"]
