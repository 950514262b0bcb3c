"""A store of tensors that are found again by what they depend on, never by a name alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from redraft.disk.digest import tensors_digest
from redraft.disk.files import remove_stale, write_bytes
from redraft.disk.safetensors_head import Head, read_head
from redraft.errors import ArtifactError
from redraft.explain.words import reason_of

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
_KIND = re.compile(r"[a-z][a-z0-9-]*")
_DIGEST = re.compile(r"[0-9a-f]{32,}")
_MOST_COMPARED = 500
_EFFECTIVE = os.access in os.supports_effective_ids
NOT_CACHED = "not cached yet"
"""The reason where nothing like it is cached."""


@dataclass(frozen=True)
class Hit:
    """The entry is there; its values are checked when they are read."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Miss:
    """The entry is not there; ``reason`` says why, in words for the user."""

    path: Path
    reason: str


def cache_root() -> Path:
    """The folder for everything that can be made again: REDRAFT_CACHE, or the system's place."""
    return cache_roots()[0]


def cache_roots() -> tuple[Path, ...]:
    """That folder, and behind it the one that it stands in for, which may only be read."""
    wanted = _wanted_root()
    if _shut(wanted) is None:
        return (wanted,)
    return tuple(dict.fromkeys((_stand_in(), wanted)))


def cache_warning() -> str | None:
    """That the cache may not be written to; None where it may."""
    shut = _shut(_wanted_root())
    if shut is None:
        return None
    return f"the cache {shut} may not be written to; {cache_root()} stands in for it"


def is_there(path: Path) -> bool:
    """Whether there is a file, as far as one may see."""
    try:
        return path.is_file()
    except OSError:
        return False


