"""What follows a layer, as far as it has a closed form: ``values = relu(gain * (W * K) + shift)``.

A tail is a chain of operations, each of which alone reads what the one before it gave: batch norm
in evaluation mode, sums and products with what does not depend on the layer, a ReLU of any slope,
a concatenation. Each one is a change of gain and shift, so that the values may be read behind all
of them. Where the chain ends, values are read; the rest of the network reads them from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from redraft.models.hooked.layout import Layout
from redraft.models.hooked.passes import Place
from redraft.models.hooked.trace import COPIES, Memory, Step, Trace, memory_of, number_of

NORMS = frozenset(
    {
        "native_batch_norm",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "_batch_norm_no_update",
        "cudnn_batch_norm",
        "miopen_batch_norm",
    }
)
LinkKind = Literal["norm", "add", "mul", "relu", "cat"]
WORDS: dict[LinkKind, str] = {
    "norm": "batch norm",
    "add": "sum",
    "mul": "factor",
    "relu": "ReLU",
    "cat": "",
}


@dataclass(frozen=True)
class Link:
    """One operation of a tail.

    Attributes:
        place: where it runs.
        kind: what it does.
        own: which of its tensors the layer's is, 0 or 1.
        channel: of a concatenation, where the layer's channels begin.
        slope: of a ReLU below 0.
        foreign: whether the other tensor is made for each picture elsewhere in the network.

    """

    place: Place
    kind: LinkKind
    own: int = 0
    channel: int = 0
    slope: float = 0.0
    foreign: bool = False

    @property
    def words(self) -> str:
        """What it is called; nothing for what only adds or scales by the layer's own weights."""
        if self.kind == "relu":
            return f"leaky ReLU {self.slope:g}" if self.slope else "ReLU"
        own = self.kind in ("add", "mul") and not self.foreign
        return "" if own else WORDS[self.kind]


@dataclass(frozen=True)
class Tail:
    """What follows a layer up to where its values are read, in order."""

    links: tuple[Link, ...] = ()

    @property
    def slope(self) -> float:
        """Slope of the activation below 0; 1 for none."""
        return next((link.slope for link in self.links if link.kind == "relu"), 1.0)

    @property
    def channel(self) -> int:
        """The first of the layer's channels in what the last link gives."""
        return sum(link.channel for link in self.links)

    @property
    def by_picture(self) -> bool:
        """Whether pictures have gains of their own."""
        return any(link.foreign for link in self.links if link.kind == "mul")

    @property
    def joined(self) -> bool:
        """Whether other layers of the network have a part in the values."""
        return any(link.foreign for link in self.links)

    @property
    def words(self) -> str:
        """Where values are read, as in ``batch norm, sum, ReLU``."""
        return ", ".join(link.words for link in self.links if link.words)


@dataclass
class Affine:
    """``gain * convolution + shift`` while a tail is walked.

    Attributes:
        layout: of the values.
        gain: (N or 1, O or 1, 1, 1).
        shift: broadcasts against (N, O, H, W).
        channel: the first of the layer's channels in the maps that it is now a part of.

    """

    layout: Layout
    gain: Tensor
    shift: Tensor
    channel: int = 0

    def follow(self, link: Link, arguments: Sequence[Any], named: dict[str, Any]) -> None:
        """Take one more link into account; ``arguments`` are those of its operation."""
        if link.kind == "norm":
            scale, offset = (self._mapped(part, arguments[0]) for part in _folded(arguments))
            self._times(scale)
            self.shift = self.shift + offset
        elif link.kind == "add":
            other = self._mapped(arguments[1 - link.own], arguments[link.own])
            factor = float(named.get("alpha", 1)) * (-1 if link.place.kind == "sub" else 1)
            self.shift = self.shift + factor * other
        elif link.kind == "mul":
            other = self._mapped(arguments[1 - link.own], arguments[link.own])
            self._times(1 / other if link.place.kind == "div" else other)
        self.channel += link.channel

    def _times(self, factor: Tensor) -> None:
        self.gain, self.shift = self.gain * factor, self.shift * factor

    def _mapped(self, value: Any, beside: Tensor) -> Tensor:
        """A number or a tensor as it broadcasts against (N, O, H, W)."""
        if not isinstance(value, Tensor) or value.dim() == 0:
            return self.shift.new_tensor(float(value))
        found = self.layout.operand(value, beside).to(self.shift.dtype)
        channels = self.layout.channels
        if beside.dim() == 4 and found.shape[1] > 1 and beside.shape[1] != channels:
            return found[:, self.channel : self.channel + channels]
        return found


