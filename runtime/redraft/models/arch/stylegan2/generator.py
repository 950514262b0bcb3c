"""StyleGAN2: a mapping network, styled convolutions, and colours added up from size to size.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, in plain torch.
Layers are numbered as by Bau et al. 2020: layer2 at 4 px, layers 3 and 4 at 8 px, and so on; odd
ones double the size. *Keys* are what enters a convolution once the style has scaled it; *values*
are what leaves after noise, bias and activation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from operator import attrgetter
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from redraft.models import latents as sampling
from redraft.models.arch.stylegan2.form import (
    ACTIVATION_GAIN,
    EPSILON,
    SLOPE,
    ModulatedForm,
    enlarge,
)
from redraft.models.arch.stylegan2.layouts import ColourNames, LayerNames, Names, StyleNames
from redraft.models.arch.stylegan2.shapes import not_stylegan2, read
from redraft.models.arch.stylegan2.tensors import NOISE_SEED, missing_noises, planted
from redraft.models.checkpoint.refusals import known_layer
from redraft.models.generator import Axes, LayerInputs
from redraft_dsl.facts import ModelFacts

MAPPING_RATE = 0.01
"""How much slower the mapping network learns; its weights lie in the file divided by this."""
VENDOR_LIMIT = 256.0
"""Where the vendor's release holds values by default: ``conv_clamp`` of all its layers."""
MEAN_SEED, MEAN_COUNT = 0, 10_000
"""Latents whose inner latents' mean stands in for one that a file lacks."""
_MEAN_BATCH = 1000


@dataclass(frozen=True)
class MeanEstimate:
    """How the mean of the inner latents was found: ``count`` latents of ``seed``."""

    seed: int
    count: int


@dataclass(frozen=True)
class _Flow:
    """What runs from layer to layer.

    Attributes:
        latents: (N, L), inner latents.
        maps: (N, C, h, w).
        colours: (N, 3, h', w'), the picture so far; None before the first.

    """

    latents: Tensor
    maps: Tensor
    colours: Tensor | None


