"""What drives a cause: the direction of the latents along which it comes and goes (invert).

Past the paper, which sets units of an early layer high or low and lets the rest of the network
follow. Where cause and effect both come of the latent, as the windows of the village and what the
pond mirrors, no unit reaches from one to the other; and what a unit is set to, a style sets anew in
the next layer. So it is the latent that is moved, until the units are high or low. That asks
nothing of an architecture, and gives whole pictures in which cause and effect agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.memory.layer import Layer, Places
from redraft.models.arithmetic import full_float32
from redraft.models.batches import inputs_in_parts
from redraft.models.samplers import sampler_of

POPULATION = 1000
"""Most pictures by which the cause is told from what other pictures have in its place."""
REACH = 2.0
"""How far it is driven to each side of the middle, in standard deviations along the direction."""


@dataclass(frozen=True, eq=False)
class Drive:
    """A direction of the latents, and where on it pictures lie.

    Attributes:
        units: (S,) the channels by which the cause is told.
        direction: (width,) float64 of length 1; 0 where a row holds a class.
        middle: mean of the latents along it.
        spread: their standard deviation along it.
        explained: 0 to 1, how much of what tells the cause goes with the latents' numbers.

    """

    units: Tensor
    direction: Tensor
    middle: float
    spread: float
    explained: float

    @cached_property
    def content(self) -> bytes:
        """Equal only where the direction is."""
        return self.direction.numpy().tobytes()

    def driven(self, latents: Tensor, side: float) -> Tensor:
        """Latents (N, width), each with the cause high (``side`` 1) or low (-1)."""
        return self._moved(latents, self.middle + side * REACH * self.spread)

    def mirrored(self, latents: Tensor) -> Tensor:
        """Latents (N, width), each as far on the other side of the middle as it is on its own."""
        return self._moved(latents, 2 * self.middle - latents.double() @ self.direction)

    def _moved(self, latents: Tensor, to: float | Tensor) -> Tensor:
        rows = latents.double()
        far = to - rows @ self.direction
        return (rows + far[:, None] * self.direction).to(latents)


@torch.no_grad()
@full_float32()
def find_drive(layer: Layer, causes: Places, units: int) -> Drive:
    """What drives the cause.

    A channel is pooled over the mean region of the causes. It tells the cause by how far its mean
    over the marked pictures lies from that over others, in the standard deviations of these. The
    ``units`` channels that tell it best, weighed by that, are a picture's score; the direction is
    that of the least squares fit of the score by the latents' numbers.

    Args:
        layer: of the rule.
        causes: the marked places, N pictures.
        units: how many channels, S.

    Raises:
        RunError: the marked pictures do not differ from others there.

    """
    region = causes.on_keys.mean(0)
    sampler, block = sampler_of(layer.generator), layer.blocks[0]
    rows = sampler.rows(block, range(min(block.count, POPULATION)))
    others, marked = _pooled(layer, rows, region), _pooled(layer, causes.latents, region)
    mean, spread = others.mean(0), others.std(0, correction=0)
    told = torch.where(spread > 0, (marked.mean(0) - mean) / spread.clamp_min(1e-30), 0.0)
    chosen = told.abs().sort(descending=True, stable=True).indices[:units]
    weights = told[chosen]
    if not bool(weights.any()):
        raise RunError(
            "RD515",
            "what is marked as cause is in other pictures just as it is in these",
            "mark pictures that show the cause, or choose another layer",
        )
    score = ((others[:, chosen] - mean[chosen]) / spread[chosen].clamp_min(1e-30)) @ weights
    numbers = rows.double()
    numbers[:, sampler.size :] = 0.0
    centred = numbers - numbers.mean(0)
    slope = _fitted(centred, score)
    direction = slope / torch.linalg.vector_norm(slope).clamp_min(1e-30)
    along = numbers @ direction
    rest = score - centred @ slope
    explained = 1 - float(rest.square().sum() / score.square().sum().clamp_min(1e-30))
    return Drive(
        chosen.cpu(),
        direction,
        float(along.mean()),
        float(along.std(correction=0)),
        max(0.0, explained),
    )


def _fitted(centred: Tensor, score: Tensor) -> Tensor:
    """(width,) slope, by least squares with as much shrinkage as there are numbers.

    Where a latent has nearly as many numbers as there are pictures, plain least squares would fit
    what the pictures have by chance.
    """
    width = centred.shape[1]
    scale = centred.square().mean().clamp_min(1e-30)
    moment = centred.T @ centred + scale * width * torch.eye(width, dtype=centred.dtype)
    slope: Tensor = torch.linalg.solve(moment, centred.T @ score)
    return slope


def _pooled(layer: Layer, latents: Tensor, region: Tensor) -> Tensor:
    """(N, C) float64 on the CPU: the mean of each channel of the keys over a region (h, w)."""
    parts = inputs_in_parts(layer.generator, latents.to(layer.device), layer.facts.name)
    sums = [torch.einsum("nchw,hw->nc", p.keys.double(), region.to(p.keys.device)) for p in parts]
    return torch.cat(sums).cpu() / region.sum().clamp_min(1e-12)
