"""What differs between two edits, or between two runs, and what explains it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from redraft.edit.artifact import Edit
from redraft.edit.interference import change_cosine
from redraft.plans.layer_names import with_layers
from redraft.plans.loading import load, recipe_of
from redraft.plans.record import ModelRecord, RuleRecord
from redraft.plans.run_folder import FinishedRun, read_run
from redraft.solve.delta import Delta
from redraft.solve.delta import principal_angles as spanned_angles
from redraft_dsl.recipe.compare import Difference, compare, order_differences
from redraft_dsl.recipe.model import Recipe

FIGURES = (
    "share",
    "amplitude",
    "outside",
    "left-out gain",
    "left-out side",
    "left-out agreement",
    "preserve",
    "loss before",
    "loss after",
    "norm",
)


@dataclass(frozen=True)
class RuleComparison:
    """One rule that two edits both have.

    Attributes:
        name: of the rule.
        layer: in the first edit.
        identical: whether the two changes are the same bits.
        ranks: of each.
        norms: Frobenius norm of each change.
        angles: principal angles between the two spaces of keys, degrees, smallest first, as many
            as the smaller rank; None where the layers have different sizes.
        cosine: between the two changes, -1 to 1; None where they have different shapes.

    """

    name: str
    layer: str
    identical: bool
    ranks: tuple[int, int]
    norms: tuple[float, float]
    angles: tuple[float, ...] | None
    cosine: float | None


@dataclass(frozen=True)
class EditComparison:
    """Two edits.

    Attributes:
        differences: in what they are for and which rules they have.
        rules: those that both have.

    """

    differences: tuple[Difference, ...]
    rules: tuple[RuleComparison, ...]

    @property
    def same(self) -> bool:
        """Whether they are for one base and change it alike, bit for bit."""
        return not self.differences and all(rule.identical for rule in self.rules)


@dataclass(frozen=True)
class Figure:
    """A figure of a rule in two runs; None where it was not measured."""

    rule: str
    figure: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class RunComparison:
    """Two runs: what went in, and what came out.

    Attributes:
        recipe: differences of the recipes.
        model: differences of the base models.
        machine: differences of machine and versions, as in ``threads 1 -> 2``.
        edits: the edits that they made.
        figures: those that differ, of the rules that both have.

    """

    recipe: tuple[Difference, ...]
    model: tuple[Difference, ...]
    machine: tuple[str, ...]
    edits: EditComparison
    figures: tuple[Figure, ...]

    @property
    def causes(self) -> tuple[str, ...]:
        """What went in differently."""
        found = {"the recipe": self.recipe, "the model": self.model,
                 "the machine or versions": self.machine}  # fmt: skip
        return tuple(name for name, differences in found.items() if differences)

    @property
    def results_same(self) -> bool:
        """Whether the same changes and figures came out."""
        return self.edits.same and not self.figures

    @property
    def same(self) -> bool:
        """Whether nothing differs, but for when it was run and how long it took."""
        return not self.causes and self.results_same

    def verdict(self) -> str:
        """One sentence on what explains the results."""
        causes = " and ".join(self.causes)
        if self.same:
            return "the runs are the same"
        if self.results_same:
            return f"{causes} differed, and the same came out"
        if causes:
            return f"different results: {causes} differed"
        return (
            "different results, and nothing that is recorded explains them; "
            "`redraft verify` repeats each run"
        )


def compare_edits(first: Edit, second: Edit) -> EditComparison:
    """What differs between two edits; the version of redraft that wrote them does not count."""
    one, other = first.facts, second.facts
    own = {rule.name: delta for rule, delta in zip(one.rules, first.deltas, strict=True)}
    its = {rule.name: delta for rule, delta in zip(other.rules, second.deltas, strict=True)}
    return EditComparison(
        tuple(_facts(first, second)),
        tuple(_compare_rule(own[name], its[name]) for name in own if name in its),
    )


def compare_runs(first: Path, second: Path) -> RunComparison:
    """What differs between two run folders.

    Raises:
        ArtifactError: a folder is not a finished run, or its edit cannot be read.
        CheckFailedError: the recipes differ, and one of them cannot be read any more.

    """
    runs = (read_run(first), read_run(second))
    one, other = (run.record for run in runs)
    edits = compare_edits(*(Edit.load(run.edit) for run in runs))
    # Base and recipe are compared by the run; only the rules are left.
    rules = tuple(each for each in edits.differences if each.what.startswith("rule "))
    return RunComparison(
        tuple(_recipes_of_runs(*runs)),
        tuple(_models(one.model, other.model)),
        one.machine.differences(other.machine),
        EditComparison(rules, edits.rules),
        tuple(_figures(one.rules, other.rules)),
    )


def principal_angles(first: Tensor, second: Tensor) -> tuple[float, ...]:
    """Angles in degrees, smallest first, between the spans of rows (S, C) and (T, C)."""
    return tuple(map(math.degrees, spanned_angles(first, second)))


def _recipe(run: FinishedRun) -> Recipe:
    """A run's recipe with each layer under the first of its names, which the record has."""
    layers = {rule.name: rule.layer for rule in run.record.rules}
    return with_layers(recipe_of(load(run.recipe)), layers)


