"""DCGAN: transposed convolutions, batch norm in evaluation mode, ReLU; tanh at the end.

Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", ICLR 2016. Sizes are read from the shapes of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

from redraft.models.arch.chain import Link
from redraft.models.arch.dcgan_shapes import facts, is_plain, links, not_dcgan
from redraft.models.arch.plain import TransposedForm, put
from redraft.models.arch.said import EPSILON, Said
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
        if not isinstance(module[-1], nn.Tanh):
            steps.append(_Spread(isinstance(module[-1], nn.Sigmoid)))
        super().__init__(facts.arch, Stages(module, steps, facts.latent_size), facts)


class _Spread(nn.Module):
    """Pictures in -1..1 of those in 0..1, or of whatever a network without an end gives."""

    def __init__(self, positive: bool) -> None:
        super().__init__()
        self.positive = positive

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W)."""
        return (2 * pictures - 1 if self.positive else pictures).clamp(-1, 1)


class ChainModule(nn.Module):
    """A DCGAN of any naming: its modules have the names of the file.

    Args:
        chain: its maps.
        said: what the file does not hold.

    """

    def __init__(self, chain: Sequence[Link], said: Said) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        if chain[0].kind != "linear":
            steps.append(nn.Unflatten(1, (chain[0].shape[1], 1, 1)))
        for link in chain:
            steps += _steps(link, said, last=link is chain[-1])
        paths = {id(step): path for step, path in _named(chain, steps)}
        for step in steps:
            if id(step) in paths:
                put(self, paths[id(step)], step)
        # Not a list of modules: it would show in the names of the weights.
        self._steps = tuple(steps)

    def forward(self, latents: Tensor) -> Tensor:
        """Pictures (N, 1, 3 or 4, H, W) of latents (N, Z)."""
        maps = latents
        for step in self._steps:
            maps = step(maps)
        return maps


def chain_module(state: Mapping[str, Tensor], said: Said) -> ChainModule:
    """The module of a DCGAN of any naming, with the weights of ``state``.

    Raises:
        ModelError: the tensors are not those of a DCGAN.

    """
    chain = links({name: tuple(tensor.shape) for name, tensor in state.items()})
    try:
        module = ChainModule(chain, said)
    except KeyError as error:
        # A module cannot be called as one of torch's own attributes.
        raise not_dcgan(f"its names cannot be those of modules ({error})") from error
    _fill(module, state)
    return module


def build(
    state: Mapping[str, Tensor],
    layout: str = "sequential",  # noqa: ARG001
    truncation: float = 1.0,  # noqa: ARG001
    said: Said = Said(),  # noqa: B008
) -> DCGAN:
    """A numbered DCGAN that holds copies of the tensors of ``state`` (names without prefix).

    There is nothing to truncate.

    Raises:
        ModelError: the tensors are not those of a DCGAN.

    """
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    found = facts(shapes)
    chain = links(shapes)
    if not is_plain(chain):
        raise not_dcgan("it is not numbered as the paper's authors number theirs")
    blocks = [step for link in chain for step in _steps(link, said, last=link is chain[-1])]
    module = nn.Sequential(*blocks)
    _fill(module, state)
    return DCGAN(module, found)


def _fill(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        raise not_dcgan(str(error).splitlines()[-1].strip().rstrip(".")) from error


def _steps(link: Link, said: Said, *, last: bool) -> list[nn.Module]:
    """The modules of one link of a chain, those with weights first."""
    steps: list[nn.Module] = []
    if link.up > 1:
        steps.append(nn.Upsample(scale_factor=link.up))
    steps.append(_map(link))
    grid = link.grid if link.kind == "linear" else 1
    laid_out = [nn.Unflatten(1, (link.channels, grid, grid))] if grid > 1 else []
    flat = link.kind == "linear" and (link.flat or grid == 1)
    width = link.shape[0] if flat or grid == 1 else link.channels
    kind = nn.BatchNorm1d if flat else nn.BatchNorm2d
    eps = EPSILON if link.opening else said.eps
    norm: list[nn.Module] = [] if link.norm is None else [kind(width, eps, affine=link.affine)]
    if last:
        ends = {"tanh": nn.Tanh(), "sigmoid": nn.Sigmoid(), "none": nn.Identity()}
        return [*steps, *norm, ends[said.output]]
    slope = nn.LeakyReLU(said.slope) if said.slope else nn.ReLU()
    behind: list[nn.Module] = [slope] if link.activated else []
    if link.early:
        norm, behind = behind, norm  # the activation comes first
    if flat:
        return [*steps, *norm, *behind, *laid_out]
    return [*steps, *laid_out, *norm, *behind]


def _map(link: Link) -> nn.Module:
    out, into, kernel, _ = link.shape
    made: nn.Module
    if link.kind == "linear":
        made = nn.Linear(into, out, bias=link.bias)
    elif link.kind == "conv":
        made = nn.Conv2d(into, out, kernel, padding=kernel // 2, bias=link.bias)
    else:
        stride, padding, more = link.steps
        made = nn.ConvTranspose2d(into, out, kernel, stride, padding, more, bias=link.bias)
    if link.tensor == "weight_orig":
        return nn.utils.spectral_norm(made)
    if link.spectral:
        return nn.utils.parametrizations.spectral_norm(made)
    return made


def _named(chain: Sequence[Link], steps: Sequence[nn.Module]) -> Iterator[tuple[nn.Module, str]]:
    """The modules that have weights or counts, each with its path in the file."""
    maps = iter(chain)
    link = chain[0]
    for step in steps:
        if isinstance(step, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            link = next(maps)
            yield step, link.path
        elif isinstance(step, nn.BatchNorm1d | nn.BatchNorm2d):
            assert link.norm is not None, "a norm has a path"
            yield step, link.norm
