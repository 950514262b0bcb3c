"""A layer of a network as it is now, and what it remembers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from redraft.memory.marked import Picture
from redraft.memory.moments import Whitening, key_rows
from redraft.memory.places import ResolvedPlace
from redraft.models.batches import batch_size, inputs_of_all
from redraft.models.generator import Generator, LayerForm, LayerInputs
from redraft.models.samplers import Sampler, sampler_of
from redraft_dsl.facts import LayerFacts
from redraft_dsl.recipe.model import Latents

POPULATION = 100
"""Most pictures over which a unit's quantiles are counted (``directions units``)."""


@dataclass(frozen=True, eq=False)
class Places:
    """N pictures, and a region in each of them.

    Attributes:
        each: the places.
        latents: (N, latent_size) float32, of their pictures.
        facts: of the layer whose grids the regions are brought to.
        origin: (N, latent_size), of the pictures that these were moved away from; None where they
            are those of the recipe.

    """

    each: tuple[ResolvedPlace, ...]
    latents: Tensor
    facts: LayerFacts
    origin: Tensor | None = None

    @cached_property
    def on_keys(self) -> Tensor:
        """(N, h, w) float64 coverage at the keys' resolution."""
        return covers(self.each, self.facts.key_size)

    @cached_property
    def on_values(self) -> Tensor:
        """(N, H, W) float64 coverage at the values' resolution."""
        return covers(self.each, self.facts.value_size)

    @property
    def areas(self) -> Tensor:
        """(N, height, width) float64 coverage of the picture's pixels."""
        return torch.stack([torch.from_numpy(place.area) for place in self.each])

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        """Which pictures they are."""
        return tuple(place.picture for place in self.each)

    @property
    def drawn(self) -> tuple[bytes, ...]:
        """What each picture is drawn from: equal where two are the same by whatever names.

        Pictures that were moved away from one picture are left out together, and so are equal.
        """
        rows = self.latents if self.origin is None else self.origin
        return tuple(row.numpy().tobytes() for row in rows)

    @cached_property
    def entering(self) -> Hashable:
        """What decides what enters a layer."""
        if self.origin is None:
            return self.pictures
        return self.pictures, self.latents.numpy().tobytes()

    @cached_property
    def content(self) -> Hashable:
        """What they say of pictures and regions: equal only where both are the same."""
        places = tuple(place.content for place in self.each)
        return places if self.origin is None else (places, self.entering)

    def part(self, rows: Iterable[int]) -> Places:
        """Some of them."""
        some = list(rows)
        origin = None if self.origin is None else self.origin[some]
        return Places(tuple(self.each[row] for row in some), self.latents[some], self.facts, origin)

    def __len__(self) -> int:
        return len(self.each)

    def __iter__(self) -> Iterator[ResolvedPlace]:
        return iter(self.each)


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a network.

    Attributes:
        generator: with all earlier rules applied.
        facts: of the layer.
        blocks: the latents of the recipe; statistics are those of the first.
        whitening: the second moment of the layer's keys, with its roots.

    """

    generator: Generator
    facts: LayerFacts
    blocks: tuple[Latents, ...]
    whitening: Whitening

    @property
    def form(self) -> LayerForm:
        """The layer's structure with its present weight."""
        return self.generator.form(self.facts.name)

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.whitening.moment.device

    def places(self, each: Iterable[ResolvedPlace]) -> Places:
        """Some places of the recipe, on the layer's grids."""
        found = tuple(each)
        sampler = sampler_of(self.generator)
        rows = latents_of(self.blocks, [place.picture for place in found], sampler)
        return Places(found, rows, self.facts)

    def enter(self, places: Places) -> LayerInputs:
        """What enters the layer for the pictures of some places."""
        return inputs_of_all(self.generator, places.latents.to(self.device), self.facts.name)

    def population(self) -> Tensor:
        """(n, C) keys of many pictures; of fewer where maps are large: it is keys that count."""
        block, facts = self.blocks[0], self.generator.facts
        count = min(block.count, batch_size(facts, POPULATION, [self.facts.name]))
        rows = sampler_of(self.generator).rows(block, range(count)).to(self.device)
        return key_rows(self.generator.inputs(rows, [self.facts.name])[self.facts.name].keys)


def covers(places: Sequence[ResolvedPlace], size: tuple[int, int]) -> Tensor:
    """(N, h, w) float64 coverage of the places on a grid of ``size``."""
    return torch.from_numpy(np.stack([place.on_grid(size) for place in places]))


def latents_of(blocks: Iterable[Latents], pictures: Sequence[Picture], sampler: Sampler) -> Tensor:
    """(N, width) float32 rows of pictures, in their order."""
    rows = torch.empty(len(pictures), sampler.width)
    for block in blocks:
        mine = [row for row, (name, _) in enumerate(pictures) if name == block.name]
        if mine:
            rows[mine] = sampler.rows(block, [pictures[row][1] for row in mine])
    return rows
