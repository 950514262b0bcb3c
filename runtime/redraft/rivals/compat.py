"""A rule with ``compat davidbau``, from its places to its solution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from redraft.memory import keys
from redraft.memory.layer import Layer, Places
from redraft.memory.moments import key_rows
from redraft.memory.placed import PlacedRule
from redraft.models.generator import LayerInputs
from redraft.models.samplers import sampler_of
from redraft.rivals import davidbau
from redraft.rivals.davidbau import Region
from redraft.rivals.davidbau_layer import entering
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.solve.problem import Problem, Solution
from redraft.solve.results import Once, anew
from redraft_dsl.recipe.model import Erase

POPULATION = 1 << 16
"""About how many keys a unit's quantiles are counted over; theirs are estimated from a sample."""


@dataclass(frozen=True, eq=False)
class Reproduction:
    """The way of the paper authors' code, from the pictures on; it changes nothing in the network.

    Of the problem it takes the layer alone. Statistics are taken anew: theirs see other noise, and
    are added up in float32.

    Attributes:
        layer: of the rule.
        placed: the rule. It has one paste.
        adam: their optimiser, with its settings.

    """

    layer: Layer
    placed: PlacedRule
    adam: ProjectedAdam
    finds_directions: ClassVar[bool] = True

    def __call__(
        self,
        problem: Problem,
        directions: Tensor,  # noqa: ARG002
        once: Once = anew,  # noqa: ARG002
    ) -> Solution:
        """Solve the rule.

        Raises:
            RunError: it cannot be solved; says why and what to change.

        """
        placed, facts = self.placed, self.layer.facts
        with torch.no_grad():
            contexts = list(self._regions(placed.contexts, facts.key_size))
            moment = self._moment()
            basis = self._directions(contexts, moment)
            # The checker lets `each context` pass where there is one context.
            target = next(self._regions(placed.pastes, facts.value_size))
            if isinstance(placed.rule, Erase):
                units = davidbau.unusual_units(contexts, moment, placed.rule.units)
                wanted = davidbau.erased(problem.form, target.inputs, units)
            else:
                assert placed.copy is not None, "an insert copies"
                source = next(self._regions(placed.copy, facts.value_size))
                patch = davidbau.copied(problem.form, source)
                wanted = davidbau.pasted(problem.form, target, patch)
            return davidbau.insert(self.adam, problem.form, wanted, basis)

    def _directions(self, contexts: Sequence[Region], moment: Tensor) -> Tensor:
        rule = self.placed.rule
        match rule.directions:
            case "svd":
                return davidbau.inverted_directions(contexts, moment, rule.rank)
            case "mean":
                return davidbau.mean_direction(contexts, moment)
            case "units":
                inside = keys.ContextKeys(
                    torch.cat([key_rows(each.inputs.keys) for each in contexts]).double(),
                    torch.cat([each.cover.reshape(-1) for each in contexts]).double(),
                )
                return keys.unit_directions(inside, self._population(), rule.rank)
            case _:
                return davidbau.whitened_directions(contexts, moment, rule.rank)

    def _regions(self, places: Places, size: tuple[int, int]) -> Iterator[Region]:
        """Each place, run alone, since noise goes by a picture's place in its batch."""
        for place, row in zip(places, places.latents.to(self.layer.device), strict=True):
            inputs = self._entering(row[None])
            yield Region(inputs, torch.from_numpy(place.on_grid(size)).to(inputs.keys))

    def _moment(self) -> Tensor:
        layer = self.layer
        return davidbau.second_moment(layer.generator, self._batches(), layer.facts.name)

    def _population(self) -> Tensor:
        (height, width), count = self.layer.facts.key_size, self.layer.blocks[0].count
        # An odd step goes through all columns in turn.
        step = count * height * width // POPULATION | 1
        return torch.cat(
            [key_rows(self._entering(batch).keys)[::step] for batch in self._batches()]
        )

    def _batches(self) -> Iterator[Tensor]:
        block, sampler = self.layer.blocks[0], sampler_of(self.layer.generator)
        for batch in sampler.batches(block, block.count, davidbau.BATCH):
            yield batch.to(self.layer.device)

    def _entering(self, rows: Tensor) -> LayerInputs:
        return entering(self.layer.generator, rows, self.layer.facts.name)
