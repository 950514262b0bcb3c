"""Where a layer's weight is held: as it is, or behind a scale that the module computes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from redraft.models.generator import Axes
from redraft.models.hooked.trace import memory_of
from redraft.models.partners import Partner

CLOSE = 1e-5
_SPECTRAL = (
    ("weight_orig", "weight_u", "weight_v"),
    (
        "parametrizations.weight.original",
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
    ),
)
"""What torch calls weight, u and v of spectral norm, of its older and its newer kind."""
_LENGTHS = (
    ("weight_v", "weight_g"),
    ("parametrizations.weight.original1", "parametrizations.weight.original0"),
)
"""What torch calls weight and g of weight norm, of its older and its newer kind."""


@dataclass(frozen=True)
class Held:
    """The tensor of a module that a layer's weight comes from.

    Attributes:
        name: in the module's state.
        scaled: whether the module multiplies it before it is used.
        partner: what changes along with it.

    """

    name: str
    scaled: bool = False
    partner: Partner | None = None


def held_weight(layer: nn.Module, part: str, used: Tensor) -> Held | None:
    """Where the weight comes from that an operation of ``layer`` used; None where that is unclear.

    Args:
        layer: the part of the network.
        part: its dotted name.
        used: the weight, as (O, C, kh, kw), (C, O, kh, kw) or, of a linear map, (C, O).

    """
    tensors = dict(layer.named_parameters())
    for name, tensor in tensors.items():
        if memory_of(tensor) == memory_of(used) and tensor.numel() == used.numel():
            return Held(f"{part}.{name}")
    natural = used.t() if used.dim() == 2 else used
    for name, tensor in tensors.items():
        if tensor.shape == natural.shape and scale_between(tensor, natural) is not None:
            return Held(f"{part}.{name}", scaled=True, partner=_partner(layer, part, name))
    return None


def sharing(module: nn.Module, name: str) -> str | None:
    """Another name under which the module holds the tensor ``name``, or a part of it."""
    named: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    named.update(module.named_buffers(remove_duplicate=False))
    first, end = _span(named[name])
    for other, tensor in named.items():
        if other == name or memory_of(tensor) != memory_of(named[name]):
            continue
        start, stop = _span(tensor)
        if start < end and first < stop:
            return other
    return None


def _span(tensor: Tensor) -> tuple[int, int]:
    """Where a tensor begins and ends in its memory, in bytes."""
    reach = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    start = int(tensor.storage_offset()) * tensor.element_size()
    return start, start + (int(reach) + 1) * tensor.element_size()


def _partner(layer: nn.Module, part: str, name: str) -> Partner | None:
    tensors = {**dict(layer.named_parameters()), **dict(layer.named_buffers())}
    for weight, first, second in _SPECTRAL:
        if name == weight and {first, second} <= tensors.keys():
            sizes, length = tensors[weight].shape, len(tensors[first])
            # As torch has it: a transposed convolution's rows are its second axis.
            order = (1, 0) if isinstance(layer, nn.ConvTranspose2d) else (0, 1)
            axis = next(axis for axis in order if sizes[axis] == length)
            named = (f"{part}.{second}", f"{part}.{first}")
            return Partner(kind="spectral", name=named[0], other=named[1], axis=axis)
    for weight, length_name in _LENGTHS:
        if name == weight and length_name in tensors:
            return Partner(kind="length", name=f"{part}.{length_name}")
    return None


def scale_between(held: Tensor, used: Tensor) -> Tensor | None:
    """What ``held`` is multiplied by to give ``used``: one number, or one for a row or a column.

    Gives a tensor that broadcasts against both, or None.
    """
    first, second = held.detach().double(), used.detach().double()
    everything = tuple(range(first.dim()))
    for kept in ((), (0,), (1,)):
        axes = tuple(axis for axis in everything if axis not in kept)
        squares = first.square().sum(axes, keepdim=True)
        scale = (first * second).sum(axes, keepdim=True) / squares.clamp_min(1e-300)
        if bool((first * scale - second).norm() <= CLOSE * second.norm()):
            return scale.to(used.dtype)
    return None


def natural(weight: Tensor, axes: Axes, size: tuple[int, int]) -> Tensor:
    """A held weight as a copy (O, C, kh, kw); ``size`` is the grid of a linear map."""
    match axes:
        case "linear":
            return weight.detach()[:, :, None, None].clone()
        case "grid":
            out = len(weight) // (size[0] * size[1])
            return weight.detach().reshape(out, *size, -1).permute(0, 3, 1, 2).contiguous()
        case "IO":
            return weight.detach().transpose(0, 1).contiguous()
        case _:
            return weight.detach().clone()


def held_as(weight: Tensor, axes: Axes) -> Tensor:
    """A weight (O, C, kh, kw) as the module holds it."""
    match axes:
        case "linear":
            return weight[:, :, 0, 0]
        case "grid":
            return weight.permute(0, 2, 3, 1).reshape(-1, weight.shape[1])
        case "IO":
            return weight.transpose(0, 1)
        case _:
            return weight


def put(module: nn.Module, held: Held, weight: Tensor) -> None:
    """Write a weight, in the layout in which it is held, bit for bit; its partner follows."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    present, partner = tensors[held.name], held.partner
    with torch.no_grad():
        if partner is not None:
            follower = tensors[partner.name]
            other = None if partner.other is None else tensors[partner.other]
            changed = partner.follow(present, weight, follower, other)
            follower.copy_(changed)
        present.copy_(weight)
