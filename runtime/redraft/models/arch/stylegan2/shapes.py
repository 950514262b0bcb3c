"""Which StyleGAN2 the shapes of some weights make up. No torch: only names and sizes are read.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020. Picture size,
widths and depth of the mapping network are whatever the file holds, as long as they fit together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from redraft.errors import ModelError
from redraft.models.arch.said import BY_CODE
from redraft.models.arch.stylegan2.layouts import (
    MEAN,
    ColourNames,
    LayerNames,
    Layout,
    Names,
    names_of,
)
from redraft_dsl.facts import LayerFacts, ModelFacts

Shapes = Mapping[str, tuple[int, ...]]
LEAST_SIZE, MOST_SIZE = 8, 1024
MOST_DEPTH = 64
_MOST_OPENING = 16
_KERNEL = (4, 4)


@dataclass(frozen=True)
class Description:
    """A StyleGAN2 generator: what a recipe may know of it, and the names of its tensors."""

    facts: ModelFacts
    names: Names


def read(shapes: Shapes) -> Description | None:
    """The generator that the shapes make up; None for another architecture.

    Args:
        shapes: tensor name without prefix ("convs.0.conv.weight") to shape. The mean of the inner
            latents may lie among them.

    Raises:
        ModelError: the tensors are those of a StyleGAN2 that is broken, or of one with classes.

    """
    layout = _layout(shapes)
    if layout is None:
        return None
    if any(name.startswith("mapping.embed.") for name in shapes):
        raise ModelError(
            "RD630",
            "this StyleGAN2 draws by class (it has `mapping.embed`), and that is not supported",
            "use a model that was trained without classes",
        )
    names = names_of(layout, _depth(shapes), _size(shapes, layout))
    _check_names(names, shapes)
    names = replace(names, opening=_opening(names, shapes))
    if shapes.get(names.mean) == ():
        # The authors' form keeps a lone 0 until it is given a mean.
        names = replace(names, mean=MEAN, spare=(*names.spare, names.mean))
    latent_size = _check_mapping(names, shapes)
    for name, shape in _expected(names, shapes):
        if shapes[name] != shape:
            raise not_stylegan2(f"`{name}` has shape {shapes[name]}, and {shape} belongs there")
    return Description(
        ModelFacts(
            arch="stylegan2",
            image_size=names.map_of(names.layers[-1].size),
            latent_size=latent_size,
            layers=tuple(_layer(names, layer, shapes) for layer in names.layers),
        ),
        names,
    )


def facts_for(
    resolution: int, width: Callable[[int], int], latent_size: int, depth: int
) -> ModelFacts:
    """The facts of a StyleGAN2 of which only the sizes are known, under the names of the port.

    Args:
        resolution: of its pictures, in pixels.
        width: gives the channels of the layers at a size in pixels.
        latent_size: length of its latents.
        depth: layers of the mapping network.

    """
    layers = []
    for layer in names_of("rosinality", depth, resolution).layers:
        keys = layer.size // 2 if layer.up else layer.size
        layers.append(
            LayerFacts(
                names=(f"layer{layer.number}", layer.alias),
                kind="modulated-conv-up" if layer.up else "modulated-conv",
                in_channels=width(keys),
                out_channels=width(layer.size),
                kernel=(3, 3),
                key_size=(keys, keys),
                value_size=(layer.size, layer.size),
            )
        )
    return ModelFacts(
        arch="stylegan2",
        image_size=(resolution, resolution),
        latent_size=latent_size,
        layers=tuple(layers),
    )


def not_stylegan2(detail: str) -> ModelError:
    """The error for weights that do not make up the generator; ``detail`` says why not."""
    return ModelError(
        "RD626",
        f"these weights are not a StyleGAN2 generator: {detail}",
        f"give the generator's whole state dict (`g_ema`); {BY_CODE}",
    )


def _layout(shapes: Shapes) -> Layout | None:
    if any(".mconv." in name for name in shapes):
        separate = any(".mconv.dconv." in name for name in shapes)
        return "authors" if separate else "authors-fused"
    if any(".affine." in name for name in shapes):
        return "stylegan2-ada"
    return "rosinality" if any(".modulation." in name for name in shapes) else None


def _depth(shapes: Shapes) -> int:
    """Number of mapping layers, by the highest number there is."""
    depth = max(
        _numbers(shapes, r"style\.(\d+)\.")
        + [n + 1 for n in _numbers(shapes, r"mapping\.fc(\d+)")],
        default=0,
    )
    if not 1 <= depth <= MOST_DEPTH:
        raise not_stylegan2(f"its mapping network has {depth} layers")
    return depth


def _size(shapes: Shapes, layout: Layout) -> int:
    """Side of the pictures, by the highest layer there is."""
    if layout == "stylegan2-ada":
        size = max(_numbers(shapes, r"synthesis\.b(\d+)\."), default=0)
    else:
        authors = layout.startswith("authors")
        pattern, before = (r"layer(\d+)\.", 2) if authors else (r"convs\.(\d+)\.", -1)
        beyond = max(_numbers(shapes, pattern), default=before) - before
        # No shift by a number that a file made up.
        size = 4 << (min(beyond, 64) + 1) // 2
    if size < LEAST_SIZE:
        raise not_stylegan2("it has no layer behind those at 4 px")
    if not LEAST_SIZE <= size <= MOST_SIZE or size & (size - 1):
        raise not_stylegan2(
            f"it draws {size} px a side, and powers of 2 from {LEAST_SIZE} to {MOST_SIZE} are read"
        )
    return size


def _numbers(shapes: Shapes, pattern: str) -> list[int]:
    found = (re.match(pattern, name) for name in shapes)
    # More digits than any size has: not turned into a number.
    return [int(match[1][:9]) for match in found if match]


def _check_names(names: Names, shapes: Shapes) -> None:
    """Every tensor is there, and nothing else."""
    optional = {names.mean} | (set() if names.vendor else set(names.noises))
    needed = [name for name in _all(names) if name not in optional]
    missing = [name for name in needed if name not in shapes]
    if missing:
        more = f" ({len(missing)} of {len(needed)} are)" if len(missing) > 1 else ""
        raise not_stylegan2(f"`{missing[0]}` is missing{more}")
    strange = [name for name in shapes if name not in {*needed, *optional}]
    if strange:
        raise not_stylegan2(f"it has no place for `{strange[0]}`")


def _all(names: Names) -> Iterator[str]:
    for weight, bias in names.mapping:
        yield from (weight, bias)
    yield names.constant
    yield names.mean
    for layer in names.layers:
        yield from (*layer.before_keys, *layer.after_keys)
    for colour in names.colours:
        yield from (colour.weight, colour.style.weight, colour.style.bias, colour.bias)
        if colour.kernel is not None:
            yield colour.kernel
    yield from names.spare


def _check_mapping(names: Names, shapes: Shapes) -> int:
    """The latents' size; each layer of the mapping network takes what the one before gives."""
    width = None
    for weight, bias in names.mapping:
        shape = shapes[weight]
        if len(shape) != 2 or shapes[bias] != shape[:1]:
            raise not_stylegan2(f"`{weight}` and `{bias}` are not a fully connected layer")
        if width is not None and shape[1] != width:
            raise not_stylegan2(f"`{weight}` takes {shape[1]} numbers, and {width} reach it")
        width = shape[0]
    return shapes[names.mapping[0][0]][1]


