"""Where the reader of a page works: a folder with a small model in it, and a cache of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY_PAGE = ROOT / "docs" / "how-to" / "edit-your-own-dcgan.md"


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tiny.pth``, made by the very code that the documentation shows."""
    text = TINY_PAGE.read_text(encoding="utf-8")
    code = re.search(r"```python tiny\.pth\n(.*?)```", text, re.S)
    assert code is not None, f"{TINY_PAGE} no longer shows how to make tiny.pth"
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(code[1], str(TINY_PAGE), "exec"), {})
    return folder / "tiny.pth"


@pytest.fixture
def desk(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a page is followed."""
    folder = tmp_path / "desk"
    folder.mkdir()
    shutil.copy(tiny, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("REDRAFT_DEBUG", raising=False)
    return folder


@pytest.fixture
def faces_at_hand(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As ``desk``, with the face model in its otherwise empty cache."""
    import os

    from redraft.models.listed import catalog
    from redraft.models.listed.download import cached_path, obtain

    own = Path(os.environ["REDRAFT_CACHE"])
    monkeypatch.undo()
    shared = obtain(catalog.FACES).path
    monkeypatch.chdir(desk)
    monkeypatch.setenv("REDRAFT_CACHE", str(own))
    monkeypatch.setenv("COLUMNS", "160")
    target = cached_path(catalog.FACES, own)
    target.parent.mkdir(parents=True)
    shutil.copy(shared, target)
    return desk
