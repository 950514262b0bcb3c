"""Several edits of one base joined into one: their changes add.

Each edit was made on the unedited base, knowing nothing of the others. The joined edit holds the
rules of all, in the order given; nothing is solved anew. What the edits do to one another is told
beforehand (:class:`Meeting`) and can be measured on pictures (:class:`Kept`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import combinations

import torch
from torch import Tensor

from redraft.disk.cache import Cache
from redraft.disk.digest import tensors_digest
from redraft.edit.artifact import Edit, EditFacts, RuleFacts, from_file, to_file, weight_digest
from redraft.edit.joined_recipe import VERSION, Part, join_recipes, recipe_in
from redraft.errors import ArtifactError, ModelError
from redraft.models import latents
from redraft.models.batches import draw
from redraft.models.locate import Base
from redraft.models.open import open_base
from redraft.solve.delta import Delta, interference
from redraft_dsl.recipe.model import FileModel
from redraft_dsl.syntax.tree import ModelStatement, Number, Setting

PICTURES = 64
"""Pictures that are drawn to see what is kept of each edit; fewer of large ones."""
PICTURE_SIDE = 128
"""Side in pixels of the largest pictures of which that many are drawn."""
INSIDE = 0.5
"""Pixels that an edit changes at least this share as much as the most changed one are inside."""


@dataclass(frozen=True)
class Renamed:
    """A rule whose name another edit had taken already."""

    source: str
    before: str
    after: str


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
class Combined:
    """Several edits as one.

    Attributes:
        edit: the joined edit.
        meetings: rules of different edits that meet at a layer.
        renamed: rules that had to take another name.
        apart: why the recipes could not be joined into one; None if they were.

    """

    edit: Edit
    meetings: tuple[Meeting, ...]
    renamed: tuple[Renamed, ...]
    apart: str | None


@dataclass(frozen=True)
class Kept:
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


def shared_weights(parts: Sequence[Part]) -> tuple[str, ...]:
    """Names of the weights that more than one of the edits changes."""
    sets = [{rule.weight_name for rule in part.edit.facts.rules} for part in parts]
    return tuple(sorted({name for one, other in combinations(sets, 2) for name in one & other}))


def combine(
    parts: Sequence[Part], weights: Mapping[str, Tensor] | None = None, *,
    file_sha256: str | None = None, cache: Cache | None = None,
) -> Combined:  # fmt: skip
    """Join edits of one base in the order given.

    Args:
        parts: two or more.
        weights: the base's tensors, names without prefix. Needed where two of the edits change
            one weight, since its digests after both are part of an edit.
        file_sha256: of the base's file; finds its statistics in the cache.
        cache: where statistics are looked for.

    Raises:
        ArtifactError: the edits are of different bases, hold the same change twice, or the
            weights are needed and not given.
        ModelError: the weights are not the edits' base.

    """
    _check_bases(parts)
    _check_repeated(parts)
    shared = shared_weights(parts)
    if weights is None and shared:
        raise ArtifactError(
            "RD693",
            f"more than one of the edits changes `{shared[0]}`, and the unedited model is needed "
            "to tell what both make of it",
            "name its file with `--model`",
        )
    if weights is not None:
        _check_weights(parts, weights)
    names, renamed = _names(parts)
    rules = [
        rule.model_copy(update={"name": name})
        for part, own in zip(parts, names, strict=True)
        for rule, name in zip(part.edit.facts.rules, own, strict=True)
    ]
    deltas = [
        replace(delta, rule=name)
        for part, own in zip(parts, names, strict=True)
        for delta, name in zip(part.edit.deltas, own, strict=True)
    ]
    _check_shapes(rules, deltas)
    if weights is not None:
        rules = list(_digested(rules, deltas, weights))
    text, name, apart = join_recipes(parts, names)
    edit = Edit(_facts(parts, name, rules), text, tuple(deltas))
    meetings = tuple(_meetings(parts, deltas, file_sha256, cache or Cache()))
    return Combined(edit, meetings, renamed, apart)


def measure(
    base: Base, parts: Sequence[Part], combined: Edit, device: torch.device, seed: int = 1
) -> tuple[tuple[Kept, ...], int]:
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
    rows = latents.sample(seed, count, base.facts.latent_size)
    before = draw(opened.generator, rows)

    def change(edit: Edit) -> Tensor:
        state = opened.state.bare()
        opened.generator.restore({**state, **edit.edited(state)})
        difference = draw(opened.generator, rows) - before
        opened.generator.restore(state)
        return difference.double()

    together = change(combined)
    return tuple(_kept(part.source, change(part.edit), together) for part in parts), count


def cached_moment(
    cache: Cache, file_sha256: str, layer: str, truncation: float = 1.0
) -> tuple[Tensor, int] | None:
    """The second moment (C, C) of an unedited model's keys at a layer, if it was ever collected.

    Only statistics at this truncation count, since keys at another one are other keys. Of several,
    the one over the most latents; the second value says over how many.
    """
    best: dict[str, object] = {}
    for fields in cache.entries("statistics"):
        wanted = {"model": file_sha256, "layer": layer, "edits": []}
        same = all(fields.get(name) == value for name, value in wanted.items())
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


def _check_bases(parts: Sequence[Part]) -> None:
    first = parts[0]
    for part in parts[1:]:
        one, other = first.edit.facts, part.edit.facts
        if one.tensors_digest != other.tensors_digest:
            raise ArtifactError(
                "RD691",
                f"{first.source} was made for `{one.model}` (weights {one.tensors_digest[:12]}...)"
                f", and {part.source} for `{other.model}` (weights {other.tensors_digest[:12]}...)",
                "edits add up on one base; run the second recipe on the base of the first, or put "
                "the rules of both into one recipe",
            )


def _check_repeated(parts: Sequence[Part]) -> None:
    """An edit that is given twice would silently count double."""
    seen: dict[str, tuple[str, str]] = {}
    for part in parts:
        for rule, delta in zip(part.edit.facts.rules, part.edit.deltas, strict=True):
            tensors = {"directions": delta.directions, "coefficients": delta.coefficients}
            digest = tensors_digest(tensors) + rule.weight_name
            if digest in seen:
                source, name = seen[digest]
                raise ArtifactError(
                    "RD692",
                    f"the rule `{name}` of {source} and the rule `{rule.name}` of {part.source} "
                    "are the same change",
                    "name each edit once; `redraft apply --strength 2` makes one twice as strong",
                )
            seen[digest] = (part.source, rule.name)


def _check_weights(parts: Sequence[Part], weights: Mapping[str, Tensor]) -> None:
    facts = parts[0].edit.facts
    digest = tensors_digest(weights)
    if digest != facts.tensors_digest:
        raise ModelError(
            "RD694",
            f"the model has the weights {digest[:12]}..., and the edits were made for "
            f"`{facts.model}` with the weights {facts.tensors_digest[:12]}...",
            "give the unedited model that the edits were made for",
        )
    for part in parts:
        part.edit.edited(weights)


def _check_shapes(rules: Sequence[RuleFacts], deltas: Sequence[Delta]) -> None:
    kinds: dict[str, tuple[object, ...]] = {}
    for rule, delta in zip(rules, deltas, strict=True):
        out, _, *kernel = delta.coefficients.shape
        kind = (rule.axes, rule.layer, out, delta.directions.shape[1], *kernel)
        if kinds.setdefault(rule.weight_name, kind) != kind:
            raise ArtifactError(
                "RD690",
                f"the edits change `{rule.weight_name}` in different shapes",
                "take each `edit.safetensors` as `redraft run` wrote it",
            )


def _names(parts: Sequence[Part]) -> tuple[list[list[str]], tuple[Renamed, ...]]:
    """The rules' names by part: a later rule gives way with ``-2`` at its end."""
    taken: set[str] = set()
    # A new name must not meet one that a later edit brings along.
    known = {rule.name for part in parts for rule in part.edit.facts.rules}
    names: list[list[str]] = []
    renamed: list[Renamed] = []
    for part in parts:
        own: list[str] = []
        for rule in part.edit.facts.rules:
            name, number = rule.name, 1
            while name in taken or (number > 1 and name in known):
                number += 1
                name = f"{rule.name}-{number}"
            if name != rule.name:
                renamed.append(Renamed(part.source, rule.name, name))
            taken.add(name)
            own.append(name)
        names.append(own)
    return names, tuple(renamed)


