"""Layers of plain torch modules: what solvers need to know of them.

A *layer* is a convolution, a transposed convolution or a linear map, with the batch norm in
evaluation mode and the ReLU or leaky ReLU that may follow it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from redraft.models.generator import (
    Axes,
    LayerInputs,
    Positions,
    Reach,
    Reaches,
    rectified,
    transposed_phases,
)

Weighted = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
Norm = nn.BatchNorm1d | nn.BatchNorm2d
Pair = tuple[int, int]


@dataclass(frozen=True)
class PlainForm(ABC):
    """A linear map with batch norm folded into scale and offset, then a ReLU with a slope.

    ``scale = gamma / sqrt(var + eps)``, ``offset = beta + (bias - mean) * scale``.

    Attributes:
        weight: (O, C, kh, kw).
        scale: (O,).
        offset: (O,).
        phases: the layer's output positions.
        negative_slope: of the activation below 0; 1 for none.

    """

    weight: Tensor
    scale: Tensor
    offset: Tensor
    phases: tuple[Positions, ...]
    negative_slope: float

    @abstractmethod
    def convolve(self, keys: Tensor, weight: Tensor) -> Tensor:
        """(N, O, H, W) of keys (N, C, h, w) and a weight (O, C, kh, kw); no bias."""

    def response(self, inputs: LayerInputs, weight: Tensor) -> Tensor:
        """Pre-activations (N, O, H, W) for ``weight`` (O, C, kh, kw)."""
        return self.convolve(inputs.keys, weight) * self.scale[:, None, None] + self.shift(inputs)

    def gains(self, inputs: LayerInputs, weight: Tensor) -> Tensor:  # noqa: ARG002
        """(1, O), batch norm's scale."""
        return self.scale[None]

    def shift(self, inputs: LayerInputs) -> Tensor:  # noqa: ARG002
        """(O, 1, 1), the bias and batch norm's shift."""
        return self.offset[:, None, None]

    def demodulation(
        self,
        inputs: LayerInputs,  # noqa: ARG002
        weight: Tensor,  # noqa: ARG002
        directions: Tensor,  # noqa: ARG002
    ) -> None:
        """Gains do not depend on the weight."""
        return

    def activate(self, response: Tensor) -> Tensor:
        """Values (N, O, H, W)."""
        return rectified(response, self.negative_slope)


@dataclass(frozen=True)
class Window:
    """All output positions of a convolution: each reads every tap.

    Attributes:
        kernel: (kh, kw).
        stride: of the output positions over the keys, (rows, columns).
        padding: zeros around the keys, (rows, columns).
        dilation: step between the taps, (rows, columns).

    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @property
    def taps(self) -> tuple[Pair, ...]:
        """(ky, kx) kernel coordinates, row by row."""
        return tuple((ky, kx) for ky in range(self.kernel[0]) for kx in range(self.kernel[1]))

    @property
    def reach(self) -> Reaches:
        """What the values read along rows and columns."""
        return self._along(0), self._along(1)

    def _along(self, axis: int) -> Reach:
        low = -self.padding[axis]
        high = self.dilation[axis] * (self.kernel[axis] - 1) + low
        return Reach(1, self.stride[axis], low, high, low + high)

    def of(self, maps: Tensor) -> Tensor:
        """All positions of (..., H, W) maps, as (..., P)."""
        return maps.flatten(-2)

    def unfold(self, maps: Tensor) -> Tensor:
        """The design matrix (N * P, S * T) of (N, S, h, w) key maps."""
        columns = functional.unfold(maps, self.kernel, self.dilation, self.padding, self.stride)
        return columns.transpose(1, 2).reshape(-1, columns.shape[1])


@dataclass(frozen=True)
class ConvolutionForm(PlainForm):
    """A convolution; ``phases`` is its one :class:`Window`."""

    window: Window

    def convolve(self, keys: Tensor, weight: Tensor) -> Tensor:
        """(N, O, H, W) of keys (N, C, h, w) and a weight (O, C, kh, kw)."""
        window = self.window
        return functional.conv2d(keys, weight, None, window.stride, window.padding, window.dilation)


@dataclass(frozen=True)
class TransposedForm(PlainForm):
    """A transposed convolution whose output is ``stride`` times the keys in size."""

    stride: int
    padding: int
    output_padding: int = 0

    def convolve(self, keys: Tensor, weight: Tensor) -> Tensor:
        """(N, O, stride * h, stride * w) of keys (N, C, h, w) and a weight (O, C, kh, kw)."""
        return functional.conv_transpose2d(
            keys,
            weight.transpose(0, 1),
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
        )


@dataclass(frozen=True)
class LinearForm(PlainForm):
    """A linear map of whole vectors: one position, one tap."""

    def convolve(self, keys: Tensor, weight: Tensor) -> Tensor:
        """(N, O, 1, 1) of keys (N, C, 1, 1) and a weight (O, C, 1, 1)."""
        return functional.linear(keys[:, :, 0, 0], weight[:, :, 0, 0])[:, :, None, None]


def axes_of(module: Weighted) -> Axes:
    """How the module keeps its weight."""
    if isinstance(module, nn.Linear):
        return "linear"
    return "IO" if isinstance(module, nn.ConvTranspose2d) else "OI"


def weight_of(module: Weighted) -> Tensor:
    """A copy of the module's weight as (O, C, kh, kw)."""
    held = module.weight.detach()
    match axes_of(module):
        case "linear":
            return held[:, :, None, None].clone()
        case "IO":
            return held.transpose(0, 1).contiguous()
        case _:
            return held.clone()


