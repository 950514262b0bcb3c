"""Any torch module as a generator that can be cut and edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from redraft.errors import ModelError
from redraft.models.checkpoint.refusals import known_layer
from redraft.models.checkpoint.sets import shared_prefix
from redraft.models.generator import Axes, LayerInputs
from redraft.models.hooked.cuts import Cut, Refused, cuts_of, names_of, product_of
from redraft.models.hooked.described import Generator, Shape, as_pictures, called, shape_of
from redraft.models.hooked.form import GAIN, LATENT, SHIFT, HookedForm
from redraft.models.hooked.latents import sampler_for
from redraft.models.hooked.passes import Operation, Place, Stopped, visited
from redraft.models.hooked.tail import Affine, Tail
from redraft.models.hooked.trace import Trace, picture_of, traced
from redraft.models.hooked.weights import held_as, natural, put, scale_between
from redraft.models.partners import Partner
from redraft_dsl.facts import LayerFacts, ModelFacts

ARCH = "module"
Around = Callable[[], AbstractContextManager[None]]
CHANGED = 0.1
"""By how much of its spread a weight is changed to see whether its layer's form holds."""
CLOSE = 1e-3
"""Of the change that follows, what the form may be wrong by."""
EXACT = 1e-5
"""Of the values, what the form may be wrong by."""
_KINDS: dict[str, str] = {
    "OI": "conv",
    "IO": "conv-transpose",
    "linear": "linear",
    "grid": "linear-grid",
}


@dataclass
class _Capture:
    """What is known of one layer while a pass runs."""

    cut: Cut
    keys: Tensor | None = None
    affine: Affine | None = None
    met: int = 0

    @property
    def done(self) -> bool:
        """Whether all is known."""
        return self.affine is not None and self.met == len(self.cut.tail.links)


