"""Networks that are not read, named for what they are. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from redraft.errors import ModelError
from redraft.models.arch.said import BY_CODE

Shapes = Mapping[str, tuple[int, ...]]
COLOURS = (1, 3, 4)


@dataclass(frozen=True)
class NamedKind:
    """One kind of network.

    Attributes:
        title: as sentences call it.
        detect: whether shapes are its.
        help: what to do, where that is not what holds for every network.

    """

    title: str
    detect: Callable[[Shapes], bool]
    help: str = BY_CODE


def _has(*patterns: str) -> Callable[[Shapes], bool]:
    """Whether each pattern is the start of some name."""
    compiled = [re.compile(pattern) for pattern in patterns]

    def detect(shapes: Shapes) -> bool:
        return all(any(each.match(name) for name in shapes) for each in compiled)

    return detect


def _weights(shapes: Shapes) -> list[tuple[int, ...]]:
    return [
        shape
        for name, shape in shapes.items()
        if name.endswith(("weight", "weight_orig", "weight.original")) and len(shape) in (2, 4)
    ]


def _takes_pictures(shapes: Shapes) -> bool:
    """Whether the first map is a convolution of colours."""
    weights = _weights(shapes)
    if len(weights) < 2 or len(weights[0]) != 4:
        return False
    out, into, kernel, _ = weights[0]
    return into in COLOURS and out > 4 and kernel > 1


def _discriminator(shapes: Shapes) -> bool:
    if not _takes_pictures(shapes):
        return False
    first, last = _weights(shapes)[0], _weights(shapes)[-1]
    # One number, of more channels than it began with; a picture in grey is made of few.
    return last[0] == 1 and (len(last) == 2 or last[1] >= 2 * first[0])


def _classifier(shapes: Shapes) -> bool:
    return _takes_pictures(shapes) and len(_weights(shapes)[-1]) == 2


def _picture_to_picture(shapes: Shapes) -> bool:
    last = _weights(shapes)[-1:]
    ends = bool(last) and len(last[0]) == 4 and (last[0][0] in COLOURS or last[0][1] in COLOURS)
    return _takes_pictures(shapes) and ends


def _labelled(shapes: Shapes) -> bool:
    named = re.compile(r"(.*[._])?(label|class|cls|y)_?(emb|embed|embedding|embeddings)[._].*")
    return any(named.fullmatch(name) and len(shape) == 2 for name, shape in shapes.items())


_DECODES = (
    "a decoder's latents are encoded pictures: give a file of them, `latents=` of a generator"
)

KINDS: tuple[NamedKind, ...] = (
    NamedKind(
        "a StyleGAN3 generator, whose layers filter what they up-sample before and behind their "
        "activation",
        lambda shapes: (
            _has(r"synthesis\.L\d+_\d+_\d+\.")(shapes) or "synthesis.input.freqs" in shapes
        ),
    ),
    NamedKind(
        "the U-Net of a diffusion model, which removes noise step by step",
        lambda shapes: any(
            _has(pattern)(shapes)
            for pattern in (r"time_embedding\.", r"time_embed\.\d", r"time_mlp\.")
        ),
        "redraft edits networks that draw a picture in one pass",
    ),
    NamedKind(
        "an autoencoder (VAE), encoder and decoder",
        _has(r"encoder\.", r"decoder\.", r"(post_)?quant_conv\.|fc_mu\.|fc_var\.|mu\.|quantize\."),
        f"{_DECODES}; {BY_CODE}",
    ),
    NamedKind(
        "the decoder of an autoencoder (VAE)",
        _has(r"conv_in\.", r"(mid\.|mid_block\.)", r"(up\.|up_blocks\.)", r"conv_out\."),
        f"{_DECODES}; {BY_CODE}",
    ),
    NamedKind(
        "a discriminator, which judges pictures and draws none",
        _discriminator,
        "give the generator's weights, which the same training saves",
    ),
    NamedKind(
        "an encoder-decoder, which takes pictures and gives pictures",
        lambda shapes: _has(r"encoder\.", r"decoder\.")(shapes) or _picture_to_picture(shapes),
    ),
    NamedKind(
        "a classifier, which judges pictures and draws none",
        _classifier,
        "give a generator's weights",
    ),
    NamedKind(
        "a BigGAN, which draws by class",
        _has(
            r"(blocks|layers|GBlock)\.\d+\..*\.(gain|scale|embed\w*)\.", r"(shared|linear|gen_z)\."
        ),
        f"say how many classes it has, `labels=` of a generator; {BY_CODE}",
    ),
    NamedKind(
        "a generator that draws by class (it has an embedding of labels)",
        _labelled,
        f"say how many classes it has, `labels=` of a generator; {BY_CODE}",
    ),
)
"""Every kind that is named, the surest first."""


def named(shapes: Shapes) -> ModelError | None:
    """The error for a network that is known and not read; None for others."""
    for kind in KINDS:
        if kind.detect(shapes):
            return ModelError("RD626", f"these weights are {kind.title}", kind.help)
    return None
