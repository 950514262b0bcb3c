from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redraft.disk.cache import Cache, Hit, Miss, address, cache_root, cache_warning
from redraft.errors import ArtifactError

FIELDS: dict[str, Any] = {
    "upstream": "a" * 64,
    "layer": "layer6",
    "seed": 1,
    "count": 2000,
    "estimator": "uncentred",
}
WORDS = {
    "upstream": "upstream weights",
    "count": "number of latents",
    "seed": "seed",
    "truncation": "truncation",
}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def moment() -> dict[str, torch.Tensor]:
    return {"moment": torch.arange(12, dtype=torch.float64).reshape(3, 4), "n": torch.tensor(5)}


def test_what_is_put_is_got(cache: Cache) -> None:
    stored = {
        **moment(),
        "half": torch.randn(2, 3).to(torch.bfloat16),
        "column": torch.randn(4, 5)[:, 1],
        "flags": torch.tensor([True, False]),
        "none": torch.empty(0, 3),
    }
    stored["twin"] = stored["half"]
    cache.put("statistics", FIELDS, stored)
    got = cache.get("statistics", FIELDS)
    assert got is not None
    assert got.keys() == stored.keys()
    for name, tensor in stored.items():
        assert got[name].dtype == tensor.dtype
        assert torch.equal(got[name], tensor)


def test_got_tensors_may_be_changed_without_changing_the_cache(cache: Cache) -> None:
    cache.put("statistics", FIELDS, moment())
    first = cache.get("statistics", FIELDS)
    assert first is not None
    first["moment"].zero_()
    again = cache.get("statistics", FIELDS)
    assert again is not None
    assert torch.equal(again["moment"], moment()["moment"])


def test_an_empty_cache_has_no_entry(cache: Cache) -> None:
    found = cache.lookup("statistics", FIELDS)
    assert isinstance(found, Miss)
    assert found.reason == "not cached yet"
    assert cache.get("statistics", FIELDS) is None
    assert not cache.root.exists(), "asking must not create folders"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"upstream": "b" * 64}, "cached for other upstream weights"),
        ({"count": 500}, "cached for number of latents 2000 instead of 500"),
        (
            {"count": 500, "seed": 3},
            "cached for number of latents 2000 instead of 500, seed 1 instead of 3",
        ),
        ({"truncation": 0.5}, "cached for other truncation"),
        ({"layer": "layer9"}, "not cached yet"),
        ({"layer": "layer9", "seed": 3}, "not cached yet"),
    ],
)
def test_a_miss_names_what_differs(cache: Cache, change: dict[str, Any], reason: str) -> None:
    cache.put("statistics", FIELDS, moment())
    found = cache.lookup("statistics", FIELDS | change, WORDS)
    assert isinstance(found, Miss)
    assert found.reason == reason


def test_the_nearest_entry_is_compared(cache: Cache) -> None:
    cache.put("statistics", FIELDS | {"count": 10, "seed": 9}, moment())
    cache.put("statistics", FIELDS | {"seed": 9}, moment())
    cache.put("statistics", FIELDS | {"count": 10, "seed": 8}, moment())
    found = cache.lookup("statistics", FIELDS, WORDS)
    assert isinstance(found, Miss)
    assert found.reason == "cached for seed 9 instead of 1"


def test_entries_of_another_kind_or_with_nothing_in_common_are_not_near(cache: Cache) -> None:
    cache.put("images", FIELDS, moment())
    cache.put("statistics", {"seed": 2, "other": 1}, moment())
    found = cache.lookup("statistics", FIELDS, WORDS)
    assert isinstance(found, Miss)
    assert found.reason == "not cached yet"


def test_a_hit_tells_the_shapes_without_torch(cache: Cache) -> None:
    cache.put("statistics", FIELDS, moment())
    program = (
        "import sys; from pathlib import Path; from redraft.disk.cache import Cache\n"
        "print(Cache(Path(sys.argv[1])).lookup('statistics', eval(sys.argv[2])).shapes)\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(cache.root), repr(FIELDS)],
        capture_output=True,
        text=True,
        check=True,
    )
    shapes, torch_loaded = done.stdout.splitlines()
    assert eval(shapes) == {"moment": (3, 4), "n": ()}
    assert torch_loaded == "False"