def _wanted_root() -> Path:
    chosen = os.environ.get("REDRAFT_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_cache_dir("redraft", appauthor=False))


def _shut(root: Path) -> Path | None:
    """The folder of a cache that may not be written to, itself or one in it; None where all may."""
    try:
        nearest = next((each for each in (root, *root.parents) if each.exists()), root)
        if not nearest.is_dir():
            return None
        inner = [each for each in root.iterdir() if each.is_dir()] if nearest == root else []
    except OSError:
        return root
    if not os.access(nearest, os.W_OK, effective_ids=_EFFECTIVE):
        return root
    shut = (each for each in inner if not os.access(each, os.W_OK, effective_ids=_EFFECTIVE))
    return next(shut, None)


def _stand_in() -> Path:
    """A folder of this user's own among the system's temporary ones."""
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    folder = Path(tempfile.gettempdir()) / f"redraft-cache-{user}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        # Somebody else may have made it first, to read or to change what lies there.
        if stat.S_ISDIR(status.st_mode) and status.st_uid == user and not status.st_mode & 0o022:
            return folder
    return _wanted_root()


class Cache:
    """Tensors on disk under the hash of the fields that they depend on.

    One file an entry: ``ROOT/KIND/ADDRESS.safetensors``, with the fields in its metadata. Any
    number of processes may read and write at once: an entry is written whole or not at all, and
    two writers of one address write the same content.

    ``kind`` is a lower-case word such as ``"statistics"``. ``fields`` maps names to values that
    JSON can hold; tuples count as lists, and the order of names does not matter.
    """

    def __init__(self, root: Path | None = None) -> None:
        roots = cache_roots() if root is None else (root,)
        self.root, self._behind = roots[0], roots[1:]

    def path(self, kind: str, fields: Mapping[str, Any]) -> Path:
        """Where the entry is written to."""
        return self._folder(kind) / f"{address(kind, fields)}.safetensors"

    def lookup(
        self, kind: str, fields: Mapping[str, Any], words: Mapping[str, str] | None = None
    ) -> Hit | Miss:
        """Whether the entry is there, judged by its header alone; needs no torch.

        ``words`` says how to speak of a field: ``{"upstream": "weights before the layer"}``. The
        reason of a miss names how the nearest of the cached entries that differ in such fields
        alone differs. An entry that differs in another field is of something else.
        """
        path = self.path(kind, fields)
        if not path.exists():
            behind = [root / kind / path.name for root in self._behind]
            path = next(filter(is_there, behind), path)
        if not path.exists():
            return Miss(path, self._reason(kind, fields, words or {}))
        try:
            head = _head(path)
            if head.metadata["fields"] != _canonical(fields):
                return Miss(path, "the cached entry was made for something else")
        except (OSError, ValueError, KeyError):
            return Miss(path, "the cached entry is damaged")
        return Hit(path, {name: slot.shape for name, slot in head.tensors.items()})

    def read(
        self, kind: str, fields: Mapping[str, Any], words: Mapping[str, str] | None = None
    ) -> dict[str, Tensor] | Miss:
        """The tensors of the entry, checked against the digest stored with them, or why not.

        A damaged entry counts as a miss; the next ``put`` replaces it.
        """
        import safetensors.torch

        found = self.lookup(kind, fields, words)
        if isinstance(found, Miss):
            return found
        try:
            data = found.path.read_bytes()
            tensors: dict[str, Tensor] = safetensors.torch.load(data)
            digest = _head(found.path).metadata["digest"]
        except Exception:
            # Whatever the damage is, the remedy is the same: compute it again.
            return Miss(found.path, "the cached entry is damaged")
        if tensors_digest(tensors) != digest:
            return Miss(found.path, "the cached entry is damaged")
        return tensors

    def get(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Tensor] | None:
        """The tensors of the entry, or None; ``read`` gives the reason."""
        found = self.read(kind, fields)
        return None if isinstance(found, Miss) else found

    def put(self, kind: str, fields: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
        """Store tensors (any shapes and dtypes), replacing what was there; returns the file.

        Raises ArtifactError when the cache folder cannot be written.
        """
        import safetensors.torch

        path = self.path(kind, fields)
        make_folder(path.parent)
        remove_stale(path.parent)
        plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
        metadata = {
            "format": str(FORMAT),
            "kind": kind,
            "fields": _canonical(fields),
            "digest": tensors_digest(plain),
        }
        # Copies, for the format refuses two names for one memory.
        copies = {name: tensor.clone() for name, tensor in plain.items()}
        write_bytes(path, safetensors.torch.save(copies, metadata))
        return path

    def entries(self, kind: str) -> Iterator[dict[str, Any]]:
        """The fields of the cached entries of one kind, newest first; damaged ones are left out."""
        with contextlib.suppress(OSError):
            files = sorted(
                self._folder(kind).glob("*.safetensors"),
                key=lambda path: path.stat().st_mtime_ns,
                reverse=True,
            )
            for path in files:
                with contextlib.suppress(OSError, ValueError, KeyError):
                    fields = json.loads(_head(path).metadata["fields"])
                    if isinstance(fields, dict):
                        yield fields

    def _folder(self, kind: str) -> Path:
        if not _KIND.fullmatch(kind):
            raise ValueError(f"a kind is a lower-case word, not {kind!r}")
        return self.root / kind

    def _reason(self, kind: str, fields: Mapping[str, Any], words: Mapping[str, str]) -> str:
        requested = json.loads(_canonical(fields))
        nearest: list[str] | None = None
        other: dict[str, Any] = {}
        for entry in islice(self.entries(kind), _MOST_COMPARED):
            differing = _differing(requested, entry)
            alike = words.keys() >= set(differing)
            if alike and (nearest is None or len(differing) < len(nearest)):
                nearest, other = differing, entry
        if nearest is None:
            return NOT_CACHED
        each = ", ".join(_difference(name, requested, other, words) for name in nearest)
        return f"cached for {each}"


def address(kind: str, fields: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of the kind and the fields, as 64 hexadecimal digits."""
    whole = _canonical({"format": FORMAT, "kind": kind, "fields": fields})
    return hashlib.sha256(whole.encode("ascii")).hexdigest()


def make_folder(folder: Path) -> None:
    """Create a folder of the cache; raises ArtifactError when that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_make(folder, error) from error


def cannot_make(folder: Path, error: OSError) -> ArtifactError:
    """The error for a folder of the cache that cannot be made or written to."""
    return ArtifactError(
        "RD640",
        f"the cache folder {folder} cannot be used: {reason_of(error)}",
        "set REDRAFT_CACHE to a folder that you can write to",
    )


def _canonical(fields: Mapping[str, Any]) -> str:
    """JSON with sorted names and no spaces, ASCII only: equal fields give equal text."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _head(path: Path) -> Head:
    with path.open("rb") as file:
        return read_head(file, path.stat().st_size)


def _differing(requested: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    missing = object()
    names = sorted(requested.keys() | entry.keys())
    return [name for name in names if requested.get(name, missing) != entry.get(name, missing)]


def _difference(
    name: str, requested: Mapping[str, Any], entry: Mapping[str, Any], words: Mapping[str, str]
) -> str:
    """One field of an entry: with the values where they are short enough to help."""
    new, old = _shown(requested.get(name)), _shown(entry.get(name))
    if new is None or old is None:
        return f"other {words[name]}"
    return f"{words[name]} {old} instead of {new}"


def _shown(value: Any) -> str | None:
    """A value as a reader wants it, or None where it says nothing: digests, tables, long texts."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, str) and len(value) <= 40 and not _DIGEST.fullmatch(value):
        return value
    return None
