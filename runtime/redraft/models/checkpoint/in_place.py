"""Tensors at known places of a file: read from there, and written there without moving a byte."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import torch
from torch import Tensor

from redraft.disk.digest import raw_bytes
from redraft.models.checkpoint.refs import StorageRef, TensorRef

Content = bytes | bytearray


def tensors_at(content: Content, refs: Mapping[str, TensorRef]) -> dict[str, Tensor]:
    """The tensors, on the CPU; those that share a storage in the file share it here.

    Args:
        content: the whole file.
        refs: by name, with places that were checked against the file's size.

    """
    storages: dict[StorageRef, Tensor] = {}
    found: dict[str, Tensor] = {}
    for name, ref in refs.items():
        if ref.storage not in storages:
            storages[ref.storage] = _values(content, ref.storage)
        found[name] = _view(storages[ref.storage], ref)
    return found


def overwrite(
    content: bytearray, refs: Mapping[str, TensorRef], tensors: Mapping[str, Tensor]
) -> None:
    """Put ``tensors`` where ``refs`` say; check sums are renewed, all other bytes stay.

    A tensor whose bits are there already is left alone.
    """
    before = tensors_at(content, refs)
    for name, tensor in tensors.items():
        if raw_bytes(before[name]) == raw_bytes(tensor):
            continue
        ref = refs[name]
        storage = _values(content, ref.storage)
        _view(storage, ref).copy_(tensor)
        begin = _begin(ref.storage)
        content[begin : begin + ref.storage.size_bytes] = raw_bytes(storage)
        check = zlib.crc32(raw_bytes(storage)).to_bytes(4, "little")
        for place in ref.storage.checks:
            content[place : place + 4] = check


def _values(content: Content, storage: StorageRef) -> Tensor:
    """A copy of a whole storage, (count,)."""
    dtype = getattr(torch, storage.dtype)
    if not storage.count:
        return torch.empty(0, dtype=dtype)
    begin = _begin(storage)
    return torch.frombuffer(bytearray(content[begin : begin + storage.size_bytes]), dtype=dtype)


def _view(storage: Tensor, ref: TensorRef) -> Tensor:
    assert ref.strides is not None, "places are checked when the file is read"
    return storage.as_strided(ref.shape, ref.strides, ref.offset)


def _begin(storage: StorageRef) -> int:
    assert storage.begin is not None, "places are checked when the file is read"
    return storage.begin