def damaged_files(data: bytes) -> dict[str, bytes]:
    middle = bytearray(data)
    middle[-20] ^= 1
    return {
        "empty": b"",
        "cut in the header": data[:40],
        "cut in the data": data[:-8],
        "a changed bit": bytes(middle),
        "text": b"not a cache entry at all, just some text",
        "a huge header": b"\xff" * 8 + data[8:],
    }


@pytest.mark.parametrize("damage", list(damaged_files(b"x" * 100)))
def test_a_damaged_entry_is_a_miss_and_is_replaced(cache: Cache, damage: str) -> None:
    path = cache.put("statistics", FIELDS, moment())
    path.write_bytes(damaged_files(path.read_bytes())[damage])
    found = cache.read("statistics", FIELDS)
    assert isinstance(found, Miss)
    assert found.reason == "the cached entry is damaged"
    assert cache.get("statistics", FIELDS) is None
    # Another address must not stumble over it either.
    assert isinstance(cache.lookup("statistics", FIELDS | {"seed": 4}), Miss)
    assert cache.put("statistics", FIELDS, moment()) == path
    assert isinstance(cache.lookup("statistics", FIELDS), Hit)
    assert cache.get("statistics", FIELDS) is not None


def test_an_entry_under_a_wrong_address_does_not_answer(cache: Cache) -> None:
    path = cache.put("statistics", FIELDS, moment())
    other = FIELDS | {"upstream": "c" * 64}
    path.rename(cache.path("statistics", other))
    found = cache.read("statistics", other)
    assert isinstance(found, Miss)
    assert found.reason == "the cached entry was made for something else"


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_the_address_does_not_depend_on_order(fields: dict[str, Any]) -> None:
    turned = dict(reversed(fields.items()))
    assert address("statistics", fields) == address("statistics", turned)
    assert address("statistics", fields) != address("images", fields)
    assert address("statistics", fields) != address("statistics", fields | {"more": 1})


def test_the_address_is_the_same_in_every_release() -> None:
    assert address("statistics", {"b": (1, 2.5), "a": "ü"}).startswith("fbd642e04f19bdbd")
    assert address("s", {"x": 1}) != address("s", {"x": True})


def test_kinds_cannot_leave_the_folder(cache: Cache) -> None:
    with pytest.raises(ValueError, match="lower-case word"):
        cache.put("../elsewhere", FIELDS, moment())


@pytest.mark.usefixtures("uncounted")
def test_processes_that_write_at_once_leave_a_whole_entry(cache: Cache) -> None:
    program = (
        "import sys, torch; from pathlib import Path; from redraft.disk.cache import Cache\n"
        "cache = Cache(Path(sys.argv[1])); tensor = torch.arange(200_000.0)\n"
        "for _ in range(20):\n"
        "    cache.put('statistics', {'a': 1}, {'t': tensor})\n"
        "    got = cache.get('statistics', {'a': 1})\n"
        "    assert got is not None and torch.equal(got['t'], tensor)\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program, str(cache.root)]) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert names_in(cache.root / "statistics") == [cache.path("statistics", {"a": 1}).name]


def test_a_folder_that_cannot_be_written(ordinary_user: Path) -> None:
    ordinary_user.joinpath("locked").mkdir(mode=0o500)
    with pytest.raises(ArtifactError, match="cannot be used: permission denied") as caught:
        Cache(ordinary_user / "locked" / "cache").put("statistics", FIELDS, moment())
    assert caught.value.help == "set REDRAFT_CACHE to a folder that you can write to"


def test_a_folder_that_cannot_be_looked_into(
    ordinary_user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = ordinary_user / "private"
    private.mkdir(mode=0)
    monkeypatch.setenv("REDRAFT_CACHE", str(private / "cache"))
    assert f"{private / 'cache'} may not be written to" in str(cache_warning())
    assert Cache().get("statistics", FIELDS) is None
    assert cache_root() not in (private, private / "cache")
    private.chmod(0o700)
    assert cache_warning() is None


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "mine"))
    assert cache_root() == tmp_path / "mine"
    assert Cache().root == tmp_path / "mine"
    monkeypatch.delenv("REDRAFT_CACHE")
    assert cache_root().name == "redraft"
