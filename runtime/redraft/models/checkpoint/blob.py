"""Tensors inside a plain pickle: each one's bytes lie there as a small torch file of its own.

Such a file is torch's older form, or an archive. Only its head is read, and nothing in it is run.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from typing import BinaryIO

from redraft.models.checkpoint.inert import TRAINING, read_pickle, read_whole
from redraft.models.checkpoint.pickled import MalformedPickleError
from redraft.models.checkpoint.refs import PlacedBytes, StorageRef, TensorRef

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
_HEAD_BYTES = 4096
_LOCAL_HEAD = 30
_CENTRAL_CHECK = 16
_LOCAL_CHECK = 14
_DESCRIPTOR_FLAG = 0x08
_DESCRIPTOR_MARK = b"PK\x07\x08"


def storage_in(file: BinaryIO, data: PlacedBytes) -> StorageRef:
    """The storage that ``data`` holds, with the place of its bytes in ``file``.

    The file's position is left where it was.

    Raises:
        ForbiddenGlobalError: the bytes name code.
        MalformedPickleError: they are not exactly one storage of the length that they say.

    """
    head = _read_at(file, data.begin, min(data.length, _HEAD_BYTES))
    if head.startswith(b"PK"):
        return _in_archive(_read_at(file, data.begin, data.length), data.begin)
    return _in_legacy(head, data)


def in_zip(content: bytes | bytearray, refs: Mapping[str, TensorRef]) -> dict[str, TensorRef]:
    """Tensors of a torch archive with the places of their bytes in it.

    Raises:
        MalformedPickleError: the archive is not one that torch writes.

    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        central = archive.start_dir
    root = next(name for name in entries if name.endswith("/data.pkl")).removesuffix("data.pkl")
    order = entries.get(f"{root}byteorder")
    if order is not None and _bytes_of(content, order) != b"little":
        raise MalformedPickleError("it was written on a machine with another byte order")
    storages = {ref.storage.key: ref.storage for ref in refs.values()}
    placed: dict[str, StorageRef] = {}
    for key, storage in storages.items():
        entry = entries[f"{root}data/{key}"]
        start, end = _record(content, entry)
        checks = (_own_check(content, entry, end), _listed_check(content, entry, central))
        placed[key] = replace(storage, begin=start, checks=checks)
    return {name: replace(ref, storage=placed[ref.storage.key]) for name, ref in refs.items()}


def in_legacy(content: bytes | bytearray, refs: Mapping[str, TensorRef]) -> dict[str, TensorRef]:
    """Tensors of torch's older form with the places of their bytes in it.

    Raises:
        MalformedPickleError: another storage lies before one of them, and is of unknown size.

    """
    stream = io.BytesIO(content)
    for _ in range(3):
        read_pickle(stream)
    everything: dict[str, StorageRef] = {}
    read_whole(stream, replace(TRAINING, storages=everything))
    placed: dict[str, StorageRef] = {}
    keys = read_pickle(stream)
    for key in keys:
        if key not in everything:
            raise MalformedPickleError("a record that nothing refers to")
        storage = everything[key]
        # Before each record stands its number of elements.
        begin = stream.tell() + 8
        placed[key] = replace(storage, begin=begin)
        stream.seek(begin + storage.size_bytes)
    return {name: replace(ref, storage=placed[ref.storage.key]) for name, ref in refs.items()}


def _bytes_of(content: bytes | bytearray, entry: zipfile.ZipInfo) -> bytes:
    start, end = _record(content, entry)
    return bytes(content[start:end])


def _read_at(file: BinaryIO, begin: int, length: int) -> bytes:
    before = file.tell()
    try:
        file.seek(begin)
        return file.read(length)
    finally:
        file.seek(before)


def _in_legacy(head: bytes, data: PlacedBytes) -> StorageRef:
    stream = io.BytesIO(head)
    marks = (read_pickle(stream), read_pickle(stream))
    system = read_pickle(stream)
    if marks != (LEGACY_MAGIC, LEGACY_PROTOCOL) or not isinstance(system, dict):
        raise MalformedPickleError("bytes that are not a tensor's")
    if system.get("little_endian") is not True:
        raise MalformedPickleError("a tensor in another byte order")
    storage, keys = read_pickle(stream), read_pickle(stream)
    if not isinstance(storage, StorageRef) or keys != [storage.key]:
        raise MalformedPickleError("bytes that are not a tensor's")
    claimed = int.from_bytes(stream.read(8), "little")
    if claimed != storage.count or data.length != stream.tell() + storage.size_bytes:
        raise MalformedPickleError(f"{storage.size_bytes} bytes promised and not there")
    return replace(storage, begin=data.begin + stream.tell())


def _in_archive(content: bytes, begin: int) -> StorageRef:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            central = archive.start_dir
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise MalformedPickleError("a broken archive") from error
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise MalformedPickleError("an archive that is not a tensor's")
    start, end = _record(content, entries[pickles[0]])
    storage = read_pickle(io.BytesIO(content[start:end]))
    if not isinstance(storage, StorageRef):
        raise MalformedPickleError("an archive that is not a tensor's")
    entry = entries.get(pickles[0].removesuffix("data.pkl") + f"data/{storage.key}")
    if entry is None or entry.file_size != storage.size_bytes:
        raise MalformedPickleError(f"{storage.size_bytes} bytes promised and not there")
    start, end = _record(content, entry)
    checks = (_own_check(content, entry, end), _listed_check(content, entry, central))
    return replace(storage, begin=begin + start, checks=tuple(begin + place for place in checks))


def _record(content: bytes | bytearray, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """First byte and end of a stored record."""
    head = content[entry.header_offset : entry.header_offset + _LOCAL_HEAD]
    if entry.compress_type != zipfile.ZIP_STORED or len(head) < _LOCAL_HEAD:
        raise MalformedPickleError("a broken or compressed archive")
    name_length, extra_length = struct.unpack("<HH", head[26:30])
    start = entry.header_offset + _LOCAL_HEAD + name_length + extra_length
    if head[:4] != b"PK\x03\x04" or start + entry.file_size > len(content):
        raise MalformedPickleError("a broken or compressed archive")
    return start, start + entry.file_size


def _own_check(content: bytes | bytearray, entry: zipfile.ZipInfo, end: int) -> int:
    """Where the check sum beside the record stands: before its bytes, or right after them."""
    if not entry.flag_bits & _DESCRIPTOR_FLAG:
        return entry.header_offset + _LOCAL_CHECK
    return end + 4 if content[end : end + 4] == _DESCRIPTOR_MARK else end


def _listed_check(content: bytes | bytearray, entry: zipfile.ZipInfo, central: int) -> int:
    """Where the archive's list of records has the check sum of ``entry``."""
    place = central
    while content[place : place + 4] == b"PK\x01\x02":
        (offset,) = struct.unpack("<I", content[place + 42 : place + 46])
        if offset == entry.header_offset:
            return place + _CENTRAL_CHECK
        place += 46 + sum(struct.unpack("<HHH", content[place + 28 : place + 34]))
    raise MalformedPickleError("a broken archive")
