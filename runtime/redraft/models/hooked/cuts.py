"""Where a module can be cut: its convolutions and linear maps that run once a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from torch import Tensor, nn

from redraft.models.arch.plain import Pair
from redraft.models.generator import Axes
from redraft.models.hooked.form import Convolution
from redraft.models.hooked.layout import Layout
from redraft.models.hooked.passes import Place
from redraft.models.hooked.positions import Pad
from redraft.models.hooked.tail import Search, Tail
from redraft.models.hooked.trace import Memory, Step, Trace, memory_of, picture_of
from redraft.models.hooked.weights import Held, held_weight, sharing

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
PRODUCTS = frozenset({"convolution", "addmm", "mm", "linear"})
_PADS = {"reflection_pad2d": "reflect", "replication_pad2d": "replicate"}


@dataclass(frozen=True)
class Cut:
    """One layer, and where it is found in a pass.

    Attributes:
        part: dotted name of the module that is the layer.
        main: its own operation.
        entry: the operation that reads the keys: its own, or the padding before it.
        held: its weight.
        convolution: how it is computed, and how the weight lies in the module.
        kernel: of the weight.
        keys: (h, w).
        channels: C.
        layout: of what it gives.
        tail: what follows it.
        key_rows: what enters is (N * h * w, C) and not maps.
        writes_over_keys: whether the network writes over its keys later.

    """

    part: str
    main: Place
    entry: Place
    held: Held
    convolution: Convolution
    kernel: Pair
    keys: Pair
    channels: int
    layout: Layout
    tail: Tail
    key_rows: bool
    writes_over_keys: bool

    @property
    def axes(self) -> Axes:
        """How the weight lies in the module."""
        return self.convolution.axes

    @property
    def end(self) -> Place:
        """The operation behind which values are read."""
        return self.tail.links[-1].place if self.tail.links else self.main


@dataclass(frozen=True)
class Refused:
    """A part of a module that has a weight, and why it is no layer."""

    part: str
    reason: str


@dataclass(frozen=True)
class _Watched:
    """A pass, and what of it depends on what.

    Attributes:
        module: what ran.
        trace: its pass.
        count: pictures in it.
        by_picture: memories that depend on the latents.
        needed: memories that the pictures depend on, and where each of them was last written.

    """

    module: nn.Module
    trace: Trace
    count: int
    by_picture: set[Memory]
    picture: Tensor


def cuts_of(module: nn.Module, trace: Trace, latents: Tensor) -> list[Cut | Refused]:
    """The layers of a module in the order in which they run, and what is none, with the reason.

    Args:
        module: the network.
        trace: of a pass for two pictures or more.
        latents: what the pass began with.

    """
    picture = picture_of(trace.output)
    assert picture is not None, "it was checked to give pictures"
    dependent = trace.depending([memory_of(latents)])
    watched = _Watched(module, trace, len(picture), dependent, picture)
    found: list[tuple[int, Cut | Refused]] = []
    for part, layer in module.named_modules():
        if isinstance(layer, WEIGHTED):
            found.append(_cut(watched, part, layer))
    found.sort(key=lambda each: each[0])
    cuts = [cut for _, cut in found]
    colours = picture.shape[1]
    for number in reversed(range(len(cuts))):
        last = cuts[number]
        if isinstance(last, Cut):
            # The last one makes the colours.
            if last.layout.channels == colours and last.layout.kind == "maps":
                cuts[number] = Refused(last.part, "it makes the colours of the picture")
            break
    return cuts


def _cut(watched: _Watched, part: str, layer: nn.Module) -> tuple[int, Cut | Refused]:
    steps = [
        step
        for step in watched.trace.steps
        if step.place is not None and step.part == part and step.kind in PRODUCTS
    ]
    if not steps:
        return len(watched.trace.steps), Refused(part, "it does not run")
    if len(steps) > 1:
        return steps[0].number, Refused(part, f"it runs {len(steps)} times a picture")
    step = steps[0]
    try:
        return step.number, _described(watched, part, layer, step)
    except _NoLayerError as refusal:
        return step.number, Refused(part, str(refusal))


class _NoLayerError(Exception):
    """Why a part is no layer."""


def _described(watched: _Watched, part: str, layer: nn.Module, step: Step) -> Cut:
    trace, (keys, weight, _) = watched.trace, product_of(step.kind, step.arguments)
    if memory_of(keys) not in watched.by_picture:
        raise _NoLayerError("what enters it is the same for all pictures")
    reached = trace.depending([memory_of(step.result)], step.number)
    if memory_of(watched.picture) not in reached:
        raise _NoLayerError("the picture does not depend on it")
    held = held_weight(layer, part, weight)
    if held is None:
        raise _NoLayerError("its weight is computed in a way that is not known")
    shared = sharing(watched.module, held.name)
    if shared is not None:
        raise _NoLayerError(f"its weight is also that of `{shared}`")
    entry, keys, pad, mode = _entry(trace, step, keys)
    if step.kind == "convolution":
        made = _convolution(watched, step, keys, weight, pad, mode)
    else:
        made = _linear(watched, step, keys, weight)
    convolution, kernel, size, layout = made
    axes = convolution.axes
    if convolution.positions(kernel, size, layout.size) is None:
        raise _NoLayerError("its outputs are no whole multiple of its stride, or it is dilated")
    by_picture = watched.by_picture.__contains__
    search = Search(trace, layout, watched.count, reached, by_picture)
    assert step.place is not None
    assert entry.place is not None
    if axes == "grid" and held.scaled and held.partner is None:
        raise _NoLayerError("its weight is computed in a way that is not known")
    return Cut(
        part=part,
        main=step.place,
        entry=entry.place,
        held=held,
        convolution=convolution,
        kernel=kernel,
        keys=size,
        channels=int(weight.shape[1] if axes == "OI" else weight.shape[0]),
        layout=layout,
        tail=search.tail(step),
        key_rows=step.kind != "convolution",
        writes_over_keys=trace.written_over(memory_of(keys), entry.number - 1),
    )


def product_of(kind: str, arguments: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    """Keys, weight and bias of an operation that multiplies them.

    The weight of a linear map is given as (C, O).
    """
    if kind == "addmm":
        return arguments[1], arguments[2], arguments[0]
    if kind == "mm":
        return arguments[0], arguments[1], None
    if kind == "linear":
        return arguments[0], arguments[1].t(), arguments[2] if len(arguments) > 2 else None
    return arguments[0], arguments[1], arguments[2]


def _entry(trace: Trace, step: Step, keys: Tensor) -> tuple[Step, Tensor, Pad, str]:
    """The operation that reads the keys before any padding of them."""
    if step.kind == "convolution" and not step.arguments[6]:
        for before in reversed(trace.steps[: step.number]):
            if memory_of(keys) in before.writes and before.place is not None:
                found = _padding(before)
                if found is not None and found[0].shape[:2] == keys.shape[:2]:
                    return before, *found
                break
    return step, keys, (0, 0, 0, 0), "constant"


def _padding(step: Step) -> tuple[Tensor, Pad, str] | None:
    mode = _PADS.get(step.kind)
    if step.kind == "constant_pad_nd" and (len(step.arguments) < 3 or not step.arguments[2]):
        mode = "constant"
    if mode is None or len(step.arguments[1]) != 4 or min(step.arguments[1]) < 0:
        return None
    left, right, top, bottom = (int(each) for each in step.arguments[1])
    return step.arguments[0], (left, right, top, bottom), mode


_Made = tuple[Convolution, Pair, Pair, Layout]
"""How a layer is computed, its kernel, its keys' size and how what it gives lies."""


