"""Any generator whose forward pass is a sequence of modules, as one that can be cut and edited.

A package teaches redraft such a generator with :func:`sequential_family` and an entry point (see
:mod:`redraft.models.arch.plugins`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from redraft.errors import ModelError
from redraft.models.arch.families import Family, Recognised, Shapes
from redraft.models.arch.plain import (
    Norm,
    PlainForm,
    Weighted,
    axes_of,
    can_be_cut,
    form_of,
    put_weight,
    weight_of,
)
from redraft.models.checkpoint.refusals import known_layer
from redraft.models.checkpoint.sets import shared_prefix
from redraft.models.generator import Axes, LayerInputs
from redraft_dsl.facts import LayerFacts, ModelFacts

_KINDS: dict[Axes, str] = {"linear": "linear", "IO": "conv-transpose", "OI": "conv"}


@dataclass(frozen=True)
class Stages:
    """The forward pass of a generator, as modules that follow each other.

    Attributes:
        module: whose ``state_dict`` the model file holds.
        steps: what latents (N, latent_size) go through, one after the other; pictures
            (N, 3, H, W) in -1..1 come out. A step with weights is a part of ``module``; others
            (activations, ``nn.Unflatten``, ``nn.Upsample``) need not be.
        latent_size: numbers of one latent.

    """

    module: nn.Module
    steps: Sequence[nn.Module]
    latent_size: int


Make = Callable[[Shapes], Stages | None]
"""Builds a generator of the sizes that the shapes have; None for another generator's shapes."""


def sequential_family(name: str, title: str, make: Make) -> Family:
    """An architecture whose generators are sequences, for an entry point to name.

    Args:
        name: as recipes call it (``arch inkpot``); also the name of the entry point.
        title: as sentences call it.
        make: see :data:`Make`. The weights of what it builds do not matter.

    """

    def recognise(shapes: Shapes) -> Recognised | None:
        stages = _made(make, shapes)
        if stages is None:
            return None
        _check_same(title, stages.module, shapes)
        return Recognised(SequentialGenerator(name, stages).facts, "sequential")

    def build(
        state: Mapping[str, Tensor],
        layout: str,  # noqa: ARG001
        truncation: float,  # noqa: ARG001
    ) -> SequentialGenerator:
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        stages = _made(make, shapes)
        assert stages is not None, "the same shapes were recognised before"
        _check_same(title, stages.module, shapes)
        generator = SequentialGenerator(name, stages)
        generator.restore(state)
        return generator

    return Family(name, title, recognise, build)


def _made(make: Make, shapes: Shapes) -> Stages | None:
    # New modules draw weights, which must not disturb what else draws numbers.
    with torch.random.fork_rng(devices=[]):
        return make(shapes)


def _check_same(title: str, module: nn.Module, shapes: Shapes) -> None:
    state = module.state_dict()
    prefix = shared_prefix(state)
    built = {name.removeprefix(prefix): tuple(tensor.shape) for name, tensor in state.items()}
    for tensor in sorted(built.keys() | shapes.keys()):
        if built.get(tensor) != shapes.get(tensor):
            raise ModelError(
                "RD626",
                f"these weights are not a {title} generator: `{tensor}` is "
                f"{_said(shapes.get(tensor))} in the file and {_said(built.get(tensor))} in the "
                "generator",
                "give the weights of that generator's whole module",
            )


