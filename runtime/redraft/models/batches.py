"""Running a model in batches that fit the memory, however large its pictures are.

What fits into one batch is computed as one, so that small models give the bits that they would
give without batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from redraft.models.generator import Generator, LayerInputs
from redraft_dsl.facts import LayerFacts, ModelFacts

POSITIONS = 200 * 64 * 64
"""Most picture positions in one batch."""
ELEMENTS = 1 << 25
"""Most numbers in one tensor of a batch: 128 MiB as float32. A few such are held at once."""
MOST = 200


def batch_size(facts: ModelFacts, most: int = MOST, layers: Sequence[str] | None = None) -> int:
    """How many pictures to compute at once.

    Args:
        facts: of the model.
        most: no more than this.
        layers: only what enters these layers is needed; None for whole pictures.

    """
    positions = facts.image_size if layers is None else _last(facts, layers).key_size
    fitting = min(POSITIONS // (positions[0] * positions[1]), at_once(_largest(facts, layers)))
    return max(1, min(most, fitting))


def at_once(numbers: int) -> int:
    """How many things that consist of so many numbers each to compute with at once."""
    return max(1, ELEMENTS // numbers)


def device_of(generator: Generator) -> torch.device:
    """Where a generator's weights lie."""
    return next(generator.module.parameters()).device


def draw(generator: Generator, latents: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) on the CPU of latents (N, latent_size) on any device."""
    parts = torch.split(latents.to(device_of(generator)), batch_size(generator.facts))
    return torch.cat([generator.sample(part).cpu() for part in parts])


def draw_values(generator: Generator, layer: str, values: Tensor, inputs: LayerInputs) -> Tensor:
    """Pictures (N, 3, H, W), on the model's device, of what leaves a layer.

    Args:
        generator: runs what lies behind the layer.
        layer: canonical name.
        values: (N, O, H, W), what leaves the layer.
        inputs: what entered it, N pictures.

    """
    return torch.cat(
        [
            generator.pictures(layer, values[rows], inputs.select(rows))
            for rows in torch.split(torch.arange(len(inputs)), batch_size(generator.facts))
        ]
    )


def inputs_in_parts(generator: Generator, latents: Tensor, layer: str) -> Iterator[LayerInputs]:
    """What enters and follows a layer, for as many of the latents (N, latent_size) as fit at once.

    A part also fits while the layer's values are computed.
    """
    for part in torch.split(latents, together(generator.facts, layer)):
        yield generator.inputs(part, [layer])[layer]


def inputs_of_all(generator: Generator, latents: Tensor, layer: str) -> LayerInputs:
    """What enters a layer for latents (N, latent_size), run in parts that fit."""
    parts = list(inputs_in_parts(generator, latents, layer))
    if len(parts) == 1:
        return parts[0]
    return LayerInputs(
        torch.cat([part.keys for part in parts]),
        {name: torch.cat([part.carried[name] for part in parts]) for name in parts[0].carried},
    )


def together(facts: ModelFacts, layer: str) -> int:
    """How many pictures can be run up to a layer, and through it, at once."""
    return at_once(max(_largest(facts, [layer]), _values(_last(facts, [layer]))))


def _largest(facts: ModelFacts, layers: Sequence[str] | None) -> int:
    """Numbers in the largest map of one picture, up to the keys of the last of the layers."""
    if layers is None:
        height, width = facts.image_size
        maps = [max(_keys(each), _values(each)) for each in facts.layers]
        return max([3 * height * width, *maps])
    end = facts.layers.index(_last(facts, layers))
    before = [max(_keys(each), _values(each)) for each in facts.layers[:end]]
    return max([_keys(facts.layers[end]), *before])


def _last(facts: ModelFacts, layers: Sequence[str]) -> LayerFacts:
    requested = {facts.layer(name) for name in layers}
    return next(each for each in reversed(facts.layers) if each in requested)


def _keys(layer: LayerFacts) -> int:
    return layer.in_channels * layer.key_size[0] * layer.key_size[1]


def _values(layer: LayerFacts) -> int:
    return layer.out_channels * layer.value_size[0] * layer.value_size[1]
