"""What a checkpoint file holds, read from its head: no weights are loaded and nothing is run."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, BinaryIO, Literal

from redraft.disk.safetensors_head import (
    BrokenHeadError,
    Slot,
    looks_like_safetensors,
    read_head,
)
from redraft.models.checkpoint import nvidia, refusals
from redraft.models.checkpoint.blob import LEGACY_MAGIC, LEGACY_PROTOCOL, in_legacy, in_zip
from redraft.models.checkpoint.inert import TRAINING, read_whole
from redraft.models.checkpoint.pickled import ForbiddenGlobalError, MalformedPickleError, Pickled
from redraft.models.checkpoint.refs import StorageRef, TensorRef
from redraft.models.checkpoint.sets import WeightSet, choose, generator_set, shared_prefix

Format = Literal["torch-zip", "torch-legacy", "safetensors", "nvidia-pickle"]

MAX_PICKLE_BYTES = 64 << 20
MAX_ZIP_ENTRIES = 100_000


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file: its shape and its dtype in torch's words (``"float32"``)."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Stamp:
    """Size and time of change of a file, to notice that it is no longer the one that was read."""

    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Header:
    """The head of a checkpoint.

    ``tensors`` has the file's own names in the file's order. ``nesting`` is the path of keys
    that leads to them inside the file, ``()`` when they lie at the top. ``prefix`` is what every
    name starts with (``"main."``, ``"module."``, ``"module.main."`` or ``""``). ``attributes`` is
    what an NVIDIA pickle says of how the generator was made (see ``nvidia.attributes``). ``beside``
    are the tensors that lie next to the generator's, one level up (``latent_avg`` next to
    ``g_ema``). ``taken`` is the name of the generator's set of weights, empty where it is the whole
    file; ``others`` are those of the other networks and means in it, and ``asked`` is the name by
    which a person chose it. ``foreign``: values lie beside the weights that torch would refuse, so
    that the file can only be changed in place.
    """

    path: Path
    format: Format
    tensors: Mapping[str, TensorInfo]
    nesting: tuple[str, ...]
    prefix: str
    stamp: Stamp
    attributes: Mapping[str, nvidia.Scalar] = field(default_factory=dict)
    beside: Mapping[str, TensorInfo] = field(default_factory=dict)
    taken: str = ""
    others: tuple[str, ...] = ()
    asked: str | None = None
    foreign: bool = False

    def bare(self, name: str) -> str:
        """``name`` without the prefix that all names of the file share."""
        return name.removeprefix(self.prefix)


def read_header(path: Path, asked: str | None = None) -> Header:
    """Read what ``path`` holds without loading its weights, without torch and running nothing.

    Reads PyTorch files (the zip form and the older one), safetensors files and NVIDIA's pickled
    networks.

    Args:
        path: the file.
        asked: the set of weights to take, such as ``"generator"``; None for the likeliest.

    Raises:
        ModelError: the file is missing, unreadable, damaged, hostile or not a checkpoint, or it
            is not clear which of its tensors are the generator's.

    """
    try:
        if "\0" in str(path):
            raise FileNotFoundError
        mode = path.stat().st_mode
        if not (S_ISREG(mode) or S_ISDIR(mode)):
            # A pipe or a device: opening it could wait for ever.
            raise refusals.not_a_checkpoint(path, b"")
        with path.open("rb") as file:
            return _read(path, file, asked)
    except OSError as error:
        raise refusals.unreadable(path, error) from error


def stamp(path: Path) -> Stamp:
    """The file's size and time of change now."""
    status = path.stat()
    return Stamp(status.st_size, status.st_mtime_ns)


def _read(path: Path, file: BinaryIO, asked: str | None) -> Header:
    now = stamp(path)
    start = file.read(512)
    file.seek(0)
    if not start:
        raise refusals.empty(path)
    # First, for its first bytes are a length and may look like the mark of another form.
    if looks_like_safetensors(start):
        slots = safetensors_slots(path, file, now.size_bytes)
        infos = {name: TensorInfo(slot.shape, slot.dtype) for name, slot in slots.items()}
        chosen = choose(path, [WeightSet((), "", infos)], asked)
        tensors, taken = chosen.taken.tensors, chosen.taken.name
        return Header(
            *(path, "safetensors", tensors, (), shared_prefix(tensors), now),
            taken=taken,
            others=chosen.others,
            asked=asked,
        )
    if start.startswith(b"PK"):
        return _header(path, "torch-zip", _read_zip(path, file, now.size_bytes), now, asked)
    if start.startswith(b"\x80"):
        if not nvidia.looks_like_torch(start):
            return _nvidia_header(path, file, now, asked)
        found = _read_legacy(path, file, now.size_bytes)
        return _header(path, "torch-legacy", found, now, asked)
    raise refusals.not_a_checkpoint(path, start)


