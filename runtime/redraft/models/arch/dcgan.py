"""DCGAN: transposed convolutions, batch norm in evaluation mode, ReLU; tanh at the end.

Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", ICLR 2016. Sizes are read from the shapes of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from redraft.models.arch.dcgan_shapes import Shapes, convolutions, facts, not_dcgan
from redraft.models.arch.plain import TransposedForm
from redraft.models.arch.sequential import SequentialGenerator, Stages
from redraft_dsl.facts import ModelFacts

__all__ = ["DCGAN", "TransposedForm", "build", "facts"]


class DCGAN(SequentialGenerator):
    """A DCGAN as a :class:`redraft.models.generator.Generator`.

    Args:
        module: an ``nn.Sequential`` of (transposed convolution, batch norm, ReLU) blocks and a
            last transposed convolution with tanh.
        facts: as :func:`facts` reads them from the module's shapes.

    """

    def __init__(self, module: nn.Sequential, facts: ModelFacts) -> None:
        steps = [nn.Unflatten(1, (facts.latent_size, 1, 1)), *module]
        super().__init__(facts.arch, Stages(module, steps, facts.latent_size), facts)


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
