"""What a checkpoint says of its tensors: shapes, dtypes, and where their bytes lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

_STORAGES = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}
STORAGE_DTYPES = {
    **{f"torch.{name}Storage": dtype for name, dtype in _STORAGES.items()},
    **{f"torch.cuda.{name}Storage": dtype for name, dtype in _STORAGES.items()},
    "torch.storage.UntypedStorage": "uint8",
}
DTYPE_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
    "complex64": 8,
    "complex128": 16,
}


class Sealed:
    """A value that is whole once it is made: a pickle that changes its state is refused."""


@dataclass(frozen=True)
class PlacedBytes:
    """Bytes that were left in the file: ``length`` of them, from byte ``begin`` on."""

    begin: int
    length: int


@dataclass(frozen=True)
class StorageRef:
    """Where a tensor's bytes lie: record ``key``, ``count`` elements of ``dtype``.

    Where the pickle itself holds the bytes, ``begin`` is the first one's place in the file and
    ``checks`` are the places of 4-byte check sums (CRC-32, little-endian) over all of them.
    """

    key: str
    dtype: str
    count: int
    begin: int | None = None
    checks: tuple[int, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes that the record must hold at least."""
        return self.count * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True)
class TensorRef(Sealed):
    """A tensor as the file describes it, without its values.

    ``offset`` and ``strides`` count elements of the storage; ``strides`` is None where the file
    does not say them in a way that can be understood.
    """

    shape: tuple[int, ...]
    dtype: str
    storage: StorageRef
    offset: int = 0
    strides: tuple[int, ...] | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor's elements when written out."""
        return prod(self.shape) * DTYPE_BYTES[self.dtype]