def _header(path: Path, form: Format, found: Pickled, now: Stamp, asked: str | None) -> Header:
    content = found.value
    chosen = generator_set(path, content, asked)
    refs, nesting = chosen.taken.tensors, chosen.taken.nesting
    infos = {name: TensorInfo(ref.shape, ref.dtype) for name, ref in refs.items()}
    beside = {name: TensorInfo(ref.shape, ref.dtype) for name, ref in _beside(content, nesting)}
    return Header(
        *(path, form, infos, nesting, shared_prefix(infos), now),
        beside=beside,
        taken=chosen.taken.name,
        others=chosen.others,
        asked=asked,
        foreign=found.foreign,
    )


def _beside(found: Any, nesting: tuple[str, ...]) -> Iterator[tuple[str, TensorRef]]:
    """The tensors in the dict that holds the generator's own dict; none when that is the whole."""
    if not nesting:
        return
    for key in nesting[:-1]:
        found = found[key]
    for name, value in found.items():
        if isinstance(name, str) and isinstance(value, TensorRef):
            yield name, value


def _nvidia_header(path: Path, file: BinaryIO, now: Stamp, asked: str | None) -> Header:
    found, held = _networks(path, file, now.size_bytes)
    header = _header(path, "nvidia-pickle", Pickled(held), now, asked)
    for key in header.nesting:
        found = found[key] if isinstance(found, dict) else None
    return replace(header, attributes=nvidia.attributes(path, found), beside={})


def placed_tensors(
    header: Header, content: bytes | bytearray
) -> tuple[dict[str, TensorRef], dict[str, TensorRef]]:
    """Where the tensors of a pickled file lie in it, by name; then those beside the generator's.

    Args:
        header: of the file.
        content: the whole file.

    Raises:
        ModelError: the file is not what the header says any more.

    """
    path, file = header.path, io.BytesIO(content)
    if header.format == "nvidia-pickle":
        _, held = _networks(path, file, len(content))
        return generator_set(path, held, header.asked).taken.tensors, {}
    zipped = header.format == "torch-zip"
    found = (_read_zip if zipped else _read_legacy)(path, file, len(content)).value
    taken = generator_set(path, found, header.asked).taken.tensors
    beside = dict(_beside(found, header.nesting))
    place = in_zip if zipped else in_legacy
    try:
        placed = place(content, taken), place(content, beside)
    except (MalformedPickleError, zipfile.BadZipFile) as error:
        raise refusals.damaged(path, str(error)) from error
    for ref in (ref for refs in placed for ref in refs.values()):
        nvidia.check_place(path, ref)
    return placed


def _networks(path: Path, file: BinaryIO, size_bytes: int) -> tuple[Any, Any]:
    """What an NVIDIA pickle describes, and the same with tensors in the place of networks."""
    found = nvidia.read_networks(path, file, size_bytes)
    held = nvidia.state_dicts(path, found)
    refs = list(_all_tensors(held))
    if not refs:
        raise refusals.plain_pickle(path)
    for ref in refs:
        nvidia.check_place(path, ref)
    return found, held


# ---- torch, zip form ------------------------------------------------------------------------


