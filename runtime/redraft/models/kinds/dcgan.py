"""DCGANs of any naming."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from redraft.models.arch import dcgan as numbered
from redraft.models.arch.dcgan_shapes import is_plain, links
from redraft.models.arch.said import Said
from redraft.models.generator import Generator
from redraft.models.hooked.described import Generator as Described
from redraft.models.hooked.hooked import HookedGenerator


def build(
    state: Mapping[str, Tensor],
    layout: str = "sequential",
    truncation: float = 1.0,
    said: Said = Said(),  # noqa: B008
) -> Generator:
    """A DCGAN of any naming that holds copies of the tensors of ``state``.

    Raises:
        ModelError: the tensors are not those of a DCGAN.

    """
    chain = links({name: tuple(tensor.shape) for name, tensor in state.items()})
    if is_plain(chain):
        return numbered.build(state, layout, truncation, said)
    module = numbered.chain_module(state, said)
    span = (0.0, 1.0) if said.output == "sigmoid" else (-1.0, 1.0)
    made = Described(module, range=span, size=(chain[0].shape[1],), name="this DCGAN")
    return HookedGenerator(made, "dcgan")
