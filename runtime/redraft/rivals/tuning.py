"""Methods that are fitted to example pictures by gradient: all weights, or the latents.

They are given what a rule asks for, as pictures: those of its contexts with its goal reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.models.arch.stylegan2.generator import StyleGAN2
from redraft.models.arch.stylegan2.layouts import StyleNames
from redraft.models.generator import Generator
from redraft.rivals.changes import Change, LatentChange, WeightsChange, moved
from redraft.solve.descent import diverged

BATCH = 6
"""Pictures of one step."""


@dataclass(frozen=True, eq=False)
class Example:
    """What is asked for, in pictures.

    Attributes:
        latents: (N, width) of the rule's contexts.
        wanted: (N, 3, H, W) in -1..1, as they should be.

    """

    latents: Tensor
    wanted: Tensor

    def batches(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """``steps`` batches, all pictures in turn."""
        count = len(self.latents)
        for step in range(steps):
            rows = [(step * BATCH + n) % count for n in range(min(BATCH, count))]
            yield self.latents[rows], self.wanted[rows]


def fine_tuned(generator: Generator, example: Example, rate: float, steps: int) -> WeightsChange:
    """All weights, by Adam, for the mean squared difference from the wanted pictures.

    Raises:
        RunError: the network lets no gradients pass, or the descent diverged.

    """
    named = dict(generator.module.named_parameters())
    held = {name: weight.detach().clone() for name, weight in named.items()}
    try:
        with _trained(named.values()):
            optimizer = torch.optim.Adam(named.values(), lr=rate)
            for latents, wanted in example.batches(steps):
                optimizer.zero_grad()
                _loss(generator, latents, wanted).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        parts = {name: weight.detach() - held[name] for name, weight in named.items()}
    finally:
        with torch.no_grad():
            for name, weight in named.items():
                weight.copy_(held[name])
    if not all(bool(torch.isfinite(part).all()) for part in parts.values()):
        raise diverged()
    return WeightsChange(parts)


def latent_direction(generator: Generator, example: Example, rate: float, steps: int) -> Change:
    """One direction for all latents, by Adam, for the same loss.

    In StyleGAN2 it is one of the inner latents (Karras et al. 2019: W is the better space), else
    of the latents themselves.

    Raises:
        RunError: as :func:`fine_tuned`.

    """
    if isinstance(generator, StyleGAN2):
        return _inner_direction(generator, example, rate, steps)
    size = generator.facts.latent_size
    direction = example.latents.new_zeros(size).requires_grad_()
    optimizer = torch.optim.Adam([direction], lr=rate)
    for latents, wanted in example.batches(steps):
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = _loss(generator, moved(latents, direction), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    if not bool(torch.isfinite(direction).all()):
        raise diverged()
    return LatentChange(direction.detach())


def _inner_direction(
    generator: StyleGAN2, example: Example, rate: float, steps: int
) -> WeightsChange:
    """A direction of the inner latents.

    Styles are affine in these, so a move of all of them is a change of the biases of the styles.
    """
    named = dict(generator.module.named_parameters())
    names = style_names(generator)
    maps = {each.bias: scaled(named[each.weight]) for each in names}
    biases = {each.bias: named[each.bias] for each in names}
    held = {name: bias.detach().clone() for name, bias in biases.items()}
    direction = next(iter(maps.values())).new_zeros(next(iter(maps.values())).shape[1])
    direction = direction.requires_grad_()
    optimizer = torch.optim.Adam([direction], lr=rate)
    try:
        with _trained(biases.values()):
            for latents, wanted in example.batches(steps):
                with torch.no_grad():
                    for name, bias in biases.items():
                        bias.copy_(held[name] + maps[name] @ direction)
                        bias.grad = None
                _loss(generator, latents, wanted).backward()  # type: ignore[no-untyped-call]
                slopes = [maps[name].T @ bias.grad for name, bias in biases.items()
                          if bias.grad is not None]  # fmt: skip
                direction.grad = torch.stack(slopes).sum(0)
                optimizer.step()
    finally:
        with torch.no_grad():
            for name, bias in biases.items():
                bias.copy_(held[name])
    found = direction.detach()
    if not bool(torch.isfinite(found).all()):
        raise diverged()
    return WeightsChange({name: each @ found for name, each in maps.items()})


def style_channels(generator: StyleGAN2, example: Example, count: int) -> list[WeightsChange]:
    """The single style channels that promise most, best first (Wu et al., "StyleSpace", 2021).

    A channel is moved for all pictures alike, by the bias of its style. What it promises is how
    fast the loss falls where it is moved by its standard deviation.
    """
    named = dict(generator.module.named_parameters())
    names = style_names(generator)
    biases = {each.bias: named[each.bias] for each in names}
    with _trained(biases.values()):
        for latents, wanted in example.batches(-(-len(example.latents) // BATCH)):
            _loss(generator, latents, wanted).backward()  # type: ignore[no-untyped-call]
        slopes = {name: bias.grad for name, bias in biases.items()}
    with torch.no_grad():
        inner = generator.mapped(example.latents)
        spreads = {each.bias: (inner @ scaled(named[each.weight]).T).std(0) for each in names}
    found: list[tuple[float, str, int, float]] = []
    for name, slope in slopes.items():
        if slope is None:
            continue
        promised = (slope * spreads[name]).abs()
        for channel in promised.topk(min(count, len(promised))).indices.tolist():
            step = -float(slope[channel].sign() * spreads[name][channel])
            found.append((float(promised[channel]), name, channel, step))
    changes = []
    for _, name, channel, step in sorted(found, reverse=True)[:count]:
        change = torch.zeros_like(biases[name].detach())
        change[channel] = step
        changes.append(WeightsChange({name: change}))
    return changes


def style_names(generator: StyleGAN2) -> tuple[StyleNames, ...]:
    """The affine maps from inner latents to styles: of every layer, and of every picture step."""
    names = generator.names
    layers = [each.style for each in names.layers]
    return (*layers, *(each.style for each in names.colours))


def scaled(weight: Tensor) -> Tensor:
    """(C, L), the affine map of a style with the factor that StyleGAN2 gives it."""
    found: Tensor = weight.detach() / weight.shape[1] ** 0.5
    return found


def _loss(generator: Generator, latents: Tensor, wanted: Tensor) -> Tensor:
    with torch.enable_grad():
        loss = (generator.sample(latents) - wanted).square().mean()
    if not loss.requires_grad:
        raise RunError(
            "RD538",
            f"a generator of arch {generator.facts.arch} lets no gradients pass to its weights",
            "compare with the methods that change one layer",
        )
    return loss


@contextmanager
def _trained(weights: Iterable[Tensor]) -> Iterator[None]:
    """These weights require gradients, for as long as the block takes."""
    some = list(weights)
    for each in some:
        each.requires_grad_(True)
    try:
        yield
    finally:
        for each in some:
            each.requires_grad_(False)
            each.grad = None


Fit = Callable[[Generator, Example, float, int], Change]
"""A method that is fitted to an example: with a rate, and a number of steps."""
