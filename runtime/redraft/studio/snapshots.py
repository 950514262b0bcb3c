"""Texts with their pictures, set aside to be compared and gone back to."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redraft.errors import PlanError
from redraft.studio.follower import Settled
from redraft.studio.web.frames import Pixels, frame

PATIENCE = 10.0
"""Seconds that a snapshot waits for the pictures of the present text."""


@dataclass(frozen=True)
class Snapshot:
    """A text and its pictures, set aside."""

    number: int
    text: str
    numbers: tuple[int, ...]
    pictures: tuple[Pixels, ...]

    def frame(self) -> bytes:
        """As it is sent."""
        return frame("snapshot", self.numbers, self.pictures, {"snapshot": self.number})


@dataclass
class Snapshots:
    """Those of one recipe."""

    held: list[Snapshot] = field(default_factory=list)
    _count: int = 0

    def take(
        self,
        text: str,
        numbers: Sequence[int],
        originals: Mapping[int, Pixels],
        settled: Settled | None,
    ) -> Snapshot:
        """Set a text aside, with those of its pictures that there are.

        Where it was not settled, as while a rule is solved for long or the text has a mistake, the
        text is set aside that was settled last: pictures and text are of one state.
        """
        self._count += 1
        text = text if settled is None else settled.text
        shown = {**originals, **({} if settled is None else settled.pictures)}
        there = tuple(each for each in numbers if each in shown)
        pictures = tuple(copy.copy(shown[each]) for each in there)
        made = Snapshot(self._count, text, there, pictures)
        self.held.append(made)
        return made

    def forget(self, number: int) -> None:
        """Drop one."""
        self.held = [each for each in self.held if each.number != number]

    def of(self, number: int) -> Snapshot:
        """One by its number; raises PlanError where there is none."""
        for each in self.held:
            if each.number == number:
                return each
        raise PlanError("RD818", f"there is no snapshot {number}", "choose one of the list")
