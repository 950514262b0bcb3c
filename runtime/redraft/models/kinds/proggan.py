"""ProgGANs of any naming."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from redraft.models.arch import proggan as authors
from redraft.models.arch.kinds.proggan_names import Block, Named, read
from redraft.models.arch.plain import put
from redraft.models.generator import Generator
from redraft.models.hooked.described import Generator as Described
from redraft.models.hooked.hooked import HookedGenerator
from redraft.models.kinds.scaled import ScaledConv, ScaledLinear, ScaledTransposed, pixel_norm

_SLOPE = 0.2


class NamedProgGAN(nn.Module):
    """A ProgGAN whose modules have the names of the file."""

    def __init__(self, named: Named) -> None:
        super().__init__()
        self._blocks = named.blocks
        self._made: dict[str, nn.Module] = {}
        for block in (*named.blocks, *named.unused):
            made = _made(block, scaled_bias=named.scaled_bias)
            put(self, block.path, made)
            self._made[block.path] = made

    def forward(self, latents: Tensor) -> Tensor:
        """Pictures (N, 1, 3 or 4, H, W) of latents (N, Z)."""
        maps = pixel_norm(latents)
        for block in self._blocks[:-1]:
            maps = self._values(block, maps)
        pictures: Tensor = self._made[self._blocks[-1].path](maps)
        return pictures

    def _values(self, block: Block, maps: Tensor) -> Tensor:
        if block.kind == "transposed":
            maps = maps[:, :, None, None]
        if block.up:
            maps = functional.interpolate(maps, scale_factor=2)
        values = functional.leaky_relu(self._made[block.path](maps), _SLOPE)
        if block.kind == "linear":
            values = values.view(len(values), -1, 4, 4)
        return pixel_norm(values) if block.normed else values


def _made(block: Block, *, scaled_bias: bool) -> nn.Module:
    bias = block.scale if scaled_bias else 1.0
    if block.kind == "linear":
        return ScaledLinear(block.shape, block.scale, bias)
    if block.kind == "transposed":
        return ScaledTransposed(block.shape, block.scale)
    return ScaledConv(block.shape, block.scale, bias)


def build(
    state: Mapping[str, Tensor], layout: str = "layers", truncation: float = 1.0
) -> Generator:
    """A ProgGAN of any naming that holds copies of the tensors of ``state``.

    Raises:
        ModelError: the tensors are not those of a ProgGAN.

    """
    named = read({name: tuple(tensor.shape) for name, tensor in state.items()})
    if named is None:
        return authors.build(state, layout, truncation)
    module = NamedProgGAN(named)
    module.load_state_dict(dict(state))
    size = (named.blocks[0].channels[1],)
    return HookedGenerator(Described(module, size=size, name="this ProgGAN"), "proggan")
