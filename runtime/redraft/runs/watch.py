"""How far something is that takes long, and whether it is still needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from redraft.errors import CancelledError

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, in all)."""


@contextmanager
def phase(progress: Progress, what: str) -> Iterator[None]:
    """A part of a task that has no count: it is begun, and then it is done."""
    progress(what, 0, 1)
    yield
    progress(what, 1, 1)


@dataclass(frozen=True)
class Watch:
    """The one who waits for a result.

    Attributes:
        progress: called with how far it is.
        cancel: set once the result is not needed any more.

    """

    progress: Progress | None = None
    cancel: Event | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report progress; raises as :meth:`check`."""
        self.check()
        if self.progress is not None:
            self.progress(what, done, total)

    def check(self) -> None:
        """Go on, or not.

        Raises:
            CancelledError: the result is not needed any more.

        """
        if self.cancel is not None and self.cancel.is_set():
            raise CancelledError("cancelled by the one who asked for it")
