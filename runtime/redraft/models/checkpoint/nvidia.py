"""NVIDIA's network pickles (StyleGAN2-ADA's ``.pkl``), without running the program they carry.

Such a file is one plain pickle of ``{"G": ..., "D": ..., "G_ema": ...}``. Each network is a call
of one function with a table: the class's name, the text of a Python program that defines it, and
the module's attributes, in which further modules lie as the same call. Their own loader runs the
program. Here the call is only read: the attributes hold the tensors, and the program is dropped
unread. No torch: values stay in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

from redraft.models.checkpoint import refusals
from redraft.models.checkpoint.blob import LEGACY_MAGIC, storage_in
from redraft.models.checkpoint.inert import Vocabulary, read_pickle
from redraft.models.checkpoint.names import PLAIN
from redraft.models.checkpoint.pickled import ForbiddenGlobalError, MalformedPickleError
from redraft.models.checkpoint.refs import PlacedBytes, Sealed, StorageRef, TensorRef

Scalar = int | float | bool | str | None
"""What a module's attributes are kept as: other values say nothing that is needed."""

_TENSORFLOW = "dnnlib.tflib."
_MAX_MODULES = 100_000
_MAX_NESTING = 64
_MAX_LINE = 1 << 20
_MAX_EMPTY = 1 << 40


@dataclass(frozen=True, eq=False)
class Module(Sealed):
    """A module as the pickle describes it: its class's name and its attributes."""

    class_name: str
    state: Mapping[Any, Any]


def looks_like_torch(start: bytes) -> bool:
    """Whether a pickle that begins so is torch's older file form."""
    return LEGACY_MAGIC.to_bytes(10, "little") in start[:32]


def read_networks(path: Path, file: BinaryIO, size_bytes: int) -> Any:
    """What a plain pickle describes; networks as :class:`Module`, tensors with their places.

    Raises:
        ModelError: it is damaged or hostile, names code or is a TensorFlow network.

    """
    file.seek(0)
    try:
        return read_pickle(cast(BinaryIO, _Bounded(file, size_bytes)), _vocabulary(file))
    except ForbiddenGlobalError as error:
        if error.name.startswith(_TENSORFLOW):
            raise refusals.tensorflow_network(path) from error
        raise refusals.forbidden(path, error.name) from error
    except MalformedPickleError as error:
        raise refusals.damaged(path, f"what it holds is broken ({error})") from error


def state_dicts(path: Path, found: Any) -> Any:
    """``found`` with every network replaced by its tensors under their state-dict names.

    Raises ModelError when modules lie inside each other without end.
    """
    if isinstance(found, Module):
        return _state_dict(path, found)
    if not isinstance(found, dict):
        return None
    return {
        key: _state_dict(path, value) if isinstance(value, Module) else value
        for key, value in found.items()
    }


def attributes(path: Path, module: Any) -> dict[str, Scalar]:
    """The numbers, switches and texts that a network's modules keep, by dotted name.

    ``"c_dim"`` and ``"_init_kwargs.synthesis_kwargs.conv_clamp"`` are the generator's own,
    ``"synthesis.b4.conv1.conv_clamp"`` a layer's; ``"class_name"`` is the class.
    """
    found: dict[str, Scalar] = {}
    if isinstance(module, Module):
        for prefix, inner in _modules(path, module):
            found[f"{prefix}class_name"] = inner.class_name
            found.update(_scalars(prefix, inner.state))
            given = inner.state.get("_init_kwargs")
            found.update(_nested_scalars(f"{prefix}_init_kwargs.", given))
    return found


def _vocabulary(file: BinaryIO) -> Vocabulary:
    storages: dict[PlacedBytes, StorageRef] = {}

    def load_from_bytes(arguments: tuple[Any, ...]) -> StorageRef:
        (data,) = arguments
        if not isinstance(data, PlacedBytes):
            raise MalformedPickleError("a tensor without bytes")
        if data not in storages:
            storages[data] = storage_in(file, data)
        return storages[data]

    return Vocabulary(
        calls={
            "torch_utils.persistence._reconstruct_persistent_obj": _module,
            "dnnlib.util.EasyDict": _table,
            "builtins.set": _set,
            "torch.storage._load_from_bytes": load_from_bytes,
        },
        irrelevant=PLAIN,
        placed=True,
    )


