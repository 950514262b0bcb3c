"""The container of a pack: a ZIP file in one layout only, so that nothing can hide in it.

Entries are stored, sorted by name, and follow one another without a gap; all times are those of
the format's first day. Any ZIP program can open such a file. Reading it back demands the very same
layout: a file with other bytes between, before or after the entries, with entries that share bytes
or that say other things in two places is refused.
"""

from __future__ import annotations

import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO

from redraft.errors import ArtifactError
from redraft.share.pack import MAX_BYTES, MAX_ENTRIES

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _UNIX = 20, 3 << 8
_UTF8, _STORED = 0x800, 0
_FIRST_DAY = 0x21
_REGULAR = (stat.S_IFREG | 0o644) << 16
_MAX_DIRECTORY = MAX_ENTRIES * 512
_MAX_NAME = 200
_RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}
_UNREADABLE = (
    *(zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, OverflowError),
    struct.error,
)
"""What zipfile raises for bytes that it cannot read; the errors differ between versions."""
_REMAKE = "get the pack again from where it came from; `redraft pack` makes packs that are read"


def write(entries: Mapping[str, bytes]) -> bytes:
    """A container with these files. Equal entries give equal bytes, on every platform.

    Raises:
        ValueError: a name cannot stand in a pack; :func:`name_fault` says why.

    """
    body, directory = bytearray(), bytearray()
    for name in sorted(entries):
        fault = name_fault(name)
        if fault is not None:
            raise ValueError(f"{name!r}: {fault}")
        data = entries[name]
        directory += _central(name, data, len(body))
        body += _local(name, data) + data
    return bytes(body + directory + _end(len(entries), len(directory), len(body)))


def read(data: bytes, path: str) -> dict[str, bytes]:
    """The files of a container, by name.

    Args:
        data: the whole container, no larger than ``MAX_BYTES``.
        path: its name in messages.

    Raises:
        ArtifactError: it is damaged, or not one that :func:`write` could have made.

    """
    _check_end(data, path)
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except UnicodeDecodeError as error:
        raise _unsafe(path, repr(error.object), "it is not in UTF-8") from error
    except _UNREADABLE as error:
        raise ArtifactError("RD714", f"the directory of {path} is damaged", _REMAKE) from error
    with archive:
        entries = archive.infolist()
        _check_entries(entries, path)
        found = {entry.filename: _content(archive, entry, path) for entry in entries}
    # Whatever a reader could take for something else is not what a writer of packs writes.
    if write(found) != data:
        raise _hidden(path)
    return found


def name_fault(name: str) -> str | None:
    """Why a file of this name cannot stand in a pack; None when it can on every system."""
    if not name or len(name.encode("utf-8", "surrogatepass")) > _MAX_NAME:
        return f"it is empty or longer than {_MAX_NAME} bytes"
    if "\\" in name or ":" in name:
        return "it has a backslash or a colon"
    if not all(character.isprintable() for character in name):
        return "it has a character that cannot be seen"
    if name.startswith("/"):
        return "it is absolute"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return "it leaves its folder or has an empty part"
        if part.startswith(".") or part.endswith((".", " ")):
            return "a part of it begins with a dot, or ends with a dot or a space"
        if part.split(".")[0].lower() in _RESERVED or set(part) & set('<>"|?*'):
            return "it cannot be a file's name on every system"
    return None


def clash(names: Sequence[str]) -> tuple[str, str] | None:
    """Two names that would be one file on some system, or a file and a folder; None if none are."""
    seen: dict[str, str] = {}
    for name in names:
        folded = _folded(name)
        if folded in seen:
            return seen[folded], name
        seen[folded] = name
    for name in names:
        parts = _folded(name).split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            if above in seen:
                return seen[above], name
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _local(name: str, data: bytes) -> bytes:
    length = len(name.encode())
    return _LOCAL.pack(
        b"PK\x03\x04", _VERSION, _UTF8, _STORED, 0, _FIRST_DAY,
        zlib.crc32(data), len(data), len(data), length, 0,
    ) + name.encode()  # fmt: skip


def _central(name: str, data: bytes, offset: int) -> bytes:
    length = len(name.encode())
    return _CENTRAL.pack(
        b"PK\x01\x02", _UNIX | _VERSION, _VERSION, _UTF8, _STORED, 0, _FIRST_DAY,
        zlib.crc32(data), len(data), len(data), length, 0, 0, 0, 0, _REGULAR, offset,
    ) + name.encode()  # fmt: skip


def _end(count: int, size: int, offset: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, size, offset, 0)


def _check_end(data: bytes, path: str) -> None:
    """Refuse what does not end as a pack, or has a directory that is too large to be read."""
    if data[-_END.size :][:4] != b"PK\x05\x06" or len(data) < _END.size:
        raise ArtifactError("RD714", f"{path} is not a pack, or is cut short", _REMAKE)
    *_, count, size, _, _ = _END.unpack(data[-_END.size :])
    if count > MAX_ENTRIES or size > _MAX_DIRECTORY:
        raise ArtifactError(
            "RD718", f"{path} has {count} entries, and at most {MAX_ENTRIES} are read", _REMAKE
        )


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str) -> bytes:
    try:
        return archive.read(entry)
    except _UNREADABLE as error:
        if "CRC" not in str(error):
            raise _hidden(path) from error
        message = f"`{entry.filename}` in {path} is damaged: its checksum does not match"
        raise ArtifactError("RD722", message, _REMAKE) from error


def _check_entries(entries: Sequence[zipfile.ZipInfo], path: str) -> None:
    for entry in entries:
        if entry.compress_type != _STORED or entry.compress_size != entry.file_size:
            raise ArtifactError(
                "RD719",
                f"`{entry.filename}` in {path} is compressed: {entry.compress_size} bytes that "
                f"would become {entry.file_size}",
                "files in a pack are stored as they are; do not unpack it with another program",
            )
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ArtifactError(
                "RD717", f"`{entry.filename}` in {path} is a link or a device, not a file", _REMAKE
            )
    total = sum(entry.file_size for entry in entries)
    if total > MAX_BYTES:
        raise ArtifactError(
            "RD718", f"{path} says to hold {total} bytes, and at most {MAX_BYTES} are read", _REMAKE
        )
    check_names([entry.filename for entry in entries], path)


def check_names(names: Sequence[str], path: str) -> None:
    """Raise ArtifactError unless files of these names can lie in one folder on every system."""
    for name in names:
        if name.endswith("/"):
            raise ArtifactError(
                "RD717", f"`{name}` in {path} is a folder, and a pack holds files only", _REMAKE
            )
        fault = name_fault(name)
        if fault is not None:
            raise _unsafe(path, f"`{name}`", fault)
    for name in names:
        if names.count(name) > 1:
            raise ArtifactError("RD720", f"{path} holds `{name}` twice", _REMAKE)
    both = clash(names)
    if both is not None:
        raise ArtifactError(
            "RD721",
            f"`{both[0]}` and `{both[1]}` in {path} cannot lie in one folder on every system",
            _REMAKE,
        )


def _unsafe(path: str, name: str, fault: str) -> ArtifactError:
    return ArtifactError(
        "RD716",
        f"{path} has an entry with an unsafe name, {name}: {fault}",
        "do not unpack it with another program either; packs hold plain files in their own folder",
    )


def _hidden(path: str) -> ArtifactError:
    return ArtifactError(
        "RD728",
        f"{path} is not laid out as a pack: bytes are shared, hidden or out of place",
        _REMAKE,
    )
