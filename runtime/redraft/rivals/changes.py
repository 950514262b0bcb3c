"""Changes of any kind under one signature: pictures and a strength in, changed pictures out.

A solver changes one layer. Other methods change all weights, move latents, or paint on the pictures
themselves. Here all of them do one thing: they draw some unseen pictures anew, at a strength.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from redraft.judge.spots import Spots
from redraft.models.arithmetic import full_float32
from redraft.models.batches import draw, draw_values
from redraft.models.generator import Generator, LayerInputs
from redraft.solve.delta import Delta


@dataclass(frozen=True, eq=False)
class Subject:
    """N pictures as the network draws them, which a change is asked to draw anew.

    Attributes:
        generator: without the change.
        layer: of the rule that the change competes with.
        latents: (N, width).
        inputs: what enters the layer.
        before: (N, 3, H, W) in -1..1.
        spots: the rule's places in them; None where it belongs in one region of all pictures.
        holding: (N,) bool, which of them hold what a removal is to remove; None where each counts.

    """

    generator: Generator
    layer: str
    latents: Tensor
    inputs: LayerInputs
    before: Tensor
    spots: Spots | None = None
    holding: Tensor | None = None


class Change(Protocol):
    """Any method, fitted: draws pictures anew."""

    most: ClassVar[float]
    """The strength beyond which it means nothing."""

    def __call__(self, subject: Subject, strength: float) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 with the change; strength 0 leaves them as they are."""
        ...


@dataclass(frozen=True)
class LayerChange:
    """The change of one layer that a solver found."""

    delta: Delta
    most: ClassVar[float] = 1e4

    @torch.no_grad()
    @full_float32()
    def __call__(self, subject: Subject, strength: float) -> Tensor:
        """The pictures with the change; nothing before the layer is run again."""
        layer, inputs = self.delta.layer, subject.inputs
        form = subject.generator.form(layer)
        weight = self.delta.scaled(strength).added_to(form.weight)
        values = form.activate(form.response(inputs, weight))
        return draw_values(subject.generator, layer, values, inputs)


@dataclass(frozen=True)
class WeightsChange:
    """A change of any weights, by their names in the module."""

    parts: Mapping[str, Tensor]
    most: ClassVar[float] = 1e4

    @torch.no_grad()
    @full_float32()
    def __call__(self, subject: Subject, strength: float) -> Tensor:
        """The pictures with the change; the network is left as it was, bit for bit."""
        with changed_weights(subject.generator, self.parts, strength):
            return draw(subject.generator, subject.latents)


@dataclass(frozen=True)
class LatentChange:
    """A direction that is added to every latent."""

    direction: Tensor
    most: ClassVar[float] = 1e4

    @torch.no_grad()
    @full_float32()
    def __call__(self, subject: Subject, strength: float) -> Tensor:
        """The pictures of the moved latents."""
        return draw(subject.generator, moved(subject.latents, strength * self.direction))


def moved(latents: Tensor, direction: Tensor) -> Tensor:
    """Latents (N, width) with a direction added to their numbers, and classes as they are."""
    size = len(direction)
    return torch.cat([latents[:, :size] + direction, latents[:, size:]], 1)


@contextmanager
def changed_weights(
    generator: Generator, parts: Mapping[str, Tensor], strength: float = 1.0
) -> Iterator[None]:
    """The network with a change of some weights, for as long as the block takes."""
    named = dict(generator.module.named_parameters())
    held = {name: named[name].detach().clone() for name in parts}
    try:
        with torch.no_grad():
            for name, change in parts.items():
                named[name].add_(strength * change)
        yield
    finally:
        with torch.no_grad():
            for name, tensor in held.items():
                named[name].copy_(tensor)
