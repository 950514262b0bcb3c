"""Which DCGAN the shapes of some weights make up. No torch: only names and sizes are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redraft.errors import ModelError
from redraft.models.arch.chain import COLOURS, Link, chain_of
from redraft.models.arch.said import BY_CODE, EPSILON, Said
from redraft_dsl.facts import LayerFacts, ModelFacts

Shapes = Mapping[str, tuple[int, ...]]
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def links(shapes: Shapes) -> tuple[Link, ...]:
    """The chain of maps of a DCGAN; raises as :func:`facts`."""
    found = chain_of(shapes)
    if found is None:
        raise not_dcgan(_fault(shapes, convolutions(shapes)))
    return found


def _fault(shapes: Shapes, numbers: Sequence[int]) -> str:
    """Why weights whose numbered convolutions are in order make up no chain."""
    known = [f"{number}.{name}" for number in numbers for name in ("weight", "bias")]
    norms = [
        f"{number + 1}.{name}"
        for number in numbers
        for name in (*_BATCH_NORM, "num_batches_tracked")
    ]
    strange = [name for name in shapes if name not in {*known, *norms}]
    if strange:
        return f"it has no place for `{strange[0]}`"
    return "its layers do not follow each other in one chain"


def is_plain(chain: Sequence[Link]) -> bool:
    """Whether it is numbered as the networks that the paper's authors and torch's examples train.

    That is, convolution, batch norm and ReLU in turn, and three colours.
    """
    numbers = [link.path for link in chain] == [str(3 * place) for place in range(len(chain))]
    kinds = all(link.kind == "transposed" and not link.spectral for link in chain)
    norms = all(link.norm == str(3 * at + 1) for at, link in enumerate(chain[:-1]))
    kernels = all(link.shape[2] == 4 for link in chain[1:])
    affine = all(link.affine for link in chain[:-1])
    return numbers and kinds and norms and kernels and affine and chain[-1].shape[0] == 3


def facts(shapes: Shapes) -> ModelFacts:
    """Picture size, latent size and layers, read from the shapes of the weights alone.

    Args:
        shapes: tensor name without prefix ("0.weight") to shape.

    Raises:
        ModelError: the shapes are not those of a DCGAN; says what is missing.

    """
    chain = links(shapes)
    plain = is_plain(chain)
    shown = chain[1:-1] if plain else chain[:-1]
    side = chain[-1].values
    return ModelFacts(
        arch="dcgan",
        image_size=(side, side),
        latent_size=chain[0].shape[1],
        layers=tuple(_layer(link, plain=plain) for link in shown),
    )


def _layer(link: Link, *, plain: bool) -> LayerFacts:
    name = f"layer{link.path}" if link.path[0].isdigit() else link.path
    kinds = {"linear": "linear", "transposed": "conv-transpose", "conv": "conv"}
    grid = link.grid if link.kind == "linear" else 1
    return LayerFacts(
        names=(name, f"main.{link.path}") if plain else (name,),
        kind="linear-grid" if grid > 1 else kinds[link.kind],
        in_channels=link.shape[1],
        out_channels=link.shape[0] // (grid * grid),
        kernel=(grid, grid) if link.kind == "linear" else link.shape[2:],
        key_size=(link.keys, link.keys),
        value_size=(link.values, link.values),
    )


def layout_of(chain: Sequence[Link]) -> str:
    """What the naming of a DCGAN is called."""
    if is_plain(chain):
        return "sequential"
    return "linear first" if chain[0].kind == "linear" else "chain"


def assumed(chain: Sequence[Link], said: Said) -> tuple[str, ...]:
    """What no file of weights holds, as clauses: activations, batch norm's epsilon, the end."""
    slope = f"leaky ReLU {said.slope:g}" if said.slope else "ReLU"
    norms = any(link.norm is not None for link in chain)
    ends = {"tanh": "tanh", "sigmoid": "sigmoid", "none": "nothing"}
    return (
        f"{slope} behind its layers",
        *([f"batch norm with eps {said.eps:g}{_but(chain, said)}"] if norms else []),
        f"{ends[said.output]} at its end",
        f"all of its {chain[0].shape[1]} input numbers are noise",
    )


def _but(chain: Sequence[Link], said: Said) -> str:
    other = chain[0].opening and said.eps != EPSILON
    return f" (the first: {EPSILON:g})" if other else ""


def convolutions(shapes: Shapes) -> list[int]:
    """Sequence numbers of the convolutions, proved to be those of a DCGAN.

    Raises:
        ModelError: as :func:`facts`.

    """
    found = sorted(
        int(name.split(".")[0])
        for name, shape in shapes.items()
        if name.endswith(".weight") and name.split(".")[0].isdigit() and len(shape) == 4
    )
    if len(found) < 3:
        raise not_dcgan(f"it has {len(found)} transposed convolutions, and a DCGAN has 3 or more")
    if found != list(range(0, 3 * len(found), 3)):
        raise not_dcgan(
            "its convolutions do not follow each other in one chain "
            f"(they are numbered {', '.join(map(str, found))})"
        )
    _check_chain(shapes, found)
    return found


def _check_chain(shapes: Shapes, found: list[int]) -> None:
    for index, following in zip(found, [*found[1:], None], strict=True):
        _, channels_out, height, width = shapes[f"{index}.weight"]
        if height != width or (index and height != 4):
            raise not_dcgan(f"`{index}.weight` has a {height} x {width} kernel, and 4 x 4 is read")
        if following is None:
            if channels_out not in COLOURS:
                raise not_dcgan(f"it draws {channels_out} colour channels, and 1, 3 or 4 are read")
            return
        for name in _BATCH_NORM:
            if shapes.get(f"{index + 1}.{name}") != (channels_out,):
                raise not_dcgan(f"`{index + 1}.{name}` of shape ({channels_out},) is missing")
        if shapes[f"{following}.weight"][0] != channels_out:
            raise not_dcgan(
                f"`{following}.weight` takes {shapes[f'{following}.weight'][0]} channels, "
                f"and {channels_out} reach it"
            )


def not_dcgan(detail: str) -> ModelError:
    """The error for weights that are another network's; ``detail`` says what gives it away."""
    return ModelError(
        "RD626",
        f"these weights are not a DCGAN generator: {detail}",
        f"give the generator's weights; {BY_CODE}",
    )
