"""How much of the picture two rules at one layer both listen to. No torch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from redraft.memory.places import resolve
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import Place, Recipe


@dataclass(frozen=True)
class Overlap:
    """Two rules at one layer, and how much of the smaller one's context area they share."""

    first: str
    second: str
    layer: str
    share: float


def overlaps_of(recipe: Recipe, facts: ModelFacts, folder: Path) -> tuple[Overlap, ...]:
    """The overlap of every two rules at one layer, from their marks alone.

    Args:
        recipe: whose layers the model has.
        facts: of the model.
        folder: where the recipe's paths start.

    """
    layers = {rule.name: facts.layer(rule.layer) for rule in recipe.rules}
    areas: dict[str, NDArray[np.float64]] = {}
    for rule in recipe.rules:
        layer = layers[rule.name]
        assert layer is not None, "the recipe was checked against the model"
        places = [c if isinstance(c, Place) else c.like for c in rule.context]
        grids = [resolve(place, facts, folder).on_grid(layer.key_size) for place in places]
        areas[rule.name] = np.mean(grids, axis=0)
    found = []
    for first, second in itertools.combinations(areas, 2):
        layer = layers[first]
        if layer is not None and layer == layers[second]:
            common = np.minimum(areas[first], areas[second]).sum()
            smaller = min(areas[first].sum(), areas[second].sum())
            found.append(Overlap(first, second, layer.name, float(common / max(smaller, 1e-12))))
    return tuple(found)
