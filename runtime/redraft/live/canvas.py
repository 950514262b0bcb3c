"""Pictures of a network with changes in it, drawn on a copy: what is solved stays as it is."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from redraft.models.batches import batch_size, device_of, inputs_of_all
from redraft.models.generator import Generator, LayerInputs
from redraft.models.samplers import sampler_of
from redraft.solve.delta import Delta
from redraft_dsl.recipe.model import Latents

FIRST = 4
"""Pictures that are drawn before the rest."""


@dataclass(frozen=True)
class Drawn:
    """Some pictures, and their numbers among those that were asked for.

    Attributes:
        rows: places in the list of the numbers that were asked for.
        pictures: (n, 3, H, W) float32 on the CPU, in -1..1.

    """

    rows: range
    pictures: Tensor


@dataclass
class Canvas:
    """A copy of a generator that changes are drawn with.

    What enters the first changed layer is held for the pictures that were drawn last, since no
    change of that layer or of a later one can alter it.

    Attributes:
        generator: the copy, unedited between two drawings.
        passes: pictures run up to a layer, and from a layer on, so far.

    """

    generator: Generator
    passes: list[int] = field(default_factory=lambda: [0, 0])
    _entering: dict[tuple[object, ...], LayerInputs] = field(default_factory=dict)

    @classmethod
    def of(cls, generator: Generator) -> Canvas:
        """A canvas for a generator that holds its own weights."""
        return cls(copy.deepcopy(generator))

    @property
    def device(self) -> torch.device:
        """Where pictures are drawn."""
        return device_of(self.generator)

    @torch.no_grad()
    def draw(
        self, block: Latents, numbers: Sequence[int], changes: Sequence[Delta]
    ) -> Iterator[Drawn]:
        """Pictures with some changes, a few first.

        Args:
            block: the latents whose pictures are drawn.
            numbers: which of them.
            changes: in the order in which they are applied.

        """
        rows = sampler_of(self.generator).rows(block, numbers)
        rows = rows.to(self.device)
        size = batch_size(self.generator.facts)
        bounds = (0, *range(min(FIRST, size), len(numbers), size), len(numbers))
        parts = [range(start, end) for start, end in itertools.pairwise(bounds) if start < end]
        first = self._first(changes)
        for part in parts:
            entering = None
            if first is not None:
                entering = self._inputs(first, (block, tuple(numbers)), rows, part)
            yield Drawn(part, self._pictures(rows[list(part)], first, entering, changes))

    def _first(self, changes: Sequence[Delta]) -> str | None:
        order = self.generator.facts.layer_names()
        return min((change.layer for change in changes), key=order.index, default=None)

    def _inputs(
        self, layer: str, shown: tuple[object, ...], rows: Tensor, part: range
    ) -> LayerInputs:
        key = (layer, shown, part)
        if not any(held[:2] == key[:2] for held in self._entering):
            self._entering.clear()
        if key not in self._entering:
            self.passes[0] += len(part)
            self._entering[key] = inputs_of_all(self.generator, rows[list(part)], layer)
        return self._entering[key]

    def _pictures(
        self,
        rows: Tensor,
        first: str | None,
        entering: LayerInputs | None,
        changes: Sequence[Delta],
    ) -> Tensor:
        self.passes[1] += len(rows)
        if first is None or entering is None:
            return self.generator.sample(rows).cpu()
        originals = {change.layer: self._weight(change.layer).clone() for change in changes}
        try:
            for change in changes:
                self.generator.set_weight(change.layer, self._changed(change))
            form = self.generator.form(first)
            values = form.activate(form.response(entering, form.weight))
            return self.generator.pictures(first, values, entering).cpu()
        finally:
            for layer, weight in originals.items():
                self.generator.set_weight(layer, weight)

    def _changed(self, change: Delta) -> Tensor:
        """A changed weight, in its own dtype all along: a picture shows no more of it."""
        weight = self._weight(change.layer)
        directions, coefficients = change.directions.to(weight), change.coefficients.to(weight)
        return weight + torch.einsum("osyx,sc->ocyx", coefficients, directions)

    def _weight(self, layer: str) -> Tensor:
        return self.generator.form(layer).weight
