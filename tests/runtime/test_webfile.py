"""Fetching a listed model from a web server on this machine, and all that can go wrong on the way.

No listed model is fetched here: the entries are made up, and the server runs in a thread.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 (a server needs it, and an ordinary user may not read it)
import functools
import hashlib
import http.server
import io
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import pytest
import torch
from torch import Tensor

from redraft.disk.address import HttpFile
from redraft.disk.webfile import Limits
from redraft.errors import ArtifactError, ModelError
from redraft.models.listed import catalog
from redraft.models.listed.download import WeightsFile, cached_path, obtain
from redraft.models.listed.entry import Entry
from redraft.models.listed.published import PUBLISHED
from redraft.models.locate import locate_listed

WEIGHTS = random.Random(6).randbytes(1_500_000)
HALF = 700_000
NAME = "tiny-weights.pth"
PATIENT = Limits()
QUICK = Limits(silence_s=1.0, window_s=0.4, window_bytes=5000)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Server:
    """A web server with one file, and the ways in which it misbehaves.

    ``cut`` lists, answer by answer, after how many bytes the line drops; None lets it through.
    """

    url: str = ""
    body: bytes = WEIGHTS
    cut: list[int | None] = field(default_factory=list)
    status: int = 200
    ranges: bool = True
    lengths: bool = True
    longer_by: int = 0
    silent: bool = False
    holds: bool = False
    drips: bool = False
    endless: bool = False
    chunked: bool = False
    shifted: int = 0
    redirect: str = ""
    asked: list[str | None] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *rest: object) -> None:
        self.told = server
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        told = self.told
        self.close_connection = True
        told.asked.append(self.headers.get("Range"))
        if told.silent:
            told.stop.wait()
            return
        if told.redirect and self.path != told.redirect:
            self.send_response(302)
            self.send_header("Location", told.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if told.status != 200:
            self.send_error(told.status)
            return
        self.answer(self.first_byte())

    def first_byte(self) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found and self.told.ranges else 0

    def answer(self, start: int) -> None:
        told = self.told
        size = len(told.body)
        if start >= size > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        start += told.shifted if start else 0
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if told.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif told.lengths:
            self.send_header("Content-Length", str(size - start + told.longer_by))
        self.end_headers()
        with contextlib.suppress(OSError):  # the other side may have given up
            self.send(told.body[start:])

    def send(self, body: bytes) -> None:
        told = self.told
        after = told.cut.pop(0) if told.cut else None
        if told.drips:
            for index in range(len(body)):
                self.wfile.write(body[index : index + 1])
                if told.stop.wait(0.02):
                    return
        if told.chunked:
            self.wfile.write(f"{len(body):x}\r\n".encode())
            body += b"\r\n0\r\n\r\n"
        while told.endless and not told.stop.is_set():
            self.wfile.write(body)
        self.wfile.write(body if after is None else body[:after])
        if told.holds:
            told.stop.wait()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of this machine reach the download."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("REDRAFT_"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, told))
    told.url = f"http://127.0.0.1:{listener.server_address[1]}/models/{NAME}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield told
    told.stop.set()
    listener.shutdown()
    thread.join()
    listener.server_close()


def entry(server: Server, head: str = sha256(WEIGHTS)[:8]) -> Entry:
    return replace(PUBLISHED[0], name="tiny", source=HttpFile(server.url, head))


def fetched(server: Server, root: Path, limits: Limits = PATIENT) -> WeightsFile:
    return obtain(entry(server), root, limits=limits)


def everything_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def only_the_weights(root: Path) -> None:
    assert everything_in(root) == [f"models/{NAME}"]
    assert (root / "models" / NAME).read_bytes() == WEIGHTS


def refused(server: Server, root: Path, limits: Limits = PATIENT) -> ModelError:
    """The error of a fetch; it is one sentence, with a remedy that names the file's place."""
    with pytest.raises(ModelError) as caught:
        fetched(server, root, limits)
    assert "\n" not in caught.value.message
    assert caught.value.help
    assert not (root / "models" / NAME).exists()
    return caught.value


# ---- the ordinary way -------------------------------------------------------------------------


def test_from_the_server_and_then_from_the_cache(tmp_path: Path, server: Server) -> None:
    told: list[tuple[str, int | None, int | None]] = []
    found = obtain(entry(server), tmp_path, lambda *step: told.append(step))
    assert found == WeightsFile(tmp_path / "models" / NAME, sha256(WEIGHTS))
    only_the_weights(tmp_path)
    downloads = [done for stage, done, total in told if stage == "download"]
    assert downloads == sorted(downloads)  # type: ignore[type-var]
    assert ("download", 0, len(WEIGHTS)) in told
    assert ("download", len(WEIGHTS), len(WEIGHTS)) in told
    assert told[-1] == ("verify", len(WEIGHTS), len(WEIGHTS))
    assert fetched(server, tmp_path) == found
    assert server.asked == [None], "the second time needs no server"