class StyleGAN2:
    """A StyleGAN2 as a :class:`redraft.models.generator.Generator`.

    ``module`` holds the tensors under the names of the file, and nothing else but the truncation
    (``truncation``, one number) and what the file lacks: noise maps, the mean of the inner latents.
    What :class:`redraft.models.generator.LayerInputs` carries: ``style`` (N, C), ``latents``
    (N, L), ``noise`` (N, 1, H, W), and ``colours`` (N, 3, h, w), the picture so far (not
    at layer2).

    Args:
        module: as :func:`build` makes it.
        facts: picture, latent and layers.
        names: of the tensors.
        own: the names of those that came from the file.
        mean_estimate: how the mean was found that the file lacks; None when it was not needed.
        limit: values are held within -limit..limit; None for no limit.

    """

    def __init__(
        self,
        module: nn.Module,
        facts: ModelFacts,
        names: Names,
        own: Sequence[str],
        *,
        mean_estimate: MeanEstimate | None = None,
        limit: float | None = None,
    ) -> None:
        self.module: nn.Module = module.eval().requires_grad_(False)
        self.facts = facts
        self.names = names
        self.mean_estimate = mean_estimate
        self.limit = limit
        self._own = tuple(own)

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the file does not hold and was filled in, as clauses for a run's record."""
        found = []
        if any(name not in self._own for name in self.names.noises):
            found.append(f"noise maps drawn with seed {NOISE_SEED}")
        if self.mean_estimate is not None:
            count, seed = self.mean_estimate.count, self.mean_estimate.seed
            found.append(f"mean of the inner latents over {count} latents of seed {seed}")
        return tuple(found)

    def weight_name(self, layer: str) -> str:
        """The name of the layer's weight in the file it came from, without any prefix."""
        return self._names(layer).weight

    def weight_axes(self, layer: str) -> Axes:  # noqa: ARG002
        """The ports keep a leading axis of 1."""
        return "OI" if self.names.vendor else "1OI"

    def state(self) -> dict[str, Tensor]:
        """The present weights under the names, and in the shapes, of the file."""
        present = self.module.state_dict()
        return {name: present[name] for name in self._own}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back the weights of :meth:`state`, or some of them, bit for bit."""
        with torch.no_grad():
            for name, tensor in state.items():
                self._tensor(name).copy_(tensor)

    def set_weight(self, layer: str, weight: Tensor) -> None:
        """Write ``weight`` (O, C, 3, 3) into the module, bit for bit."""
        with torch.no_grad():
            self._weight(self._names(layer)).copy_(weight)

    def form(self, layer: str) -> ModulatedForm:
        """The structure of a layer, with a copy of the module's present weight."""
        form = self._form(self._names(layer))
        return replace(form, weight=form.weight.clone())

    def inputs(self, latents: Tensor, layers: Sequence[str]) -> dict[str, LayerInputs]:
        """What enters each of the layers, in one pass that stops at the last of them."""
        requested = {self._place(layer): layer for layer in layers}
        last = max(requested)
        found: dict[str, LayerInputs] = {}
        with torch.no_grad():
            flow = self._start(latents)
            for place in range(last + 1):
                inputs = self._enter(flow, place)
                if place in requested:
                    found[requested[place]] = inputs
                if place < last:
                    flow = self._leave(
                        self._values(inputs, place), flow.latents, flow.colours, place
                    )
        return {layer: found[layer] for layer in layers}

    def pictures(self, layer: str, values: Tensor, inputs: LayerInputs) -> Tensor:
        """Pictures (N, 3, H, W), held within -1..1, from the values that leave ``layer``."""
        place, carried = self._place(layer), inputs.carried
        with torch.no_grad():
            flow = self._leave(values, carried["latents"], carried.get("colours"), place)
            return self._finish(flow, place + 1)

    def sample(self, latents: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), held within -1..1, of latents (N, latent_size)."""
        return self._finish(self._start(latents), 0)

    def mapped(self, latents: Tensor) -> Tensor:
        """Inner latents (N, L) of latents (N, latent_size), before truncation."""
        inner = latents * (latents.square().mean(1, keepdim=True) + EPSILON).rsqrt()
        for weight_name, bias_name in self.names.mapping:
            weight, bias = self._tensor(weight_name), self._tensor(bias_name)
            gain = MAPPING_RATE / sqrt(weight.shape[1])
            inner = functional.linear(inner, weight * gain, bias * MAPPING_RATE)
            inner = functional.leaky_relu(inner, SLOPE) * ACTIVATION_GAIN
        return inner

    # ---- one step of the network after another ----------------------------------------------

    def _start(self, latents: Tensor) -> _Flow:
        mean, truncation = self._tensor(self.names.mean), self._tensor("truncation")
        # At truncation 1 this gives the inner latents themselves, bit for bit.
        inner = torch.lerp(mean, self.mapped(latents), truncation)
        constant = self._tensor(self.names.constant)
        start = constant.reshape(1, *constant.shape[-3:]).expand(len(latents), -1, -1, -1)
        return _Flow(inner, start, None)

    def _enter(self, flow: _Flow, place: int) -> LayerInputs:
        names = self.names.layers[place]
        style = self._style(names.style, flow.latents)
        noise = self._tensor(names.noise)
        carried = {
            "style": style,
            "latents": flow.latents,
            "noise": noise.reshape(1, 1, *noise.shape[-2:]).expand(len(style), -1, -1, -1),
        }
        if flow.colours is not None:
            carried["colours"] = flow.colours
        return LayerInputs(flow.maps * style[:, :, None, None], carried)

    def _values(self, inputs: LayerInputs, place: int) -> Tensor:
        form = self._form(self.names.layers[place])
        return form.activate(form.response(inputs, form.weight))

    def _leave(self, values: Tensor, latents: Tensor, colours: Tensor | None, place: int) -> _Flow:
        """After the last layer of each size the picture so far is enlarged and added to."""
        names = self.names.layers[place]
        if not names.up:
            step = next(each for each in self.names.colours if each.size == names.size)
            colours = self._drawn(step, values, latents, colours)
        return _Flow(latents, values, colours)

    def _drawn(
        self, names: ColourNames, values: Tensor, latents: Tensor, before: Tensor | None
    ) -> Tensor:
        """(N, 3, H, W), the picture so far: a convolution with one tap and no demodulation."""
        weight = self._tensor(names.weight).reshape(1, 3, -1)
        scale = self._style(names.style, latents) / sqrt(values.shape[1])
        rows = torch.matmul(weight * scale[:, None], values.flatten(2))
        drawn = rows.reshape(-1, 3, *values.shape[2:])
        drawn += self._tensor(names.bias).reshape(3, 1, 1)
        if self.limit is not None:
            drawn = drawn.clamp(-self.limit, self.limit)
        if before is None or names.kernel is None:
            return drawn
        return drawn + enlarge(before, self._kernel(names.kernel), padding=1)

    def _finish(self, flow: _Flow, start: int) -> Tensor:
        for place in range(start, len(self.names.layers)):
            inputs = self._enter(flow, place)
            flow = self._leave(self._values(inputs, place), flow.latents, flow.colours, place)
        return cast(Tensor, flow.colours).clamp(-1.0, 1.0)

    # ---- parts of the module -----------------------------------------------------------------

    def _style(self, names: StyleNames, latents: Tensor) -> Tensor:
        """(N, C), how an affine map scales each input channel."""
        weight = self._tensor(names.weight)
        return functional.linear(latents, weight / sqrt(weight.shape[1]), self._tensor(names.bias))

    def _form(self, names: LayerNames) -> ModulatedForm:
        weight = self._weight(names)
        return ModulatedForm(
            weight=weight,
            scale=1.0 if self.names.vendor else 1 / sqrt(weight[0].numel()),
            strength=self._tensor(names.strength).reshape(()),
            bias=self._tensor(names.bias),
            kernel=None if names.kernel is None else self._kernel(names.kernel),
            limit=self.limit,
        )

    def _weight(self, names: LayerNames) -> Tensor:
        """(O, C, 3, 3), a view into the module."""
        weight = self._tensor(names.weight)
        return weight if self.names.vendor else weight[0]

    def _kernel(self, name: str) -> Tensor:
        """(4, 4), times 4: zeros between rows and columns would leave a quarter of the light."""
        kernel = self._tensor(name)
        return 4 * kernel if self.names.vendor else kernel

    def _tensor(self, name: str) -> Tensor:
        return cast(Tensor, attrgetter(name)(self.module))

    def _names(self, layer: str) -> LayerNames:
        return self.names.layers[self._place(layer)]

    def _place(self, layer: str) -> int:
        return self.facts.layers.index(known_layer(self.facts, layer))


def build(
    state: Mapping[str, Tensor],
    layout: str = "rosinality",  # noqa: ARG001
    truncation: float = 1.0,
    *,
    attributes: Mapping[str, object] = MappingProxyType({}),
) -> StyleGAN2:
    """A StyleGAN2 that holds copies of the tensors of ``state`` (names without prefix).

    Noise maps that are missing are drawn with ``NOISE_SEED``. A missing mean of the inner latents
    is estimated from ``MEAN_COUNT`` latents of ``MEAN_SEED``, if the truncation needs it.

    Args:
        state: float32, on the CPU.
        layout: read from the names again.
        truncation: inner latents are drawn to their mean by this factor; 1 leaves them alone.
        attributes: what the vendor's own files say of the modules they hold; where they say
            nothing, values are held within ``VENDOR_LIMIT`` for the vendor's layout.

    Raises:
        ModelError: the tensors are not those of a StyleGAN2.

    """
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    found = read(shapes)
    if found is None:
        raise not_stylegan2(f"its names are {', '.join(list(state)[:3])}, ...")
    names = found.names
    tensors = {**missing_noises(names, shapes), **{name: state[name].clone() for name in state}}
    tensors["truncation"] = torch.tensor(float(truncation))
    width = shapes[names.mapping[-1][0]][0]
    tensors[names.mean] = tensors.get(names.mean, torch.zeros(width)).float()
    generator = StyleGAN2(
        planted(tensors, {*names.fixed, "truncation"}),
        found.facts,
        names,
        tuple(state),
        limit=_limit(attributes, names),
    )
    if truncation != 1 and names.mean not in shapes:
        generator.restore({names.mean: mean_latent(generator, MEAN_SEED, MEAN_COUNT)})
        generator.mean_estimate = MeanEstimate(MEAN_SEED, MEAN_COUNT)
    return generator


def _limit(attributes: Mapping[str, object], names: Names) -> float | None:
    """Where values are held; the vendor's networks have one limit for all layers, or none."""
    if not names.vendor:
        return None
    limit = attributes.get(f"{names.layers[0].alias}.conv_clamp", VENDOR_LIMIT)
    return float(limit) if isinstance(limit, int | float) else None


def mean_latent(generator: StyleGAN2, seed: int, count: int) -> Tensor:
    """(L,), the mean of the inner latents of ``count`` latents; summed in float64."""
    total = torch.zeros(())
    with torch.no_grad():
        for part in sampling.batches(seed, count, generator.facts.latent_size, _MEAN_BATCH):
            total = total + generator.mapped(part).double().sum(0)
    return (total / count).float()