def _convolution(
    watched: _Watched, step: Step, keys: Tensor, weight: Tensor, pad: Pad, mode: str
) -> _Made:
    stride, padding, dilation, transposed, more, groups = step.arguments[3:9]
    if groups != 1:
        raise _NoLayerError(f"it has {groups} groups")
    if keys.dim() != 4 or len(keys) != watched.count:
        raise _NoLayerError("it does not run once for each picture")
    axes: Axes = "IO" if transposed else "OI"
    found = Convolution(
        axes, _pair(stride), _pair(padding), _pair(dilation), _pair(more), pad, mode
    )
    channels = int(step.result.shape[1])
    layout = Layout("maps", channels, _pair(step.result.shape[2:]))
    return found, _pair(weight.shape[2:]), _pair(keys.shape[2:]), layout


def _linear(watched: _Watched, step: Step, keys: Tensor, weight: Tensor) -> _Made:
    rows, out = keys.shape[:-1].numel(), int(weight.shape[1])
    if rows == watched.count:
        grid = _grid_behind(watched, step, out)
        if grid is not None:
            channels, size = grid
            return Convolution("grid"), size, (1, 1), Layout("vectors", channels, size)
        return Convolution("linear"), (1, 1), (1, 1), Layout("vectors", out, (1, 1))
    positions, rest = divmod(rows, watched.count)
    tokens = None if rest else _grid_of_tokens(watched, positions)
    if tokens is None:
        raise _NoLayerError("what enters it lies on no grid of the picture")
    return Convolution("linear"), (1, 1), tokens, Layout("tokens", out, tokens)


