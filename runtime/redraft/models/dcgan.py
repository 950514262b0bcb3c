"""DCGAN: transposed convolutions, batch norm in evaluation mode, ReLU; tanh at the end.

Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", ICLR 2016. Sizes are read from the shapes of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from redraft.errors import ModelError
from redraft.models.adapter import Axes, LayerInputs, Phase, transposed_phases
from redraft.models.dcgan_shapes import Shapes, convolutions, facts, not_dcgan
from redraft_dsl.facts import ModelFacts

__all__ = ["DCGAN", "TransposedForm", "build", "facts"]


@dataclass(frozen=True)
class TransposedForm:
    """A transposed convolution with batch norm folded into scale and shift, then ReLU.

    ``scale = gamma / sqrt(var + eps)``, ``offset = beta + (bias - mean) * scale``.
    """

    weight: Tensor
    scale: Tensor
    offset: Tensor
    stride: int
    padding: int
    phases: tuple[Phase, ...]
    negative_slope: float = 0.0

    def response(self, inputs: LayerInputs, weight: Tensor) -> Tensor:
        """Pre-activations (N, O, H, W) for ``weight`` (O, C, kh, kw)."""
        raw = functional.conv_transpose2d(
            inputs.keys, weight.transpose(0, 1), stride=self.stride, padding=self.padding
        )
        return raw * self.scale[:, None, None] + self.shift(inputs)

    def gains(self, inputs: LayerInputs, weight: Tensor) -> Tensor:  # noqa: ARG002
        """(1, O), batch norm's scale."""
        return self.scale[None]

    def shift(self, inputs: LayerInputs) -> Tensor:  # noqa: ARG002
        """(O, 1, 1), batch norm's shift."""
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
        """Values (N, O, H, W): ReLU."""
        return functional.relu(response)


class DCGAN:
    """A DCGAN as a :class:`redraft.models.adapter.Generator`.

    Args:
        module: an ``nn.Sequential`` of (transposed convolution, batch norm, ReLU) blocks and a
            last transposed convolution with tanh.
        facts: as :func:`facts` reads them from the module's shapes.

    """

    def __init__(self, module: nn.Sequential, facts: ModelFacts) -> None:
        self.module: nn.Sequential = module.eval().requires_grad_(False)
        self.facts = facts

    def weight_name(self, layer: str) -> str:
        """The name of the layer's weight in the file it came from, without any prefix."""
        return f"{self._index(layer)}.weight"

    def weight_axes(self, layer: str) -> Axes:  # noqa: ARG002
        """Transposed convolutions keep their input channels first."""
        return "IO"

    def state(self) -> dict[str, Tensor]:
        """The present weights under the names of the file."""
        return self.module.state_dict()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back the weights of :meth:`state`, bit for bit."""
        self.module.load_state_dict(state)

    def upstream(self, layer: str) -> tuple[str, ...]:
        """Names of every tensor that the layer's keys depend on."""
        stop = self._index(layer)
        names = self.module.state_dict()
        return tuple(
            name
            for name in names
            if int(name.split(".")[0]) < stop and not name.endswith("num_batches_tracked")
        )

    def form(self, layer: str) -> TransposedForm:
        """The per-channel structure of a layer, reading the module's present weight."""
        index = self._index(layer)
        convolution = cast(nn.ConvTranspose2d, self.module[index])
        norm = cast(nn.BatchNorm2d, self.module[index + 1])
        mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        scale = norm.weight / torch.sqrt(variance + norm.eps)
        bias = 0.0 if convolution.bias is None else convolution.bias
        stride, padding = convolution.stride[0], int(convolution.padding[0])
        return TransposedForm(
            weight=convolution.weight.transpose(0, 1).contiguous(),
            scale=scale,
            offset=norm.bias + (bias - mean) * scale,
            stride=stride,
            padding=padding,
            phases=transposed_phases(convolution.kernel_size[0], stride, padding),
        )

    def set_weight(self, layer: str, weight: Tensor) -> None:
        """Write ``weight`` (O, C, kh, kw) into the module, bit for bit."""
        with torch.no_grad():
            convolution = cast(nn.ConvTranspose2d, self.module[self._index(layer)])
            convolution.weight.copy_(weight.transpose(0, 1))

    def inputs(self, latents: Tensor, layers: Sequence[str]) -> dict[str, LayerInputs]:
        """What enters each of the layers, in one pass that stops at the last of them."""
        wanted = {self._index(layer): layer for layer in layers}
        found: dict[str, LayerInputs] = {}
        maps = latents[:, :, None, None]
        with torch.no_grad():
            for index in range(max(wanted) + 1):
                if index in wanted:
                    found[wanted[index]] = LayerInputs(maps)
                if index < max(wanted):
                    maps = self.module[index](maps)
        return {layer: found[layer] for layer in layers}

    def pictures(self, layer: str, values: Tensor, inputs: LayerInputs) -> Tensor:  # noqa: ARG002
        """Pictures (N, 3, H, W) in -1..1 from the values that leave ``layer``."""
        with torch.no_grad():
            return cast(Tensor, self.module[self._index(layer) + 3 :](values))

    def sample(self, latents: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 of latents (N, latent_size)."""
        with torch.no_grad():
            return cast(Tensor, self.module(latents[:, :, None, None]))

    def _index(self, layer: str) -> int:
        found = self.facts.layer(layer)
        if found is None:
            raise ModelError(
                "RD625",
                f"this generator has no layer `{layer}`",
                f"its layers are {', '.join(self.facts.layer_names())}",
            )
        return int(found.name.removeprefix("layer"))


def build(
    state: Mapping[str, Tensor],
    layout: str = "sequential",  # noqa: ARG001
    truncation: float = 1.0,  # noqa: ARG001
) -> DCGAN:
    """A DCGAN that holds copies of the tensors of ``state`` (names without prefix).

    There is one layout, and nothing to truncate.

    Raises:
        ModelError: the tensors are not those of a DCGAN.

    """
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    found = facts(shapes)
    module = nn.Sequential(*_blocks(shapes, convolutions(shapes)))
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        raise not_dcgan(str(error).splitlines()[-1].strip().rstrip(".")) from error
    return DCGAN(module, found)


def _blocks(shapes: Shapes, convolutions: list[int]) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    for place, index in enumerate(convolutions):
        channels_in, channels_out, kernel, _ = shapes[f"{index}.weight"]
        bias = f"{index}.bias" in shapes
        stride, padding = (1, 0) if place == 0 else (2, 1)
        blocks.append(
            nn.ConvTranspose2d(channels_in, channels_out, kernel, stride, padding, bias=bias)
        )
        if index != convolutions[-1]:
            blocks += [nn.BatchNorm2d(channels_out), nn.ReLU()]
    return [*blocks, nn.Tanh()]
