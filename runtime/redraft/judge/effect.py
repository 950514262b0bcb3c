"""How well a rule follows, and what else it touches: the one set of measures.

They are measured on pictures that no rule saw, and no solver optimises them.

- *wish* T: the mean change of the context pictures when the layer's values are replaced by the
  goal's, inside the region.
- *share*: the part of unseen pictures whose change d inside the region has correlation(d, T)
  above .3. Both are centred.
- *amplitude*: the mean of <d, T> / <T, T>.
- *outside*: the mean absolute change, pictures in -1..1, outside the grown region.
- *ratio*: amplitude / outside. Strength moves both together, so the ratio is the figure of merit.

A removal asks for nothing where there is nothing to remove, and an inversion for one thing here and
for its opposite there. So their wish is each picture's own, and share and amplitude are taken over
the pictures whose wish is at least as large as the contexts' mean. Outside is taken over all.

Where things stand elsewhere in every picture (:mod:`redraft.judge.wish`), all of this is taken at
the places that are found in each picture: d and T are those of all its places together, outside is
what lies around none of them, and pictures without a place count for outside alone.

*pixel share* and *pixel amplitude* go by another wish, in which the copy's pixels, and not the
layer's values, are put into the contexts' pictures. No layer has a part in it, so it compares rules
at different layers.

Each has an interval, see :mod:`redraft.judge.intervals`, and beside the share stand its nulls, see
:mod:`redraft.judge.chance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redraft.judge.chance import DRAWS, random_edit
from redraft.judge.examples import least, typical
from redraft.judge.intervals import Interval, bootstrap, null_of, share_of
from redraft.judge.scores import PictureScores, score_pictures
from redraft.judge.spots import Spots
from redraft.judge.verdict import FIXED, Verdict, by_chance, verdict
from redraft.judge.wish import Wish
from redraft.models.arithmetic import full_float32
from redraft.models.batches import batch_size
from redraft.models.generator import Generator, LayerInputs
from redraft.solve.delta import Delta
from redraft.solve.goals import OwnGoal


@dataclass(frozen=True)
class Effect:
    """The measures of one rule over ``pictures`` unseen pictures.

    ``judged`` is how many of them share and amplitude are taken over: all for an insert, those
    that hold what is to go for a removal. ``null`` is the share of random edits; its interval is
    for one more such edit. ``elsewhere`` is the share at another region. Each is None where it was
    not measured. ``places`` says how places were come by: "fixed" for one region in all pictures,
    or the name of what finds them. ``judged`` are then the pictures that have one. ``typical`` and
    ``least`` are rows of pictures, see :mod:`redraft.judge.examples`.
    """

    share: Interval
    amplitude: Interval
    outside: Interval
    pictures: int
    judged: int
    null: Interval | None = None
    elsewhere: Interval | None = None
    places: str = FIXED
    pixel_share: Interval | None = None
    pixel_amplitude: Interval | None = None
    typical: tuple[int, ...] = ()
    least: tuple[int, ...] = ()

    @property
    def ratio(self) -> float:
        """Amplitude over outside."""
        return self.amplitude.value / max(self.outside.value, 1e-9)

    @property
    def verdict(self) -> Verdict:
        """What is said of the rule."""
        null = None if self.null is None else self.null.high
        elsewhere = None if self.elsewhere is None else self.elsewhere.value
        chance = by_chance(null, elsewhere)
        return verdict(self.share.value, self.amplitude.value, self.share.low, chance)


def summarise(scores: PictureScores, seed: int = 0) -> Effect:
    """Means with 95 % intervals over pictures (seeded, so that they repeat)."""
    counts = scores.counts.numpy()
    amplitude = _mean_of(scores.amplitude, counts, seed)
    assert amplitude is not None
    return Effect(
        share=share_of(scores.correlation, counts),
        amplitude=amplitude,
        outside=bootstrap(scores.outside.numpy(), seed),
        pictures=len(counts),
        judged=int(counts.sum()),
        null=None if scores.random is None else null_of(scores.random, counts),
        elsewhere=None if scores.elsewhere is None else share_of(scores.elsewhere, counts),
        pixel_share=None if scores.pixels is None else share_of(scores.pixels, counts),
        pixel_amplitude=_mean_of(scores.pixel_amplitude, counts, seed),
        typical=typical(scores.correlation, scores.amplitude, scores.counts),
        least=least(scores.correlation, scores.counts),
    )


def _mean_of(values: Tensor | None, counts: NDArray[np.bool_], seed: int) -> Interval | None:
    if values is None:
        return None
    some = values.numpy()[counts]
    return bootstrap(some, seed) if len(some) else Interval(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Unchanged:
    """Pictures (N, 3, H, W) without a change, what enters the layer, and what a removal wants.

    ``spots`` are their places; None where these are fixed.
    """

    inputs: LayerInputs
    before: Tensor
    wanted: Tensor | None
    spots: Spots | None = None

    def select(self, rows: Sequence[int]) -> Unchanged:
        """Some of them."""
        some = list(rows)
        wanted = None if self.wanted is None else self.wanted[some]
        spots = None if self.spots is None else self.spots.select(some)
        return Unchanged(self.inputs.select(some), self.before[some], wanted, spots)


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
        judge.scores(number, draw_unchanged(generator, layer, rows, wish))
        for number, rows in enumerate(judged_batches(generator, latents))
    ]
    return replace(summarise(PictureScores.joined(parts), seed), places=places_of(wish))


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


def places_of(wish: Wish) -> str:
    """How the places of a wish are come by, see :class:`Effect`."""
    return FIXED if wish.finder is None else wish.finder.name


def judged_batches(generator: Generator, latents: Tensor) -> tuple[Tensor, ...]:
    """Latents (N, latent_size) in the batches that they are judged in."""
    return torch.split(latents, batch_size(generator.facts))


def draw_unchanged(
    generator: Generator,
    layer: str,
    latents: Tensor,
    wish: Wish,
    own_goal: OwnGoal | None = None,
    before: Tensor | None = None,
) -> Unchanged:
    """What the pictures of a batch are without a change.

    Args:
        generator: the network before the rule.
        layer: the rule's layer.
        latents: (N, latent_size).
        wish: of the rule, which says how its places are found.
        own_goal: gives the values wanted of any pictures, where each has a goal of its own.
        before: the pictures (N, 3, H, W), where they are drawn already.

    """
    form, inputs = generator.form(layer), generator.inputs(latents, [layer])[layer]
    if before is None:
        values = form.activate(form.response(inputs, form.weight))
        before = generator.pictures(layer, values, inputs)
    spots = None if wish.finder is None else wish.finder(inputs, before)
    if own_goal is None:
        return Unchanged(inputs, before, None, spots)
    regions = None if spots is None else spots.covered(len(before), wish.inside)
    wanted = generator.pictures(layer, own_goal(latents, inputs, regions), inputs)
    return Unchanged(inputs, before, wanted, spots)


def score_change(
    generator: Generator, layer: str, weight: Tensor, unchanged: Unchanged, wish: Wish
) -> PictureScores:
    """The scores of a batch of pictures, with another weight (O, C, kh, kw) of the layer."""
    form = generator.form(layer)
    values = form.activate(form.response(unchanged.inputs, weight))
    after = generator.pictures(layer, values, unchanged.inputs)
    return score_pictures(unchanged.before, after, wish, unchanged.wanted, unchanged.spots)
