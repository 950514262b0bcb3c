"""What a rule is solved from: the layer, places, what is wanted there, and settings."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from torch import Tensor

from redraft.memory.layer import Places
from redraft.memory.moments import Whitening
from redraft.models.generator import LayerForm, LayerInputs
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.goals import Goal, OwnGoal
from redraft.solve.problem import Loss, Solver

Value = TypeVar("Value")
Method = Literal["goal", "context", "svd", "mean", "units"]
"""Where directions come from; see :mod:`redraft.memory.keys` for all but the goal."""


class Staged(Protocol):
    """What a source may ask of a rule."""

    @property
    def setup(self) -> Setup:
        """The rule itself."""
        ...

    def inputs(self, places: Places) -> LayerInputs:
        """What enters the layer for the pictures of some places."""
        ...

    @property
    def directions(self) -> Tensor:
        """(S, C), orthonormal rows."""
        ...

    def stage(self, name: str, depends: Hashable, make: Callable[[], Value]) -> Value:
        """Something as it was made before from just what it depends on, or made now."""
        ...


class Source(Protocol):
    """What is wanted of a layer: a kind of goal."""

    def content(self, stages: Staged) -> Hashable:
        """What it depends on besides the network and the places of the goal."""
        ...

    def outline(self, stages: Staged) -> Hashable:  # noqa: ARG002
        """What the positions that it changes depend on besides the places of the goal."""
        return ()

    def anywhere(self, stages: Staged) -> OwnGoal | None:  # noqa: ARG002
        """What is wanted of any pictures, where each has a goal of its own; None for one wish."""
        return None

    def goal(self, stages: Staged, places: Places) -> Goal:
        """What is wanted in the places of some pictures."""
        ...


@dataclass(frozen=True, eq=False)
class Setup:
    """A rule at one layer of a network: all that its solution depends on.

    Attributes:
        network: stands for what the layer's keys and its weight depend on; equal only where these
            are the same.
        form: the layer with its present weight.
        whitening: of the second moment of all keys of the layer.
        enter: gives what enters the layer for the pictures of some places.
        population: gives (n, C) keys of many pictures, by which ``units`` are counted.
        contexts: where the rule listens.
        pastes: where its goal is set: the very ``contexts`` where it is set in each of them.
        source: what is wanted there.
        contrast: the share of what the contexts hold elsewhere, in the moment that counts.
        directions: where directions come from.
        rank: how many.
        keep: weight of the rest of the pictures.
        preserve: weight of what else the layer remembers.
        loss: see :class:`redraft.solve.problem.Problem`.
        solver: gives coefficients.
        crop: whether the layer is fitted on a crop that has lost its neighbours.
        protected: where values must stay as they are, if anywhere.

    """

    network: Hashable
    form: LayerForm
    whitening: Whitening
    enter: Callable[[Places], LayerInputs]
    population: Callable[[], Tensor]
    contexts: Places
    pastes: Places
    source: Source
    contrast: float
    directions: Method
    rank: int
    keep: float = 0.0
    preserve: float = 0.0
    loss: Loss = "l2"
    solver: Solver = field(default_factory=ExactSolver)
    crop: bool = False
    protected: Places | None = None
