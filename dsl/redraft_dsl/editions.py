"""Editions of the language: what each one assumes where a recipe is silent, and the ways between.

Defaults belong to the edition, so a newer tool never changes what an old recipe does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from redraft_dsl.syntax import Tree


@dataclass(frozen=True)
class Defaults:
    """What a recipe of one edition means where it says nothing.

    ``every`` and ``rate`` are in optimiser steps and in the optimiser's own unit; ``preserve``,
    ``keep``, ``contrast``, ``strength`` and ``truncation`` are plain factors.
    """

    rank: int
    preserve: float
    keep: float
    contrast: float
    directions: Literal["goal", "context", "svd", "mean", "units"]
    zero_directions: Literal["context", "svd", "mean", "units"]
    strength: float
    units: int
    solver: Literal["exact", "gradient", "projected-adam"]
    solver_goal: Literal["halo", "crop"]
    truncation: float
    exact_loss: Literal["l1", "l2"]
    exact_iterations: int
    gradient_steps: int
    gradient_rate: float
    adam_steps: int
    adam_rate: float
    adam_every: int


EDITIONS: Mapping[int, Defaults] = MappingProxyType(
    {
        2026: Defaults(
            rank=8,
            preserve=0.3,
            keep=3.0,
            contrast=0.8,
            directions="goal",
            zero_directions="context",
            strength=1.0,
            units=30,
            solver="exact",
            solver_goal="halo",
            truncation=1.0,
            exact_loss="l2",
            exact_iterations=20,
            gradient_steps=500,
            gradient_rate=0.05,
            adam_steps=2001,
            adam_rate=0.05,
            adam_every=10,
        ),
    }
)


def as_davidbau(defaults: Defaults) -> Defaults:
    """What ``compat davidbau`` means where a rule is silent: what the authors' code does."""
    return replace(
        defaults, preserve=0.0, keep=0.0, contrast=0.0, directions="context", solver_goal="crop"
    )


LATEST = max(EDITIONS)

MIGRATIONS: Mapping[int, Callable[[Tree], Tree]] = MappingProxyType({})
"""From each edition to the next one: takes a tree of the edition, gives one of its successor."""