def put_weight(module: Weighted, weight: Tensor) -> None:
    """Write a weight (O, C, kh, kw) into the module, bit for bit."""
    with torch.no_grad():
        match axes_of(module):
            case "linear":
                module.weight.copy_(weight[:, :, 0, 0])
            case "IO":
                module.weight.copy_(weight.transpose(0, 1))
            case _:
                module.weight.copy_(weight)


def put(module: nn.Module, path: str, part: nn.Module) -> None:
    """Register a part under a dotted name, so that the module's names are the file's."""
    *folders, own = path.split(".")
    for folder in folders:
        if folder not in dict(module.named_children()):
            module.add_module(folder, nn.Module())
        module = module.get_submodule(folder)
    module.add_module(own, part)


def form_of(module: Weighted, norm: Norm | None, negative_slope: float) -> PlainForm:
    """The structure of a layer, reading the module's present weights.

    Args:
        module: see :func:`can_be_cut`.
        norm: the batch norm that follows it, if one does.
        negative_slope: of the activation below 0; 1 for none.

    """
    weight = weight_of(module)
    scale, offset = _folded(module, norm, weight)
    if isinstance(module, nn.Linear):
        return LinearForm(weight, scale, offset, (Window((1, 1)),), negative_slope)
    if isinstance(module, nn.ConvTranspose2d):
        stride, padding = module.stride[0], int(module.padding[0])
        phases = transposed_phases(module.kernel_size[0], stride, padding)
        more = module.output_padding[0]
        return TransposedForm(weight, scale, offset, phases, negative_slope, stride, padding, more)
    window = Window(
        cast(Pair, module.kernel_size),
        cast(Pair, module.stride),
        cast(Pair, module.padding),
        cast(Pair, module.dilation),
    )
    return ConvolutionForm(weight, scale, offset, (window,), negative_slope, window)


def can_be_cut(module: nn.Module) -> bool:
    """Whether a module is a layer whose structure is known.

    Groups, padding other than zeros, weights that are computed (spectral norm and its like), and
    transposed convolutions whose output is not ``stride`` times their keys are not.
    """
    if type(module) not in (nn.Conv2d, nn.ConvTranspose2d, nn.Linear):
        return False
    if module._forward_pre_hooks or module._forward_hooks or "weight" not in module._parameters:
        return False
    if isinstance(module, nn.Conv2d):
        return (
            module.groups == 1
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        )
    return not isinstance(module, nn.ConvTranspose2d) or _even(module)


def _even(module: nn.ConvTranspose2d) -> bool:
    """Whether output (y, x) is position (y mod stride, x mod stride) of key (y, x) // stride."""
    sizes = (module.kernel_size, module.stride, module.padding, module.output_padding)
    if any(len(set(size)) > 1 for size in sizes) or module.groups != 1:
        return False
    kernel, stride, padding, more = (int(size[0]) for size in sizes)
    return set(module.dilation) == {1} and kernel + more == stride + 2 * padding


def _folded(module: Weighted, norm: Norm | None, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and offset, each (O,)."""
    bias = weight.new_zeros(len(weight)) if module.bias is None else module.bias.detach()
    if norm is None:
        return weight.new_ones(len(weight)), bias
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    gamma = norm.weight if norm.affine else torch.ones_like(mean)
    beta = norm.bias if norm.affine else torch.zeros_like(mean)
    scale = gamma / torch.sqrt(variance + norm.eps)
    return scale, beta + (bias - mean) * scale
