"""Several edits of one base joined into one: their changes add.

Each edit was made on the unedited base, knowing nothing of the others. The joined edit holds the
rules of all, in the order given; nothing is solved anew. What the edits do to one another is in
:mod:`redraft.edit.interference`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import combinations

from torch import Tensor

from redraft.disk.cache import Cache
from redraft.disk.digest import tensors_digest
from redraft.edit.artifact import Edit, EditFacts, RuleFacts, weight_digest
from redraft.edit.interference import Meeting, meetings
from redraft.edit.joined_recipe import VERSION, Part, join_recipes
from redraft.edit.layout import changed
from redraft.errors import ArtifactError, ModelError
from redraft.solve.delta import Delta


@dataclass(frozen=True)
class RenamedRule:
    """A rule whose name another edit had taken already."""

    source: str
    before: str
    after: str


@dataclass(frozen=True)
class Combination:
    """Several edits as one.

    Attributes:
        edit: the joined edit.
        meetings: rules of different edits that meet at a layer.
        renamed: rules that had to take another name.
        apart: why the recipes could not be joined into one; None if they were.

    """

    edit: Edit
    meetings: tuple[Meeting, ...]
    renamed: tuple[RenamedRule, ...]
    apart: str | None


def shared_weights(parts: Sequence[Part]) -> tuple[str, ...]:
    """Names of the weights that more than one of the edits changes."""
    sets = [{rule.weight_name for rule in part.edit.facts.rules} for part in parts]
    return tuple(sorted({name for one, other in combinations(sets, 2) for name in one & other}))


def combine(
    parts: Sequence[Part], weights: Mapping[str, Tensor] | None = None, *,
    file_sha256: str | None = None, cache: Cache | None = None,
) -> Combination:  # fmt: skip
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
            "to know what both make of it",
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
    met = tuple(meetings(parts, deltas, file_sha256, cache or Cache()))
    return Combination(edit, met, renamed, apart)


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


def _names(parts: Sequence[Part]) -> tuple[list[list[str]], tuple[RenamedRule, ...]]:
    """The rules' names by part: a later rule gives way with ``-2`` at its end."""
    taken: set[str] = set()
    # A new name must not meet one that a later edit brings along.
    known = {rule.name for part in parts for rule in part.edit.facts.rules}
    names: list[list[str]] = []
    renamed: list[RenamedRule] = []
    for part in parts:
        own: list[str] = []
        for rule in part.edit.facts.rules:
            name, number = rule.name, 1
            while name in taken or (number > 1 and name in known):
                number += 1
                name = f"{rule.name}-{number}"
            if name != rule.name:
                renamed.append(RenamedRule(part.source, rule.name, name))
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
        after = changed(before, rule.axes, delta)
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
