"""Which DCGAN the shapes of some weights make up. No torch: only names and sizes are read."""

from __future__ import annotations

from collections.abc import Mapping

from redraft.errors import ModelError
from redraft_dsl.facts import LayerFacts, ModelFacts

Shapes = Mapping[str, tuple[int, ...]]
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def facts(shapes: Shapes) -> ModelFacts:
    """Picture size, latent size and layers, read from the shapes of the weights alone.

    Args:
        shapes: tensor name without prefix ("0.weight") to shape.

    Raises:
        ModelError: the shapes are not those of a DCGAN; says what is missing.

    """
    found = convolutions(shapes)
    latent_size, _, size, _ = shapes[f"{found[0]}.weight"]
    layers = []
    for index in found[1:-1]:
        channels_in, channels_out, kernel, _ = shapes[f"{index}.weight"]
        layers.append(
            LayerFacts(
                names=(f"layer{index}", f"main.{index}"),
                kind="conv-transpose",
                in_channels=channels_in,
                out_channels=channels_out,
                kernel=(kernel, kernel),
                key_size=(size, size),
                value_size=(2 * size, 2 * size),
            )
        )
        size *= 2
    return ModelFacts(
        arch="dcgan",
        image_size=(2 * size, 2 * size),
        latent_size=latent_size,
        layers=tuple(layers),
    )


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
            "its convolutions are not each followed by batch norm and an activation "
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
            if channels_out != 3:
                raise not_dcgan(f"it draws {channels_out} colour channels, and 3 are read")
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
        "give the generator's weights (not the discriminator's), "
        "with transposed convolution, batch norm and ReLU in turn",
    )
