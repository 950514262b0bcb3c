"""The text that all tabs share: its revisions, its history, and its file."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from redraft.disk import files
from redraft.errors import ArtifactError
from redraft_dsl.source import normalise

TYPING = 1.0
"""Seconds between two keystrokes that are undone together."""
MOST_STEPS = 500
MOST_REVISIONS = 200


@dataclass
class Step:
    """One state of the history, and what led to it, in words."""

    text: str
    words: str
    group: str = ""
    when: float = 0.0


@dataclass
class Document:
    """A recipe that is open.

    Attributes:
        text: with LF line ends.
        path: its file; None where it was never saved.
        revision: counts changes, however they were made.
        first: the revision that it was opened with, by which one recipe is known from the next.

    """

    text: str
    path: Path | None = None
    revision: int = 0
    first: int = 0
    _steps: list[Step] = field(default_factory=list)
    _at: int = 0
    _saved: str | None = None
    _stamp: str | None = None
    _known: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._steps = [Step(self.text, "Opened")]
        self._known = {self.revision: self.text}

    @classmethod
    def opened(cls, path: Path) -> Document:
        """Read a file.

        Raises:
            ArtifactError: it cannot be read, or is no text.

        """
        data = _read(path)
        try:
            text = normalise(data.decode("utf-8"))
        except UnicodeDecodeError:
            raise ArtifactError(
                "RD804", f"{path.name} is not a text in UTF-8", "save it as UTF-8"
            ) from None
        found = cls(text, path)
        found._saved, found._stamp = text, hashlib.sha256(data).hexdigest()
        return found

    def after(self, other: Document | None) -> Document:
        """The same, with revisions that come after those of the one that was open before."""
        if other is not None:
            self.revision = self.first = other.revision + 1
            self._known = {self.revision: self.text}
        return self

    # ---- changing -----------------------------------------------------------------------------

    def change(self, text: str, words: str, group: str = "") -> bool:
        """Take another text; changes of one group are one step. False where it is the same."""
        if text == self.text:
            return False
        now = time.monotonic()
        last = self._steps[self._at]
        joins = bool(group) and last.group == group and (
            group != "typing" or now - last.when < TYPING
        )  # fmt: skip
        del self._steps[self._at + 1 :]
        if joins and self._at:
            # From where the slider was when it was taken, to where it is.
            begun, end = last.words.partition(" to ")[0], words.rpartition(" to ")[2]
            joined = f"{begun} to {end}" if " to " in words else words
            last.text, last.words, last.when = text, joined, now
        else:
            self._steps.append(Step(text, words, group, now))
            del self._steps[: max(0, len(self._steps) - MOST_STEPS)]
            self._at = len(self._steps) - 1
        self._set(text)
        return True

    def type(self, base: int, start: int, end: int, insert: str) -> None:
        """Change what stood at a place of an earlier revision, wherever it stands now.

        Raises:
            ArtifactError: it was changed meanwhile, as in another tab.

        """
        place = self.carried(base, start, end)
        if place is None:
            raise ArtifactError(
                "RD805", "this place was changed in another tab meanwhile", "look, and type again"
            )
        text = normalise(self.text[: place[0]] + insert + self.text[place[1] :])
        self.change(text, "Typing", "typing")

    def carried(self, base: int, start: int, end: int) -> tuple[int, int] | None:
        """A stretch of an earlier revision as it stands now; None where it was changed."""
        place: tuple[int, int] | None = (start, end)
        if base > self.revision:
            return None
        for number in range(base, self.revision + 1):
            old, new = self._known.get(number), self._known.get(number + 1, self.text)
            if old is None or place is None:
                return None
            place = carried(old, new, *place)
        return place

    def go(self, step: int) -> None:
        """Go to a step of the history."""
        self._at = min(max(step, 0), len(self._steps) - 1)
        self._steps[self._at].group = ""
        self._set(self._steps[self._at].text)

    def _set(self, text: str) -> None:
        self.text = text
        self.revision += 1
        self._known[self.revision] = text
        for old in [each for each in self._known if each <= self.revision - MOST_REVISIONS]:
            del self._known[old]

    # ---- history and file ---------------------------------------------------------------------

    @property
    def history(self) -> dict[str, object]:
        """The steps in words, and which of them is now."""
        return {"at": self._at, "steps": [step.words for step in self._steps]}

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that can be gone back to."""
        return (
            *(step.text for step in self._steps),
            *([] if self._saved is None else [self._saved]),
        )

    @property
    def is_changed(self) -> bool:
        """Whether there is something to save."""
        return self.text != self._saved

    @property
    def has_work(self) -> bool:
        """Whether something is lost if it is not saved: a person has changed it since."""
        return self.is_changed and len(self._steps) > 1

    def is_other_on_disk(self) -> bool:
        """Whether another program has changed the file since it was read or written here."""
        if self.path is None:
            return False
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest() != self._stamp
        except FileNotFoundError:
            return False  # saving brings it back
        except OSError:
            return True

    def refuse(self, path: Path | None = None) -> Path:
        """Where the text would be written; raises as :meth:`save` where it may not be."""
        target = self.path if path is None else path
        if target is None:
            raise ArtifactError("RD806", "the recipe has no file name yet", "give it a name")
        if target == self.path:
            if self.is_other_on_disk():
                raise ArtifactError(
                    "RD807",
                    f"{target.name} was changed by another program, so nothing was overwritten",
                    "save under another name, or open the file anew",
                )
        elif target.exists():
            raise ArtifactError(
                "RD808", f"there is a file {target.name} already", "choose another name"
            )
        return target

    def save(self, path: Path | None = None) -> None:
        """Write the text, to its own file or to a new one, whole or not at all.

        Raises:
            ArtifactError: the file has changed meanwhile, another is there, or it cannot be
                written.

        """
        target = self.refuse(path)
        data = self.text.encode("utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(target, data)
        self.path, self._saved, self._stamp = target, self.text, hashlib.sha256(data).hexdigest()


def carried(old: str, new: str, start: int, end: int) -> tuple[int, int] | None:
    """A stretch of an old text as it stands in a new one; None where it was changed."""
    if not 0 <= start <= end <= len(old):
        return None
    if old == new:
        return start, end
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    most -= head
    tail = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    if end <= head:
        return start, end
    if start >= len(old) - tail:
        return start + len(new) - len(old), end + len(new) - len(old)
    return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError("RD636", f"there is no file {path.name}", "check the path") from None
