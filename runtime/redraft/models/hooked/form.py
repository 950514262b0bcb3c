"""What solvers need to know of a layer that was found by watching."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from redraft.models.arch.plain import Pair, Window
from redraft.models.generator import Axes, LayerInputs, Positions, rectified
from redraft.models.hooked.positions import Pad, Padded, scattered

GAIN, SHIFT, LATENT = "gain", "shift", "latent"
"""What is carried from a pass: (N, O), (N, O or 1, H or 1, W or 1) and the latents themselves."""


@dataclass(frozen=True)
class Convolution:
    """How a layer multiplies its keys with its weight, without bias.

    Attributes:
        axes: ``OI`` for a convolution, ``IO`` for a transposed one, ``linear`` or ``grid``.
        stride: rows, columns.
        padding: zeros around the keys; of a transposed one, what is cut off.
        dilation: step between taps.
        output_padding: of a transposed one.
        pad: what is added around the keys before.
        mode: of that, as ``torch.nn.functional.pad`` has it.

    """

    axes: Axes
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    output_padding: Pair = (0, 0)
    pad: Pad = (0, 0, 0, 0)
    mode: str = "constant"

    def of(self, keys: Tensor, weight: Tensor) -> Tensor:
        """(N, O, H, W) of keys (N, C, h, w) and a weight (O, C, kh, kw)."""
        match self.axes:
            case "linear":
                rows = functional.linear(keys.flatten(2).transpose(1, 2), weight[:, :, 0, 0])
                return rows.transpose(1, 2).reshape(len(keys), -1, *keys.shape[2:])
            case "grid":
                out, _, height, width = weight.shape
                flat = weight.permute(0, 2, 3, 1).reshape(-1, weight.shape[1])
                rows = functional.linear(keys[:, :, 0, 0], flat)
                return rows.reshape(len(keys), out, height, width)
            case "IO":
                return functional.conv_transpose2d(
                    keys,
                    weight.transpose(0, 1),
                    stride=self.stride,
                    padding=self.padding,
                    output_padding=self.output_padding,
                )
            case _:
                if any(self.pad):
                    keys = functional.pad(keys, self.pad, self.mode)
                return functional.conv2d(
                    keys, weight, None, self.stride, self.padding, self.dilation
                )

    def positions(self, kernel: Pair, keys: Pair, values: Pair) -> tuple[Positions, ...] | None:
        """The independent sets of positions; None where they have no closed form."""
        match self.axes:
            case "linear":
                return (Window((1, 1)),)
            case "grid":
                return scattered(kernel, kernel, (0, 0), (1, 1), values)
            case "IO":
                if self.dilation != (1, 1):
                    return None
                return scattered(kernel, self.stride, self.padding, keys, values)
            case _:
                window = Window(kernel, self.stride, self.padding, self.dilation)
                return (Padded(window, self.pad, self.mode),) if any(self.pad) else (window,)


@dataclass(frozen=True)
class HookedForm:
    """A layer whose gain and shift come from the pass that its keys come from.

    Attributes:
        weight: (O, C, kh, kw), as it lies in the module.
        phases: the layer's positions.
        negative_slope: of the activation below 0; 1 for none.
        by_picture: whether pictures have gains of their own.
        convolution: how keys and weight are multiplied.

    """

    weight: Tensor
    phases: tuple[Positions, ...]
    negative_slope: float
    by_picture: bool
    convolution: Convolution

    def response(self, inputs: LayerInputs, weight: Tensor) -> Tensor:
        """Pre-activations (N, O, H, W) for ``weight`` (O, C, kh, kw)."""
        gain = inputs.carried[GAIN][:, :, None, None]
        return torch.addcmul(
            inputs.carried[SHIFT], self.convolution.of(inputs.keys, weight), gain
        )  # fmt: skip

    def gains(self, inputs: LayerInputs, weight: Tensor) -> Tensor:  # noqa: ARG002
        """(N, O), or (1, O) where pictures do not differ."""
        gains = inputs.carried[GAIN]
        return gains if self.by_picture else gains[:1]

    def shift(self, inputs: LayerInputs) -> Tensor:
        """What is added after the gain: bias, batch norm's shift, and what a sum brings along."""
        return inputs.carried[SHIFT]

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