def test_a_server_that_states_no_length(tmp_path: Path, server: Server) -> None:
    server.lengths = False
    told: list[tuple[str, int | None, int | None]] = []
    obtain(entry(server), tmp_path, lambda *step: told.append(step))
    only_the_weights(tmp_path)
    assert ("download", len(WEIGHTS), None) in told


def test_a_redirection_is_followed(tmp_path: Path, server: Server) -> None:
    server.redirect = "/elsewhere"
    fetched(server, tmp_path)
    only_the_weights(tmp_path)


@pytest.mark.parametrize("damaged", [WEIGHTS[:-1], b"X" + WEIGHTS[1:], b""])
def test_a_damaged_cached_file_is_fetched_again(
    tmp_path: Path, server: Server, damaged: bytes
) -> None:
    path = cached_path(entry(server), tmp_path)
    path.parent.mkdir()
    path.write_bytes(damaged)
    fetched(server, tmp_path)
    only_the_weights(tmp_path)


def test_the_remedy_that_the_errors_name_works(tmp_path: Path, server: Server) -> None:
    server.status = 503
    error = refused(server, tmp_path)
    place = re.search(r"save it as (\S+)$", str(error.help))
    assert place is not None
    Path(place[1]).write_bytes(WEIGHTS)
    assert fetched(server, tmp_path).sha256 == sha256(WEIGHTS)


def test_a_wrong_file_put_there_by_hand_is_told_of(tmp_path: Path, server: Server) -> None:
    path = cached_path(entry(server), tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"something else")
    server.status = 503
    with pytest.raises(ModelError) as caught:
        fetched(server, tmp_path)
    assert caught.value.help is not None
    assert f"{path} was not used: its sha256 is {sha256(b'something else')}" in caught.value.help
    assert path.read_bytes() == b"something else", "and it is not removed"


def test_of_a_listed_model_the_file_counts_and_not_the_list(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    proggan_state: Callable[..., dict[str, Tensor]],
) -> None:
    buffer = io.BytesIO()
    torch.save(proggan_state(), buffer)
    server.body = buffer.getvalue()
    listed = entry(server, sha256(server.body)[:8])
    monkeypatch.setattr(catalog, "CATALOG", (listed,))
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path))
    base = locate_listed("tiny")
    assert listed.facts.image_size == (256, 256)
    assert base.facts.image_size == (32, 32)
    assert base.sha256 == sha256(server.body)
    assert base.path == tmp_path / "models" / NAME


# ---- going on after a break -------------------------------------------------------------------


def test_a_line_that_drops_once_is_picked_up_again(tmp_path: Path, server: Server) -> None:
    server.cut = [HALF, 100_000]
    fetched(server, tmp_path)
    only_the_weights(tmp_path)
    assert server.asked == [None, f"bytes={HALF}-", f"bytes={HALF + 100_000}-"]


def test_a_later_run_goes_on_where_the_earlier_broke_off(tmp_path: Path, server: Server) -> None:
    server.cut = [HALF, 0]
    error = refused(server, tmp_path)
    assert error.code == "RD622"
    assert error.message == (
        f"the download of {NAME} broke off after {HALF} bytes: the connection was cut"
    )
    assert str(error.help).startswith("run the command again to go on from there, or download ")
    server.asked.clear()
    told: list[tuple[str, int | None, int | None]] = []
    obtain(entry(server), tmp_path, lambda *step: told.append(step))
    only_the_weights(tmp_path)
    assert server.asked == [f"bytes={HALF}-"]
    assert told[0] == ("download", HALF, len(WEIGHTS)), "progress starts where it broke off"


def test_a_file_that_comes_in_chunks(tmp_path: Path, server: Server) -> None:
    server.chunked, server.cut = True, [HALF]
    fetched(server, tmp_path)
    only_the_weights(tmp_path)
    first, second = server.asked
    assert first is None
    assert second == f"bytes={HALF}-"


def test_tries_end(tmp_path: Path, server: Server) -> None:
    server.cut = [10_000] * 9
    assert "broke off after 30000 bytes" in refused(server, tmp_path).message
    assert len(server.asked) == PATIENT.tries


def test_a_server_that_cannot_go_on_sends_all(tmp_path: Path, server: Server) -> None:
    server.ranges, server.cut = False, [HALF]
    fetched(server, tmp_path)
    only_the_weights(tmp_path)
    assert server.asked == [None, f"bytes={HALF}-"]


