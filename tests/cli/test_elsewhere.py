"""Models that lie elsewhere, a person's configuration, and a cache that cannot be written to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from tests.cli.conftest import RECIPE, Invoke, tiny_state

from redraft.disk import cache


def moved(name: str) -> str:
    """A model away from its recipe; gives its hash."""
    Path("attic/deep").mkdir(parents=True)
    torch.save({"netG_state_dict": tiny_state()}, Path("attic/deep", name))
    return hashlib.sha256(Path("attic/deep", name).read_bytes()).hexdigest()


def recipe(sha256: str | None = None) -> None:
    pin = "" if sha256 is None else f'\n  sha256 "{sha256}"'
    Path("demo.redraft").write_text(RECIPE.replace('"tiny.pth"', f'"tiny.pth"{pin}'))


def test_a_moved_and_renamed_file_is_found_by_its_hash(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe(moved("other.pth"))
    Path("work").mkdir()
    Path("demo.redraft").rename("work/demo.redraft")
    assert "RD601" in invoke("plan", "work/demo.redraft").stderr
    monkeypatch.setenv("REDRAFT_MODELS", str(Path("attic").resolve()))
    assert invoke("plan", "work/demo.redraft").exit_code == 0
    # Another file under another name is never taken in its place.
    torch.save({"netG_state_dict": {**tiny_state(), "main.0.weight": torch.zeros(16, 32, 4, 4)}},
               "attic/deep/other.pth")  # fmt: skip
    assert "RD601" in invoke("plan", "work/demo.redraft").stderr


def test_a_swapped_file_is_still_an_error(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe(moved("tiny.pth"))
    monkeypatch.setenv("REDRAFT_MODELS", str(Path("attic/deep").resolve()))
    state = tiny_state()
    torch.save({"netG_state_dict": {name: 2 * each for name, each in state.items()}}, "tiny.pth")
    assert "RD627" in invoke("plan", "demo.redraft").stderr


def test_folders_of_the_configuration_are_searched_by_name(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("tiny.pth").unlink(missing_ok=True)
    moved("tiny.pth")
    recipe()
    Path("config.toml").write_text('models = ["attic/deep"]\n')
    monkeypatch.setenv("REDRAFT_CONFIG", str(Path("config.toml").resolve()))
    assert invoke("plan", "demo.redraft").exit_code == 0


@pytest.mark.parametrize(
    "text", ["models = 3", 'generator = ["a"]', "model = []", "models = [", "\ud800"]
)
def test_a_configuration_that_says_something_else(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    Path("tiny.pth").unlink(missing_ok=True)
    recipe()
    Path("config.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    monkeypatch.setenv("REDRAFT_CONFIG", "config.toml")
    result = invoke("plan", "demo.redraft")
    assert result.exit_code == 1
    assert "RD689" in result.stderr


def test_an_empty_cache_that_may_not_be_written_to_is_worked_around(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shut = tmp_path / "shut"
    shut.mkdir()
    monkeypatch.setenv("REDRAFT_CACHE", str(shut))
    assert (cache.cache_root(), cache.cache_warning()) == (shut, None)
    monkeypatch.setattr(cache.os, "access", lambda path, _mode, **_: Path(path) != shut)
    assert cache.cache_root() != shut
    assert str(shut) in str(cache.cache_warning())
    # What is there already is read from where it is, and nothing is written there.
    fields, kept = {"layer": "layer6"}, {"t": torch.arange(3.0)}
    cache.Cache(shut).put("statistics", fields, kept)
    own = cache.Cache()
    assert own.root == cache.cache_root() != shut
    found = own.get("statistics", fields)
    assert found is not None
    assert torch.equal(found["t"], kept["t"])
    assert own.root in own.path("statistics", fields).parents


@pytest.mark.parametrize("closed", ["theirs", "theirs/statistics"])
def test_a_cache_that_belongs_to_another_user_stops_no_run(
    closed: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shut = tmp_path / closed
    monkeypatch.setattr(cache.os, "access", lambda path, _mode, **_: Path(path) != shut)
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "theirs"))
    Path("theirs/statistics").mkdir(parents=True)
    torch.save(tiny_state(), "tiny.pth")
    recipe()
    for command in (
        ("sample", "tiny.pth", "--images", "0", "--out", "sheet.png"),
        ("run", "demo.redraft", "--out", "out"),
    ):
        done = invoke(*command)
        assert done.exit_code == 0, done.stderr
        said = " ".join(done.stderr.split())
        assert said.count(f"warning: the cache {shut} may not be written to; ") == 1
    assert [each.name for each in Path("theirs").rglob("*")] == ["statistics"]
