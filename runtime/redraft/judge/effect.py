"""How well a rule follows, and what else it touches: the one set of measures.

They are measured on pictures that no rule saw, and no solver optimises them.

- *wish* T: the mean change of the context pictures when the layer's values are replaced by the
  goal's, inside the region.
- *share*: the part of unseen pictures whose change d inside the region has correlation(d, T)
  above .3. Both are centred.
- *amplitude*: the mean of <d, T> / <T, T>.
- *outside*: the mean absolute change, pictures in -1..1, outside the grown region.
- *ratio*: amplitude / outside. Strength moves both together, so the ratio is the figure of merit.

A removal asks for nothing where there is nothing to remove, so its wish is each picture's own, and
share and amplitude are taken over the pictures whose wish is at least as large as the contexts'
mean. Outside is taken over all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from redraft.models.arithmetic import full_float32
from redraft.models.batches import at_once, batch_size, draw_values
from redraft.models.generator import Generator, LayerInputs
from redraft.solve.delta import Delta
from redraft.solve.goals import Goal

CORRELATION = 0.3
"""Least correlation with the wish at which a picture counts as changed."""
INSIDE = 0.5
"""Pixels that at least this share of the context regions cover make up the region."""
HOLDS = 1.0
"""A picture holds what is to go if its wish is at least this share of the contexts' mean."""
MARGIN = 1 / 8
"""How far the region is grown, as a share of the picture's side, before outside is measured."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval over pictures."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """The measures of one rule over ``pictures`` unseen pictures.

    ``judged`` is how many of them share and amplitude are taken over: all for an insert, those
    that hold what is to go for a removal.
    """

    share: Interval
    amplitude: Interval
    outside: Interval
    pictures: int
    judged: int

    @property
    def ratio(self) -> float:
        """Amplitude over outside."""
        return self.amplitude.value / max(self.outside.value, 1e-9)


@dataclass(frozen=True)
class Wish:
    """What a rule should do to a picture.

    Attributes:
        change: (3 * pixels,) float64, the centred mean change inside the region.
        inside: (H, W) bool, the region.
        outside: (H, W) bool, what lies outside the grown region.
        size: mean length of the context pictures' own centred changes inside the region.

    """

    change: Tensor
    inside: Tensor
    outside: Tensor
    size: float

    def to(self, device: torch.device) -> Wish:
        """The same on a device."""
        return Wish(
            self.change.to(device), self.inside.to(device), self.outside.to(device), self.size
        )


@dataclass(frozen=True)
class GoalPictures:
    """The pictures of a goal.

    Attributes:
        present: (N, 3, H, W), as they are.
        wanted: (N, 3, H, W), as they would be if the goal were reached.
        regions: (N, H, W) coverage of the context regions in them.

    """

    present: Tensor
    wanted: Tensor
    regions: Tensor

    def wish(self) -> Wish:
        """The wish of the rule."""
        return wish_between(self.present, self.wanted, self.regions)

    def select(self, rows: Sequence[int]) -> GoalPictures:
        """Some of the pictures."""
        some = list(rows)
        return GoalPictures(self.present[some], self.wanted[some], self.regions[some])


def draw_goal(generator: Generator, layer: str, goal: Goal, regions: Tensor) -> GoalPictures:
    """The pictures of a goal.

    Args:
        generator: the network before the rule.
        layer: the rule's layer.
        goal: its goal on the context pictures.
        regions: (N, H, W) coverage of the context regions in the picture.

    """
    return GoalPictures(
        present=draw_values(generator, layer, goal.before, goal.inputs),
        wanted=draw_values(generator, layer, goal.values, goal.inputs),
        regions=regions,
    )


def wish_of(generator: Generator, layer: str, goal: Goal, regions: Tensor) -> Wish:
    """The wish of a rule, see :func:`draw_goal`."""
    return draw_goal(generator, layer, goal, regions).wish()


def wish_between(present: Tensor, wanted: Tensor, regions: Tensor) -> Wish:
    """The wish that turns pictures (N, 3, H, W) into wanted ones, see :class:`GoalPictures`."""
    mean = regions.double().mean(0)
    inside = mean >= min(INSIDE, float(mean.max()))
    side = max(inside.shape)
    reach = round(MARGIN * side)
    grown = functional.max_pool2d(inside[None, None].double(), 2 * reach + 1, 1, reach)[0, 0] > 0
    inside = inside.to(wanted.device)
    size = at_once(wanted[0].numel())
    parts = zip(torch.split(present, size), torch.split(wanted, size), strict=True)
    changes = torch.cat([_centred((after - before).double(), inside) for before, after in parts])
    length = float(torch.linalg.vector_norm(changes, dim=1).mean())
    return Wish(changes.mean(0), inside, ~grown.to(wanted.device), length)


@dataclass(frozen=True)
class PictureScores:
    """Per picture (N,): correlation with the wish, amplitude, change outside, float64.

    ``counts`` (N,) bool says whether there is anything to wish for.
    """

    correlation: Tensor
    amplitude: Tensor
    outside: Tensor
    counts: Tensor

    @classmethod
    def joined(cls, parts: Sequence[PictureScores]) -> PictureScores:
        """The scores of several batches, one after another."""
        return cls(
            torch.cat([part.correlation for part in parts]),
            torch.cat([part.amplitude for part in parts]),
            torch.cat([part.outside for part in parts]),
            torch.cat([part.counts for part in parts]),
        )


def score_pictures(
    before: Tensor, after: Tensor, wish: Wish, wanted: Tensor | None = None
) -> PictureScores:
    """Compare pictures (N, 3, H, W) before and after with what was wished.

    Args:
        before: without the edit.
        after: with it.
        wish: of the rule.
        wanted: each picture's own goal, for a removal; else all have the rule's common wish.

    """
    difference = (after - before).double()
    inside = _centred(difference, wish.inside)
    if wanted is None:
        own = wish.change.expand_as(inside)
        counts = torch.ones(len(inside), dtype=torch.bool)
    else:
        own = _centred((wanted - before).double(), wish.inside)
        counts = (torch.linalg.vector_norm(own, dim=1) >= HOLDS * wish.size).cpu()
    along = (inside * own).sum(1)
    length = torch.linalg.vector_norm(own, dim=1)
    sizes = torch.linalg.vector_norm(inside, dim=1) * length
    return PictureScores(
        (along / sizes.clamp_min(1e-12)).cpu(),
        (along / length.square().clamp_min(1e-12)).cpu(),
        _mean_absolute(difference, wish.outside),
        counts,
    )


def summarise(scores: PictureScores, seed: int = 0) -> Effect:
    """Means with 95 % intervals by bootstrap over pictures (seeded, so that they repeat)."""
    counts = scores.counts.numpy()
    followed = (scores.correlation > CORRELATION).double().numpy()
    table = np.stack([followed, scores.amplitude.numpy()], 1)[counts]
    share, amplitude = _intervals(table, seed) if len(table) else (Interval(0.0, 0.0, 0.0),) * 2
    (outside,) = _intervals(scores.outside.numpy()[:, None], seed)
    return Effect(share, amplitude, outside, len(counts), int(counts.sum()))


def _intervals(table: NDArray[np.float64], seed: int) -> tuple[Interval, ...]:
    """The mean of every column with its interval; rows are drawn together."""
    draws = np.random.default_rng(seed).integers(0, len(table), (RESAMPLES, len(table)))
    means = np.stack([table[draw].mean(0) for draw in draws])
    low, high = np.quantile(means, (0.025, 0.975), axis=0)
    return tuple(
        Interval(float(mean), float(lo), float(hi))
        for mean, lo, hi in zip(table.mean(0), low, high, strict=True)
    )


@dataclass(frozen=True)
class Unchanged:
    """Pictures (N, 3, H, W) without a change, what enters the layer, and what a removal wants."""

    inputs: LayerInputs
    before: Tensor
    wanted: Tensor | None


@full_float32()
def measure(
    generator: Generator,
    layer: str,
    delta: Delta,
    latents: Tensor,
    wish: Wish,
    seed: int = 0,
) -> Effect:
    """The effect of one change on pictures of ``latents`` (N, latent_size).

    Everything before the layer is run once for both sides; the generator is left as it is.
    """
    weight = delta.added_to(generator.form(layer).weight)
    parts = [
        score_change(generator, layer, weight, draw_unchanged(generator, layer, rows), wish)
        for rows in judged_batches(generator, latents)
    ]
    return summarise(PictureScores.joined(parts), seed)


def judged_batches(generator: Generator, latents: Tensor) -> tuple[Tensor, ...]:
    """Latents (N, latent_size) in the batches that they are judged in."""
    return torch.split(latents, batch_size(generator.facts))


def draw_unchanged(
    generator: Generator,
    layer: str,
    latents: Tensor,
    own_goal: Callable[[LayerInputs], Tensor] | None = None,
) -> Unchanged:
    """What the pictures of a batch are without a change.

    Args:
        generator: the network before the rule.
        layer: the rule's layer.
        latents: (N, latent_size).
        own_goal: gives the values that a removal wants for any pictures.

    """
    form, inputs = generator.form(layer), generator.inputs(latents, [layer])[layer]
    values = form.activate(form.response(inputs, form.weight))
    before = generator.pictures(layer, values, inputs)
    wanted = None if own_goal is None else generator.pictures(layer, own_goal(inputs), inputs)
    return Unchanged(inputs, before, wanted)


def score_change(
    generator: Generator, layer: str, weight: Tensor, unchanged: Unchanged, wish: Wish
) -> PictureScores:
    """The scores of a batch of pictures, with another weight (O, C, kh, kw) of the layer."""
    form = generator.form(layer)
    values = form.activate(form.response(unchanged.inputs, weight))
    after = generator.pictures(layer, values, unchanged.inputs)
    return score_pictures(unchanged.before, after, wish, unchanged.wanted)


def _centred(changes: Tensor, inside: Tensor) -> Tensor:
    """(N, 3 * pixels) changes inside the region, less each picture's own mean."""
    rows = changes[:, :, inside].flatten(1)
    return rows - rows.mean(1, keepdim=True)


def _mean_absolute(difference: Tensor, outside: Tensor) -> Tensor:
    if not bool(outside.any()):
        return torch.zeros(difference.shape[0], dtype=torch.float64)
    return difference[:, :, outside].abs().mean((1, 2)).cpu()
