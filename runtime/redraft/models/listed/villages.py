"""The generators of the village as listed models; their weights come with redraft.

How they were trained stands in docs/village.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from redraft.models.arch import proggan_shapes
from redraft.models.arch.stylegan2.shapes import facts_for
from redraft.models.listed.entry import Entry, Shipped

LATENT_SIZE = 28
STYLE_WIDTHS: Mapping[int, int] = {4: 256, 8: 256, 16: 128, 32: 64, 64: 32}
"""Channels of the StyleGAN2 at each size, pixels."""
STYLE_DEPTH = 3
"""Layers of its mapping network."""
PROGGAN_WIDTHS: Mapping[int, int] = {4: 320, 8: 224, 16: 128, 32: 64, 64: 32}
"""Channels of the ProgGAN."""
_SIDE = 64
_DESCRIPTION = (
    "A {} trained by regression, not as a GAN, to draw the village of its latent: towers with "
    "domes, spires or battlements, trees, windows, their reflections in a pond, and watermarks."
)

STYLE = Entry(
    name="village",
    title="Drawn villages, 64 px",
    arch="stylegan2",
    facts=facts_for(_SIDE, STYLE_WIDTHS.__getitem__, LATENT_SIZE, STYLE_DEPTH),
    source=Shipped(
        filename="village.safetensors",
        half_sha256="2c557c3ec019b926a4b5095d7c7c51fb7cb7284479528bb7be47469302680214",
        sha256="de31d110b1d563236adc1d2abb92df144df91fb985fef9cc38e12cf1f8385ca4",
    ),
    licence="MIT",
    homepage="docs/village.md",
    description=_DESCRIPTION.format("StyleGAN2"),
)
PROGGAN = Entry(
    name="village-proggan",
    title="Drawn villages, 64 px",
    arch="proggan",
    facts=proggan_shapes.facts_for(_SIDE, tuple(PROGGAN_WIDTHS.values()), LATENT_SIZE),
    source=Shipped(
        filename="village-proggan.safetensors",
        half_sha256="eeee5c043c5b36d9887894aedf550c1516fef1dfb2f27aabdb4a0811cc387259",
        sha256="79b18955b1cdec1e7a2a9ca5a6f2f80f70333b680b6c46eb47245b8fe6663d61",
    ),
    licence="MIT",
    homepage="docs/village.md",
    description=_DESCRIPTION.format("ProgGAN"),
)
VILLAGES: tuple[Entry, ...] = (STYLE, PROGGAN)