def _facts(first: Edit, second: Edit) -> Iterator[Difference]:
    one, other = first.facts, second.facts
    for field, words in (
        ("arch", "the architecture"),
        ("tensors_digest", "the base's weights"),
        ("recipe", "the recipe's name"),
        ("version", "the recipe's version"),
        ("recipe_digest", "the recipe's meaning"),
    ):
        yield from _changed(words, getattr(one, field), getattr(other, field))
    own, its = ({rule.name: rule for rule in facts.rules} for facts in (one, other))
    for name, rule in own.items():
        if name not in its:
            yield Difference("removed", f"rule {name}", f"at {rule.layer}")
        else:
            for field, words in (("layer", "layer"), ("weight_name", "weight"), ("axes", "axes")):
                yield from _changed(
                    f"rule {name}: its {words}", getattr(rule, field), getattr(its[name], field)
                )
    for name, rule in its.items():
        if name not in own:
            yield Difference("added", f"rule {name}", None, f"at {rule.layer}")
    yield from order_differences("rule", list(own), list(its))


def _changed(what: str, before: object, after: object) -> Iterator[Difference]:
    if before != after:
        yield Difference("changed", what, _short(before), _short(after))


def _short(value: object) -> str:
    """A value as a reader wants it: of a digest, its beginning."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "nothing"
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text


def _compare_rule(one: Delta, other: Delta) -> RuleComparison:
    channels = int(one.directions.shape[1])
    meet = channels == other.directions.shape[1]
    alike = meet and (one.coefficients[:, 0].shape == other.coefficients[:, 0].shape)
    plain = torch.eye(channels, dtype=torch.float64)
    return RuleComparison(
        name=one.rule,
        layer=one.layer,
        identical=one.same_bits(other),
        ranks=(one.rank, other.rank),
        norms=(one.norm(), other.norm()),
        angles=principal_angles(one.directions, other.directions) if meet else None,
        cosine=change_cosine(one, other, plain) if alike else None,
    )


def _recipes_of_runs(first: FinishedRun, second: FinishedRun) -> Iterator[Difference]:
    one, other = (run.record.recipe_digest for run in (first, second))
    if one == other:
        return
    found = compare(_recipe(first), _recipe(second))
    yield from found
    if not found:  # a recipe was changed after its run
        yield from _changed("the recipe's meaning", one, other)


def _models(one: ModelRecord, other: ModelRecord) -> Iterator[Difference]:
    for field, words in (
        ("name", "the model's name"),
        ("arch", "the architecture"),
        ("file_sha256", "the model's file"),
        ("tensors_digest", "the model's weights"),
        ("truncation", "truncation"),
        ("assumed", "what was filled in"),
    ):
        yield from _changed(words, getattr(one, field), getattr(other, field))


def _figures(first: Sequence[RuleRecord], second: Sequence[RuleRecord]) -> Iterator[Figure]:
    its = {rule.name: _figures_of(rule) for rule in second}
    for rule in first:
        if rule.name in its:
            own = _figures_of(rule)
            for figure in FIGURES:
                if own[figure] != its[rule.name][figure]:
                    yield Figure(rule.name, figure, own[figure], its[rule.name][figure])


def _figures_of(rule: RuleRecord) -> dict[str, Any]:
    left: dict[str, Any] = {} if rule.left_out is None else rule.left_out.model_dump()
    return {
        name: left.get(name.removeprefix("left-out "))
        if name.startswith("left-out ")
        else getattr(rule, name.replace(" ", "_"))
        for name in FIGURES
    }