def _digested(
    rules: Sequence[RuleFacts], deltas: Sequence[Delta], weights: Mapping[str, Tensor]
) -> Iterator[RuleFacts]:
    """The rules with the digests of each weight before and after, one rule upon the other."""
    present = dict(weights)
    for rule, delta in zip(rules, deltas, strict=True):
        before = present[rule.weight_name]
        after = to_file(delta.added_to(from_file(before, rule.axes)), rule.axes)
        present[rule.weight_name] = after
        digests = {"weight_before": weight_digest(before), "weight_after": weight_digest(after)}
        yield rule.model_copy(update=digests)


def _facts(parts: Sequence[Part], name: str, rules: Sequence[RuleFacts]) -> EditFacts:
    digests = "\n".join(part.edit.facts.recipe_digest for part in parts)
    return parts[0].edit.facts.model_copy(
        update={
            "recipe": name,
            "version": VERSION,
            # No recipe has made this edit, so this is no recipe's digest.
            "recipe_digest": hashlib.sha256(digests.encode()).hexdigest(),
            "redraft": version("redraft"),
            "rules": tuple(rules),
        }
    )


def _meetings(
    parts: Sequence[Part], deltas: Sequence[Delta], file_sha256: str | None, cache: Cache
) -> Iterator[Meeting]:
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


def _kept(source: str, alone: Tensor, together: Tensor) -> Kept:
    """See :class:`Kept`; both are changes (N, 3, H, W) float64."""
    size = alone.abs().mean((0, 1))
    inside = size >= INSIDE * size.max()
    own, joined = (change[:, :, inside].flatten(1) for change in (alone, together))
    lengths = own.norm(dim=1) * joined.norm(dim=1)
    rest = (together - alone)[:, :, ~inside]
    return Kept(
        source,
        float((own * joined).sum() / own.square().sum().clamp_min(1e-30)),
        float(((own * joined).sum(1) / lengths.clamp_min(1e-30)).mean()),
        float(rest.abs().mean()) if rest.numel() else 0.0,
    )
