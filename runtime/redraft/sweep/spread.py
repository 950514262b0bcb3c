"""A sweep spread over processes that share a folder, with torch.distributed and gloo."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

from redraft.errors import RedraftError, RunError

Item = TypeVar("Item")
PATIENCE = timedelta(days=14)
"""How long a process waits for the others: as long as their cells take.

One that dies is noticed at once, for its connection breaks.
"""


@dataclass(frozen=True)
class Ranks:
    """One of the processes that work together; ``rank`` counts from 0."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks and writes for all."""
        return self.rank == 0

    def mine(self, items: Sequence[Item]) -> Sequence[Item]:
        """The share of this process: every ``world``-th item."""
        return items[self.rank :: self.world]

    def together(self, work: Callable[[], Item]) -> list[Item]:
        """Do this process's work and wait for all others.

        Returns:
            What each of them made, in their order, in the first process; nothing in the others.

        Raises:
            RedraftError: in the first process, when any of them could not do its work at all.
                The others only wait.

        """
        made, error = _attempt(work)
        if self.world == 1:
            return [_made(made, error)]
        told = None if error is None else (error.code, error.message, error.help)
        everyone: list[Any] | None = [None] * self.world if self.first else None
        distributed.gather_object((made, told), everyone, dst=0)
        if everyone is None:
            return []
        _made(made, error)
        for rank, (_, trouble) in enumerate(everyone):
            if trouble is not None:
                code, message, help_text = trouble
                raise RunError(code, f"process {rank} of {self.world}: {message}", help_text)
        return [each for each, _ in everyone]


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that ``torchrun`` has started with this one; this one alone without it.

    Raises:
        RunError: they cannot find each other.

    """
    world = _number("WORLD_SIZE", 1)
    if world <= 1:
        yield Ranks()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(_number("LOCAL_RANK", 0) % torch.cuda.device_count())
    try:
        distributed.init_process_group("gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        detail = str(error).strip().partition("\n")[0]
        raise RunError(
            "RD764",
            f"the processes of this sweep cannot find each other: {detail}",
            "start them with `torchrun --nproc-per-node N -m redraft sweep ...`",
        ) from error
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def _attempt(work: Callable[[], Item]) -> tuple[Item | None, RedraftError | None]:
    try:
        return work(), None
    except RedraftError as error:
        return None, error


def _made(made: Item | None, error: RedraftError | None) -> Item:
    if error is not None:
        raise error
    assert made is not None, "work gives something"
    return made


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else otherwise
