"""What a person says of a model that its file does not hold. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from redraft_dsl.recipe.model import FileModel

BY_CODE = (
    "any other torch generator is edited by the code that makes it, `--generator FILE.py:NAME`: "
    "docs/how-to/edit-any-generator.md"
)
"""The way on from a file that cannot be read."""
EPSILON = 1e-5
"""Of batch norm, as torch has it."""


@dataclass(frozen=True)
class Said:
    """Settings of a recipe's model, with what holds where it says nothing.

    Attributes:
        slope: of the activations below 0; 0 for ReLU.
        eps: of batch norm.
        output: what the network ends with: ``tanh``, ``sigmoid`` (pictures in 0..1) or ``none``.

    """

    slope: float = 0.0
    eps: float = EPSILON
    output: str = "tanh"


def said_of(model: FileModel) -> Said:
    """What a recipe says of its model."""
    return Said(
        0.0 if model.slope is None else model.slope,
        EPSILON if model.eps is None else model.eps,
        model.output or "tanh",
    )
