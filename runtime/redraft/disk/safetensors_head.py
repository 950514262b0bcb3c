"""The head of a safetensors file: what it holds and where, read without its tensors or torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

MAX_BYTES = 64 << 20
"""Longest head that is read."""
_DTYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U64": ("uint64", 8),
    "U32": ("uint32", 4),
    "U16": ("uint16", 2),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
    "C64": ("complex64", 8),
}


class BrokenHeadError(ValueError):
    """The head is not that of a whole safetensors file; the message says what is wrong."""


@dataclass(frozen=True)
class Slot:
    """One tensor: its shape, its dtype in torch's words, and its bytes ``begin`` to ``end``."""

    shape: tuple[int, ...]
    dtype: str
    begin: int
    end: int


@dataclass(frozen=True)
class Head:
    """The ``__metadata__`` of a file, and its tensors in the order of the head."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, Slot]


def looks_like_safetensors(start: bytes) -> bool:
    """Whether a file with these first bytes (9 or more) may be a safetensors file."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= MAX_BYTES


def read_head(file: BinaryIO, size_bytes: int) -> Head:
    """Read the head of a file of ``size_bytes`` bytes.

    Raises:
        BrokenHeadError: the head is broken, or the file is shorter than it says.

    """
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_BYTES or 8 + length > size_bytes:
        raise BrokenHeadError("its header is cut short")
    try:
        table = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise BrokenHeadError("its header is not JSON") from error
    if not isinstance(table, dict):
        raise BrokenHeadError("its header is not a table")
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise BrokenHeadError("its header is broken")
    slots = {name: _slot(name, fields, 8 + length) for name, fields in table.items()}
    for name, slot in slots.items():
        if slot.end > size_bytes:
            raise BrokenHeadError(f"the bytes of {name!r} are missing")
    return Head({str(key): str(value) for key, value in metadata.items()}, slots)


def _slot(name: str, fields: Any, start: int) -> Slot:
    try:
        shape = tuple(fields["shape"])
        begin, end = fields["data_offsets"]
        dtype, size_bytes = _DTYPES[fields["dtype"]]
        whole = all(isinstance(number, int) and number >= 0 for number in (*shape, begin, end))
        if not whole or len(shape) > 64 or prod(shape) * size_bytes != end - begin:
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenHeadError(f"its entry for {name!r} is broken") from error
    return Slot(shape, dtype, start + begin, start + end)
