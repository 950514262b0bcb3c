"""The sizes of the village's generators. No torch."""

from __future__ import annotations

from collections.abc import Mapping

LATENT_SIZE = 28
STYLE_WIDTHS: Mapping[int, int] = {4: 256, 8: 256, 16: 128, 32: 64, 64: 32}
"""Channels of the StyleGAN2 at each size, pixels."""
STYLE_DEPTH = 3
"""Layers of its mapping network."""
PROGGAN_WIDTHS: Mapping[int, int] = {4: 320, 8: 224, 16: 128, 32: 64, 64: 32}
"""Channels of the ProgGAN."""
