"""StyleGAN, the first: convolutions, noise, leaky ReLU, instance norm, styles."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from redraft.models.arch.kinds.stylegan_shapes import Half, Map, Named, not_stylegan, read
from redraft.models.arch.plain import put
from redraft.models.hooked.described import Generator as Described
from redraft.models.hooked.hooked import HookedGenerator
from redraft.models.kinds.scaled import ScaledConv, ScaledLinear, pixel_norm
from redraft.models.latents import batches

_SLOPE = 0.2
_NOISE_SEED, _MEAN_SEED, _MEAN_COUNT = 1, 0, 10_000
_BLUR = (1.0, 2.0, 1.0)


class _Held(nn.Module):
    """A map that is held under the names of its file, and computed with elsewhere."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_parameter(name, nn.Parameter(tensor.clone(), requires_grad=False))


class StyleGAN(nn.Module):
    """A StyleGAN whose modules have the names of the file.

    Args:
        named: as the file names it.
        state: its tensors.
        truncation: 1 for none; 0 gives the mean picture only.

    """

    def __init__(self, named: Named, state: Mapping[str, Tensor], truncation: float) -> None:
        super().__init__()
        self._named, self._truncation = named, truncation
        self._parts: dict[str, nn.Module] = {}
        for each in (*named.mapping, *_inner(named), named.colours):
            self._parts[each.path] = _module(each, state)
            put(self, each.path, self._parts[each.path])
        taken = {
            f"{path}.{name}" for path, part in self._parts.items() for name in part.state_dict()
        }
        folders: dict[str, dict[str, Tensor]] = {}
        for name in (each for each in state if each not in taken):
            folder, _, own = name.rpartition(".")
            folders.setdefault(folder, {})[own] = state[name]
        for folder in sorted(folders, key=lambda path: path.count(".")):
            _register(self, folder, folders[folder])
        self._noise = _noises(named)
        blur = torch.tensor(_BLUR)
        self._blur = (blur[:, None] * blur / 16)[None, None]
        self.load_state_dict(dict(state))
        self._mean = self._mean_of_inner() if truncation != 1 else None

    def forward(self, latents: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) of latents (N, Z)."""
        inner = self._mapped(latents)
        if self._mean is not None:
            mean = self._mean.to(inner)
            inner = mean + self._truncation * (inner - mean)
        maps = self.get_parameter(self._named.constant).expand(len(latents), -1, -1, -1)
        if self._named.constant_bias is not None:
            maps = maps + self.get_parameter(self._named.constant_bias)[:, None, None]
        for place, half in enumerate(self._named.halves):
            maps = self._half(half, maps, inner, self._noise[place])
        pictures: Tensor = self._parts[self._named.colours.path](maps)
        return pictures

    def _mapped(self, latents: Tensor) -> Tensor:
        inner = pixel_norm(latents)
        for each in self._named.mapping:
            inner = functional.leaky_relu(self._parts[each.path](inner), _SLOPE)
        return inner

    def _half(self, half: Half, maps: Tensor, inner: Tensor, noise: Tensor) -> Tensor:
        if half.convolution is not None:
            maps = self._convolved(half, half.convolution, maps)
        strength = self.get_parameter(half.noise).reshape(1, -1, 1, 1) * half.noise_scale
        maps = functional.leaky_relu(maps + strength * noise.to(maps), _SLOPE)
        normed = functional.instance_norm(maps)
        gain, shift = self._parts[half.style.path](inner)[:, :, None, None].chunk(2, 1)
        styled: Tensor = normed * (gain + 1 if self._named.one_more else gain) + shift
        return styled

    def _convolved(self, half: Half, each: Map, maps: Tensor) -> Tensor:
        part = self._parts[each.path]
        values: Tensor
        if not half.blurred:
            values = part(maps)
            return values
        # One port adds the bias before the blur, the other behind it.
        late = self._named.layout == "lernapparat"
        bias = part.get_parameter("bias")[:, None, None] * each.bias_scale
        if each.fused:
            values = _fused(maps, part.get_parameter(each.weight) * each.scale, late)
            values = values if late else values + bias
        else:
            enlarged = functional.interpolate(maps, scale_factor=2)
            values = part(enlarged)
            values = values - bias if late else values
        kernel = self._blur.to(values).expand(values.shape[1], -1, -1, -1)
        blurred = functional.conv2d(values, kernel, padding=1, groups=values.shape[1])
        return blurred + bias if late else blurred

    def _mean_of_inner(self) -> Tensor:
        size = self.get_parameter(self._named.mapping[0].name).shape[1]
        parts = batches(_MEAN_SEED, _MEAN_COUNT, size, 1000)
        with torch.no_grad():
            return torch.cat([self._mapped(part).mean(0, keepdim=True) for part in parts]).mean(0)


def _fused(maps: Tensor, weight: Tensor, outputs_first: bool) -> Tensor:
    """Up-sampling and convolution in one: each tap is the sum of four shifts of the weight."""
    inputs_first = weight.transpose(0, 1) if outputs_first else weight
    wide = functional.pad(inputs_first, (1, 1, 1, 1))
    summed = wide[:, :, 1:, 1:] + wide[:, :, :-1, 1:] + wide[:, :, 1:, :-1] + wide[:, :, :-1, :-1]
    return functional.conv_transpose2d(maps, summed, stride=2, padding=1)


def _inner(named: Named) -> list[Map]:
    return [
        each for half in named.halves for each in (half.convolution, half.style) if each is not None
    ]


def _module(each: Map, state: Mapping[str, Tensor]) -> nn.Module:
    weight = state[each.name]
    if each.fused:
        return _Held({each.weight: weight, "bias": state[f"{each.path}.bias"]})
    kind = ScaledLinear if weight.dim() == 2 else ScaledConv
    return kind(tuple(weight.shape), each.scale, each.bias_scale, each.weight)


def _register(module: nn.Module, folder: str, tensors: Mapping[str, Tensor]) -> None:
    """Tensors that are no map's, in the folder where the file has them."""
    holder = module
    for word in folder.split("."):
        if word not in dict(holder.named_children()):
            holder.add_module(word, nn.Module())
        holder = holder.get_submodule(word)
    for name, tensor in tensors.items():
        holder.register_parameter(name, nn.Parameter(tensor.clone(), requires_grad=False))


def _noises(named: Named) -> list[Tensor]:
    """A noise map (1, 1, h, w) for each half: the same for all pictures, as for StyleGAN2."""
    source = torch.Generator().manual_seed(_NOISE_SEED)
    return [torch.randn(1, 1, half.side, half.side, generator=source) for half in named.halves]


def build(state: Mapping[str, Tensor], layout: str, truncation: float) -> HookedGenerator:  # noqa: ARG001
    """A StyleGAN that holds copies of the tensors of ``state``.

    Raises:
        ModelError: the tensors are not those of a StyleGAN.

    """
    named = read({name: tuple(tensor.shape) for name, tensor in state.items()})
    if named is None:
        raise not_stylegan("it has no constant input")
    try:
        module = StyleGAN(named, state, truncation)
    except (RuntimeError, KeyError) as error:
        raise not_stylegan(str(error).splitlines()[-1].strip().rstrip(".")) from error
    size = (state[named.mapping[0].name].shape[1],)
    return HookedGenerator(Described(module, size=size, name="this StyleGAN"), "stylegan")
