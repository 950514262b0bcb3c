"""``NAME.lock``: what a recipe is run with, one record a line. Reading, writing, comparing texts.

A lock holds inputs only, and nothing that a machine computed but the choice of places that a
search found. Records are sorted, so that two branches that change different things merge.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from redraft.errors import PlanError
from redraft.explain.words import reason_of
from redraft.memory.places import MatchedPlace

SUFFIX = ".lock"
FORMAT = 1
HEAD = "redraft-lock"
MAX_BYTES = 4 * 2**20
"""A rule with a thousand found places has a fiftieth of this."""

_NAME = r"[a-z][a-z0-9_-]*"
_WORD = r"[^\s\"]+"
_WHOLE = r"0|[1-9][0-9]{0,9}"
_MOVE = r"0|[+-][1-9][0-9]{0,5}"
_DIGEST = r"[0-9a-f]{64}"
_PATH = r"[^\"\r\n]+"
_KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "import": (
        rf'"(?P<path>{_PATH})" as (?P<alias>{_NAME}) (?P<name>{_NAME}) '
        rf"(?P<version>{_WORD}) (?P<algorithm>{_WORD}) (?P<digest>{_DIGEST})",
        ("path",),
    ),
    "latents": (
        rf"(?P<name>{_NAME}) seed (?P<seed>{_WHOLE}) count (?P<count>{_WHOLE}) "
        rf"size (?P<size>{_WHOLE}) sampler (?P<sampler>{_WORD}) (?P<digest>{_DIGEST})",
        ("name",),
    ),
    "mask": (rf'"(?P<path>{_PATH})" sha256 (?P<digest>{_DIGEST})', ("path",)),
    "match": (
        rf"(?P<rule>{_NAME}) line (?P<line>{_WHOLE}) place (?P<place>{_WHOLE}) "
        rf"(?P<latents>{_NAME})\[(?P<image>{_WHOLE})\] x (?P<dx>{_MOVE}) y (?P<dy>{_MOVE})",
        ("rule", "line", "place"),
    ),
    "model": (
        rf"(?P<name>{_NAME}) (?P<what>file|tensors|code) sha256 (?P<digest>{_DIGEST})",
        ("name", "what"),
    ),
    "recipe": (
        rf"(?P<name>{_NAME}) (?P<version>{_WORD}) (?P<algorithm>{_WORD}) (?P<digest>{_DIGEST})",
        (),
    ),
    "rule": (
        rf"(?P<rule>{_NAME}) (?P<setting>{_NAME}(?:\.{_NAME})?) (?P<value>{_WORD})",
        ("rule", "setting"),
    ),
    "set": (rf"(?P<name>{_NAME}(?:\.{_NAME})*) (?P<value>\S(?:.*\S)?)", ("name",)),
    "statistics": (
        rf"(?P<layer>{_WORD}) before (?P<before>{_NAME}) latents (?P<latents>{_NAME}) "
        rf"count (?P<count>{_WHOLE}) dtype (?P<dtype>{_NAME}) estimator (?P<estimator>{_WORD})",
        ("layer", "before"),
    ),
}
_PATTERNS = {kind: re.compile(pattern) for kind, (pattern, _) in _KINDS.items()}

Key = tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """One line of a lock.

    Attributes:
        kind: its first word.
        text: the rest of the line.

    """

    kind: str
    text: str

    @property
    def line(self) -> str:
        """The whole line, without its line end."""
        return f"{self.kind} {self.text}"

    @property
    def fields(self) -> dict[str, str]:
        """The line's values by name; raises ValueError when the line has another form."""
        found = _PATTERNS[self.kind].fullmatch(self.text)
        if found is None:
            raise ValueError(f"not a record: {self.line}")
        return found.groupdict()

    @property
    def key(self) -> Key:
        """What the record is about; a lock has one record for each key."""
        fields = self.fields
        return (self.kind, *(fields[name] for name in _KINDS[self.kind][1]))

    @property
    def value(self) -> str:
        """What follows the key: what the record says of what it is about."""
        names, found = _KINDS[self.kind][1], _PATTERNS[self.kind].fullmatch(self.text)
        end = found.end(names[-1]) if found is not None and names else 0
        return self.text[end:].lstrip('" ')

    @property
    def order(self) -> tuple[tuple[int, int, str], ...]:
        """Where the record stands in a lock: words by letter, whole numbers by size."""
        return tuple(
            (0, int(part), "") if re.fullmatch(_WHOLE, part) else (1, 0, part) for part in self.key
        )


