"""Processes that work together, as ``torchrun`` starts them: torch.distributed with gloo.

What one of them has and another needs passes in an exchange, and all of them take part in every
exchange, in the same order. It begins with each saying whether it can go on. One that fails says so
in what the others take for the next exchange, and leaves; they end there too. So nobody waits for
what will not come, and the first process reports what happened to any of them.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, NoReturn, TypeVar, cast

import torch
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from redraft.errors import RedraftError, RunError
from redraft.explain.words import first_line

Item = TypeVar("Item")
Result = TypeVar("Result")
Combined = TypeVar("Combined")
PATIENCE = timedelta(days=14)
"""How long a process waits for the others: as long as the cells of a sweep take.

One that dies is noticed at once, for its connection breaks.
"""
MEETING = timedelta(minutes=10)
"""How long a process waits for the others to start."""


class GroupEndedError(RunError):
    """The processes do not go on together, because one of them could not."""


class ProcessLostError(GroupEndedError):
    """A process is gone or silent, and perhaps it is the one that reports for all."""


@dataclass(frozen=True)
class ProcessFailure:
    """What keeps a process from going on, reported to the others; ``trace`` is for developers."""

    code: str
    message: str
    help: str | None
    trace: str = ""

    @classmethod
    def of(cls, error: Exception) -> ProcessFailure:
        """The failure that an error is."""
        trace = "".join(traceback.format_exception(error))
        if isinstance(error, RedraftError):
            return cls(error.code, error.message, error.help, trace)
        message = f"{type(error).__name__}: {first_line(error)}"
        return cls("RD765", message, "REDRAFT_DEBUG=1 shows where it happened", trace)


@dataclass(frozen=True)
class Ranks:
    """One of the processes that work together; ``rank`` counts from 0.

    Every method but :meth:`mine` is an exchange: if one process calls it, all of them must. An
    error that is raised between two exchanges must not be caught before :func:`joined` is left.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that reports and writes for all."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other one."""
        return self.world == 1

    def mine(self, items: Sequence[Item]) -> Sequence[Item]:
        """The share of this process: every ``world``-th item."""
        return items[self.rank :: self.world]

    def in_order(self, items: Iterable[Item], work: Callable[[Item], Result]) -> Iterator[Result]:
        """Deal out items in turn and collect what is made of each.

        Neither what an item is nor the order of the results depends on the number of processes,
        so whoever adds them up gets the same bits from one as from many. At most ``world`` results
        are held at once.

        Args:
            items: the same in all processes.
            work: makes a result of an item of this process; its tensors come out on the CPU where
                there are several processes.

        Yields:
            The results in the order of the items, in the first process; nothing in the others,
            which must go through the iterator all the same.

        """
        if self.alone:
            yield from map(work, items)
            return
        rest = iter(items)
        while turn := list(islice(rest, self.world)):
            made = work(turn[self.rank]) if self.rank < len(turn) else None
            yield from self._gathered(made)[: len(turn)]

    def combined(
        self,
        items: Iterable[Item],
        work: Callable[[Item], Result],
        combine: Callable[[Iterator[Result]], Combined],
    ) -> Combined:
        """What the first process makes of the results of all items, in all of the processes.

        Args:
            items: as of :meth:`in_order`.
            work: likewise.
            combine: is given the results in the order of the items.

        """
        results = self.in_order(items, work)
        if self.first:
            return self.from_first(lambda: combine(results))
        for _ in results:
            pass
        return cast("Combined", self.received())

    def from_first(self, make: Callable[[], Result]) -> Result:
        """What the first process makes, in all of them; ``make`` is called there only."""
        if not self.first:
            return cast("Result", self.received())
        made = make()
        self.send(made)
        return made

    def after_first(self, make: Callable[[], Result]) -> Result:
        """What this process makes, the first one before the others.

        They find on the disk what the first has fetched, where it is one disk.
        """
        if not self.first:
            self.received()
            return make()
        made = make()
        self.send(None)
        return made

    def send(self, what: object) -> None:
        """In the first process: give something to the others, where it is :meth:`received`.

        Its tensors are on the CPU there.
        """
        if not self.alone:
            self._passed_on(_packed(what))

    def received(self) -> Any:
        """In any other process: what the first one has to :meth:`send`."""
        return pickle.loads(self._passed_on(None))

    def everyone(self, value: Item) -> list[Item]:
        """The value of each process in their order, in all of them."""
        if self.alone:
            return [value]
        data = _packed(value)
        self._ready()
        reported: list[Any] = [None] * self.world
        with _noticing_loss():
            distributed.all_gather_object(reported, data)
        return [pickle.loads(each) for each in reported]

    def together(self, work: Callable[[], Item]) -> list[Item]:
        """Do this process's work and wait for all others; one that fails stays in the group.

        Returns:
            What each of them made, in their order, in the first process; nothing in the others.

        Raises:
            RedraftError: in the first process, when any of them could not do its work at all.
                The others only wait.

        """
        made: Item | None = None
        error: RedraftError | None = None
        try:
            made = work()
        except RedraftError as raised:
            error = raised
        if not self.alone:
            everyone = self._gathered((made, None if error is None else ProcessFailure.of(error)))
        else:
            everyone = [(made, None)]
        if self.first and error is not None:
            raise error
        for rank, (_, failure) in enumerate(everyone):
            if failure is not None:
                raise RunError(failure.code, self._named(rank, failure), failure.help)
        return [cast("Item", each) for each, _ in everyone]

    def _gathered(self, made: object) -> list[Any]:
        """What each process gives, in the first one; an empty list in the others."""
        data = _packed(made)
        self._ready()
        everyone: list[Any] | None = [None] * self.world if self.first else None
        with _noticing_loss():
            distributed.gather_object(data, everyone, dst=0)
        return [] if everyone is None else [pickle.loads(each) for each in everyone]

    def _passed_on(self, data: bytes | None) -> bytes:
        self._ready()
        box = [data]
        with _noticing_loss():
            distributed.broadcast_object_list(box, src=0)
        return cast("bytes", box[0])

    def _ready(self) -> None:
        """Begin an exchange: go on if all can."""
        reported: list[ProcessFailure | None] = [None] * self.world
        with _noticing_loss():
            distributed.all_gather_object(reported, None)
        for rank, failure in enumerate(reported):
            if failure is not None:
                self._end(rank, failure)

    def _leave(self, error: Exception | None) -> None:
        """Take part in one more exchange, if only to say that there will be none."""
        reported: list[ProcessFailure | None] = [None] * self.world
        # Whoever is gone by now is not needed any more.
        with contextlib.suppress(RuntimeError):
            distributed.all_gather_object(
                reported, None if error is None else ProcessFailure.of(error)
            )

    def _end(self, rank: int, failure: ProcessFailure) -> NoReturn:
        ended = GroupEndedError(failure.code, self._named(rank, failure), failure.help)
        ended.add_note(failure.trace)
        raise ended

    def _named(self, rank: int, failure: ProcessFailure) -> str:
        return f"process {rank} of {self.world}: {failure.message}"


