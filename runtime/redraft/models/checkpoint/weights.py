"""Checkpoints: reading weights safely and writing them back in the form they came in."""

from __future__ import annotations

import argparse
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from redraft.disk.digest import raw_bytes
from redraft.disk.files import write_bytes
from redraft.errors import ArtifactError, ModelError
from redraft.explain.words import first_line
from redraft.models.checkpoint import in_place, refusals
from redraft.models.checkpoint.header import (
    Header,
    TensorInfo,
    check_unchanged,
    placed_tensors,
    read_header,
    safetensors_slots,
)
from redraft.models.checkpoint.refs import TensorRef


@dataclass(frozen=True)
class State:
    """The weights of a checkpoint, on the CPU, under the file's own names and in its order.

    ``beside`` are the tensors next to the generator's (see :class:`Header`).
    """

    tensors: Mapping[str, Tensor]
    header: Header
    beside: Mapping[str, Tensor] = field(default_factory=dict)

    def bare(self) -> dict[str, Tensor]:
        """The same tensors without the prefix that all names share (``main.``, ``module.``)."""
        return {self.header.bare(name): tensor for name, tensor in self.tensors.items()}


def computed(tensor: Tensor) -> Tensor:
    """A tensor as it is computed with: in float32, whatever precision its file has."""
    return tensor.float() if tensor.is_floating_point() else tensor


def at_least_single(tensor: Tensor) -> Tensor:
    """A tensor in float32 where it is less precise, and as it is elsewhere."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def load_state(path: Path, asked: str | None = None) -> State:
    """Read the generator's weights from ``path``; code in the file is never run.

    The head is checked first (see ``read_header``), so a damaged or hostile file is refused
    before anything large is read.

    Args:
        path: the file.
        asked: the set of weights to take, as of ``read_header``.

    Raises:
        ModelError: as ``read_header``, or a weight is NaN or infinite, or memory runs out.

    """
    header = read_header(path, asked)
    loaded = _load(header)
    tensors = _tensors_of(loaded, header, header.nesting, header.tensors)
    beside = _tensors_of(loaded, header, header.nesting[:-1], header.beside)
    for name, tensor in (*tensors.items(), *beside.items()):
        _check_finite(path, name, tensor)
    return State(tensors, header, beside)


def write_state(path: Path, tensors: Mapping[str, Tensor], like: Header | State) -> None:
    """Write a copy of the checkpoint ``like`` to ``path`` with ``tensors`` in place of its own.

    The copy has the container, the nesting, the names, their order and the dtypes of the
    original, and everything else that the original holds. Tensors that are not given, or are
    given unchanged, stay bit for bit. ``path`` may be the original itself. Written atomically.

    Args:
        path: the file to write.
        tensors: by the file's own names (``State.tensors``); any floating dtype, cast back to
            the file's.
        like: what ``read_header`` or ``load_state`` gave.

    Raises:
        ModelError: the original has changed since it was read, or cannot be read any more.
        ArtifactError: a name or a shape is not the original's, a value is NaN or infinite, or
            the file cannot be written.

    """
    header = like.header if isinstance(like, State) else like
    fitted = {name: _fitted(path, name, tensor, header) for name, tensor in tensors.items()}
    check_unchanged(header)
    if header.format == "safetensors":
        data = _patched_safetensors(header, fitted)
    elif _in_place(header):
        data = _patched_in_place(path, header, fitted)
    else:
        data = _patched_torch(header, fitted)
    write_bytes(path, data)


def _load(header: Header) -> Any:
    """The whole object of the file, tensors on the CPU."""
    try:
        if header.format == "safetensors":
            # Not load_file: its tensors may be views of the file, which may be replaced later.
            loaded: Any = safetensors.torch.load(header.path.read_bytes())
        elif _in_place(header):
            # Not torch.load nor pickle: the file names a program, or classes of somebody's own.
            content, refs, beside = _content(header)
            loaded = in_place.tensors_at(content, refs)
            for key in reversed(header.nesting):
                loaded = {**in_place.tensors_at(content, beside), key: loaded}
                beside = {}
        else:
            # argparse.Namespace holds a training run's arguments; it is plain data.
            with torch.serialization.safe_globals([argparse.Namespace]):
                loaded = torch.load(header.path, map_location="cpu", weights_only=True)
    except MemoryError as error:
        raise ModelError(
            "RD613", f"{header.path} does not fit into the memory", "close other programs"
        ) from error
    except ModelError:
        raise
    except OSError as error:
        raise refusals.unreadable(header.path, error) from error
    except Exception as error:
        # The head was sound, so whatever the loader meets lies in bytes that were changed.
        raise refusals.damaged(header.path, first_line(error)) from error
    check_unchanged(header)
    return loaded


def _in_place(header: Header) -> bool:
    """Whether tensors are read and written where they lie in the file, for nothing else will do."""
    return header.format == "nvidia-pickle" or header.foreign


def _tensors_of(
    loaded: Any, header: Header, nesting: tuple[str, ...], infos: Mapping[str, TensorInfo]
) -> dict[str, Tensor]:
    holder = _holder(loaded, nesting)
    tensors: dict[str, Tensor] = {}
    for name, info in infos.items():
        tensor = holder.get(name)
        if not isinstance(tensor, Tensor) or _info(tensor) != info:
            raise refusals.damaged(header.path, f"{name!r} is not what the file's table says")
        tensors[name] = tensor.detach()
    return tensors


def _holder(loaded: Any, nesting: tuple[str, ...]) -> Any:
    """The dict inside the loaded object that tensors lie in."""
    for key in nesting:
        loaded = loaded[key]
    return loaded


def _info(tensor: Tensor) -> TensorInfo:
    return TensorInfo(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def _check_finite(path: Path, name: str, tensor: Tensor) -> None:
    broken = _not_finite(tensor)
    if broken:
        raise refusals.not_finite(path, name, broken, tensor.numel())


def _not_finite(tensor: Tensor) -> int:
    """How many values are NaN or infinite."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return 0
    # The small float formats know no isfinite; every one of their values fits float32.
    values = tensor.float() if tensor.element_size() == 1 else tensor
    return int(tensor.numel() - torch.isfinite(values).sum().item())