class HookedGenerator:
    """A module as a :class:`redraft.models.generator.Generator`; see the protocol.

    Its layers are watched for in one pass when it is made. Every other pass runs the module's own
    ``forward``, with hooks that take what enters a layer, or put in what leaves it.

    Args:
        described: the module, and what its owner says of it.
        arch: as recipes call its architecture.
        around: entered around every pass through the module.

    Raises:
        ModelError: the module draws no pictures, or nothing in it can be rewritten.

    """

    def __init__(
        self, described: Generator, arch: str = ARCH, around: Around = nullcontext
    ) -> None:
        self.described = described
        self._around = around
        self.module: nn.Module = described.module
        self.module.eval()  # What it gives is the module, but not where a class has its own.
        self.shape: Shape = shape_of(described)
        self._prefix = ""
        self._prefix = shared_prefix(self.state())
        self.sampler = sampler_for(described, self.shape.numbers)
        trace, rows = self.watch(2)
        picture = picture_of(trace.output)
        assert picture is not None, "it was seen when the shape was found"
        found = [self._settled(each, rows) for each in cuts_of(self.module, trace, rows)]
        self._cuts: dict[str, Cut] = dict(names_of(found))
        self.refused: tuple[Refused, ...] = tuple(
            each for each in found if isinstance(each, Refused)
        )  # fmt: skip
        self.facts: ModelFacts = ModelFacts(
            arch=arch,
            image_size=(int(picture.shape[2]), int(picture.shape[3])),
            latent_size=self.shape.numbers,
            layers=tuple(_facts(name, cut) for name, cut in self._cuts.items()),
            latents=self.sampler.kind,
            classes=self.sampler.classes,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> HookedGenerator:
        """A copy with a module of its own; a module that cannot be copied is named for it."""
        with self._around():
            copied = object.__new__(type(self))
            memo[id(self)] = copied
            vars(copied).update({name: deepcopy(held, memo) for name, held in vars(self).items()})
        return copied

    @property
    def assumed(self) -> tuple[str, ...]:
        """Nothing: the module is its own description."""
        return ()

    def weight_name(self, layer: str) -> str:
        """The name of the layer's weight in the module's state, without any prefix."""
        return self._cut(layer).held.name.removeprefix(self._prefix)

    def weight_axes(self, layer: str) -> Axes:
        """How that weight lies there."""
        return self._cut(layer).axes

    def state(self) -> dict[str, Tensor]:
        """The present weights under the names of the module's state."""
        state = self.module.state_dict()
        return {
            name.removeprefix(self._prefix): tensor
            for name, tensor in state.items()
            if isinstance(tensor, Tensor)  # not what modules keep beside
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back the weights of :meth:`state`, bit for bit."""
        given = {self._prefix + name: value for name, value in state.items()}
        with self._around():
            self.module.load_state_dict(given, strict=False)

    def form(self, layer: str) -> HookedForm:
        """The per-channel structure of a layer, reading the module's present weight."""
        return self._form(self._cut(layer))

    def set_weight(self, layer: str, weight: Tensor) -> None:
        """Write ``weight`` (O, C, kh, kw) into the module, bit for bit."""
        cut = self._cut(layer)
        put(self.module, cut.held, held_as(weight, cut.axes))

    def partner(self, layer: str) -> Partner | None:
        """What changes along with the layer's weight, under the names of the file."""
        found = self._cut(layer).held.partner
        if found is None:
            return None
        name = found.name.removeprefix(self._prefix)
        other = None if found.other is None else found.other.removeprefix(self._prefix)
        return found.model_copy(update={"name": name, "other": other})

    def inputs(self, latents: Tensor, layers: Sequence[str]) -> dict[str, LayerInputs]:
        """What enters each of the layers, in one pass that stops at the last of them."""
        found = self._inputs(latents, [self._cut(layer) for layer in layers])
        return dict(zip(layers, found, strict=True))

    def _inputs(self, latents: Tensor, cuts: Sequence[Cut]) -> list[LayerInputs]:
        captures = [_Capture(cut) for cut in cuts]
        at: dict[Place, list[_Capture]] = {}
        for capture in captures:
            cut = capture.cut
            for place in {cut.entry, cut.main, *(link.place for link in cut.tail.links)}:
                at.setdefault(place, []).append(capture)

        def visit(operation: Operation) -> Any:
            waiting = at.get(operation.place) if operation.place is not None else None
            if not waiting:
                return operation.run()
            for capture in waiting:
                self._take(capture, operation)
            if all(capture.done for capture in captures):
                raise Stopped
            return operation.run()

        visited(self.module, lambda: self.call(latents), visit)
        return [self._entered(capture, latents) for capture in captures]

    def pictures(self, layer: str, values: Tensor, inputs: LayerInputs) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 from the values that leave ``layer``."""
        cut = self._cut(layer)
        met = False

        def visit(operation: Operation) -> Any:
            nonlocal met
            if operation.place != cut.end:
                return operation.run()
            met = True
            return _replaced(cut, operation, values)

        output = visited(self.module, lambda: self.call(inputs.carried[LATENT]), visit)
        if not met:
            raise _astray(cut.end)
        return self._shown(output)

    def values(self, latents: Tensor, layer: str) -> Tensor:
        """(N, O, H, W), what leaves ``layer`` in the module itself."""
        return self._values(self._cut(layer), latents)

    def sample(self, latents: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 of latents (N, width)."""
        with torch.no_grad():
            return self._shown(self.call(latents))

    def watch(self, count: int) -> tuple[Trace, Tensor]:
        """A pass of so many pictures, noted step by step, and the rows that it began with."""
        rows = self.sampler.some(count).to(self._like)
        return self.trace(rows), rows

    def trace(self, rows: Tensor) -> Trace:
        """A pass for rows (N, width), noted step by step."""
        return traced(self.module, lambda: self.call(rows))

    def _settled(self, found: Cut | Refused, rows: Tensor) -> Cut | Refused:
        """A cut whose form was seen to hold when its weight changes, or why there is none."""
        if isinstance(found, Refused):
            return found
        for tail in dict.fromkeys((found.tail, Tail())):
            cut = replace(found, tail=tail)
            if self._holds(cut, rows):
                return cut
        return Refused(found.part, "what it gives does not follow from its weight as it should")

    def _holds(self, cut: Cut, rows: Tensor) -> bool:
        """Whether the form says what the module gives where the weight is another one."""
        (inputs,) = self._inputs(rows, [cut])
        form = self._form(cut)
        source = torch.Generator().manual_seed(0)
        noise = torch.randn(form.weight.shape, generator=source).to(form.weight)
        weight = form.weight + CHANGED * form.weight.std(correction=0).clamp_min(1e-6) * noise
        held = {name: tensor.clone() for name, tensor in self._tensors(cut).items()}
        try:
            put(self.module, cut.held, held_as(weight, cut.axes))
            given = self._values(cut, rows)
        finally:
            with torch.no_grad():
                for name, tensor in self._tensors(cut).items():
                    tensor.copy_(held[name])
        said = form.activate(form.response(inputs, weight))
        change = (given - form.activate(form.response(inputs, form.weight))).abs().max()
        wrong = (said - given).abs().max()
        return bool(wrong <= CLOSE * change + EXACT * given.abs().max())

    def _values(self, cut: Cut, rows: Tensor) -> Tensor:
        """(N, O, H, W), what the module itself gives where values are read."""
        found: list[Tensor] = []

        def visit(operation: Operation) -> Any:
            if operation.place != cut.end:
                return operation.run()
            shown = operation.run()
            first = shown[0] if isinstance(shown, list | tuple) else shown
            found.append(cut.layout.maps(_own(cut, first)))
            raise Stopped

        visited(self.module, lambda: self.call(rows), visit)
        if not found:
            raise _astray(cut.end)
        return found[0]

    def _form(self, cut: Cut) -> HookedForm:
        phases = cut.convolution.positions(cut.kernel, cut.keys, cut.layout.size)
        assert phases is not None, "a layer without positions is no layer"
        weight = natural(self._held(cut), cut.axes, cut.kernel)
        return HookedForm(weight, phases, cut.tail.slope, cut.tail.by_picture, cut.convolution)

    def _tensors(self, cut: Cut) -> dict[str, Tensor]:
        """What :meth:`set_weight` writes to."""
        names = {cut.held.name} | ({cut.held.partner.name} if cut.held.partner else set())
        state = self.module.state_dict(keep_vars=True)
        return {name: state[name] for name in names}

    def call(self, rows: Tensor) -> Any:
        """What the module gives for rows (N, width)."""
        with self._around():
            return called(self.module, self.shape, self.described.labels, rows.to(self._like))

    @property
    def _like(self) -> Tensor:
        """A tensor of the device and the dtype that latents need."""
        found = next((each for each in self.module.parameters() if each.is_floating_point()), None)
        return torch.empty(0) if found is None else found

    def _shown(self, output: Any) -> Tensor:
        picture = picture_of(output)
        assert picture is not None, "it gave pictures before"
        return as_pictures(picture, self.described.range)

    def _take(self, capture: _Capture, operation: Operation) -> None:
        """What an operation that is about to run tells of a layer."""
        cut = capture.cut
        if operation.place == cut.entry:
            own = cut.entry == cut.main
            keys = (
                product_of(operation.kind, operation.arguments)[0]
                if own
                else operation.arguments[0]
            )
            capture.keys = keys.clone() if cut.writes_over_keys else keys
        if operation.place == cut.main:
            capture.affine = self._started(capture, operation)
            return
        for number, link in enumerate(cut.tail.links):
            if operation.place == link.place:
                assert capture.affine is not None
                capture.affine.follow(link, operation.arguments, operation.named)
                capture.met = number + 1

    def _started(self, capture: _Capture, operation: Operation) -> Affine:
        """Gain and shift of the product itself."""
        cut = capture.cut
        _, weight, bias = product_of(operation.kind, operation.arguments)
        shift = weight.new_zeros(1, 1, 1, 1)
        if bias is not None:
            shift = bias.reshape(1, cut.layout.channels, -1, 1)
            shift = shift.reshape(1, cut.layout.channels, *(
                cut.layout.size if shift.shape[2] > 1 else (1, 1)
            ))  # fmt: skip
        gain = weight.new_ones(1, 1, 1, 1)
        if cut.held.scaled:
            used = weight.t() if weight.dim() == 2 else weight
            scale = scale_between(self._held(cut), used)
            assert scale is not None, "it was one before"
            rows, columns = (0, 1) if cut.axes != "IO" else (1, 0)
            if scale.shape[rows] > 1 or scale.numel() == 1:
                gain = scale.reshape(1, -1, 1, 1)
            else:
                assert capture.keys is not None, "what enters comes before the product"
                assert scale.shape[columns] > 1, "it is one for each row or each column"
                capture.keys = _channelwise(capture.keys, scale)
        return Affine(cut.layout, gain, shift)

    def _entered(self, capture: _Capture, latents: Tensor) -> LayerInputs:
        cut, affine = capture.cut, capture.affine
        if capture.keys is None or affine is None or not capture.done:
            raise _astray(cut.end)
        count, keys = len(latents), capture.keys
        if cut.key_rows:
            keys = keys.reshape(count, *cut.keys, -1).permute(0, 3, 1, 2)
        gain = affine.gain.expand(count, cut.layout.channels, 1, 1)[:, :, 0, 0]
        shift = affine.shift.expand(count, *affine.shift.shape[1:])
        return LayerInputs(keys, {GAIN: gain, SHIFT: shift, LATENT: latents})

    def _held(self, cut: Cut) -> Tensor:
        return self.module.get_parameter(cut.held.name)

    def _cut(self, layer: str) -> Cut:
        return self._cuts[known_layer(self.facts, layer).name]


def _channelwise(keys: Tensor, scale: Tensor) -> Tensor:
    """Keys, maps or rows, times one number for each of their channels."""
    return keys * (scale.reshape(1, -1, 1, 1) if keys.dim() == 4 else scale.reshape(-1))


def _replaced(cut: Cut, operation: Operation, values: Tensor) -> Any:
    """What an operation is made to give: the values, laid out as its result."""
    shown = operation.run()
    first = shown[0] if isinstance(shown, list | tuple) else shown
    part = _own(cut, first)
    part.copy_(cut.layout.like(values, part))
    return shown


def _own(cut: Cut, shown: Tensor) -> Tensor:
    """The layer's channels of what the last operation of its tail gives."""
    channel, channels = cut.tail.channel, cut.layout.channels
    whole = shown.dim() != 4 or shown.shape[1] == channels
    return shown if whole else shown[:, channel : channel + channels]


def _facts(name: str, cut: Cut) -> LayerFacts:
    return LayerFacts(
        names=(name,),
        kind=_KINDS[cut.axes],
        in_channels=cut.channels,
        out_channels=cut.layout.channels,
        kernel=cut.kernel,
        key_size=cut.keys,
        value_size=cut.layout.size,
        behind=cut.tail.words,
        joined=cut.tail.joined,
    )


def _astray(place: Place) -> ModelError:
    return ModelError(
        "RD647",
        f"the module did not reach {place}, which it reached when it was looked at",
        "a generator needs to do the same operations for every picture and in every batch",
    )
