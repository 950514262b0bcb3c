"""Which rival a recipe's settings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from redraft.memory.layer import Layer
from redraft.memory.placed import PlacedRule
from redraft.rivals.compat import Reproduction
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.solve.problem import Solver
from redraft_dsl.recipe.model import ProjectedAdamSolver

RIVALS: Mapping[str, Callable[[ProjectedAdam, Layer, PlacedRule], Solver]] = {
    "projected-adam": lambda adam, _layer, _placed: adam,
    "davidbau": lambda adam, layer, placed: Reproduction(layer, placed, adam),
}
"""By the name of the solver, or of the code that it reproduces."""


def rival(settings: ProjectedAdamSolver, layer: Layer, placed: PlacedRule) -> Solver:
    """The method of other people that a rule's settings name."""
    adam = ProjectedAdam(settings.steps, settings.rate, settings.every)
    return RIVALS[settings.compat or settings.kind](adam, layer, placed)
