"""Files written whole or not at all, and their hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from redraft.errors import ArtifactError
from redraft.explain.words import reason_of

TEMPORARY_PREFIX = ".redraft-"
TEMPORARY_SUFFIX = ".tmp"
_CHUNK_BYTES = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old file or the new one, never a part.

    Raises ArtifactError when the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with its line ends unchanged; otherwise like ``write_bytes``."""
    write_bytes(path, text.encode("utf-8"))


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield an empty temporary file beside ``path``; it becomes ``path`` when the block succeeds.

    The file is flushed to the disk before it takes its name. Whatever goes wrong in the block,
    the temporary file is removed and an existing ``path`` is left as it was. A link is followed:
    the file that it points to is replaced, not the link.

    Raises ArtifactError when the folder is missing or not writable, when the disk is full, or
    when ``path`` is a folder. Errors that do not concern this file pass through unchanged.
    """
    target = Path(os.path.realpath(path))
    # Short and independent of the target's name, which may already be as long as names can be.
    temporary = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(temporary))
        # Not tempfile.mkstemp: that would make every output private to its owner.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)  # noqa: PTH105 (the same call; named as the system names it)
        _flush_folder(target.parent)
    except OSError as error:
        if _concerns(error, temporary, target):
            raise _write_error(path, error) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def remove_stale(folder: Path, older_than_s: float = 86400.0) -> int:
    """Remove temporary files in ``folder`` that a killed process left; return how many.

    Only files older than ``older_than_s`` seconds go, for a younger one may still be written.
    """
    removed = 0
    limit = time.time() - older_than_s
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(OSError):
            if leftover.is_file() and leftover.stat().st_mtime < limit:
                leftover.unlink()
                removed += 1
    return removed


def check_folder(path: Path) -> None:
    """Refuse a file that cannot be written, before anything is computed for it.

    Raises ArtifactError as :func:`write_bytes` would.
    """
    if path.is_dir():
        raise _write_error(path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    if path.exists() and not path.is_file():
        return  # a device or a pipe
    target = Path(os.path.realpath(path))
    trial = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        os.close(os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        trial.unlink()
    except OSError as error:
        raise _write_error(path, error) from error


def sha256_file(path: Path, progress: Progress | None = None) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits; reads 1 MiB at a time.

    Raises ArtifactError when the file cannot be read.
    """
    digest = hashlib.sha256()
    done = 0
    try:
        with path.open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
    except OSError as error:
        raise _read_error(path, error) from error
    return digest.hexdigest()


def is_full(error: OSError) -> bool:
    """Whether a disk is full, or a limit on sizes is reached."""
    return error.errno in _FULL


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    # Makes the new name itself durable. Some systems cannot open a folder; the file is safe then.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _concerns(error: OSError, temporary: Path, target: Path) -> bool:
    """Whether the error is about the file being written rather than something else in the block."""
    if isinstance(error, ConnectionError | BlockingIOError | TimeoutError):
        return False
    return error.filename is None or str(error.filename) in (str(temporary), str(target))


def _write_error(path: Path, error: OSError) -> ArtifactError:
    folder = path.parent
    if (error.errno == errno.ENOENT or error.errno == errno.ENOTDIR) and not folder.is_dir():
        return ArtifactError(
            "RD631",
            f"cannot write {path}: there is no folder {folder}",
            f"create it: mkdir -p {shlex.quote(str(folder))}",
        )
    if error.errno == errno.EISDIR:
        return ArtifactError("RD632", f"cannot write {path}: it is a folder", "name a file")
    # A folder of the system's own, such as /proc, says that a new file is not there.
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT):
        return ArtifactError(
            "RD633",
            f"cannot write {path}: the folder {folder} may not be written to",
            "choose another folder, or change its permissions",
        )
    if is_full(error):
        return ArtifactError(
            "RD634",
            f"cannot write {path}: the disk is full or a size limit is reached",
            "free some space or choose another disk; nothing was left half-written",
        )
    return ArtifactError(
        "RD635", f"cannot write {path}: {reason_of(error)}", "try another file name or folder"
    )


def _read_error(path: Path, error: OSError) -> ArtifactError:
    if isinstance(error, FileNotFoundError):
        return ArtifactError("RD636", f"there is no file {path}", "check the path")
    if isinstance(error, IsADirectoryError):
        return ArtifactError("RD636", f"cannot read {path}: it is a folder", "name a file")
    if isinstance(error, PermissionError):
        return ArtifactError(
            "RD636", f"cannot read {path}: permission denied", "change the file's permissions"
        )
    return ArtifactError("RD636", f"cannot read {path}: {reason_of(error)}", "check the disk")
