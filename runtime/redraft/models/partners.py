"""Weights that a module scales as it uses them, and what keeps that scale when they change.

Spectral norm divides a weight by ``sigma = u . (W v)``, and weight norm by the lengths of its rows,
times ``g``. Either would answer a change of the weight by another scale of all of it. So ``v``, or
``g``, is changed along: the scale stays what it was, and the layer is linear in its weight.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from redraft.models.generator import Generator


def partner_of(generator: Generator, layer: str) -> Partner | None:
    """What changes along with a layer's weight, under the names of the file."""
    find = getattr(generator, "partner", None)
    return None if find is None else find(layer)


class Partner(BaseModel):
    """A tensor that is changed along with a weight.

    Attributes:
        kind: ``spectral`` or ``length``.
        name: of the tensor: ``v``, or ``g``.
        other: of ``u``; None for a length.
        axis: the weight's axis that ``u`` runs along.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["spectral", "length"]
    name: str
    other: str | None = None
    axis: int = 0

    def follow(
        self, before: Tensor, after: Tensor, partner: Tensor, other: Tensor | None
    ) -> Tensor:
        """The partner that keeps the scale when a weight changes.

        Args:
            before: the weight as it is held, in its module's layout.
            after: the weight changed.
            partner: as it is.
            other: ``u``.

        """
        old, new = (self._scale(weight, partner, other) for weight in (before, after))
        ratio = old / new if self.kind == "spectral" else new / old
        return (partner.double() * ratio).to(partner.dtype)

    def _scale(self, weight: Tensor, partner: Tensor, other: Tensor | None) -> Tensor:
        if self.kind == "length":
            axes = [axis for axis, size in enumerate(partner.shape) if size == 1]
            return weight.double().square().sum(axes, keepdim=True).sqrt().clamp_min(1e-30)
        assert other is not None, "spectral norm has two vectors"
        rows = weight.double().movedim(self.axis, 0).flatten(1)
        return torch.dot(other.double(), rows @ partner.double())