def test_what_was_kept_of_another_file_is_given_up(tmp_path: Path, server: Server) -> None:
    server.body, server.cut = b"<html>sign in to this network</html>" * 999, [20_000, 0]
    refused(server, tmp_path)
    server.body = WEIGHTS
    fetched(server, tmp_path)
    only_the_weights(tmp_path)
    assert server.asked[-2:] == ["bytes=20000-", None]


def test_a_file_that_changes_between_two_tries(tmp_path: Path, server: Server) -> None:
    server.body, server.cut = WEIGHTS[::-1], [HALF, 0]
    refused(server, tmp_path)
    server.body, server.cut = WEIGHTS, []
    fetched(server, tmp_path)
    only_the_weights(tmp_path)


def test_all_of_it_was_there_already(tmp_path: Path, server: Server) -> None:
    server.longer_by = 1000
    fetched(server, tmp_path)
    only_the_weights(tmp_path)
    assert server.asked == [None, f"bytes={len(WEIGHTS)}-"]


def test_more_than_the_file_was_there_already(tmp_path: Path, server: Server) -> None:
    server.body, server.longer_by = WEIGHTS + b"more", 9
    refused(server, tmp_path)
    server.body, server.longer_by = WEIGHTS, 0
    fetched(server, tmp_path)
    only_the_weights(tmp_path)


def test_another_part_than_the_one_asked_for(tmp_path: Path, server: Server) -> None:
    server.cut, server.shifted = [HALF], 5
    error = refused(server, tmp_path)
    assert "the server sent another part than it was asked for" in error.message
    server.shifted = 0
    fetched(server, tmp_path)
    only_the_weights(tmp_path)


# ---- what goes wrong --------------------------------------------------------------------------


def test_a_server_that_is_slow_but_steady_is_waited_for(tmp_path: Path, server: Server) -> None:
    server.drips, server.body = True, b"slow but steady"
    limits = replace(PATIENT, window_s=0.05, window_bytes=1)
    found = obtain(entry(server, sha256(server.body)[:8]), tmp_path, limits=limits)
    assert found.path.read_bytes() == server.body


def test_a_file_that_is_not_the_listed_one(tmp_path: Path, server: Server) -> None:
    server.body = b"other weights"
    error = refused(server, tmp_path)
    assert error.code == "RD623"
    assert (
        error.message
        == (
            f"{entry(server).source.host} sent another file than the listed {NAME}: "  # type: ignore[union-attr]
            f"expected a sha256 that starts with {sha256(WEIGHTS)[:8]}, got {sha256(server.body)}"
        )
    )
    assert str(error.help).startswith("it was removed; ")
    assert everything_in(tmp_path) == []


def test_a_page_instead_of_the_file(tmp_path: Path, server: Server) -> None:
    server.body = b"\n<!DOCTYPE html><title>Please sign in</title>"
    assert f"sent a web page instead of {NAME}" in refused(server, tmp_path).message
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("stated", [True, False])
def test_an_empty_file(tmp_path: Path, server: Server, stated: bool) -> None:
    server.body, server.lengths = b"", stated
    assert f"got {sha256(b'')}" in refused(server, tmp_path).message
    assert everything_in(tmp_path) == []


def test_a_length_that_is_too_short(tmp_path: Path, server: Server) -> None:
    server.longer_by = -1
    assert f"got {sha256(WEIGHTS[:-1])}" in refused(server, tmp_path).message
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, f"no longer has {NAME} (HTTP 404 Not Found)"),
        (410, f"no longer has {NAME} (HTTP 410 Gone)"),
        (403, f"does not give {NAME} (HTTP 403 Forbidden)"),
        (500, f"does not give {NAME} (HTTP 500 Internal Server Error)"),
    ],
)
def test_a_server_that_refuses(tmp_path: Path, server: Server, status: int, words: str) -> None:
    server.status = status
    error = refused(server, tmp_path)
    assert error.code == "RD622"
    assert error.message.endswith(words)
    assert str(tmp_path / "models" / NAME) in str(error.help)
    assert everything_in(tmp_path) == []


def test_no_network(tmp_path: Path, server: Server) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    server.url = f"http://127.0.0.1:{port}/{NAME}"
    error = refused(server, tmp_path)
    assert error.code == "RD622"
    assert error.message == (
        f"could not reach 127.0.0.1:{port} to fetch {NAME}: Connection refused"
    )
    assert error.help == (
        f"check the network and try again, or download {server.url} in another way "
        f"and save it as {tmp_path / 'models' / NAME}"
    )


def test_a_server_that_has_no_address(tmp_path: Path, server: Server) -> None:
    server.url = f"http://nowhere.invalid/{NAME}"
    assert f"could not reach nowhere.invalid to fetch {NAME}: " in refused(server, tmp_path).message


