"""One pass through a module, operation by operation: what is watched, replaced or stopped there.

A module is never taken apart. Its own ``forward`` runs, and a dispatch mode of torch sees every
operation on tensors on its way, with the part of the module that asked for it. An operation is
known by that part, by its kind and by its number among those: the same in every pass of a module
that does the same work for all pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_UNCOUNTED = frozenset(
    {
        "_reshape_alias",
        "_to_copy",
        "_unsafe_view",
        "alias",
        "as_strided",
        "chunk",
        "clone",
        "contiguous",
        "detach",
        "empty",
        "empty_like",
        "empty_strided",
        "expand",
        "lift_fresh",
        "narrow",
        "new_empty",
        "new_empty_strided",
        "permute",
        "reshape",
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "t",
        "transpose",
        "unbind",
        "unflatten",
        "unsqueeze",
        "view",
        "view_as",
    }
)
"""Kinds that only lay numbers out. How many are needed may depend on the number of pictures."""


@dataclass(frozen=True)
class Place:
    """One operation of a pass.

    Attributes:
        part: dotted name of the innermost part of the module that was running; "" for the whole.
        kind: torch's name of the operation, without the mark of those that work in place.
        number: how many of the kind that part had asked for before.

    """

    part: str
    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind} in {self.part or 'the module itself'}"


@dataclass(frozen=True)
class Operation:
    """An operation that is about to run.

    Attributes:
        place: where; None for one that only lays numbers out.
        kind: as of the place.
        in_place: whether it writes to its first argument.
        run: runs it and gives what it gives.

    """

    place: Place | None
    kind: str
    in_place: bool
    arguments: Sequence[Any]
    named: dict[str, Any]
    part: str
    run: Callable[[], Any]


Visitor = Callable[[Operation], Any]
"""Is given each operation; runs it or not, and gives what the module is to see as its result."""


class Stopped(BaseException):
    """A pass has shown all that it was made for. No Exception, so that no module catches it."""


class _Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, visit: Visitor, parts: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._visit = visit
        self._parts = parts
        self._counts: Counter[tuple[str, str]] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        named = kwargs or {}
        written = str(func.overloadpacket.__name__)
        kind, part = written.removesuffix("_") if written != "_" else written, self._parts[-1]
        place = None
        if kind not in _UNCOUNTED:
            place = Place(part, kind, self._counts[part, kind])
            self._counts[part, kind] += 1
        in_place = written != kind and not written.startswith("__")
        operation = Operation(
            place, kind, in_place, args, named, part, lambda: func(*args, **named)
        )
        return self._visit(operation)


@contextmanager
def _named_parts(module: nn.Module) -> Iterator[list[str]]:
    """The names of the parts that are running, innermost last, while the block runs."""
    running = [""]

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: running.append(name)

    def leave(*_: object) -> None:
        running.pop()

    with ExitStack() as hooks:
        for name, part in module.named_modules():
            if not name or isinstance(part, torch.jit.ScriptModule):
                continue
            for handle in (
                part.register_forward_pre_hook(enter(name), prepend=True),
                part.register_forward_hook(leave, always_call=True),
            ):
                hooks.callback(handle.remove)
        yield running


def visited(module: nn.Module, call: Callable[[], Any], visit: Visitor) -> Any:
    """What ``call`` gives, with every operation that the module asks for given to ``visit``.

    Returns:
        None where the visitor stopped the pass.

    """
    with torch.no_grad(), _named_parts(module) as parts, _Watching(visit, parts):
        try:
            return call()
        except Stopped:
            return None


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors among arguments or results, in lists and tuples too."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)
    elif isinstance(values, dict):
        yield from tensors_in(list(values.values()))