def _read_zip(path: Path, file: BinaryIO, size_bytes: int) -> Pickled:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise refusals.damaged(path, "the end of the file is missing or broken") from error
    _check_zip_sizes(path, entries, size_bytes)
    sizes = {entry.filename: entry.file_size for entry in entries}
    pickles = [name for name in sizes if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise refusals.plain_zip(path)
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in sizes:
        raise refusals.torchscript(path)
    entry = next(entry for entry in entries if entry.filename == pickles[0])
    if entry.file_size > MAX_PICKLE_BYTES:
        raise refusals.hostile_sizes(path, f"its table of contents is {entry.file_size} bytes long")
    found = _pickle(path, io.BytesIO(_stored_bytes(path, file, entry)))
    for ref in _all_tensors(found.value):
        _check_ref(path, ref)
        if sizes.get(f"{root}data/{ref.storage.key}", 0) < ref.storage.size_bytes:
            raise refusals.damaged(path, f"the bytes of record {ref.storage.key} are missing")
    return found


def _check_zip_sizes(path: Path, entries: list[zipfile.ZipInfo], size_bytes: int) -> None:
    """Refuse an archive that could grow while it is read: torch stores records as they are."""
    if len(entries) > MAX_ZIP_ENTRIES:
        raise refusals.hostile_sizes(path, f"it has {len(entries)} records")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise refusals.compressed(path)
    claimed = sum(entry.file_size for entry in entries)
    if claimed > size_bytes:
        raise refusals.hostile_sizes(
            path, f"its records claim {claimed} bytes in a file of {size_bytes}"
        )
    if len({entry.filename for entry in entries}) != len(entries):
        raise refusals.hostile_sizes(path, "two of its records have one name")


def _stored_bytes(path: Path, file: BinaryIO, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of a stored record.

    Read by hand, for torch may leave the records' check sums out and zipfile insists on them.
    """
    file.seek(entry.header_offset)
    head = file.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise refusals.damaged(path, "a record does not start where it should")
    name_length, extra_length = struct.unpack("<HH", head[26:30])
    file.seek(name_length + extra_length, io.SEEK_CUR)
    data = file.read(entry.file_size)
    if len(data) < entry.file_size:
        raise refusals.damaged(path, "a record is cut short")
    return data


# ---- torch, older form ----------------------------------------------------------------------


def _read_legacy(path: Path, file: BinaryIO, size_bytes: int) -> Pickled:
    stream = io.BytesIO(file.read(MAX_PICKLE_BYTES))
    marks = (_pickle(path, stream).value, _pickle(path, stream).value)
    if marks != (LEGACY_MAGIC, LEGACY_PROTOCOL):
        raise refusals.plain_pickle(path)
    system = _pickle(path, stream).value
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise refusals.damaged(path, "it was written on a machine with another byte order")
    found = _pickle(path, stream)
    storages: dict[str, StorageRef] = {}
    for ref in _all_tensors(found.value):
        _check_ref(path, ref)
        if ref.dtype != ref.storage.dtype:
            raise refusals.unreadable_dtype(path, ref.dtype)
        storages[ref.storage.key] = ref.storage
    keys = _pickle(path, stream).value
    if not isinstance(keys, list) or not storages.keys() <= set(map(str, keys)):
        raise refusals.damaged(path, "its list of records is broken")
    # Before each record stands its number of elements, 8 bytes long.
    held = sum(storage.size_bytes + 8 for storage in storages.values())
    needed = stream.tell() + held
    if needed > size_bytes:
        raise refusals.damaged(path, f"it should be at least {needed} bytes, not {size_bytes}")
    return found


def _pickle(path: Path, stream: io.BytesIO) -> Pickled:
    try:
        return read_whole(stream, TRAINING)
    except ForbiddenGlobalError as error:
        raise refusals.forbidden(path, error.name) from error
    except MalformedPickleError as error:
        raise refusals.damaged(path, f"its table of contents is broken ({error})") from error


def _check_ref(path: Path, ref: TensorRef) -> None:
    # A stretched view (stride 0) would grow without bound as soon as it is computed with.
    if ref.size_bytes > ref.storage.size_bytes:
        raise refusals.hostile_sizes(
            path, f"a tensor of shape {ref.shape} is larger than the bytes it is made of"
        )


# ---- safetensors ----------------------------------------------------------------------------


def safetensors_slots(path: Path, file: BinaryIO, size_bytes: int) -> Mapping[str, Slot]:
    """The tensors of a safetensors file with their places, in the order of its head.

    Raises ModelError when the head is broken, the file is cut short, or it holds no tensors.
    """
    try:
        slots = read_head(file, size_bytes).tensors
    except BrokenHeadError as error:
        raise refusals.damaged(path, str(error)) from error
    if not slots:
        raise refusals.no_tensors(path)
    return slots


def _all_tensors(found: Any) -> Iterator[TensorRef]:
    """Every tensor anywhere in the object, each once."""
    seen: set[int] = set()
    waiting = [found]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, TensorRef):
            yield value
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)


def check_unchanged(header: Header) -> None:
    """Raise ModelError when the file is no longer the one that the header was read from."""
    try:
        now = stamp(header.path)
    except OSError as error:
        raise refusals.unreadable(header.path, error) from error
    if now != header.stamp:
        raise refusals.changed(header.path)
