"""The architectures that can be read: what gives a file away, and who builds its generator.

No torch: a file is recognised by the names and shapes of its tensors, before any is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from redraft.errors import ModelError
from redraft.models import dcgan_shapes
from redraft_dsl.facts import ModelFacts

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor name without the prefix that all names of a file share, to shape."""


@dataclass(frozen=True)
class Recognised:
    """What the shapes in a file tell.

    Attributes:
        facts: picture, latent and layers.
        layout: the manner in which the file names its tensors; an architecture may have several.

    """

    facts: ModelFacts
    layout: str


Recogniser = Callable[[Shapes], Recognised | None]
"""Gives None for another architecture's tensors; raises ModelError for a broken one of its own."""


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        name: as recipes call it (``arch dcgan``).
        title: as sentences call it.
        recognise: see :data:`Recogniser`.
        builder: ``module:function`` that is called with the tensors by bare name, the layout and
            the truncation, and returns a :class:`redraft.models.adapter.Generator`. A string, so
            that torch is loaded only when weights are.
        truncates: whether it has a mapping network whose output can be truncated.

    """

    name: str
    title: str
    recognise: Recogniser
    builder: str
    truncates: bool = False


def _dcgan(shapes: Shapes) -> Recognised | None:
    if not any(name.split(".")[0].isdigit() for name in shapes):
        return None
    return Recognised(dcgan_shapes.facts(shapes), "sequential")


FAMILIES: tuple[Family, ...] = (Family("dcgan", "DCGAN", _dcgan, "redraft.models.dcgan:build"),)


def recognise(shapes: Shapes) -> Recognised:
    """Which generator the tensors of a file make up.

    Raises:
        ModelError: none that is known, or a damaged one.

    """
    for family in FAMILIES:
        found = family.recognise(shapes)
        if found is not None:
            return found
    names = ", ".join(list(shapes)[:3])
    titles = " or ".join(family.title for family in FAMILIES)
    raise ModelError(
        "RD626",
        f"these weights are not a generator that is known: their names are {names}, ...",
        f"give the weights of a {titles} generator (not the discriminator's)",
    )


def family_named(name: str) -> Family:
    """The architecture called ``name``; one that :func:`recognise` gave."""
    return next(family for family in FAMILIES if family.name == name)
