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
from redraft.models.checkpoint.blob import LEGACY_MAGIC, LEGACY_PROTOCOL
from redraft.models.checkpoint.inert import ForbiddenGlobalError, MalformedPickleError, read_pickle
from redraft.models.checkpoint.refs import StorageRef, TensorRef

Format = Literal["torch-zip", "torch-legacy", "safetensors", "nvidia-pickle"]

MAX_PICKLE_BYTES = 64 << 20
MAX_ZIP_ENTRIES = 100_000
_MAX_DEPTH = 4
_MAX_ENTRIES = 2_000_000
# Where the generator's weights lie when a file holds several sets, best first.
_GENERATOR_KEYS = (
    *("g_ema", "G_ema", "netG_ema", "generator_ema"),
    *("netG_state_dict", "generator_state_dict", "netG", "generator", "gen", "G", "g"),
    *("state_dict", "model_state_dict", "model", "weights"),
)


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
    ``g_ema``).
    """

    path: Path
    format: Format
    tensors: Mapping[str, TensorInfo]
    nesting: tuple[str, ...]
    prefix: str
    stamp: Stamp
    attributes: Mapping[str, nvidia.Scalar] = field(default_factory=dict)
    beside: Mapping[str, TensorInfo] = field(default_factory=dict)

    def bare(self, name: str) -> str:
        """``name`` without the prefix that all names of the file share."""
        return name.removeprefix(self.prefix)


def read_header(path: Path) -> Header:
    """Read what ``path`` holds without loading its weights, without torch and running nothing.

    Reads PyTorch files (the zip form and the older one), safetensors files and NVIDIA's pickled
    networks.

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
            return _read(path, file)
    except OSError as error:
        raise refusals.unreadable(path, error) from error


def stamp(path: Path) -> Stamp:
    """The file's size and time of change now."""
    status = path.stat()
    return Stamp(status.st_size, status.st_mtime_ns)


def _read(path: Path, file: BinaryIO) -> Header:
    now = stamp(path)
    start = file.read(512)
    file.seek(0)
    if not start:
        raise refusals.empty(path)
    # First, for its first bytes are a length and may look like the mark of another form.
    if looks_like_safetensors(start):
        slots = safetensors_slots(path, file, now.size_bytes)
        infos = {name: TensorInfo(slot.shape, slot.dtype) for name, slot in slots.items()}
        return Header(path, "safetensors", infos, (), shared_prefix(infos), now)
    if start.startswith(b"PK"):
        return _header(path, "torch-zip", _read_zip(path, file, now.size_bytes), now)
    if start.startswith(b"\x80"):
        if not nvidia.looks_like_torch(start):
            return _nvidia_header(path, file, now)
        return _header(path, "torch-legacy", _read_legacy(path, file, now.size_bytes), now)
    raise refusals.not_a_checkpoint(path, start)


def _header(path: Path, form: Format, found: Any, now: Stamp) -> Header:
    nesting, refs = _generator_tensors(path, found)
    infos = {name: TensorInfo(ref.shape, ref.dtype) for name, ref in refs.items()}
    beside = {name: TensorInfo(ref.shape, ref.dtype) for name, ref in _beside(found, nesting)}
    return Header(path, form, infos, nesting, shared_prefix(infos), now, beside=beside)


def _beside(found: Any, nesting: tuple[str, ...]) -> Iterator[tuple[str, TensorRef]]:
    """The tensors in the dict that holds the generator's own dict; none when that is the whole."""
    if not nesting:
        return
    for key in nesting[:-1]:
        found = found[key]
    for name, value in found.items():
        if isinstance(name, str) and isinstance(value, TensorRef):
            yield name, value


def _nvidia_header(path: Path, file: BinaryIO, now: Stamp) -> Header:
    found, held = _networks(path, file, now.size_bytes)
    header = _header(path, "nvidia-pickle", held, now)
    for key in header.nesting:
        found = found[key] if isinstance(found, dict) else None
    return replace(header, attributes=nvidia.attributes(path, found), beside={})


def placed_tensors(header: Header, file: BinaryIO) -> dict[str, TensorRef]:
    """Where the tensors of an NVIDIA pickle lie in the file, by name.

    Raises ModelError when the file is not what the header says any more.
    """
    _, held = _networks(header.path, file, header.stamp.size_bytes)
    return _generator_tensors(header.path, held)[1]


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


def _read_zip(path: Path, file: BinaryIO, size_bytes: int) -> Any:
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
    for ref in _all_tensors(found):
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


