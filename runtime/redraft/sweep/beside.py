"""Cells side by side: more processes of the same command, each of which runs its share of them.

They write runs and no more. Whoever started them takes what is finished, and runs itself what one
of them could not: a process that is lost costs time, and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

CORES = 4
"""Cores that a cell is worth: a small network is hardly quicker on more of them."""
MOST_JOBS = 256
"""No command line asks for more processes."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Share:
    """What one of some processes takes: every ``count``-th item, from ``number`` (of 1) on."""

    number: int = 1
    count: int = 1

    @classmethod
    def read(cls, text: str) -> Share:
        """The share that :meth:`__str__` has written; raises ValueError for any other text."""
        number, count = map(int, text.split("/"))
        if not 1 <= number <= count:
            raise ValueError(text)
        return cls(number, count)

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items of the share."""
        return items[self.number - 1 :: self.count]

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class Others:
    """Processes that can be started.

    Attributes:
        count: of all processes, the one that starts them included.
        start: starts them for a block; gives what waits for them.

    """

    count: int
    start: Callable[[], AbstractContextManager[Callable[[], None]]]

    @classmethod
    def of(cls, command: Sequence[str], count: int) -> Others | None:
        """Those that run a command of redraft; None where there are to be none."""
        return None if count <= 1 else cls(count, partial(beside, command, count))


def jobs_on(device: str) -> int:
    """How many processes this machine has room for; one where a GPU computes."""
    return 1 if device.startswith("cuda") else max(1, (os.cpu_count() or 1) // CORES)


@contextmanager
def beside(command: Sequence[str], count: int) -> Iterator[Callable[[], None]]:
    """Run a command of redraft in ``count - 1`` more processes, which end with this block.

    Args:
        command: with its arguments, but for ``--part``.
        count: of all processes, this one included, which has the first share.

    Yields:
        What waits for them.

    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "redraft", *command, "--part", str(Share(number, count))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(2, count + 1)
    ]

    def wait() -> None:
        for process in processes:
            process.wait()

    try:
        yield wait
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        wait()
