"""Layers whose weights are multiplied as they run, under whatever names their files have."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-8


class ScaledConv(nn.Conv2d):
    """A convolution that keeps the size of its maps, of a weight times a number.

    Args:
        shape: of the weight.
        scale: of the weight.
        bias_scale: of the bias.
        name: what the file calls the weight.

    """

    def __init__(
        self, shape: tuple[int, ...], scale: float, bias_scale: float = 1.0, name: str = "weight"
    ) -> None:
        out, into, kernel, _ = shape
        super().__init__(into, out, kernel, padding=kernel // 2)
        _rename(self, name)
        self.scales, self.held = (scale, bias_scale), name

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Maps (N, O, h, w) of maps (N, C, h, w)."""
        weight = getattr(self, self.held) * self.scales[0]
        assert self.bias is not None, "every such layer has one"
        bias = self.bias * self.scales[1]
        return functional.conv2d(input, weight, bias, padding=self.padding)


class ScaledLinear(nn.Linear):
    """A linear map of a weight times a number; arguments as of :class:`ScaledConv`."""

    def __init__(
        self, shape: tuple[int, ...], scale: float, bias_scale: float = 1.0, name: str = "weight"
    ) -> None:
        super().__init__(shape[1], shape[0])
        _rename(self, name)
        self.scales, self.held = (scale, bias_scale), name

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """(N, O) of (N, C)."""
        weight = getattr(self, self.held) * self.scales[0]
        return functional.linear(input, weight, self.bias * self.scales[1])


class ScaledTransposed(nn.ConvTranspose2d):
    """The first layer of a network: a transposed convolution of a latent (N, Z, 1, 1)."""

    def __init__(self, shape: tuple[int, ...], scale: float) -> None:
        super().__init__(shape[0], shape[1], shape[2])
        self.scale = scale

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:  # noqa: A002, ARG002
        """(N, O, 4, 4)."""
        return functional.conv_transpose2d(input, self.weight * self.scale, self.bias)


def pixel_norm(maps: Tensor) -> Tensor:
    """Each position's channels over their root mean square."""
    return maps * torch.rsqrt(maps.square().mean(1, keepdim=True) + EPSILON)


def filled(module: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    """The module with copies of ``state``; its names were checked before."""
    module.load_state_dict(state)
    return module


def _rename(module: nn.Module, name: str) -> None:
    if name != "weight":
        weight = cast(nn.Parameter, module.weight)
        del module.weight
        module.register_parameter(name, weight)