def _folded(arguments: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """Scale and offset of batch norm in evaluation mode, as they broadcast against what it reads.

    ``scale = gamma / sqrt(var + eps)``, ``offset = beta - mean * scale``.
    """
    weight, bias, mean, variance = arguments[1:5]
    scale = torch.rsqrt(variance + float(arguments[-1]))
    if weight is not None:
        scale = scale * weight
    offset = -mean * scale
    if bias is not None:
        offset = offset + bias
    if arguments[0].dim() == 4:
        return scale[:, None, None], offset[:, None, None]
    return scale, offset


@dataclass(frozen=True)
class Search:
    """What a tail is looked for in.

    Attributes:
        trace: a pass.
        layout: of the layer's values.
        count: pictures of the pass.
        own: the memories that depend on the layer.
        by_picture: whether a memory depends on the latents.

    """

    trace: Trace
    layout: Layout
    count: int
    own: set[Memory]
    by_picture: Callable[[Memory], bool]

    def tail(self, main: Step) -> Tail:
        """The longest tail of the layer whose own operation is ``main``."""
        links: list[Link] = []
        memory, at, width = memory_of(main.result), main.number, self.layout.channels
        while True:
            step = self._reader(memory, at)
            if step is not None and step.kind in COPIES:
                memory, at = memory_of(step.result), step.number
                continue
            link = None if step is None else self._link(step, memory, width)
            if step is None or link is None:
                break
            links.append(link)
            shown = step.result[0] if isinstance(step.result, list | tuple) else step.result
            memory, at = memory_of(shown), step.number
            width = int(shown.shape[1]) if shown.dim() == 4 else width
            if link.kind == "relu":
                break
        while links and links[-1].kind == "cat":
            # Behind it the layer's channels are what they were before it.
            links.pop()
        return Tail(tuple(links))

    def _reader(self, memory: Memory, at: int) -> Step | None:
        """The one step that reads what a step gave; None where there are several or none."""
        readers = [
            step
            for step in self.trace.readers(memory, at)
            if step.place is not None or step.kind in COPIES - {"detach", "alias"}
        ]
        readers = [step for step in readers if memory not in step.writes or step.in_place]
        if not readers:
            return None
        first = readers[0]
        # What is written over nobody can read any more.
        return first if len(readers) == 1 or memory in first.writes else None

    def _link(self, step: Step, memory: Memory, width: int) -> Link | None:
        listed = step.arguments[0] if step.kind == "cat" else step.arguments
        found = [
            number
            for number, each in enumerate(listed)
            if isinstance(each, Tensor) and memory_of(each) == memory
        ]
        if len(found) != 1:
            return None
        own = found[0]
        known = self.layout if width == self.layout.channels else replace(
            self.layout, channels=width
        )  # fmt: skip
        if not known.accepts(listed[own], self.count) or step.place is None:
            return None
        if step.kind in NORMS:
            return self._norm(step, own)
        if step.kind == "cat":
            return _cat(step, own)
        slope = _slope(step) if own == 0 else None
        if slope is not None:
            return Link(step.place, "relu", slope=slope)
        return self._arithmetic(step, own)

    def _norm(self, step: Step, own: int) -> Link | None:
        assert step.place is not None
        untrained = "no_" in step.kind or not step.arguments[5]
        if own != 0 or not untrained or step.arguments[3] is None:
            return None
        if step.arguments[0].dim() != 4 and self.layout.positions > 1:
            return None  # a gain of its own for each position
        return Link(step.place, "norm")

    def _arithmetic(self, step: Step, own: int) -> Link | None:
        assert step.place is not None
        if step.kind not in ("add", "sub", "mul", "div") or len(step.arguments) < 2:
            return None
        factor = step.kind in ("mul", "div")
        if step.kind in ("sub", "div") and (own != 0 or step.named.get("rounding_mode")):
            return None
        # The first part of a sum stays as it is, and the second is scaled.
        if own == 1 and step.named.get("alpha", 1) != 1:
            return None
        other, beside = step.arguments[1 - own], step.arguments[own]
        number = number_of(other)
        foreign = isinstance(other, Tensor) and self.by_picture(memory_of(other))
        if number is None:
            if not isinstance(other, Tensor) or memory_of(other) in self.own:
                return None
            if tuple(step.result.shape) != tuple(beside.shape):
                return None
            if factor and self.layout.operand(other, beside).shape[2:] != (1, 1):
                return None
        kind: LinkKind = "mul" if factor else "add"
        return Link(step.place, kind, own, foreign=foreign)


def _cat(step: Step, own: int) -> Link | None:
    assert step.place is not None
    dimension = step.arguments[1] if len(step.arguments) > 1 else step.named.get("dim", 0)
    if step.result.dim() != 4 or dimension not in (1, -3):
        return None
    before = sum(int(each.shape[1]) for each in step.arguments[0][:own])
    return Link(step.place, "cat", channel=before)


def _slope(step: Step) -> float | None:
    """Slope of an activation below 0; None for what is no ReLU."""
    arguments = step.arguments
    slope: float | None = None
    if step.kind == "relu":
        slope = 0.0
    elif step.kind == "leaky_relu":
        slope = float(arguments[1]) if len(arguments) > 1 else 0.01
    elif step.kind == "clamp_min" or (step.kind == "clamp" and arguments[2:] in ((), (None,))):
        slope = 0.0 if number_of(arguments[1]) == 0 else None
    elif step.kind == "_prelu_kernel" and arguments[1].numel() == 1:
        slope = float(arguments[1].detach())
    return slope if slope is not None and 0 <= slope < 1 else None
