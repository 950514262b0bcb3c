"""A kind of file that an installed package knows: a detector, and the module that is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from redraft.models.arch.families import Family, Recognised, Shapes
from redraft.models.code.loading import fill
from redraft.models.hooked.described import Generator
from redraft.models.hooked.hooked import HookedGenerator

MakeModule = Callable[[Shapes], "nn.Module | Generator | None"]
"""Builds a generator of the sizes that the shapes have; None for another generator's shapes."""


def module_family(name: str, title: str, make: MakeModule) -> Family:
    """An architecture of any torch modules, for an entry point to name.

    Args:
        name: as recipes call it (``arch inkpot``); also the name of the entry point.
        title: as sentences call it.
        make: see :data:`MakeModule`. The weights of what it builds do not matter.

    """

    def recognise(shapes: Shapes) -> Recognised | None:
        made = _made(make, shapes, title)
        if made is None:
            return None
        fill(made, {each: torch.zeros(shape) for each, shape in shapes.items()}, "the file")
        # Other numbers than zeros, so that what follows from a weight can be seen.
        made = cast(Generator, _made(make, shapes, title))
        return Recognised(HookedGenerator(made, name).facts, "module")

    def build(
        state: Mapping[str, Tensor],
        layout: str,  # noqa: ARG001
        truncation: float,  # noqa: ARG001
    ) -> HookedGenerator:
        shapes = {each: tuple(tensor.shape) for each, tensor in state.items()}
        made = _made(make, shapes, title)
        assert made is not None, "the same shapes were recognised before"
        fill(made, state, "the file")
        return HookedGenerator(made, name)

    return Family(name, title, recognise, build)


def _made(make: MakeModule, shapes: Shapes, title: str) -> Generator | None:
    # New modules draw weights, which must not disturb what else draws numbers.
    with torch.random.fork_rng(devices=[]):
        made = make(shapes)
    return Generator(made, name=title) if isinstance(made, nn.Module) else made