def _read_legacy(path: Path, file: BinaryIO, size_bytes: int) -> Any:
    stream = io.BytesIO(file.read(MAX_PICKLE_BYTES))
    if _pickle(path, stream) != LEGACY_MAGIC or _pickle(path, stream) != LEGACY_PROTOCOL:
        raise refusals.plain_pickle(path)
    system = _pickle(path, stream)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise refusals.damaged(path, "it was written on a machine with another byte order")
    found = _pickle(path, stream)
    storages: dict[str, StorageRef] = {}
    for ref in _all_tensors(found):
        _check_ref(path, ref)
        if ref.dtype != ref.storage.dtype:
            raise refusals.unreadable_dtype(path, ref.dtype)
        storages[ref.storage.key] = ref.storage
    keys = _pickle(path, stream)
    if not isinstance(keys, list) or not storages.keys() <= set(map(str, keys)):
        raise refusals.damaged(path, "its list of records is broken")
    # Before each record stands its number of elements, 8 bytes long.
    held = sum(storage.size_bytes + 8 for storage in storages.values())
    needed = stream.tell() + held
    if needed > size_bytes:
        raise refusals.damaged(path, f"it should be at least {needed} bytes, not {size_bytes}")
    return found


def _pickle(path: Path, stream: io.BytesIO) -> Any:
    try:
        return read_pickle(stream)
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


# ---- which tensors are the generator's ------------------------------------------------------


def _generator_tensors(path: Path, found: Any) -> tuple[tuple[str, ...], dict[str, TensorRef]]:
    sets = dict(_tensor_sets(path, found))
    if not sets:
        raise refusals.no_tensors(path)
    nesting = min(sets, key=lambda keys: (_rank(keys), -len(sets[keys])))
    rivals = [keys for keys in sets if keys != nesting and _rank(keys) == _rank(nesting)]
    if rivals and _rank(nesting) == len(_GENERATOR_KEYS) and () not in sets:
        raise refusals.ambiguous(path, [".".join(keys) for keys in sorted(sets)])
    return nesting, sets[nesting]


def _rank(keys: tuple[str, ...]) -> int:
    """Place of the best known key on the way to a set; smaller is likelier the generator."""
    known = [_GENERATOR_KEYS.index(key) for key in keys if key in _GENERATOR_KEYS]
    return min(known, default=len(_GENERATOR_KEYS))


def _tensor_sets(path: Path, found: Any) -> Iterator[tuple[tuple[str, ...], dict[str, TensorRef]]]:
    """Every dict with tensors in it, with the keys that lead there; outermost first.

    One dict may lie in several places. Dicts that hold each other over and over would take for
    ever, so the entries looked at are counted.
    """
    looked_at = 0
    level: list[tuple[tuple[str, ...], dict[Any, Any]]] = []
    if isinstance(found, dict):
        level.append(((), found))
    for _ in range(_MAX_DEPTH):
        deeper: list[tuple[tuple[str, ...], dict[Any, Any]]] = []
        for keys, holder in level:
            looked_at += len(holder) + 1
            if looked_at > _MAX_ENTRIES:
                raise refusals.hostile_sizes(path, "its tables lie inside each other without end")
            named = {key: inner for key, inner in holder.items() if isinstance(key, str)}
            tensors = {key: ref for key, ref in named.items() if isinstance(ref, TensorRef)}
            if tensors:
                yield keys, tensors
            deeper += [
                ((*keys, key), inner) for key, inner in named.items() if isinstance(inner, dict)
            ]
        level = deeper


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


def shared_prefix(names: Mapping[str, object]) -> str:
    """The leading words that all names have in common, with their dots; numbers do not count.

    ``{"module.main.0.weight", "module.main.3.weight"}`` share ``"module.main."``. A word that
    ends in a digit is a layer, not a wrapper.
    """
    if len(names) < 2:
        return ""
    split = [name.split(".") for name in names]
    prefix = ""
    for position in range(min(map(len, split)) - 2):
        words = {parts[position] for parts in split}
        word = words.pop()
        if words or not word or word[-1].isdigit():
            break
        prefix += f"{word}."
    return prefix


def check_unchanged(header: Header) -> None:
    """Raise ModelError when the file is no longer the one that the header was read from."""
    try:
        now = stamp(header.path)
    except OSError as error:
        raise refusals.unreadable(header.path, error) from error
    if now != header.stamp:
        raise refusals.changed(header.path)