@dataclass(frozen=True)
class Lock:
    """A whole lock.

    Attributes:
        records: sorted, one for each key.
        lines: line of each key in the file that was read, from 1; empty for one just made.

    """

    records: tuple[Record, ...]
    lines: Mapping[Key, int] = field(default_factory=dict, compare=False)

    @property
    def text(self) -> str:
        """The file's text: the same for equal locks, on every platform."""
        return "".join(
            f"{line}\n" for line in (f"{HEAD} {FORMAT}", *(r.line for r in self.records))
        )

    @property
    def sha256(self) -> str:
        """sha256 (hex) of the text; line ends of the file that was read do not count."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def given(self) -> tuple[tuple[str, str], ...]:
        """The values it was made with, as ``--set`` has them."""
        sets = (record.fields for record in self.records if record.kind == "set")
        return tuple((fields["name"], fields["value"]) for fields in sets)

    def by_key(self) -> dict[Key, Record]:
        """The records by what they are about."""
        return {record.key: record for record in self.records}

    def places(self, rule: str) -> dict[int, tuple[MatchedPlace, ...]]:
        """What the ``context like`` lines of a rule found, best first, by number of the line."""
        found: dict[int, list[MatchedPlace]] = {}
        for record in self.records:  # sorted, so that the places of a line are in order
            if record.kind == "match" and (fields := record.fields)["rule"] == rule:
                shift = (int(fields["dy"]), int(fields["dx"]))
                place = MatchedPlace(fields["latents"], int(fields["image"]), shift)
                found.setdefault(int(fields["line"]), []).append(place)
        return {line: tuple(places) for line, places in found.items()}


def make(records: Iterable[Record]) -> Lock:
    """A lock of these records, sorted.

    Raises:
        ValueError: a record has not the form of its kind, or two are about the same thing.

    """
    ordered = tuple(sorted(records, key=lambda record: record.order))
    if len({record.key for record in ordered}) != len(ordered):
        raise ValueError("two records are about the same thing")
    return Lock(ordered)


def lock_path(recipe: Path) -> Path:
    """Where a recipe's lock lies: ``glasses.redraft`` has ``glasses.lock`` beside it."""
    return recipe.with_suffix(SUFFIX)


def read(path: Path) -> Lock | None:
    """The lock in a file; None when there is no such file.

    Raises:
        PlanError: the file cannot be read, is too large, or is not a lock that is understood.

    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PlanError(
            "RD411", f"the lock {path} cannot be read: {reason_of(error)}", "check its permissions"
        ) from error
    if len(data) > MAX_BYTES:
        message = f"the lock {path} is too large: at most {MAX_BYTES} bytes are read"
        raise PlanError("RD413", message, _anew(path))
    try:
        return parse(data.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise PlanError("RD411", f"the lock {path} is not a text in UTF-8", _anew(path)) from error


def parse(text: str, path: str) -> Lock:
    """Read a lock's text; ``path`` is its name in messages.

    Raises:
        PlanError: the text is not a lock, is of a newer format, or has a record that is unknown,
            malformed or there twice.

    """
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    _check_head(lines[0], path)
    found: dict[Key, Record] = {}
    numbers: dict[Key, int] = {}
    for number, line in enumerate(lines[1:], 2):
        record = _record(line, f"{path}:{number}", path)
        if record.key in found:
            raise PlanError(
                "RD411",
                f"{path}:{number} is about the same thing as line {numbers[record.key]}",
                f"keep one of the two, or {_anew(path)}",
            )
        found[record.key] = record
        numbers[record.key] = number
    return Lock(make(found.values()).records, numbers)


def _check_head(line: str, path: str) -> None:
    head, _, version = line.partition(" ")
    if head != HEAD or not re.fullmatch(_WHOLE, version):
        raise PlanError(
            "RD411",
            f"{path} is not a lock: it does not begin with `{HEAD} {FORMAT}`",
            _anew(path),
        )
    if int(version) != FORMAT:
        raise PlanError(
            "RD412",
            f"the lock {path} has format {version}, and this redraft reads format {FORMAT}",
            f"install a newer redraft, or {_anew(path)}",
        )


def _record(line: str, where: str, path: str) -> Record:
    kind, _, rest = line.partition(" ")
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        raise PlanError(
            "RD411", f"{where} is a conflict that git left", f"keep one side, or {_anew(path)}"
        )
    if kind not in _KINDS:
        raise PlanError(
            "RD414",
            f"{where} has a record of an unknown kind, `{kind[:40]}`",
            f"known kinds are {', '.join(_KINDS)}; {_anew(path)}",
        )
    if not _PATTERNS[kind].fullmatch(rest):
        raise PlanError("RD411", f"{where} is not a {kind} record: `{line[:120]}`", _anew(path))
    return Record(kind, rest)


def _anew(path: object) -> str:
    return f"write it anew with `redraft lock {Path(str(path)).with_suffix('.redraft')}`"
