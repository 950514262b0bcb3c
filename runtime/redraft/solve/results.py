"""Results that are found again by everything that they depend on, so that each is made once."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel
from torch import Tensor

Result = TypeVar("Result")


class Once(Protocol):
    """Makes the parts of a result, or finds them made."""

    def __call__(self, what: str, number: int, make: Callable[[], Result]) -> Result:
        """A part by its kind, its number and what makes it."""
        ...

    def check(self) -> None:
        """To be called now and then by whatever takes long.

        Raises:
            CancelledError: the result is not needed any more.

        """
        ...


class Anew:
    """Makes every part, whatever was made before."""

    def __call__(self, what: str, number: int, make: Callable[[], Result]) -> Result:  # noqa: ARG002
        """The part, made."""
        return make()

    def check(self) -> None:
        """Go on."""


anew = Anew()


@dataclass(frozen=True)
class Parts:
    """Finds parts among results, or makes them.

    Attributes:
        results: where they are.
        depends: gives what a kind of part depends on.

    """

    results: Results
    depends: Callable[[str], Hashable]

    def __call__(self, what: str, number: int, make: Callable[[], Result]) -> Result:
        """A part by its kind, its number and what makes it."""
        return self.results.once(what, (self.depends(what), number), make)

    def check(self) -> None:
        """As the results say."""
        self.results.check()


class Unshared(Anew):
    """Makes every part, for as long as somebody waits for the results that it is a part of."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def check(self) -> None:
        """As the results say."""
        self._results.check()


class Results:
    """Results by their kind and by what they depend on.

    No result depends on whether it is found here: the same function makes it, from the same
    things. Whoever gets one must not change it. The one that was not asked for longest goes first
    when the memory is used up.

    Args:
        most: bytes of tensors to hold. With 0 nothing is held.

    Attributes:
        check: called before anything is made; raises ``CancelledError`` where nothing is needed.
        made: how often each kind of result was computed.
        found: how often it was there already.
        held: bytes of what is held now.

    """

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self.check: Callable[[], None] = _go_on
        self.made: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.held = 0
        self._lock = Lock()
        self._cached: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def once(self, what: str, depends: Hashable, make: Callable[[], Result]) -> Result:
        """What ``make`` gives.

        Args:
            what: the kind of result.
            depends: everything that it depends on.
            make: makes it.

        """
        address = (what, depends)
        with self._lock:
            cached = self._cached.get(address)
            if cached is not None:
                self.found[what] += 1
                self._cached.move_to_end(address)
                result: Result = cached[0]
                return result
            self.check()
            self.made[what] += 1
        made = make()
        if self.most:
            with self._lock:
                self._hold(address, made)
        return made

    def holds(self, what: str, depends: Hashable) -> bool:
        """Whether a result is here, so that :meth:`once` would find it."""
        return (what, depends) in self._cached

    def clear(self) -> None:
        """Drop everything."""
        self._cached.clear()
        self.held = 0

    def _hold(self, address: Hashable, made: object) -> None:
        size = bytes_of(made)
        if size > self.most or address in self._cached:
            return
        while self.held + size > self.most:
            _, (_, freed) = self._cached.popitem(last=False)
            self.held -= freed
        self._cached[address] = (made, size)
        self.held += size


def _go_on() -> None:
    """Nobody cancels."""


def bytes_of(made: object) -> int:
    """Bytes of all tensors and arrays in a result."""
    if isinstance(made, str | int | float | BaseModel) or made is None:
        return 0
    if isinstance(made, Tensor):
        return made.element_size() * made.numel()
    if isinstance(made, np.ndarray):
        return int(made.nbytes)
    if isinstance(made, tuple | list):
        return sum(map(bytes_of, made))
    if isinstance(made, Mapping):
        return sum(map(bytes_of, made.values()))
    return sum(map(bytes_of, vars(made).values())) if hasattr(made, "__dict__") else 0