def _fitted(path: Path, name: str, tensor: Tensor, header: Header) -> Tensor:
    """The tensor in the file's dtype, after checking that it belongs there."""
    info = header.tensors.get(name)
    if info is None:
        raise ArtifactError(
            "RD614",
            f"cannot write {path}: {header.path} has no tensor named {name!r}",
            "give the tensors the names that the file uses",
        )
    if tuple(tensor.shape) != info.shape:
        raise ArtifactError(
            "RD614",
            f"cannot write {path}: {name!r} has shape {tuple(tensor.shape)}, "
            f"the file's has {info.shape}",
            "write the edit of a model with these shapes",
        )
    fitted = tensor.detach().to("cpu").to(getattr(torch, info.dtype))
    broken = _not_finite(fitted)
    if broken:
        raise ArtifactError(
            "RD617",
            f"cannot write {path}: {broken} values of {name!r} are NaN or infinite as {info.dtype}",
            "make the edit weaker, or check the run that made it",
        )
    return fitted


def _patched_torch(header: Header, tensors: Mapping[str, Tensor]) -> memoryview:
    loaded = _load(header)
    holder = _holder(loaded, header.nesting)
    for name, tensor in tensors.items():
        old = holder[name]
        if raw_bytes(old) == raw_bytes(tensor):
            continue  # keeps the original's strides and shared storage
        # A copy, for a view would bring the whole tensor that it looks into along.
        new = tensor.contiguous().clone()
        if isinstance(old, torch.nn.Parameter):
            new = torch.nn.Parameter(new, requires_grad=old.requires_grad)
        holder[name] = new
    buffer = io.BytesIO()
    # Into memory first: the writer names the archive after its file, so a temporary name would
    # show in the bytes.
    torch.save(loaded, buffer, _use_new_zipfile_serialization=header.format == "torch-zip")
    return buffer.getbuffer()


def _patched_safetensors(header: Header, tensors: Mapping[str, Tensor]) -> memoryview:
    """Shapes and dtypes are the original's, so every tensor goes where the old one was."""
    try:
        data = bytearray(header.path.read_bytes())
        with header.path.open("rb") as file:
            slots = safetensors_slots(header.path, file, len(data))
    except OSError as error:
        raise refusals.unreadable(header.path, error) from error
    for name, tensor in tensors.items():
        data[slots[name].begin : slots[name].end] = raw_bytes(tensor)
    return memoryview(data)


def _content(
    header: Header,
) -> tuple[bytearray, dict[str, TensorRef], dict[str, TensorRef]]:
    """A pickled file in full, where its generator's tensors lie in it, and those beside them."""
    content = bytearray(header.stamp.size_bytes)
    try:
        with header.path.open("rb") as file:
            read = file.readinto(content)
    except OSError as error:
        raise refusals.unreadable(header.path, error) from error
    if read != len(content):
        raise refusals.changed(header.path)
    return content, *placed_tensors(header, content)


def _patched_in_place(path: Path, header: Header, tensors: Mapping[str, Tensor]) -> memoryview:
    """Every tensor goes where the old one was; all else stays byte for byte."""
    content, refs, _ = _content(header)
    expected = {**in_place.tensors_at(content, refs), **tensors}
    in_place.overwrite(content, refs, tensors)
    for name, tensor in in_place.tensors_at(content, refs).items():
        if raw_bytes(tensor) != raw_bytes(expected[name]):
            raise ArtifactError(
                "RD614",
                f"cannot write {path}: {name!r} shares its bytes with another tensor "
                "that is to be something else",
                "give both tensors the same values",
            )
    return memoryview(content)
