"""What is kept between one check and the next, for an editor that checks at every keystroke.

A command checks once and keeps nothing: then every file is read when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from redraft_dsl.check.measure import Measure
from redraft_dsl.masks import MaskError, MaskFile

MOST_MASKS = 512
LARGEST_MASK = 2**20
"""Bytes of a mask file that is kept; larger ones are read again."""
MOST_FIGURES = 8192

Stamp = tuple[int, int, int]
"""Of a file: time of change (ns), size in bytes, inode."""


@dataclass
class Kept:
    """Masks by their path, as long as the file stays the same, and regions that were measured."""

    _masks: dict[tuple[Path, str], tuple[Stamp, MaskFile]] = field(default_factory=dict)
    _measures: dict[tuple[tuple[int, int], Path], Measure] = field(default_factory=dict)

    def mask(
        self, path: str, folder: Path, read: Callable[[str, Path], MaskFile | MaskError]
    ) -> MaskFile | MaskError:
        """A mask that was read before, or else what ``read`` gives."""
        stamp = _stamp(folder / path)
        known = self._masks.get((folder, path))
        if known is not None and known[0] == stamp:
            return known[1]
        found = read(path, folder)
        if stamp is None or isinstance(found, MaskError) or len(found.data) > LARGEST_MASK:
            return found
        if len(self._masks) >= MOST_MASKS:
            self._masks.clear()
        # A new object, which has not decoded its picture: pictures would fill the memory.
        light = MaskFile(found.path, found.data, found.size)
        self._masks[folder, path] = (stamp, light)
        return light

    def measure(self, image_size: tuple[int, int], folder: Path) -> Measure:
        """The measure of a picture's regions; a mask in them is known by what its file holds."""
        known = self._measures.get((image_size, folder))
        if known is None or known.figures > MOST_FIGURES:
            known = self._measures[image_size, folder] = Measure(image_size, folder)
        return known


_KEPT: ContextVar[Kept | None] = ContextVar("kept", default=None)


@contextmanager
def keeping(kept: Kept) -> Iterator[None]:
    """Let the checks inside use, and add to, what is kept."""
    token = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(token)


def kept_mask(
    path: str, folder: Path, read: Callable[[str, Path], MaskFile | MaskError]
) -> MaskFile | MaskError:
    """What ``read`` gives, or what is kept of it."""
    kept = _KEPT.get()
    return read(path, folder) if kept is None else kept.mask(path, folder, read)


def kept_measure(image_size: tuple[int, int], folder: Path) -> Measure:
    """A measure, or the one that is kept."""
    kept = _KEPT.get()
    return Measure(image_size, folder) if kept is None else kept.measure(image_size, folder)


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