def _module(arguments: tuple[Any, ...]) -> Module:
    (meta,) = arguments
    state, name = meta["state"], meta["class_name"]
    if meta["type"] != "class" or not isinstance(name, str) or not isinstance(state, dict):
        raise MalformedPickleError("a module without attributes")
    return Module(name, state)


def _table(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        raise MalformedPickleError("a table with arguments")
    return {}


def _set(arguments: tuple[Any, ...]) -> list[Any]:
    return list(arguments[0]) if arguments else []


def _modules(path: Path, top: Module) -> Iterator[tuple[str, Module]]:
    """Every module with the dotted name that leads to it, in the order of a state dict."""
    waiting = [("", top, 0)]
    count = 0
    while waiting:
        prefix, module, depth = waiting.pop()
        count += 1
        if count > _MAX_MODULES or depth > _MAX_NESTING:
            raise refusals.hostile_sizes(path, "its modules lie inside each other without end")
        yield prefix, module
        inner = [
            (f"{prefix}{name}.", child, depth + 1)
            for name, child in _entries(module, "_modules")
            if isinstance(child, Module)
        ]
        waiting += reversed(inner)


def _entries(module: Module, table: str) -> Iterator[tuple[str, Any]]:
    held = module.state.get(table)
    if isinstance(held, dict):
        yield from ((name, value) for name, value in held.items() if isinstance(name, str))


def _state_dict(path: Path, top: Module) -> dict[str, TensorRef]:
    found: dict[str, TensorRef] = {}
    for prefix, module in _modules(path, top):
        # Set aside by torch itself when a state dict is made.
        aside = module.state.get("_non_persistent_buffers_set")
        buffers = [
            (name, value)
            for name, value in _entries(module, "_buffers")
            if not (isinstance(aside, list) and name in aside)
        ]
        for name, value in (*_entries(module, "_parameters"), *buffers):
            if isinstance(value, TensorRef):
                found[prefix + name] = value
    return found


def check_place(path: Path, ref: TensorRef) -> None:
    """Raise ModelError when a tensor's sizes do not fit the bytes that it is made of."""
    if ref.storage.begin is None or ref.strides is None or ref.dtype != ref.storage.dtype:
        raise refusals.damaged(path, f"a tensor of shape {ref.shape} is not described in full")
    if not _fits(ref):
        raise refusals.hostile_sizes(
            path, f"a tensor of shape {ref.shape} is larger than the bytes it is made of"
        )


def _fits(ref: TensorRef) -> bool:
    """Whether every element has a place of its own inside the storage."""
    if 0 in ref.shape:
        return prod(size for size in ref.shape if size) < _MAX_EMPTY
    reach = 0
    for stride, size in sorted(zip(ref.strides or (), ref.shape, strict=True)):
        if size > 1:
            # Rows that overlap would grow when written out, and could not be written to.
            if stride <= reach:
                return False
            reach += (size - 1) * stride
    return ref.offset + reach < ref.storage.count


def _scalars(prefix: str, table: Mapping[Any, Any]) -> dict[str, Scalar]:
    return {
        f"{prefix}{name}": value
        for name, value in table.items()
        if isinstance(name, str)
        and not name.startswith("_")
        and (value is None or isinstance(value, int | float | str))
    }


def _nested_scalars(prefix: str, table: Any) -> dict[str, Scalar]:
    """Scalars of a table and of the tables in it."""
    if not isinstance(table, dict):
        return {}
    found = _scalars(prefix, table)
    for name, value in table.items():
        if isinstance(name, str) and isinstance(value, dict):
            found.update(_scalars(f"{prefix}{name}.", value))
    return found


class _Bounded:
    """A file whose reads never ask for more than is left, whatever length a pickle claims."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes

    def read(self, length: int) -> bytes:
        return self._file.read(min(length, max(0, self._size_bytes - self._file.tell())))

    def readline(self) -> bytes:
        return self._file.readline(_MAX_LINE)

    def tell(self) -> int:
        return self._file.tell()