def _said(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else f"of shape {shape}"


@dataclass(frozen=True)
class _Cut:
    """One layer: steps ``start`` to ``end`` (not included)."""

    name: str
    path: str
    start: int
    end: int
    module: Weighted
    norm: Norm | None
    negative_slope: float


class SequentialGenerator:
    """A sequence of modules as a :class:`redraft.models.generator.Generator`.

    Its layers are the steps that :func:`redraft.models.arch.plain.can_be_cut` knows, each with the
    batch norm and the ReLU or leaky ReLU right behind it. Another activation is left to the rest
    of the network, so values are read before it. The last such step makes the picture and is no
    layer. A layer's name is its path in the module (``body.3``), after ``layer`` where that
    starts with a digit (``layer3``).

    Args:
        arch: name of the architecture.
        stages: the forward pass; its module is put into evaluation mode and keeps its weights.
        facts: read from one run where they are not given.

    """

    def __init__(self, arch: str, stages: Stages, facts: ModelFacts | None = None) -> None:
        self.module: nn.Module = stages.module.eval().requires_grad_(False)
        self._steps = [step.eval() for step in stages.steps]
        self._prefix = shared_prefix(self.module.state_dict())
        self._cuts = {cut.name: cut for cut in _cuts(self.module, self._steps)}
        self.facts: ModelFacts = facts or self._measured(arch, stages.latent_size)

    @property
    def assumed(self) -> tuple[str, ...]:
        """Nothing: the file holds all that is needed."""
        return ()

    def weight_name(self, layer: str) -> str:
        """The name of the layer's weight in the file it came from, without any prefix."""
        return f"{self._cut(layer).path}.weight".removeprefix(self._prefix)

    def weight_axes(self, layer: str) -> Axes:
        """How that weight lies in the file."""
        return axes_of(self._cut(layer).module)

    def state(self) -> dict[str, Tensor]:
        """The present weights under the names of the file."""
        state = self.module.state_dict()
        return {name.removeprefix(self._prefix): tensor for name, tensor in state.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back the weights of :meth:`state`, bit for bit."""
        self.module.load_state_dict({self._prefix + name: value for name, value in state.items()})

    def form(self, layer: str) -> PlainForm:
        """The per-channel structure of a layer, reading the module's present weight."""
        cut = self._cut(layer)
        return form_of(cut.module, cut.norm, cut.negative_slope)

    def set_weight(self, layer: str, weight: Tensor) -> None:
        """Write ``weight`` (O, C, kh, kw) into the module, bit for bit."""
        put_weight(self._cut(layer).module, weight)

    def inputs(self, latents: Tensor, layers: Sequence[str]) -> dict[str, LayerInputs]:
        """What enters each of the layers, in one pass that stops at the last of them."""
        requested = {self._cut(layer).start: layer for layer in layers}
        found: dict[str, LayerInputs] = {}
        maps = latents
        with torch.no_grad():
            for place, step in enumerate(self._steps[: max(requested) + 1]):
                if place in requested:
                    found[requested[place]] = LayerInputs(_as_maps(maps))
                if place < max(requested):
                    maps = step(maps)
        return {layer: found[layer] for layer in layers}

    def pictures(self, layer: str, values: Tensor, inputs: LayerInputs) -> Tensor:  # noqa: ARG002
        """Pictures (N, 3, H, W) in -1..1 from the values that leave ``layer``."""
        cut = self._cut(layer)
        maps = values[:, :, 0, 0] if isinstance(cut.module, nn.Linear) else values
        rest = (part for step in self._steps[cut.end :] for part in step.modules())
        in_place = any(getattr(part, "inplace", False) for part in rest)
        return self._run(maps.clone() if in_place else maps, cut.end)

    def sample(self, latents: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 of latents (N, latent_size)."""
        return self._run(latents, 0)

    def _run(self, maps: Tensor, start: int) -> Tensor:
        for step in self._steps[start:]:
            maps = step(maps)
        return maps

    def _cut(self, layer: str) -> _Cut:
        return self._cuts[known_layer(self.facts, layer).name]

    def _measured(self, arch: str, latent_size: int) -> ModelFacts:
        """What one picture's way through the steps shows."""
        first = next(self.module.parameters())
        maps = torch.zeros(1, latent_size, dtype=first.dtype, device=first.device)
        sizes = [tuple(maps.shape)]
        with torch.no_grad():
            for step in self._steps:
                maps = step(maps)
                sizes.append(tuple(maps.shape))
        if maps.dim() != 4 or maps.shape[1] != 3:
            raise ModelError(
                "RD626",
                f"this generator gives {tuple(maps.shape)}, not pictures (1, 3, height, width)",
                "let its steps end with pictures of 3 colours",
            )
        layers = [
            _layer_facts(cut, sizes[cut.start], sizes[cut.end])
            for cut in self._cuts.values()
            if len(sizes[cut.start]) == (2 if isinstance(cut.module, nn.Linear) else 4)
        ]
        return ModelFacts(
            arch=arch,
            image_size=(maps.shape[2], maps.shape[3]),
            latent_size=latent_size,
            layers=tuple(layers),
        )


def _as_maps(keys: Tensor) -> Tensor:
    """(N, C) vectors as maps of one position."""
    return keys[:, :, None, None] if keys.dim() == 2 else keys


def _layer_facts(cut: _Cut, keys: tuple[int, ...], values: tuple[int, ...]) -> LayerFacts:
    out, into, height, width = weight_of(cut.module).shape
    return LayerFacts(
        names=(cut.name,),
        kind=_KINDS[axes_of(cut.module)],
        in_channels=into,
        out_channels=out,
        kernel=(height, width),
        key_size=(keys[2], keys[3]) if len(keys) == 4 else (1, 1),
        value_size=(values[2], values[3]) if len(values) == 4 else (1, 1),
    )


def _paths(module: nn.Module) -> dict[int, str]:
    """From a part of a module, by identity, to its dotted name."""
    return {id(part): name for name, part in module.named_modules() if name}


def _cuts(module: nn.Module, steps: Sequence[nn.Module]) -> list[_Cut]:
    paths = _paths(module)
    for place, step in enumerate(steps):
        if id(step) not in paths and step.state_dict():
            raise ModelError(
                "RD626",
                f"step {place} of this generator ({type(step).__name__}) has weights of its own",
                "take every step that has weights from the module",
            )
    uses = Counter(map(id, steps))
    able = [place for place, step in enumerate(steps) if can_be_cut(step) and uses[id(step)] == 1]
    return [_cut_at(paths[id(steps[place])], place, steps) for place in able[:-1]]


def _cut_at(path: str, place: int, steps: Sequence[nn.Module]) -> _Cut:
    module = cast(Weighted, steps[place])
    end = place + 1
    norm = None
    if end < len(steps) and _is_norm_of(steps[end], module):
        norm = cast(Norm, steps[end])
        end += 1
    slope = _slope(steps[end]) if end < len(steps) else None
    name = path if not path[0].isdigit() else f"layer{path}"
    return _Cut(
        name, path, place, end + (slope is not None), module, norm, 1.0 if slope is None else slope
    )


def _is_norm_of(step: nn.Module, module: Weighted) -> bool:
    kind = nn.BatchNorm1d if isinstance(module, nn.Linear) else nn.BatchNorm2d
    return type(step) is kind and step.running_mean is not None


def _slope(step: nn.Module) -> float | None:
    """Slope of an activation below 0; None for what is no ReLU."""
    if type(step) is nn.ReLU:
        return 0.0
    if type(step) is nn.LeakyReLU and step.negative_slope >= 0:
        return float(step.negative_slope)
    return None
