"""Fetches one file from a web server: goes on where an earlier try broke off, and checks it.

What arrived is kept when the connection breaks. The next try asks for the rest only, and the
hash of the whole decides: a rest that does not fit to what was kept (the file on the server
changed, or what was kept came from somewhere else) gives a wrong hash, and then the whole file
is fetched once more. So no mark of the server's version needs to be kept or trusted.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import re
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from redraft.disk.address import HttpFile
from redraft.disk.cache import cannot_make
from redraft.disk.files import TEMPORARY_PREFIX, atomic_path, sha256_file
from redraft.errors import ModelError

Counted = Callable[[int, int | None], None]
"""Called with (bytes done, bytes in all, if that is known)."""

_CHUNK_BYTES = 1 << 18
_PART = ".part"
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml")


@dataclass(frozen=True)
class Limits:
    """When to give up.

    Attributes:
        silence_s: seconds without a byte.
        window_s: seconds over which the rate is looked at.
        window_bytes: bytes that must come in that time.
        most_bytes: a file larger than this is refused.
        tries: connections, each of which must bring something, before a broken one is an error.
        abandoned_s: seconds after which a part counts as left; longer than any silence.

    """

    silence_s: float = 30.0
    window_s: float = 60.0
    window_bytes: int = 1 << 16
    most_bytes: int = 8 << 30
    tries: int = 3
    abandoned_s: float = 120.0


class _BrokenOffError(Exception):
    """The connection broke after it brought something, or nothing; the message says how."""


class _TooLargeError(Exception):
    """More came, or is to come, than any model has."""


def fetch_file(
    source: HttpFile,
    target: Path,
    counted: Counted,
    hashed: Counted,
    limits: Limits | None = None,
) -> str:
    """Bring the file to ``target``, in an existing folder, whole and checked or not at all.

    Args:
        source: what to fetch.
        target: where it is to lie.
        counted: called with how much has come.
        hashed: called with how much of it has been checked.
        limits: when to give up.

    Returns:
        The file's SHA-256, 64 hexadecimal digits.

    Raises:
        ModelError: it cannot be reached, it broke off, or it is not the listed file.
        ArtifactError: the folder cannot be written.

    """
    bounds = limits or Limits()
    with _part(target, bounds) as part:
        try:
            digest = _received(source, part, target, counted, hashed, bounds)
        except _TooLargeError as error:
            os.truncate(part, 0)
            raise _too_large(source, bounds) from error
        if not digest.startswith(source.sha256_head):
            refusal = _not_listed(source, target, digest, part)
            os.truncate(part, 0)
            raise refusal
        with atomic_path(target) as temporary:
            part.replace(temporary)
    return digest


# ---- the part that has arrived ----------------------------------------------------------------


@contextlib.contextmanager
def _part(target: Path, limits: Limits) -> Iterator[Path]:
    """A file of one's own for what arrives, begun with what an earlier try kept.

    A part that a running process writes to bears that process's own token. It can be taken over
    only by renaming it, which one process alone can do, and only when it has been left.
    """
    stem = f"{TEMPORARY_PREFIX}{target.name}."
    own = target.parent / f"{stem}{secrets.token_hex(8)}{_PART}"
    left = target.parent / f"{stem}left{_PART}"
    try:
        found = [left, *_abandoned(target.parent.glob(f"{stem}*{_PART}"), limits)]
        if not any(_renamed(path, own) for path in found):
            own.touch(exist_ok=False)
        os.utime(own)
    except OSError as error:
        raise cannot_make(target.parent, error) from error
    try:
        yield own
    finally:
        with contextlib.suppress(OSError):
            if own.stat().st_size:
                own.replace(left)
            else:
                own.unlink()
    for path in [left, *_abandoned(target.parent.glob(f"{stem}*{_PART}"), limits)]:
        path.unlink(missing_ok=True)


def _abandoned(parts: Iterator[Path], limits: Limits) -> list[Path]:
    limit = time.time() - limits.abandoned_s
    found = []
    for path in parts:
        with contextlib.suppress(OSError):  # another process may just have taken it
            if path.stat().st_mtime < limit:
                found.append(path)
    return found


def _renamed(path: Path, own: Path) -> bool:
    try:
        path.rename(own)
    except OSError:
        return False
    return True


# ---- the connection ---------------------------------------------------------------------------


def _received(
    source: HttpFile,
    part: Path,
    target: Path,
    counted: Counted,
    hashed: Counted,
    limits: Limits,
) -> str:
    """The hash of the whole file, once it is there; of a second, unbroken try where it is wrong."""
    joined = _receive(source, part, target, counted, limits)
    digest = sha256_file(part, hashed)
    if joined and not digest.startswith(source.sha256_head):
        os.truncate(part, 0)
        _receive(source, part, target, counted, limits)
        digest = sha256_file(part, hashed)
    return digest


def _receive(source: HttpFile, part: Path, target: Path, counted: Counted, limits: Limits) -> bool:
    """Append to the part until the file is whole; try again while each try brings something.

    Returns whether the file was put together from several answers.
    """
    joined = False
    for tried in itertools.count(1):
        before = part.stat().st_size
        joined = joined or before > 0
        try:
            with _opened(source, part, limits, target) as response:
                if response is not None:
                    _append(response, part, counted, limits)
            break
        except _BrokenOffError as error:
            came = part.stat().st_size
            if tried == limits.tries or came <= before:
                raise _broken_off(source, target, came, str(error)) from error
    return joined


@contextlib.contextmanager
def _opened(
    source: HttpFile, part: Path, limits: Limits, target: Path
) -> Iterator[http.client.HTTPResponse | None]:
    """The answer that brings what the part lacks; None when the server says that it lacks nothing.

    Where the answer is the whole file, the part is emptied first.
    """
    start = part.stat().st_size
    headers = {"User-Agent": "redraft", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(source.url, headers=headers)
    try:
        # An opener of its own, since the common one keeps the proxies of its first use.
        response = urllib.request.build_opener().open(request, timeout=limits.silence_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            yield None  # the part is as long as the file; its hash says whether it is the file
            return
        raise _refused(source, target, error.code) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(source, target, error) from error
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            os.truncate(part, 0)
        elif _first_byte(response) != start:
            # Neither the whole nor the rest: nothing that could be put together.
            os.truncate(part, 0)
            raise _BrokenOffError("the server sent another part than it was asked for")
        yield response


def _first_byte(response: http.client.HTTPResponse) -> int | None:
    found = re.match(r"bytes (\d{1,18})-", response.headers.get("Content-Range", ""))
    return None if found is None else int(found[1])


def _append(
    response: http.client.HTTPResponse, part: Path, counted: Counted, limits: Limits
) -> None:
    done = part.stat().st_size
    total = None if response.length is None else done + response.length
    _check_size(total or done, limits)
    counted(done, total)
    with _writable(part) as out:
        for chunk in _chunks(response, limits):
            try:
                out.write(chunk)
            except OSError as error:
                raise cannot_make(part.parent, error) from error
            done += len(chunk)
            _check_size(done, limits)
            counted(done, total)
    if total is not None and done < total:
        raise _BrokenOffError("the connection was cut")


def _writable(part: Path) -> IO[bytes]:
    # Unbuffered: what arrived is in the file, whatever ends the process.
    return part.open("ab", buffering=0)


def _chunks(response: http.client.HTTPResponse, limits: Limits) -> Iterator[bytes]:
    """The body as it arrives; too slow a server is given up."""
    started, came = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(_CHUNK_BYTES)
        except TimeoutError as error:
            raise _BrokenOffError(f"nothing came for {limits.silence_s:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOffError("the connection was cut") from error
        if not chunk:
            return
        yield chunk
        came += len(chunk)
        if time.monotonic() - started >= limits.window_s:
            if came < limits.window_bytes:
                raise _BrokenOffError(f"only {came} bytes came in {limits.window_s:g} s")
            started, came = time.monotonic(), 0


# ---- what goes wrong --------------------------------------------------------------------------


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.most_bytes:
        raise _TooLargeError


def _by_hand(source: HttpFile, target: Path) -> str:
    return f"download {source.url} in another way and save it as {target}"


def _unreachable(source: HttpFile, target: Path, error: Exception) -> ModelError:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        detail = "it does not answer"
    elif isinstance(cause, OSError) and cause.strerror:
        detail = cause.strerror
    else:
        detail = " ".join(str(cause).split())[:80] or type(cause).__name__
    return ModelError(
        "RD622",
        f"could not reach {source.host} to fetch {source.filename}: {detail}",
        f"check the network and try again, or {_by_hand(source, target)}",
    )


def _refused(source: HttpFile, target: Path, status: int) -> ModelError:
    reason = http.client.responses.get(status, "")
    if status in (http.client.NOT_FOUND, http.client.GONE):
        message = f"{source.host} no longer has {source.filename} (HTTP {status} {reason})"
        remedy = f"find the file elsewhere and save it as {target}, or use another model"
    else:
        message = f"{source.host} does not give {source.filename} (HTTP {status} {reason})"
        remedy = f"try again later, or {_by_hand(source, target)}"
    return ModelError("RD622", message, remedy)


def _broken_off(source: HttpFile, target: Path, came: int, detail: str) -> ModelError:
    return ModelError(
        "RD622",
        f"the download of {source.filename} broke off after {came} bytes: {detail}",
        f"run the command again to go on from there, or {_by_hand(source, target)}",
    )


def _too_large(source: HttpFile, limits: Limits) -> ModelError:
    return ModelError(
        "RD623",
        f"{source.host} sends more than {limits.most_bytes} bytes for {source.filename}, "
        "which no listed model has",
        "nothing was kept; check the network, or use another model",
    )


def _not_listed(source: HttpFile, target: Path, digest: str, part: Path) -> ModelError:
    with part.open("rb") as file:
        page = file.read(64).lstrip().lower().startswith(_PAGE_STARTS)
    what = "a web page instead of " if page else "another file than the listed "
    return ModelError(
        "RD623",
        f"{source.host} sent {what}{source.filename}: expected a sha256 that starts with "
        f"{source.sha256_head}, got {digest}",
        f"it was removed; check the network, or find the file elsewhere and save it as {target}",
    )
