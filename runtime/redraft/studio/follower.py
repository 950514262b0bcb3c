"""A thread that asks the live rule for each change, and sends on what comes of it.

Changes come faster than pictures while a slider moves. The latest one waits until the pictures of
the one before are there, or a moment has passed; those between are never asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Condition, Thread

from redraft.edit.artifact import Edit
from redraft.errors import CancelledError
from redraft.explain.failure import failure_of
from redraft.live.answer import Answer
from redraft.live.live import Live
from redraft.live.model import Model
from redraft.plans.loading import CheckFailedError
from redraft.studio.failing import Left, said, without
from redraft.studio.figures import leftout_figures, placed_figures, record_figures
from redraft.studio.web.frames import Pixels, frame, pixels_of

PATIENCE = 0.25
"""Seconds that a change waits for the pictures of the one before."""

ASKED = 3.0
"""Seconds within which a text that can be solved is being solved."""

Say = Callable[[Mapping[str, object] | bytes, str], None]
"""Sends a message to all tabs; one of the same key that still waits gives way."""


@dataclass(frozen=True)
class Wanted:
    """What is to be shown; ``left`` are the rules of ``whole`` that are out of its text."""

    text: str
    numbers: tuple[int, ...]
    revision: int
    left: tuple[Left, ...] = ()
    whole: str = ""

    def about(self) -> dict[str, object]:
        """What every message about it says."""
        return {"revision": self.revision, "left": [each.said() for each in self.left]}


@dataclass(frozen=True)
class Settled:
    """A whole text, and the pictures that belong to it."""

    text: str
    pictures: Mapping[int, Pixels]


@dataclass(frozen=True)
class Place:
    """The model that is open, and where paths start."""

    model: Model
    folder: Path


class Follower:
    """Follows a recipe's text with pictures, edit and figures.

    Attributes:
        latest: the pictures that were settled last, by the number of their image.

    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._condition = Condition()
        self._place: Place | None = None
        self._wanted: Wanted | None = None
        self._news = False
        self._closed = False
        self._live: Live | None = None
        self._live_place: Place | None = None
        self._answer: Answer | None = None
        self._awaited: Wanted | None = None
        self._settled: Settled | None = None
        self.latest: dict[int, Pixels] = {}
        self._thread = Thread(target=self._work, name="redraft-studio", daemon=True)
        self._thread.start()

    def open(self, model: Model, folder: Path) -> None:
        """Follow recipes of another model."""
        with self._condition:
            self._place, self._wanted = Place(model, folder), None
            self._awaited = self._settled = None
            self.latest = {}
            self._condition.notify_all()

    def ask(self, wanted: Wanted) -> None:
        """Show this next."""
        with self._condition:
            self._wanted = self._awaited = wanted
            self._condition.notify_all()

    def stop(self) -> None:
        """Stop what is being computed."""
        with self._condition:
            self._wanted = self._awaited = None
            answer = self._answer
            self._condition.notify_all()
        if answer is not None:
            answer.cancelled.set()
        self._say({"event": "stopped"}, "status")

    def settled(self, timeout: float) -> Settled | None:
        """What was settled last, once nothing is awaited or the time is over; in seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._awaited is None, timeout)
            return self._settled

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that are being followed, whose files are still read."""
        with self._condition:
            wanted = [each.text for each in (self._wanted, self._awaited) if each is not None]
            return (*wanted, *([] if self._answer is None else [self._answer.text]))

    def edit(self, text: str, timeout: float) -> Edit | None:
        """The edit of a text, once it is solved; None where it is not that text that is followed.

        Raises:
            RedraftError: it cannot be solved.
            TimeoutError: it takes longer.

        """
        end = time.monotonic() + timeout
        with self._condition:
            self._condition.wait_for(
                lambda: self._answer is not None and self._answer.text == text, ASKED
            )
            answer = self._answer
        if answer is None or answer.text != text:
            return None
        return answer.edit(max(0.0, end - time.monotonic()))

    def forget(self) -> None:
        """No rule is on: there are no edited pictures."""
        self.stop()
        self.latest, self._settled = {}, None

    def close(self) -> None:
        """End."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._thread.join(10)

    # ---- the thread ---------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._wanted is not None)
                wanted, self._wanted = self._wanted, None
                place = self._place
                if self._closed:
                    break
            if wanted is None or place is None:
                continue
            try:
                self._follow(wanted, place)
            except CancelledError:
                self._done(wanted)
            except Exception as error:
                self._leave_out(wanted, error)
        if self._live is not None:
            self._live.close()

    def _follow(self, wanted: Wanted, place: Place) -> None:
        begun = time.monotonic()
        answer = self._asked(wanted, place)
        about = wanted.about()
        self._say({"event": "solving", **about}, "status")
        answer.listen(self._wake)
        if not self._pictures(answer, wanted, begun):
            return
        self._done(wanted, Settled(wanted.whole or wanted.text, dict(self.latest)))
        ms = round((time.monotonic() - begun) * 1000)
        self._say({"event": "settled", **about, "ms": ms}, "status")
        if not self._until(answer.edit):
            return
        rules = placed_figures(answer, answer.edit(0))
        self._say({"event": "placed", **about, "rules": rules}, "placed")
        for ready, event in ((answer.left_out, "leftout"), (answer.records, "records")):
            if not self._until(ready):
                return
            rules = (
                leftout_figures(answer.left_out(0))
                if event == "leftout"
                else record_figures(answer.records(0))
            )
            self._say({"event": event, **about, "rules": rules}, event)

    def _done(self, wanted: Wanted, settled: Settled | None = None) -> None:
        """Nothing more is awaited of it, whether it was settled or not."""
        with self._condition:
            self._settled = settled or self._settled
            if self._awaited is wanted:
                self._awaited = None
            self._condition.notify_all()

    def _asked(self, wanted: Wanted, place: Place) -> Answer:
        if self._live is None or self._live_place is not place:
            if self._live is not None:
                self._live.close()
            self._live = place.model.live(
                wanted.text, numbers=wanted.numbers, folder=place.folder, progress=self._progress
            )
            self._live_place = place
            answer = self._live.answer
        else:
            answer = self._live.see(wanted.numbers)
            if self._live.text != wanted.text:
                answer = self._live.change(wanted.text)
        with self._condition:
            self._answer = answer
            self._condition.notify_all()
        return answer

    def _pictures(self, answer: Answer, wanted: Wanted, begun: float) -> bool:
        """Send pictures as they come; False where something else is to be shown."""
        known, drawn = 0, {False: 0, True: 0}
        while True:
            for shown in answer.after(known, 0):
                known += 1
                drawn[shown.settled] += len(shown.numbers)
                about = {"revision": wanted.revision, "settled": shown.settled}
                pixels = pixels_of(shown.pictures)
                if shown.settled:
                    self.latest |= dict(zip(shown.numbers, pixels, strict=True))
                data = frame("after", shown.numbers, pixels, about)
                self._say(data, f"after {shown.numbers}")
            if drawn[True] >= len(wanted.numbers):
                return True
            late = time.monotonic() - begun > PATIENCE or drawn[False] >= len(wanted.numbers)
            if late and self._wanted is not None:
                return False
            self._wait(PATIENCE / 4, patient=not late)

    def _until(self, ready: Callable[[float], object]) -> bool:
        while True:
            try:
                ready(0)
            except TimeoutError:
                self._wait(1.0)
            else:
                return True
            if self._wanted is not None or self._closed:
                return False

    def _wake(self) -> None:
        with self._condition:
            self._news = True
            self._condition.notify_all()

    def _wait(self, seconds: float, *, patient: bool = False) -> None:
        """Wait for news of the answer, or, unless patient, for another wish."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._news or self._closed or (not patient and self._wanted is not None),
                seconds,
            )
            self._news = False
            if self._closed:
                raise CancelledError("studio is closed")

    def _progress(self, what: str, done: int, total: int) -> None:
        self._say({"event": "progress", "what": what, "done": done, "total": total}, "progress")

    def _leave_out(self, wanted: Wanted, error: Exception) -> None:
        """Go on without the rule that has failed, where there are others."""
        answer = self._answer
        rule = None if answer is None or isinstance(error, CheckFailedError) else answer.rule
        text = None if rule is None else without(wanted.text, [rule])
        if rule is None or text is None:
            self._fail(wanted, error)
            return
        failure = failure_of(error)
        left = (*wanted.left, Left(rule, failure.message, failure.help))
        with self._condition:
            if self._wanted is None:
                self._wanted = self._awaited = replace(wanted, text=text, left=left)

    def _fail(self, wanted: Wanted, error: Exception) -> None:
        self._done(wanted)
        about: dict[str, object] = {"event": "failed", **wanted.about()}
        if isinstance(error, CheckFailedError):
            about["checked"] = True  # the problems stand in the text
        self._say({**about, **said(error)}, "status")
