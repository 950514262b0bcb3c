"""What several runs of one model share: the open model, and the results of stages."""

from __future__ import annotations

import torch

from redraft.models.locate import Base
from redraft.models.open import OpenModel, open_base
from redraft.solve.results import Results

MOST = 1 << 30
"""Bytes of results that the cells of a sweep share."""


class Shared(Results):
    """An open model, and results that were made with it.

    Another model takes the place of the first one and of all its results.

    Args:
        most: bytes of tensors to hold. With 0 neither results nor the model are held.

    """

    def __init__(self, most: int = 0) -> None:
        super().__init__(most)
        self._model: OpenModel | None = None

    @classmethod
    def of(cls, opened: OpenModel, most: int = 1) -> Shared:
        """Nothing but a model that is open already, which the runs that share it then edit."""
        shared = cls(most)
        shared._model = opened
        return shared

    def model(self, base: Base, device: torch.device) -> OpenModel:
        """The base on a device, with its own weights, bit for bit; read once while it stays.

        Raises:
            ModelError: as :func:`redraft.models.open.open_base`.

        """
        model = self._model
        if model is not None and model.base == base and _same(model.device, device):
            model.generator.restore(model.state.bare())
            return model
        self.made["model"] += 1
        opened = open_base(base, device)
        self.clear()
        self._model = opened if self.most else None
        return opened


def _same(one: torch.device, other: torch.device) -> bool:
    """Whether a device is the other one; one without a number is any of its kind."""
    return one.type == other.type and other.index in (None, one.index)
