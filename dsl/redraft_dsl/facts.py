"""Plain data about a generator: what a checker must know without opening its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict


class LayerFacts(BaseModel):
    """One layer that a rule may rewrite.

    ``key_size`` and ``value_size`` are (height, width) of what enters and what leaves the layer.
    ``names`` holds every name the layer goes by; the first is the canonical one. ``behind`` says
    behind what its values are read, where that was found out for the layer alone. ``joined``: what
    other layers give, earlier or later ones, is a part of its values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    kind: str
    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    key_size: tuple[int, int]
    value_size: tuple[int, int]
    behind: str | None = None
    joined: bool = False

    @property
    def name(self) -> str:
        """The canonical name, the one that the formatter and the lock use."""
        return self.names[0]

    @property
    def strides(self) -> tuple[int, int]:
        """How many rows and columns of values a layer gives for each of its keys, at least 1."""
        height, width = (
            max(1, value // key) for key, value in zip(self.key_size, self.value_size, strict=True)
        )
        return height, width


class ModelFacts(BaseModel):
    """A generator as a recipe sees it: its picture, its latent and its editable layers.

    ``latents`` says how latents are drawn: ``normal``, ``uniform`` (in -1..1),
    ``bank-COUNT-DIGEST`` or ``function-DIGEST``. ``classes`` is how many classes its pictures
    have, 0 for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str
    image_size: tuple[int, int]
    latent_size: int
    layers: tuple[LayerFacts, ...]
    latents: str = "normal"
    classes: int = 0

    def layer(self, name: str) -> LayerFacts | None:
        """The layer called ``name`` by any of its names, or None."""
        for layer in self.layers:
            if name in layer.names:
                return layer
        return None

    def layer_names(self) -> tuple[str, ...]:
        """Canonical layer names, in the order of the network."""
        return tuple(layer.name for layer in self.layers)


FileFacts: TypeAlias = Callable[[Path, str | None, str | None], ModelFacts | None]
"""Reads the head of a model file, of the architecture and the set of weights that a recipe names;
None if that fails."""


class KnownModels(BaseModel):
    """The model list as the checker sees it: names with facts, and the architectures it may read.

    A model given by file has no facts until the planner has read the file's header; the checker
    then leaves out what depends on them, and the planner checks again with ``facts`` filled in.

    ``truncating`` are the architectures with inner latents, so that ``truncation`` means something;
    ``assuming`` those of which `slope`, `eps` and `output` say what no file holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    listed: Mapping[str, ModelFacts]
    architectures: tuple[str, ...]
    truncating: tuple[str, ...] = ()
    assuming: tuple[str, ...] = ()

    def names(self) -> Iterable[str]:
        """The listed model names, sorted."""
        return sorted(self.listed)
