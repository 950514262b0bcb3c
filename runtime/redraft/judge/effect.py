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

Each has an interval, see :mod:`redraft.judge.intervals`, and beside the share stand its nulls, see
:mod:`redraft.judge.chance`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from redraft.judge.chance import DRAWS, moved_region, random_edit
from redraft.judge.intervals import Interval, bootstrap, null_of, share_of
from redraft.models.arithmetic import full_float32
from redraft.models.batches import at_once, batch_size, draw_values
from redraft.models.generator import Generator, LayerInputs
from redraft.solve.delta import Delta
from redraft.solve.goals import Goal

INSIDE = 0.5
"""Pixels that at least this share of the context regions cover make up the region."""
HOLDS = 1.0
"""A picture holds what is to go if its wish is at least this share of the contexts' mean."""
MARGIN = 1 / 8
"""How far the region is grown, as a share of the picture's side, before outside is measured."""


@dataclass(frozen=True)
class Effect:
    """The measures of one rule over ``pictures`` unseen pictures.

    ``judged`` is how many of them share and amplitude are taken over: all for an insert, those
    that hold what is to go for a removal. ``null`` is the share of random edits; its interval is
    for one more such edit. ``elsewhere`` is the share at another region. Each is None where it was
    not measured.
    """

    share: Interval
    amplitude: Interval
    outside: Interval
    pictures: int
    judged: int
    null: Interval | None = None
    elsewhere: Interval | None = None

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

    @cached_property
    def elsewhere(self) -> Tensor | None:
        """(H, W) bool, the region moved away; see :func:`redraft.judge.chance.moved_region`."""
        return moved_region(self.inside)

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

    ``counts`` (N,) bool says whether there is anything to wish for. ``elsewhere`` (N,) is the
    correlation in the moved region, ``random`` (N,) that of a random edit; None if there is none.
    """

    correlation: Tensor
    amplitude: Tensor
    outside: Tensor
    counts: Tensor
    elsewhere: Tensor | None = None
    random: Tensor | None = None

    @classmethod
    def joined(cls, parts: Sequence[PictureScores]) -> PictureScores:
        """The scores of several batches, one after another."""
        return cls(
            torch.cat([part.correlation for part in parts]),
            torch.cat([part.amplitude for part in parts]),
            torch.cat([part.outside for part in parts]),
            torch.cat([part.counts for part in parts]),
            _joined([part.elsewhere for part in parts]),
            _joined([part.random for part in parts]),
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
    length = torch.linalg.vector_norm(own, dim=1)
    moved = None if wish.elsewhere is None else _centred(difference, wish.elsewhere)
    return PictureScores(
        _correlation(inside, own),
        ((inside * own).sum(1) / length.square().clamp_min(1e-12)).cpu(),
        _mean_absolute(difference, wish.outside),
        counts,
        None if moved is None else _correlation(moved, own),
    )


def summarise(scores: PictureScores, seed: int = 0) -> Effect:
    """Means with 95 % intervals over pictures (seeded, so that they repeat)."""
    counts = scores.counts.numpy()
    amplitudes = scores.amplitude.numpy()[counts]
    amplitude = bootstrap(amplitudes, seed) if len(amplitudes) else Interval(0.0, 0.0, 0.0)
    return Effect(
        share=share_of(scores.correlation, counts),
        amplitude=amplitude,
        outside=bootstrap(scores.outside.numpy(), seed),
        pictures=len(counts),
        judged=int(counts.sum()),
        null=None if scores.random is None else null_of(scores.random, counts),
        elsewhere=None if scores.elsewhere is None else share_of(scores.elsewhere, counts),
    )


@dataclass(frozen=True)
class Unchanged:
    """Pictures (N, 3, H, W) without a change, what enters the layer, and what a removal wants."""

    inputs: LayerInputs
    before: Tensor
    wanted: Tensor | None

    def select(self, rows: Sequence[int]) -> Unchanged:
        """Some of them."""
        some = list(rows)
        wanted = None if self.wanted is None else self.wanted[some]
        return Unchanged(self.inputs.select(some), self.before[some], wanted)


@full_float32()
def measure(
    generator: Generator,
    layer: str,
    delta: Delta,
    latents: Tensor,
    wish: Wish,
    seed: int = 0,
    *,
    null: bool = True,
) -> Effect:
    """The effect of one change on pictures of ``latents`` (N, latent_size).

    ``null`` is whether random edits are judged too, which takes as long again.

    Everything before the layer is run once for both sides; the generator is left as it is.
    """
    judge = Judge.of(generator, delta, wish, null=null)
    parts = [
        judge.scores(number, draw_unchanged(generator, layer, rows))
        for number, rows in enumerate(judged_batches(generator, latents))
    ]
    return summarise(PictureScores.joined(parts), seed)


@dataclass(frozen=True)
class Judge:
    """Compares pictures with a change, and with random edits in its place, to what was wished.

    Attributes:
        generator: the network before the rule.
        layer: the rule's layer.
        weight: (O, C, kh, kw), with the change.
        random: the weights with random edits in its place.
        wish: of the rule.

    """

    generator: Generator
    layer: str
    weight: Tensor
    random: tuple[Tensor, ...]
    wish: Wish

    @classmethod
    def of(cls, generator: Generator, delta: Delta, wish: Wish, *, null: bool = True) -> Judge:
        """The judge of a change, by random edits too unless ``null`` is false."""
        weight = generator.form(delta.layer).weight
        draws = range(DRAWS if null else 0)
        random = tuple(random_edit(delta, draw).added_to(weight) for draw in draws)
        return cls(generator, delta.layer, delta.added_to(weight), random, wish)

    def scores(self, number: int, unchanged: Unchanged) -> PictureScores:
        """The scores of the batch ``number`` of those that are judged."""
        found = score_change(self.generator, self.layer, self.weight, unchanged, self.wish)
        if not self.random:
            return found
        first = number * batch_size(self.generator.facts)
        random = torch.zeros_like(found.correlation)
        for draw, weight in enumerate(self.random):
            rows = range((draw - first) % DRAWS, len(random), DRAWS)
            if rows:
                some = unchanged.select(rows)
                scored = score_change(self.generator, self.layer, weight, some, self.wish)
                random[list(rows)] = scored.correlation
        return replace(found, random=random)


def judged_batches(generator: Generator, latents: Tensor) -> tuple[Tensor, ...]:
    """Latents (N, latent_size) in the batches that they are judged in."""
    return torch.split(latents, batch_size(generator.facts))


def draw_unchanged(
    generator: Generator,
    layer: str,
    latents: Tensor,
    own_goal: Callable[[LayerInputs], Tensor] | None = None,
    before: Tensor | None = None,
) -> Unchanged:
    """What the pictures of a batch are without a change.

    Args:
        generator: the network before the rule.
        layer: the rule's layer.
        latents: (N, latent_size).
        own_goal: gives the values that a removal wants for any pictures.
        before: the pictures (N, 3, H, W), where they are drawn already.

    """
    form, inputs = generator.form(layer), generator.inputs(latents, [layer])[layer]
    if before is None:
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


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    known = [part for part in parts if part is not None]
    return torch.cat(known) if len(known) == len(parts) else None


def _correlation(changes: Tensor, own: Tensor) -> Tensor:
    """(N,) of centred changes and wishes."""
    sizes = torch.linalg.vector_norm(changes, dim=1) * torch.linalg.vector_norm(own, dim=1)
    found: Tensor = (changes * own).sum(1) / sizes.clamp_min(1e-12)
    return found.cpu()


def _centred(changes: Tensor, inside: Tensor) -> Tensor:
    """(N, 3 * pixels) changes inside the region, less each picture's own mean."""
    rows = changes[:, :, inside].flatten(1)
    return rows - rows.mean(1, keepdim=True)


def _mean_absolute(difference: Tensor, outside: Tensor) -> Tensor:
    if not bool(outside.any()):
        return torch.zeros(difference.shape[0], dtype=torch.float64)
    return difference[:, :, outside].abs().mean((1, 2)).cpu()