ALONE = Ranks()
"""A process without others."""


@contextmanager
def joined(patience: timedelta = PATIENCE, meeting: timedelta = MEETING) -> Iterator[Ranks]:
    """The processes that ``torchrun`` has started with this one; this one alone without it.

    At the end all wait for all, for torchrun stops the others when one of them fails. What is
    raised within ends the work of all, and goes on in the first process only, which reports it.

    Args:
        patience: how long an exchange may take.
        meeting: how long to wait for the others to start.

    Raises:
        RunError: they cannot find each other, or do not go on together.

    """
    world = _number("WORLD_SIZE", 1)
    if world <= 1:
        yield ALONE
        return
    ranks = _join(patience, meeting)
    try:
        yield ranks
        ranks._leave(None)
    except Exception as error:
        if not isinstance(error, GroupEndedError):
            ranks._leave(error)
        if ranks.first or isinstance(error, ProcessLostError):
            raise
    finally:
        distributed.destroy_process_group()


def _join(patience: timedelta, meeting: timedelta) -> Ranks:
    if torch.cuda.is_available():
        torch.cuda.set_device(_number("LOCAL_RANK", 0) % torch.cuda.device_count())
    try:
        store, rank, world = next(rendezvous("env://", timeout=meeting))
        distributed.init_process_group(
            "gloo", store=store, rank=rank, world_size=world, timeout=patience
        )
    except (RuntimeError, ValueError) as error:
        raise RunError(
            "RD764",
            f"the processes cannot find each other: {first_line(error)}",
            "start them with `torchrun --nproc-per-node N -m redraft ...`; to run alone, "
            "unset WORLD_SIZE",
        ) from error
    return Ranks(rank, world)


@contextmanager
def _noticing_loss() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ProcessLostError(
            "RD765",
            "another process has ended or does not answer",
            "see what it said, if anything, and run again: what is finished is kept",
        ) from error


class _Packer(pickle.Pickler):
    """Packs a tensor as its numbers alone: no device, and nothing else of the memory it lies in."""

    def reducer_override(self, packed: object) -> Any:
        if isinstance(packed, Tensor):
            return torch.from_numpy, (packed.detach().cpu().contiguous().numpy(),)
        return NotImplemented


def _packed(what: object) -> bytes:
    file = io.BytesIO()
    _Packer(file, pickle.HIGHEST_PROTOCOL).dump(what)
    return file.getvalue()


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else otherwise
