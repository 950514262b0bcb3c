"""What several edits of one base do to one another: by their numbers, and on pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import torch
from torch import Tensor

from redraft.disk.cache import Cache
from redraft.edit.artifact import Edit
from redraft.edit.joined_recipe import Part, recipe_in
from redraft.models.batches import draw
from redraft.models.locate import Base
from redraft.models.open import open_base
from redraft.models.samplers import sampler_of
from redraft.solve.delta import Delta, interference
from redraft_dsl.recipe.model import FileModel, Latents
from redraft_dsl.syntax.tree import ModelStatement, Number, Setting

PICTURES = 64
"""Pictures that are drawn to see what is kept of each edit; fewer of large ones."""
PICTURE_SIDE = 128
"""Side in pixels of the largest pictures of which that many are drawn."""
INSIDE = 0.5
"""Pixels that an edit changes at least this share as much as the most changed one are inside."""


@dataclass(frozen=True)
class Meeting:
    """Two rules of different edits at one layer, by their names in the joined edit.

    Attributes:
        first: the earlier rule.
        second: the later rule.
        layer: where both work.
        keys: how far they read the same directions, 0 to 1: the largest cosine under C.
        changes: the cosine between the two changes under C, -1 to 1; below 0 they work against
            each other.
        under: what C is: statistics of the unedited model at the truncation that the first rule
            was made at, if they are cached. It says so where the second was made at another one.

    """

    first: str
    second: str
    layer: str
    keys: float
    changes: float
    under: str

    @property
    def degrees(self) -> float:
        """The smallest angle between the two spaces of keys."""
        return math.degrees(math.acos(self.keys))


@dataclass(frozen=True)
class Retention:
    """What is left of one edit's own change when all are applied together.

    Inside is where the edit alone changes the pictures most.

    Attributes:
        source: the edit.
        share: of its change inside, projected on itself: 1 is all, 0 nothing.
        correlation: between its change and the joined one inside, mean over pictures.
        outside: mean absolute difference to its own pictures outside, pictures in -1..1: what
            the other edits do there.

    """

    source: str
    share: float
    correlation: float
    outside: float


def meetings(
    parts: Sequence[Part], deltas: Sequence[Delta], file_sha256: str | None, cache: Cache
) -> Iterator[Meeting]:
    """The rules of different edits that meet at a layer; ``deltas`` are those of all parts."""
    owners = [row for row, part in enumerate(parts) for _ in part.edit.deltas]
    truncations = [_truncation(part) for part in parts]
    moments: dict[tuple[str, float], tuple[Tensor, str]] = {}
    for (mine, one), (theirs, other) in combinations(zip(owners, deltas, strict=True), 2):
        if mine == theirs or one.layer != other.layer:
            continue
        truncation = truncations[mine]
        key = (one.layer, truncation)
        if key not in moments:
            moments[key] = _moment(cache, file_sha256, one, truncation)
        matrix, under = moments[key]
        if truncations[theirs] != truncation:
            under += f"; {parts[theirs].source} was made at truncation {truncations[theirs]:g}"
        yield Meeting(
            one.rule,
            other.rule,
            one.layer,
            interference(one, other, matrix),
            change_cosine(one, other, matrix),
            under,
        )


def measure(
    base: Base, parts: Sequence[Part], combined: Edit, device: torch.device, seed: int = 1
) -> tuple[tuple[Retention, ...], int]:
    """What is kept of each edit when all are applied, and on how many pictures that was seen.

    Args:
        base: the located model, unedited.
        parts: the single edits.
        combined: what :func:`combine` made of them.
        device: where to draw.
        seed: of the latents.

    """
    opened = open_base(_as_the_recipe_reads_it(base, parts[0]), device)
    height, width = base.facts.image_size
    count = max(8, round(PICTURES * min(1.0, PICTURE_SIDE**2 / (height * width))))
    block = Latents(name="z", seed=seed, count=count)
    rows = sampler_of(opened.generator).rows(block, range(count))
    before = draw(opened.generator, rows)

    def change(edit: Edit) -> Tensor:
        state = opened.state.bare()
        opened.generator.restore({**state, **edit.edited(state)})
        difference = draw(opened.generator, rows) - before
        opened.generator.restore(state)
        return difference.double()

    together = change(combined)
    return tuple(_retention(part.source, change(part.edit), together) for part in parts), count


def cached_moment(
    cache: Cache, file_sha256: str, layer: str, truncation: float = 1.0
) -> tuple[Tensor, int] | None:
    """The second moment (C, C) of an unedited model's keys at a layer, if it was ever collected.

    Only statistics at this truncation count, since keys at another one are other keys. Of several,
    the one over the most latents; the second value says over how many.
    """
    best: dict[str, object] = {}
    for fields in cache.entries("statistics"):
        required = {"model": file_sha256, "layer": layer, "edits": []}
        same = all(fields.get(name) == value for name, value in required.items())
        if same and fields.get("truncation", 1.0) == truncation:
            best = max(best, fields, key=lambda each: int(str(each.get("count", 0))))
    found = cache.get("statistics", best) if best else None
    return None if found is None else (found["moment"].double(), int(str(best["count"])))


def change_cosine(one: Delta, other: Delta, moment: Tensor) -> float:
    """The cosine between two changes of one layer under C, -1 to 1; 0 where one is nothing.

    ``tr(A C B^T)`` over the two lengths, for changes A and B as matrices (O * kh * kw, C) and
    ``moment`` C (C, C) float64.
    """

    def product(first: Delta, second: Delta) -> float:
        between = first.directions.double() @ moment @ second.directions.double().T
        mapped = torch.einsum("osyx,st->otyx", first.coefficients.double(), between)
        return float((mapped * second.coefficients.double()).sum())

    lengths = math.sqrt(max(product(one, one) * product(other, other), 0.0))
    return max(-1.0, min(1.0, product(one, other) / lengths)) if lengths else 0.0


def _moment(
    cache: Cache, file_sha256: str | None, delta: Delta, truncation: float
) -> tuple[Tensor, str]:
    """C of the keys that the rule was made for, and what it is."""
    channels = int(delta.directions.shape[1])
    at = "" if truncation == 1.0 else f" at truncation {truncation:g}"
    found = cached_moment(cache, file_sha256, delta.layer, truncation) if file_sha256 else None
    if found is not None and found[0].shape == (channels, channels):
        return found[0], f"statistics of {found[1]} latents{at}"
    plain = torch.eye(channels, dtype=torch.float64)
    return plain, f"the identity, as no statistics{at} are cached"


def _truncation(part: Part) -> float:
    """At which truncation an edit was made, by its recipe; 1, which is none, where it says none."""
    checked = part.checked()
    if checked.recipe is not None:
        model = checked.recipe.model
        return model.truncation if isinstance(model, FileModel) else 1.0
    # Without its masks a recipe is not whole, and says this all the same.
    blocks = (n.block for n in checked.tree.statements if isinstance(n, ModelStatement) and n.block)
    for item in (item for block in blocks for item in block.items):
        if isinstance(item, Setting) and item.key.text == "truncation":
            return item.value.value if isinstance(item.value, Number) else 1.0
    return 1.0


def _as_the_recipe_reads_it(base: Base, part: Part) -> Base:
    recipe, _ = recipe_in(part)
    if recipe is None or not isinstance(recipe.model, FileModel):
        return base
    return replace(base, truncation=recipe.model.truncation)


def _retention(source: str, alone: Tensor, together: Tensor) -> Retention:
    """See :class:`Retention`; both are changes (N, 3, H, W) float64."""
    size = alone.abs().mean((0, 1))
    inside = size >= INSIDE * size.max()
    own, joined = (change[:, :, inside].flatten(1) for change in (alone, together))
    lengths = own.norm(dim=1) * joined.norm(dim=1)
    rest = (together - alone)[:, :, ~inside]
    return Retention(
        source,
        float((own * joined).sum() / own.square().sum().clamp_min(1e-30)),
        float(((own * joined).sum(1) / lengths.clamp_min(1e-30)).mean()),
        float(rest.abs().mean()) if rest.numel() else 0.0,
    )