def test_what_answers_is_no_web_server(tmp_path: Path, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/{NAME}"

        def hang_up() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(1000)
                line.sendall(b"220 mail.example ready\r\n")

        thread = threading.Thread(target=hang_up)
        thread.start()
        error = refused(server, tmp_path)
        thread.join()
    assert error.message.endswith(f"to fetch {NAME}: 220 mail.example ready")


def test_a_server_that_says_nothing(tmp_path: Path, server: Server) -> None:
    server.silent = True
    error = refused(server, tmp_path, QUICK)
    assert error.message.endswith(f"to fetch {NAME}: it does not answer")


def test_a_server_that_falls_silent(tmp_path: Path, server: Server) -> None:
    server.cut, server.holds = [1000, 1000, 1000], True
    error = refused(server, tmp_path, QUICK)
    assert error.message == (
        f"the download of {NAME} broke off after 3000 bytes: nothing came for 1 s"
    )


def test_a_server_that_only_drips(tmp_path: Path, server: Server) -> None:
    server.drips = True
    error = refused(server, tmp_path, QUICK)
    found = re.search(r"only (\d+) bytes came in 0\.4 s", error.message)
    assert found is not None
    assert 0 < int(found[1]) < 5000


@pytest.mark.parametrize("stated", [True, False])
def test_a_file_without_end(tmp_path: Path, server: Server, stated: bool) -> None:
    server.endless, server.lengths, server.longer_by = not stated, stated, 10**12
    error = refused(server, tmp_path, replace(PATIENT, most_bytes=4_000_000))
    assert error.code == "RD623"
    assert "sends more than 4000000 bytes" in error.message
    assert everything_in(tmp_path) == []


def test_a_cache_that_cannot_be_written(ordinary_user: Path, server: Server) -> None:
    (ordinary_user / "models").mkdir(mode=0o500)
    with pytest.raises(ArtifactError, match="cannot be used: permission denied"):
        fetched(server, ordinary_user)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from redraft.disk import webfile

    def full(_part: Path) -> IO[bytes]:
        return Path("/dev/full").open("ab", buffering=0)

    monkeypatch.setattr(webfile, "_writable", full)
    with pytest.raises(ArtifactError, match="no space left on device"):
        fetched(server, tmp_path)


# ---- interrupted, killed, and at once ---------------------------------------------------------

PROGRAM = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from redraft.models.listed.published import PUBLISHED
from redraft.models.listed.download import obtain
from redraft.disk.address import HttpFile

root, url, head, kill_at = sys.argv[1:]

def progress(stage, done, total):
    if stage == kill_at and done > total // 2:
        os.kill(os.getpid(), signal.SIGKILL)

print(obtain(replace(PUBLISHED[0], source=HttpFile(url, head)), Path(root), progress).path)
"""


def second_process(server: Server, root: Path, kill_at: str = "") -> subprocess.Popen[str]:
    arguments = [str(root), server.url, sha256(WEIGHTS)[:8], kill_at]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True
    )


def test_a_user_who_interrupts_loses_nothing(tmp_path: Path, server: Server) -> None:
    def interrupt(stage: str, done: int | None, total: int | None) -> None:
        if stage == "download" and done and done > HALF:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain(entry(server), tmp_path, interrupt)
    fetched(server, tmp_path)
    only_the_weights(tmp_path)
    first, second = server.asked
    assert first is None
    assert int(str(second).removeprefix("bytes=").removesuffix("-")) > HALF


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("stage", ["download", "verify"])
def test_a_process_that_is_killed_leaves_nothing_that_counts(
    tmp_path: Path, server: Server, stage: str
) -> None:
    with second_process(server, tmp_path, stage) as process:
        assert process.wait() == -signal.SIGKILL
    (part,) = (tmp_path / "models").iterdir()
    assert part.name.endswith(".part")
    kept = part.stat().st_size
    assert 0 < kept <= len(WEIGHTS)
    # Long afterwards nobody writes to it any more, and it is gone on with.
    left = time.time() - 2 * PATIENT.abandoned_s
    os.utime(part, (left, left))
    fetched(server, tmp_path)
    only_the_weights(tmp_path)
    assert server.asked[-1] == f"bytes={kept}-"


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_part_that_may_be_written_to_is_let_be(tmp_path: Path, server: Server) -> None:
    with second_process(server, tmp_path, "download") as process:
        process.wait()
    fetched(server, tmp_path)
    assert server.asked == [None, None]
    assert (tmp_path / "models" / NAME).read_bytes() == WEIGHTS


def test_processes_that_fetch_at_once(tmp_path: Path, server: Server) -> None:
    processes = [second_process(server, tmp_path) for _ in range(3)]
    answers = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert answers == [str(tmp_path / "models" / NAME)] * 3
    only_the_weights(tmp_path)
