"""What comes back of a change: pictures in parts, then the edit, then its left-out figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Condition, Event

import torch
from torch import Tensor

from redraft.edit.artifact import Edit
from redraft.judge.leftout import LeftOut
from redraft.memory.placed import PlacedRule
from redraft.plans.record import RuleRecord
from redraft_dsl import Checked


@dataclass(frozen=True)
class Shown:
    """Some pictures of an answer.

    Attributes:
        numbers: of the images of the recipe's first latents.
        pictures: (n, 3, H, W) float32 on the CPU, in -1..1.
        settled: False for a preview; True where they are those of the edit that can be saved.

    """

    numbers: tuple[int, ...]
    pictures: Tensor
    settled: bool


class Answer:
    """The answer to one state of a recipe's text. It fills while it is read; any thread may read.

    Iterating gives every :class:`Shown` as soon as it is drawn, and ends with the last one.

    Attributes:
        text: of the recipe.
        numbers: of the images that are shown.
        cancelled: set once a later change has taken its place, or the recipe was closed.
        rule: the name of the rule that is being solved; where one has failed, of that one.

    """

    def __init__(self, text: str, numbers: tuple[int, ...]) -> None:
        self.text = text
        self.numbers = numbers
        self.cancelled = Event()
        self.rule: str | None = None
        self._changed = Condition()
        self._shown: list[Shown] = []
        self._checked: Checked | None = None
        self._edit: Edit | None = None
        self._placed: Mapping[str, PlacedRule] | None = None
        self._figures: Mapping[str, LeftOut | None] | None = None
        self._records: tuple[RuleRecord, ...] | None = None
        self._error: Exception | None = None
        self._listener: Callable[[], None] | None = None

    # ---- reading --------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Shown]:
        """Every picture as soon as it is drawn.

        Raises:
            RedraftError: the recipe has errors, or a rule cannot be solved.
            CancelledError: another change took the place of this one.

        """
        number = 0
        while True:
            with self._changed:
                while len(self._shown) == number and not self._ended:
                    self._changed.wait()
                if len(self._shown) == number:
                    self._raise()
                    return
                shown = self._shown[number]
            number += 1
            yield shown

    def after(self, count: int, timeout: float | None = None) -> tuple[Shown, ...]:
        """What has been drawn after the first ``count`` parts; raises as iterating does.

        It waits for the next part, and gives none once all are drawn or the time is over.

        Args:
            count: how many parts are known.
            timeout: seconds to wait; by default as long as it takes.

        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._shown) > count or self._ended, timeout)
            if len(self._shown) <= count:
                self._raise()
            return tuple(self._shown[count:])

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a function whenever something has come, in the thread that computes it."""
        with self._changed:
            self._listener = listener
        listener()

    def edit(self, timeout: float | None = None) -> Edit:
        """The settled edit: bit for bit that of a run of the text.

        Args:
            timeout: seconds to wait; by default as long as it takes.

        Raises:
            RedraftError: the recipe has errors, or a rule cannot be solved.
            CancelledError: another change took the place of this one.
            TimeoutError: it is not there yet.

        """
        self._wait(lambda: self._edit is not None, timeout)
        assert self._edit is not None
        return self._edit

    def left_out(self, timeout: float | None = None) -> Mapping[str, LeftOut | None]:
        """Left-out figures of each rule, None where there are none; raises as :meth:`edit`."""
        self._wait(lambda: self._figures is not None, timeout)
        assert self._figures is not None
        return self._figures

    def placed(self, timeout: float | None = None) -> Mapping[str, PlacedRule]:
        """Where each rule was placed, with what its matches found; raises as :meth:`edit`."""
        self._wait(lambda: self._placed is not None, timeout)
        assert self._placed is not None
        return self._placed

    def records(self, timeout: float | None = None) -> tuple[RuleRecord, ...]:
        """What a run would write of each rule: its effect on new pictures, and its warnings.

        They come after the left-out figures; raises as :meth:`edit`.
        """
        self._wait(lambda: self._records is not None, timeout)
        assert self._records is not None
        return self._records

    def checked(self, timeout: float | None = None) -> Checked:
        """The text as it was checked, problems included; raises as :meth:`edit`, but for those."""
        self._wait(lambda: self._checked is not None, timeout)
        assert self._checked is not None
        return self._checked

    def pictures(self, timeout: float | None = None) -> Tensor:
        """(N, 3, H, W), all pictures of the settled edit; raises as :meth:`edit`."""
        self._wait(lambda: self._edit is not None, timeout)
        return torch.cat([each.pictures for each in self._shown if each.settled])

    # ---- filling --------------------------------------------------------------------------------

    def check(self, checked: Checked) -> None:
        """The text has been checked."""
        with self._changed:
            self._checked = checked
            self._notify()

    def show(self, shown: Shown) -> None:
        """Some pictures have been drawn."""
        with self._changed:
            self._shown.append(shown)
            self._notify()

    def settle(self, edit: Edit, placed: Mapping[str, PlacedRule]) -> None:
        """The edit is solved, and all its pictures are there."""
        with self._changed:
            self._edit, self._placed = edit, dict(placed)
            self._notify()

    def judge(self, figures: Mapping[str, LeftOut | None]) -> None:
        """The left-out figures are there."""
        with self._changed:
            self._figures = figures
            self._notify()

    def measure(self, records: tuple[RuleRecord, ...]) -> None:
        """The rules are measured on new pictures."""
        with self._changed:
            self._records = records
            self._notify()

    def fail(self, error: Exception) -> None:
        """Nothing more will come."""
        with self._changed:
            self._error = error
            self._notify()

    def _notify(self) -> None:
        self._changed.notify_all()
        if self._listener is not None:
            self._listener()

    @property
    def _ended(self) -> bool:
        return self._edit is not None or self._error is not None

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _wait(self, ready: Callable[[], bool], timeout: float | None) -> None:
        with self._changed:
            self._changed.wait_for(lambda: ready() or self._error is not None, timeout)
            if ready():
                return
            self._raise()
        raise TimeoutError(f"the answer is not there after {timeout} seconds")