def _expected(names: Names, shapes: Shapes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of the file but the mapping network's, with the shape that fits the others."""
    inner = shapes[names.mapping[-1][0]][0]
    lead = () if names.vendor else (1,)
    width = _width_of(names, shapes)
    yield names.constant, (*lead, width, *names.opening)
    if names.mean in shapes:
        yield names.mean, (inner,)
    colours = {colour.size: colour for colour in names.colours}
    for layer in names.layers:
        out = _outputs(layer, names, shapes)
        yield layer.weight, (*lead, out, width, 3, 3)
        yield layer.style.weight, (width, inner)
        yield layer.style.bias, (width,)
        yield layer.strength, lead
        if layer.noise in shapes:
            yield layer.noise, (*lead, *lead, *names.map_of(layer.size))
        yield layer.bias, (out,)
        if layer.kernel is not None:
            yield layer.kernel, _KERNEL
        width = out
        if not layer.up:
            yield from _expected_colour(colours[layer.size], lead, width, inner)
    for name in names.spare:
        yield name, () if name.endswith("latent_avg") else _KERNEL


def _expected_colour(
    colour: ColourNames, lead: tuple[int, ...], width: int, inner: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield colour.weight, (*lead, 3, width, 1, 1)
    yield colour.style.weight, (width, inner)
    yield colour.style.bias, (width,)
    yield colour.bias, (1, 3, 1, 1) if lead else (3,)
    if colour.kernel is not None:
        yield colour.kernel, _KERNEL


def _opening(names: Names, shapes: Shapes) -> tuple[int, int]:
    """Rows and columns of the constant; only the port's may be other than 4 x 4."""
    shape = shapes[names.constant]
    if names.layout != "rosinality" or len(shape) != 4:
        return 4, 4
    rows, columns = shape[2:]
    if not (1 <= rows <= _MOST_OPENING and 1 <= columns <= _MOST_OPENING):
        raise not_stylegan2(f"`{names.constant}` has shape {shape}")
    return rows, columns


def _width_of(names: Names, shapes: Shapes) -> int:
    shape = shapes[names.constant]
    if len(shape) != (3 if names.vendor else 4):
        raise not_stylegan2(f"`{names.constant}` has shape {shape}, and that is no 4 x 4 input")
    return shape[-3]


def _outputs(layer: LayerNames, names: Names, shapes: Shapes) -> int:
    shape = shapes[layer.weight]
    if len(shape) != (4 if names.vendor else 5):
        raise not_stylegan2(f"`{layer.weight}` has shape {shape}, and that is not a convolution")
    return shape[-4]


def _layer(names: Names, layer: LayerNames, shapes: Shapes) -> LayerFacts:
    out, into, height, width = shapes[layer.weight][-4:]
    keys = layer.size // 2 if layer.up else layer.size
    return LayerFacts(
        names=(f"layer{layer.number}", layer.alias),
        kind="modulated-conv-up" if layer.up else "modulated-conv",
        in_channels=into,
        out_channels=out,
        kernel=(height, width),
        key_size=names.map_of(keys),
        value_size=names.map_of(layer.size),
    )
