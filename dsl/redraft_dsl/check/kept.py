"""What is kept between one check and the next, for an editor that checks at every keystroke.

A command checks once and keeps nothing: then every file is read when it is needed, and every rule
looks at everything.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from redraft_dsl.check.measure import Measure
from redraft_dsl.check.mentions import Mentions, mentions_of
from redraft_dsl.geometry.masks import MaskError, MaskFile
from redraft_dsl.recipe import model as r
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.syntax.tree import Include, Operation

T = TypeVar("T")

MOST_MASKS = 512
LARGEST_MASK = 2**20
"""Bytes of a mask file that is kept; larger ones are read again."""
MOST_FIGURES = 8192
MOST_PARTS = 2**14
"""Operations, and other things that have a text, of which something is kept."""

Stamp = tuple[int, int, int]
"""Of a file: time of change (ns), size in bytes, inode."""
Stamps = dict[Path, Stamp | None]


@dataclass
class Finding:
    """What was found out about an operation; places count from its first character.

    It holds as long as everything ``around`` it is the same. ``rule`` is what it means, once that
    was asked for.
    """

    around: Hashable
    problems: tuple[Diagnostic, ...]
    rule: r.Rule | None = None


@dataclass(frozen=True)
class Made(Generic[T]):
    """Something that was made, from what, and from which files."""

    made_from: tuple[object, ...]
    stamps: Mapping[Path, Stamp | None]
    value: T


@dataclass
class Kept:
    """Everything that is kept.

    Masks, recipes and what is made from them hold as long as their files stay the same. Operations
    are known by their text, and by what their parameters stand for.
    """

    mentions: dict[str, Mentions] = field(default_factory=dict)
    findings: dict[tuple[str, str, tuple[object, ...]], Finding] = field(default_factory=dict)
    _masks: dict[tuple[Path, str], tuple[Stamp, MaskFile]] = field(default_factory=dict)
    _measures: dict[tuple[tuple[int, int], Path], Measure] = field(default_factory=dict)
    _made: dict[Hashable, Made[Any]] = field(default_factory=dict)
    _values: dict[Hashable, Any] = field(default_factory=dict)
    _stamps: Stamps = field(default_factory=dict)
    _watchers: list[Stamps] = field(default_factory=list)

    def begin(self) -> None:
        """A check begins; every file is looked at once in it."""
        self._stamps.clear()
        for table in (self.mentions, self.findings, self._made, self._values):
            if len(table) > MOST_PARTS:
                table.clear()

    def mask(
        self, path: str, folder: Path, read: Callable[[str, Path], MaskFile | MaskError]
    ) -> MaskFile | MaskError:
        """A mask that was read before, or else what ``read`` gives."""
        stamp = self.stamp(folder / path)
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

    def stamp(self, path: Path) -> Stamp | None:
        """A file's stamp in this check; what is being made depends on it."""
        if path not in self._stamps:
            self._stamps[path] = _stamp(path)
        for watcher in self._watchers:
            watcher[path] = self._stamps[path]
        return self._stamps[path]

    def made(self, key: Hashable, made_from: tuple[object, ...], make: Callable[[], T]) -> T:
        """What ``make`` gave before from the same things and files, or else what it gives."""
        known = self._made.get(key)
        if known is None or known.made_from != made_from or not self._stands(known.stamps):
            watched: Stamps = {}
            self._watchers.append(watched)
            try:
                value = make()
            finally:
                self._watchers.pop()
            known = self._made[key] = Made(made_from, watched, value)
        self.depend_on(key)
        return cast("T", known.value)

    def depend_on(self, key: Hashable) -> None:
        """What is being made depends on the same files as something that was made before."""
        known = self._made.get(key)
        for path in known.stamps if known is not None else ():
            self.stamp(path)

    def _stands(self, stamps: Mapping[Path, Stamp | None]) -> bool:
        return all(self.stamp(path) == stamp for path, stamp in stamps.items())

    def same(self, key: Hashable, value: T) -> T:
        """The value that a thing had before, if it is equal: the same object is soon compared."""
        if self._values.get(key) != value:
            self._values[key] = value
        return cast("T", self._values[key])


_KEPT: ContextVar[Kept | None] = ContextVar("kept", default=None)


@contextmanager
def keeping(kept: Kept) -> Iterator[None]:
    """Let the checks inside use, and add to, what is kept."""
    token = _KEPT.set(kept)
    kept.begin()
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


def kept_same(key: Hashable, value: T) -> T:
    """A value, or an equal one that is kept."""
    kept = _KEPT.get()
    return value if kept is None else kept.same(key, value)


def kept_made(key: Hashable, made_from: tuple[object, ...], make: Callable[[], T]) -> T:
    """What ``make`` gives, or what is kept of it."""
    kept = _KEPT.get()
    return make() if kept is None else kept.made(key, made_from, make)


def kept_again(key: Hashable) -> None:
    """What is being made is made from something that was made before."""
    kept = _KEPT.get()
    if kept is not None:
        kept.depend_on(key)


def kept_file(file: Path) -> None:
    """What is being made is made from a file."""
    kept = _KEPT.get()
    if kept is not None:
        kept.stamp(file)


@dataclass(frozen=True)
class Notebook:
    """What is kept about the operations of a text that stand in it as they were read.

    ``now`` are the findings that hold in this check, by the identity of the operation and
    the group of rules.
    """

    kept: Kept
    text: str
    now: dict[tuple[int, str], Finding] = field(default_factory=dict)

    def written(self, node: Operation | Include) -> str:
        """A statement's text."""
        return self.text[node.span.start : node.span.end]

    def mentions(self, operation: Operation) -> Mentions:
        """What an operation names."""
        text = self.written(operation)
        known = self.kept.mentions.get(text)
        if known is None:
            known = self.kept.mentions[text] = mentions_of(operation)
        return known


def notebook(text: str) -> Notebook | None:
    """What is kept about a text's operations; None where nothing is kept."""
    kept = _KEPT.get()
    return None if kept is None else Notebook(kept, text)


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
