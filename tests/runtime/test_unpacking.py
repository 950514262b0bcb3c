"""Models that come with redraft: half precision in its folder, float32 in the cache."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from redraft.errors import ModelError
from redraft.models.listed import unpacking
from redraft.models.listed.catalog import FACES
from redraft.models.listed.download import cached_path, obtain
from redraft.models.listed.entry import Entry, Shipped
from redraft.models.listed.unpacking import in_float32

HALF = save({"b": np.arange(6, dtype=np.float16).reshape(2, 3), "a": np.float16([0.1])})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A model whose weights lie in a folder of their own."""
    monkeypatch.setattr(unpacking, "WEIGHTS", tmp_path)
    (tmp_path / "small.safetensors").write_bytes(HALF)
    source = Shipped("small.safetensors", sha256(HALF), sha256(in_float32(HALF)))
    return replace(FACES, name="small", source=source)


def test_the_cache_gets_float32(entry: Entry, tmp_path: Path) -> None:
    found = obtain(entry, tmp_path / "cache")
    assert found.path == cached_path(entry, tmp_path / "cache")
    assert found.sha256 == entry.source.sha256_head
    tensors = load_file(found.path)
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {
        "a": np.float32,
        "b": np.float32,
    }
    np.testing.assert_array_equal(tensors["a"], np.float16([0.1]).astype(np.float32))


def test_a_damaged_file_in_the_cache_is_made_again(entry: Entry, tmp_path: Path) -> None:
    first = obtain(entry, tmp_path / "cache").path
    good = first.read_bytes()
    first.write_bytes(good[:-1])
    assert obtain(entry, tmp_path / "cache").path.read_bytes() == good


@pytest.mark.parametrize("content", [None, HALF[:-1], b""])
def test_a_damaged_file_of_redraft_is_refused(
    entry: Entry, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "small.safetensors"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        obtain(entry, tmp_path / "cache")
    assert caught.value.code == "RD616"
    assert caught.value.message.startswith(f"{file} cannot be used: ")
    assert caught.value.help == "install redraft again; the file comes with it"
    assert not cached_path(entry, tmp_path / "cache").exists()
