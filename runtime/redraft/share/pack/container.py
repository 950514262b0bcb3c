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
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
_REMAKE = "get the pack again from where it came from; `redraft pack` makes packs that are read"


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    crc: int
    offset: int
    method: int
    packed: int
    mode: int


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
        entry = _Entry(name, len(data), zlib.crc32(data), len(body), _STORED, len(data), 0)
        body += _local(entry) + data
        directory += _central(entry)
    return bytes(body + directory + _end(len(entries), len(directory), len(body)))


def read(data: bytes, path: str) -> dict[str, bytes]:
    """The files of a container, by name.

    Args:
        data: the whole container, no larger than ``MAX_BYTES``.
        path: the name under which it is spoken of.

    Raises:
        ArtifactError: it is damaged, or not one that :func:`write` could have made.

    """
    count, size, offset = _read_end(data, path)
    entries = list(_entries(data[offset : offset + size], count, path))
    _check_sizes(entries, path)
    check_names([entry.name for entry in entries], path)
    _check_layout(data, entries, path)
    found = {}
    for entry in entries:
        start = entry.offset + len(_local(entry))
        found[entry.name] = data[start : start + entry.size]
        if zlib.crc32(found[entry.name]) != entry.crc:
            message = f"`{entry.name}` in {path} is damaged: its checksum is another one"
            raise ArtifactError("RD722", message, _REMAKE)
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


def _local(entry: _Entry) -> bytes:
    name = entry.name.encode()
    head = _LOCAL.pack(
        b"PK\x03\x04", _VERSION, _UTF8, _STORED, 0, _FIRST_DAY,
        entry.crc, entry.size, entry.size, len(name), 0,
    )  # fmt: skip
    return head + name


def _central(entry: _Entry) -> bytes:
    name = entry.name.encode()
    head = _CENTRAL.pack(
        b"PK\x01\x02", _UNIX | _VERSION, _VERSION, _UTF8, _STORED, 0, _FIRST_DAY,
        entry.crc, entry.size, entry.size, len(name), 0, 0, 0, 0, _REGULAR, entry.offset,
    )  # fmt: skip
    return head + name


def _end(count: int, size: int, offset: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, size, offset, 0)


def _read_end(data: bytes, path: str) -> tuple[int, int, int]:
    """How many entries there are, and size and offset of their directory."""
    if len(data) < _END.size or data[-_END.size :][:4] != b"PK\x05\x06":
        raise ArtifactError("RD714", f"{path} is not a pack, or is cut short", _REMAKE)
    _, disk, first, here, count, size, offset, comment = _END.unpack(data[-_END.size :])
    if count > MAX_ENTRIES or size > _MAX_DIRECTORY:
        raise ArtifactError(
            "RD718", f"{path} has {count} entries, and at most {MAX_ENTRIES} are read", _REMAKE
        )
    if disk or first or comment or here != count or offset + size + _END.size != len(data):
        raise _hidden(path)
    return count, size, offset


def _entries(directory: bytes, count: int, path: str) -> Iterator[_Entry]:
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(directory) or directory[at : at + 4] != b"PK\x01\x02":
            raise ArtifactError("RD714", f"the directory of {path} is damaged", _REMAKE)
        (
            _,
            _,
            _,
            _,
            method,
            _,
            _,
            crc,
            packed,
            size,
            length,
            extra,
            comment,
            _,
            _,
            mode,
            offset,
        ) = _CENTRAL.unpack_from(directory, at)
        at += _CENTRAL.size
        raw = directory[at : at + length]
        at += length + extra + comment
        yield _Entry(_name(raw, path), size, crc, offset, method, packed, mode >> 16)


def _name(raw: bytes, path: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unsafe(path, repr(raw), "it is not in UTF-8") from error


def _check_sizes(entries: Sequence[_Entry], path: str) -> None:
    for entry in entries:
        if entry.method != _STORED or entry.packed != entry.size:
            raise ArtifactError(
                "RD719",
                f"`{entry.name}` in {path} is compressed: {entry.packed} bytes that would become "
                f"{entry.size}",
                "files in a pack are stored as they are; unpack nothing else from a stranger",
            )
    total = sum(entry.size for entry in entries)
    if total > MAX_BYTES:
        raise ArtifactError(
            "RD718", f"{path} says to hold {total} bytes, and at most {MAX_BYTES} are read", _REMAKE
        )


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


def _check_layout(data: bytes, entries: Sequence[_Entry], path: str) -> None:
    """Demand the bytes that :func:`write` makes; what the entries hold is not compared here."""
    for entry in entries:
        if entry.mode and stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG):
            raise ArtifactError(
                "RD717", f"`{entry.name}` in {path} is a link or a device, not a file", _REMAKE
            )
    at, directory = 0, b""
    for entry in entries:
        local = _local(entry)
        if entry.offset != at or data[at : at + len(local)] != local:
            raise _hidden(path)
        at += len(local) + entry.size
        directory += _central(entry)
    rest = directory + _end(len(entries), len(directory), at)
    if [e.name for e in entries] != sorted(e.name for e in entries) or data[at:] != rest:
        raise _hidden(path)


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
