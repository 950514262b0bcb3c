from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from redraft.disk.files import atomic_path, remove_stale, sha256_file, write_bytes, write_text
from redraft.errors import ArtifactError


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"\x00\r\n\xff")
    write_text(tmp_path / "b", "größe\n")
    assert (tmp_path / "a").read_bytes() == b"\x00\r\n\xff"
    assert (tmp_path / "b").read_bytes() == "größe\n".encode()
    assert names_in(tmp_path) == ["a", "b"]


def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    target.write_bytes(b"old")

    def fail_halfway() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half of the n")
            assert temporary.parent == tmp_path
            assert target.read_bytes() == b"old"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["weights"]


def test_an_interrupted_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "x"):
        raise KeyboardInterrupt
    assert names_in(tmp_path) == []


def test_a_new_file_has_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_keeps_pointing(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_the_longest_name_that_the_system_allows(tmp_path: Path) -> None:
    write_bytes(tmp_path / ("n" * 255), b"x")
    assert names_in(tmp_path) == ["n" * 255]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"there is no folder .*nowhere") as caught:
        write_bytes(tmp_path / "nowhere" / "f", b"x")
    assert caught.value.help == f"create it: mkdir -p {tmp_path / 'nowhere'}"


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ArtifactError, match="there is no folder"):
        write_bytes(tmp_path / "file" / "f", b"x")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(ArtifactError, match="it is a folder"):
        write_bytes(tmp_path / "d", b"x")
    assert names_in(tmp_path) == ["d"]


def test_a_folder_without_permission(ordinary_user: Path) -> None:
    locked = ordinary_user / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    with pytest.raises(ArtifactError, match="may not be written to"):
        write_bytes(locked / "f", b"x")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="name too long"):
        write_bytes(tmp_path / ("n" * 256), b"x")
    assert names_in(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(ArtifactError, match="the disk is full") as caught,
        atomic_path(tmp_path / "f"),
        open("/dev/full", "wb", buffering=0) as full,  # noqa: PTH123
    ):
        full.write(b"x")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert names_in(tmp_path) == []


def test_a_size_limit_stops_a_second_process_cleanly(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from redraft.disk.files import write_bytes; from redraft.errors import ArtifactError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_bytes(Path(sys.argv[1]), b'x' * 2000)\n"
        "except ArtifactError as error: print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "big")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "a size limit is reached" in done.stdout
    assert names_in(tmp_path) == []


def test_an_error_about_another_file_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out"):
        (tmp_path / "input").read_bytes()
    assert names_in(tmp_path) == []


def test_only_old_leftovers_are_removed(tmp_path: Path) -> None:
    old, young = tmp_path / ".redraft-0.tmp", tmp_path / ".redraft-1.tmp"
    for path in (old, young, tmp_path / "mine.tmp"):
        path.write_bytes(b"")
    long_ago = time.time() - 1e6
    os.utime(old, (long_ago, long_ago))
    os.utime(tmp_path / "mine.tmp", (long_ago, long_ago))
    assert remove_stale(tmp_path) == 1
    assert names_in(tmp_path) == [".redraft-1.tmp", "mine.tmp"]


def test_the_hash_and_its_progress(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000
    (tmp_path / "f").write_bytes(data)
    seen: list[tuple[int, int]] = []
    digest = sha256_file(tmp_path / "f", lambda done, total: seen.append((done, total)))
    assert digest == hashlib.sha256(data).hexdigest()
    assert seen == [(1 << 20, len(data)), (2 << 20, len(data)), (len(data), len(data))]


def test_hashing_what_cannot_be_read(tmp_path: Path, ordinary_user: Path) -> None:
    secret = ordinary_user / "secret"
    secret.write_bytes(b"x")
    secret.chmod(0)
    for path, words in (
        (ordinary_user / "none", "there is no file"),
        (ordinary_user, "it is a folder"),
        (secret, "permission denied"),
    ):
        with pytest.raises(ArtifactError, match=words):
            sha256_file(path)
