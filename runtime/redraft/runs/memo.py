"""What several runs of one model have in common, made once and handed from run to run.

A sweep runs a recipe many times with few differences. What an earlier run has made is found again
by everything that it depends on, never by a name alone. Nothing here changes a result: the same
function makes it, from the same things, whether or not it is kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from redraft.memory.places import ResolvedPlace
from redraft.models.locate import Base
from redraft.models.open import OpenModel, open_base

Found = TypeVar("Found")

MOST = 1 << 30
"""Bytes that a sweep keeps."""


class Shared:
    """An open model, and results that were made with it.

    Kept results must not be changed by those who get them. The one that was not asked for longest
    goes first when the memory is used up; another model takes the place of the first one and of
    all its results.

    Args:
        most: bytes of tensors to keep. With 0 nothing is kept, as for a single run.

    Attributes:
        made: how often each kind of result was computed.
        found: how often it was there already.

    """

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self.made: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._held = 0
        self._model: OpenModel | None = None

    @property
    def held(self) -> int:
        """Bytes of what is kept now."""
        return self._held

    def model(self, base: Base, device: torch.device) -> OpenModel:
        """The base on a device, with its own weights, bit for bit; read once while it stays.

        Raises:
            ModelError: as :func:`redraft.models.open.open_base`.

        """
        model = self._model
        if model is not None and model.base == base and model.device.type == device.type:
            model.generator.restore(model.state.bare())
            return model
        self.made["model"] += 1
        opened = open_base(base, device)
        self._kept.clear()
        self._held = 0
        self._model = opened if self.most else None
        return opened

    def once(self, what: str, depends: object, make: Callable[[], Found]) -> Found:
        """What ``make`` gives, kept if there is room.

        Args:
            what: the kind of result.
            depends: everything that it depends on apart from the model, as JSON can hold it.
            make: makes it.

        """
        if not self.most:
            self.made[what] += 1
            return make()
        address = _address(what, depends)
        kept = self._kept.get(address)
        if kept is not None:
            self.found[what] += 1
            self._kept.move_to_end(address)
            result: Found = kept[0]
            return result
        self.made[what] += 1
        made = make()
        self._keep(address, made)
        return made

    def _keep(self, address: str, made: object) -> None:
        size = bytes_of(made)
        if size > self.most:
            return
        while self._held + size > self.most:
            _, (_, freed) = self._kept.popitem(last=False)
            self._held -= freed
        self._kept[address] = (made, size)
        self._held += size


@dataclass(frozen=True)
class Common:
    """A part of what is shared: results that all depend on one thing.

    Attributes:
        shared: where they are kept.
        here: that thing, as JSON can hold it; the network as a rule finds it, for example.

    """

    shared: Shared
    here: tuple[object, ...] = ()

    @staticmethod
    def nothing() -> Common:
        """For a run of its own."""
        return Common(Shared())

    def within(self, *more: object) -> Common:
        """The part of it that depends on more than that."""
        return Common(self.shared, (*self.here, *more))

    def once(self, what: str, depends: object, make: Callable[[], Found]) -> Found:
        """As :meth:`Shared.once`."""
        return self.shared.once(what, (self.here, depends), make)


def place_content(place: ResolvedPlace) -> tuple[object, ...]:
    """What a place says of a picture and a region, as JSON can hold it."""
    area = hashlib.sha256(np.ascontiguousarray(place.area).tobytes()).hexdigest()
    mask = None if place.mask is None else place.mask.sha256
    return (place.latents, place.index, area, mask)


def bytes_of(made: object) -> int:
    """Bytes of all tensors and arrays in a result."""
    if isinstance(made, Tensor):
        return made.element_size() * made.numel()
    if isinstance(made, np.ndarray):
        return int(made.nbytes)
    if isinstance(made, tuple | list):
        return sum(map(bytes_of, made))
    if isinstance(made, Mapping):
        return sum(map(bytes_of, made.values()))
    if dataclasses.is_dataclass(made) and not isinstance(made, type):
        return sum(bytes_of(getattr(made, each.name)) for each in dataclasses.fields(made))
    return 0


def _address(what: str, depends: object) -> str:
    text = json.dumps([what, depends], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
