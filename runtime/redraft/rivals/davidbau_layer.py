"""A layer, and the way to it, in the steps of the paper authors' code (``compat davidbau``).

The order of the steps decides the last bits of every number, and the descent that follows makes
much of them. So a StyleGAN2 is run here once more, with the noise that their code has.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from redraft.models.arch.proggan import ConvolutionForm
from redraft.models.arch.stylegan2.form import ModulatedForm
from redraft.models.arch.stylegan2.generator import StyleGAN2
from redraft.models.generator import Generator, LayerForm, LayerInputs

NOISE_SEED = 0
FLOOR = 1e-8
"""Under the mean square of a latent, and under the length of a modulated kernel."""
SLOPE, GAIN = 0.2, 2**0.5
MAPPING_RATE = 0.01

Layer = Callable[[Tensor], Tensor]
"""The values (N, O, H, W) of some pictures for a weight (O, C, kh, kw)."""


def layer_of(form: LayerForm, inputs: LayerInputs) -> Layer:
    """The layer on some keys, as far as their code takes it to go.

    A ProgGAN layer ends with its convolution, a StyleGAN2 layer after its activation. They had no
    others; any other layer ends where this project says.
    """
    if isinstance(form, ConvolutionForm):
        return lambda weight: functional.conv2d(inputs.keys, weight, padding=weight.shape[-1] // 2)
    if isinstance(form, ModulatedForm):
        return _styled(form, inputs)
    return lambda weight: form.activate(form.response(inputs, weight))


def noise_maps(count: int, height: int, width: int) -> Tensor:
    """(count, 1, height, width): the maps of the pictures of a batch, one after another."""
    drawn = np.random.RandomState(NOISE_SEED).randn(count * height * width)
    return torch.from_numpy(drawn.astype(np.float32)).reshape(count, 1, height, width)


def entering(generator: Generator, latents: Tensor, layer: str) -> LayerInputs:
    """What enters a layer for pictures that are run as one batch, in this order.

    A StyleGAN2's noise goes by a picture's place in its batch, at every layer. For any other
    network it is what the network itself says.

    Args:
        generator: any.
        latents: (N, latent_size).
        layer: any of its names.

    """
    facts = generator.facts.layer(layer)
    if facts is None or not isinstance(generator, StyleGAN2):
        return generator.inputs(latents, [layer])[layer]
    tensors, names = generator.module.state_dict(), generator.names
    inner = _inner(generator, latents)
    maps = tensors[names.constant].reshape(1, -1, 4, 4).repeat(len(latents), 1, 1, 1)
    for each, place in zip(names.layers, generator.facts.layers, strict=True):
        weight = tensors[each.style.weight]
        style = functional.linear(
            inner, weight * (1 / sqrt(weight.shape[1])), tensors[each.style.bias]
        )
        inputs = LayerInputs(style[:, :, None, None] * maps, {"style": style})
        if place is facts:
            break
        form = generator.form(place.name)
        maps = layer_of(form, inputs)(form.weight)
    return inputs


def _inner(generator: StyleGAN2, latents: Tensor) -> Tensor:
    """(N, L), inner latents, truncated as the model is."""
    tensors, names = generator.module.state_dict(), generator.names
    inner = latents * torch.rsqrt(latents.square().mean(1, keepdim=True) + FLOOR)
    for weight_name, bias_name in names.mapping:
        weight = tensors[weight_name]
        rows = functional.linear(inner, weight * (1 / sqrt(weight.shape[1]) * MAPPING_RATE))
        inner = functional.leaky_relu(rows + tensors[bias_name] * MAPPING_RATE, SLOPE) * GAIN
    truncation, mean = float(tensors["truncation"]), tensors[names.mean]
    return inner if truncation == 1 else mean + truncation * (inner - mean)


def _styled(form: ModulatedForm, inputs: LayerInputs) -> Layer:
    """Convolution, demodulation, blur, noise, bias, activation, each a step of its own.

    The order of the steps decides the last bits, and the descent makes much of these.
    """
    keys, style = inputs.keys, inputs.carried["style"][:, None, :, None, None]
    scale, channels = form.scale, form.weight.shape[0]
    factor = 1 if form.kernel is None else 2
    noise = noise_maps(len(inputs), factor * keys.shape[2], factor * keys.shape[3]).to(keys)
    added = form.strength * noise
    kernel = None if form.kernel is None else form.kernel.flip(0, 1).expand(channels, 1, -1, -1)

    def values(weight: Tensor) -> Tensor:
        if kernel is None:
            maps = functional.conv2d(keys, scale * weight, padding=weight.shape[-1] // 2)
        else:
            maps = functional.conv_transpose2d(keys, scale * weight.transpose(0, 1), stride=2)
        squares = (scale * weight[None] * style).square().sum((2, 3, 4))
        maps = maps * torch.rsqrt(squares + FLOOR)[:, :, None, None]
        if kernel is not None:
            maps = functional.conv2d(functional.pad(maps, (1, 1, 1, 1)), kernel, groups=channels)
        maps = maps + added
        maps = functional.leaky_relu(maps + form.bias[:, None, None], SLOPE) * GAIN
        return maps if form.limit is None else maps.clamp(-form.limit, form.limit)

    return values
