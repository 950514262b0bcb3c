"""The judging segmenter: a small U-Net that labels every pixel of a village.

It is trained on drawings alone and has no part in the training of the generators.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from redraft.errors import ModelError
from redraft.explain.words import first_line
from redraft.world.drawing import LABELS

WIDTHS = (16, 32, 48, 64)
"""Channels at 64, 32, 16 and 8 px."""
SHIPPED = Path(__file__).parents[1] / "weights" / "segmenter.safetensors"


def _pair(before: int, width: int) -> nn.Sequential:
    """Two convolutions, each with group norm and a ReLU."""
    layers: list[nn.Module] = []
    for channels in (before, width):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.GroupNorm(4, width), nn.ReLU()]
    return nn.Sequential(*layers)


class Segmenter(nn.Module):
    """A U-Net: down to 8 px and up again, the maps of each size joined to those that come back.

    Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation", MICCAI 2015; with group norm, and nearest up-sampling.
    """

    def __init__(self) -> None:
        super().__init__()
        befores = (3, *WIDTHS[:-1])
        self.down = nn.ModuleList(map(_pair, befores, WIDTHS))
        joined = [(low + high, high) for high, low in pairwise(WIDTHS)]
        self.up = nn.ModuleList(_pair(*each) for each in joined)
        self.out = nn.Conv2d(WIDTHS[0], len(LABELS), 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, labels, 64, 64) scores of pictures (N, 3, 64, 64) in -1..1."""
        return self.scores(self.features(pictures))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Maps at 64, 32, 16 and 8 px on the way down; the last (N, 64, 8, 8) are the deepest."""
        found: list[Tensor] = []
        maps = pictures
        for place, step in enumerate(self.down):
            maps = step(maps if place == 0 else functional.max_pool2d(maps, 2))
            found.append(maps)
        return found

    def scores(self, features: list[Tensor]) -> Tensor:
        """(N, labels, 64, 64) from what :meth:`features` gave."""
        maps = features[-1]
        for place in reversed(range(len(self.up))):
            grown = functional.interpolate(maps, scale_factor=2)
            maps = self.up[place](torch.cat([grown, features[place]], 1))
        scores: Tensor = self.out(maps)
        return scores

    def labels(self, pictures: Tensor, batch: int = 100) -> Tensor:
        """(N, 64, 64) uint8, the label of each pixel, a place in ``LABELS``."""
        with torch.no_grad():
            found = [self(part).argmax(1).byte() for part in torch.split(pictures, batch)]
        return torch.cat(found) if found else torch.zeros(0, *pictures.shape[2:], dtype=torch.uint8)


def segmenter_of(state: Mapping[str, Tensor]) -> Segmenter:
    """The segmenter with these weights, ready to judge."""
    network = Segmenter()
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return network.eval().requires_grad_(False)


def shipped_segmenter(path: Path | None = None) -> Segmenter:
    """The segmenter that redraft brings, or the one in a file of weights.

    Raises:
        ModelError: the file is missing, or is not a segmenter's.

    """
    file = SHIPPED if path is None else path
    try:
        return segmenter_of(load(file.read_bytes()))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            "RD699",
            f"{file} is not a segmenter of the village: {first_line(error)}",
            "give a file that `python -m redraft.world.train segmenter` wrote",
        ) from error
