"""What a module did in one pass: its operations, and which of them read what others wrote.

Tensors are told apart by the memory that they lie in. What lies in one memory is one value, however
it is laid out; an operation that works in place writes a new value over the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from redraft.models.hooked.passes import Operation, Place, tensors_in, visited

COPIES = frozenset({"clone", "contiguous", "_to_copy", "detach", "lift_fresh", "alias"})
"""Kinds that give the values that they are given."""
Memory = int


@dataclass(frozen=True)
class Step:
    """An operation that has run.

    Attributes:
        number: in the pass, from 0.
        place: see :class:`redraft.models.hooked.passes.Operation`.
        kind: the same.
        part: the same.
        in_place: the same.
        arguments: the same, with the named ones behind them by name.
        result: what it gave.
        reads: the memories of its tensors.
        writes: those of its results.

    """

    number: int
    place: Place | None
    kind: str
    part: str
    in_place: bool
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    result: Any
    reads: frozenset[Memory]
    writes: frozenset[Memory]


@dataclass(frozen=True)
class Trace:
    """One pass.

    Attributes:
        steps: in the order in which they ran.
        output: what the module gave.
        held: the tensors met, so that no memory is used twice.

    """

    steps: tuple[Step, ...]
    output: Any
    held: list[Tensor] = field(repr=False)

    def readers(self, memory: Memory, after: int) -> list[Step]:
        """Who reads a memory behind a step."""
        return [step for step in self.steps[after + 1 :] if memory in step.reads]

    def depending(self, memories: Iterable[Memory], after: int = -1) -> set[Memory]:
        """All memories whose content depends on some, behind a step."""
        found = set(memories)
        for step in self.steps[after + 1 :]:
            if step.reads & found:
                found |= step.writes
        return found

    def written_over(self, memory: Memory, after: int) -> bool:
        """Whether a step behind this one writes to a memory in place."""
        return any(
            step.in_place and memory in step.writes for step in self.steps[after + 1 :]
        )  # fmt: skip


def memory_of(tensor: Tensor) -> Memory:
    """What tells the memory of a tensor from others."""
    return int(tensor.untyped_storage()._cdata)


def traced(module: nn.Module, call: Callable[[], Any]) -> Trace:
    """Run ``call`` and note what the module does."""
    steps: list[Step] = []
    held: list[Tensor] = []

    def visit(operation: Operation) -> Any:
        given = [*tensors_in(operation.arguments), *tensors_in(operation.named)]
        reads = frozenset(map(memory_of, given))
        arguments = tuple(operation.arguments)
        result = operation.run()
        results = list(tensors_in(result))
        writes = set(map(memory_of, results))
        if operation.in_place:
            writes |= {memory_of(each) for each in tensors_in(arguments[:1])}
        held.extend((*given, *results))
        steps.append(
            Step(
                len(steps), operation.place, operation.kind, operation.part, operation.in_place,
                arguments, operation.named, result, reads, frozenset(writes),
            )
        )  # fmt: skip
        return result

    output = visited(module, call, visit)
    return Trace(tuple(steps), output, held)


def same_places(traces: Sequence[Trace]) -> Place | None:
    """Where passes first do different things; None where they do the same."""
    rows = [[step.place for step in trace.steps if step.place is not None] for trace in traces]
    for row in rows[1:]:
        for one, other in zip(rows[0], row, strict=False):
            if one != other:
                return other
        if len(row) != len(rows[0]):
            longer = row if len(row) > len(rows[0]) else rows[0]
            return longer[min(len(row), len(rows[0]))]
    return None


def picture_of(output: Any) -> Tensor | None:
    """The first tensor of four axes in what a module gave: (N, colours, H, W)."""
    return next((each for each in tensors_in(output) if each.dim() == 4), None)


def number_of(value: Any) -> float | None:
    """A Python number, or a tensor of one element that stands for one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, torch.Tensor) and value.dim() == 0:
        return float(value)
    return None