def _grid_behind(watched: _Watched, step: Step, out: int) -> tuple[int, Pair] | None:
    """Channels and size of the maps that vectors are laid out to; None where they are not."""
    wanted = {memory_of(step.result)}
    for later in watched.trace.steps[step.number + 1 :]:
        if not later.reads & wanted:
            continue
        if later.kind in ("view", "_unsafe_view", "_reshape_alias"):
            shape = later.result.shape
            if len(shape) == 4 and shape[0] == watched.count and shape[2] * shape[3] > 1:
                return (shape[1], (shape[2], shape[3])) if shape[1:].numel() == out else None
        elif later.place is not None:
            # What keeps the vectors as they are is passed by: an activation, a batch norm.
            shown = later.result[0] if isinstance(later.result, list | tuple) else later.result
            if not isinstance(shown, Tensor) or tuple(shown.shape) != (watched.count, out):
                return None
        wanted |= later.writes
    return None


def _grid_of_tokens(watched: _Watched, positions: int) -> Pair | None:
    """The grid of so many tokens, as the module itself lays maps out to tokens or back."""
    for step in watched.trace.steps:
        if step.kind not in ("view", "_unsafe_view", "_reshape_alias"):
            continue
        before, after = (tuple(each.shape) for each in (step.arguments[0], step.result))
        for maps, flat in ((before, after), (after, before)):
            if len(maps) >= 4 and positions in flat and maps[-2] * maps[-1] == positions:
                return maps[-2], maps[-1]
            if len(maps) == 4 and positions in flat and maps[1] * maps[2] == positions:
                return maps[1], maps[2]
    return None


def _pair(values: Any) -> Pair:
    """Rows and columns."""
    found = [int(value) for value in values]
    return (found[0], found[-1])


def names_of(cuts: list[Cut | Refused]) -> Iterator[tuple[str, Cut]]:
    """What recipes call each layer; no two alike."""
    taken: set[str] = set()
    for cut in cuts:
        if isinstance(cut, Cut):
            name = wanted = layer_name(cut.part)
            for number in count(2):
                if name not in taken:
                    break
                name = f"{wanted}_{number}"
            taken.add(name)
            yield name, cut


def layer_name(part: str) -> str:
    """A dotted name of a module, in a form that a recipe can write."""
    plain = re.sub(r"[^\w.\-]", "_", part)
    return plain if re.match(r"[^\W\d]", plain) else f"layer{plain}"
