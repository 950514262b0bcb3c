"""A grid of villages as a PNG: a row of drawings, answers or a generator's pictures each.

python -m redraft.world.sheet FILE [--answer NAME] [--model MODEL]
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from redraft.disk.files import write_bytes
from redraft.errors import RedraftError
from redraft.models import latents
from redraft.world.answers import ANSWERS
from redraft.world.drawing import draw
from redraft.world.measure import SEED, sampler
from redraft.world.scene import LATENT_SIZE, Floats

_GAP = 2
"""Pixels between pictures, before they are enlarged."""


def sheet(rows: Sequence[Floats], enlarged: int = 2) -> bytes:
    """A PNG of rows of pictures.

    Args:
        rows: each (N, 3, H, W) in -1..1, all alike.
        enlarged: how many pixels a side a pixel becomes.

    """
    count, _, height, width = rows[0].shape
    page = np.ones((len(rows) * (height + _GAP), count * (width + _GAP), 3), np.float32)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top, left = row * (height + _GAP), column * (width + _GAP)
            page[top : top + height, left : left + width] = np.moveaxis(picture, 0, -1)
    page = page[:-_GAP, :-_GAP]
    image = Image.fromarray(((page.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8))
    size = (image.width * enlarged, image.height * enlarged)
    data = io.BytesIO()
    image.resize(size, Image.Resampling.NEAREST).save(data, "png", optimize=True)
    return data.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a sheet; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m redraft.world.sheet",
        description="A grid of villages: the drawings, then a row for each answer and each model.",
    )
    parser.add_argument("file", type=Path, help="a PNG to write")
    parser.add_argument("--answer", action="append", choices=ANSWERS, default=[])
    parser.add_argument("--model", action="append", default=[], help="listed, or a file of weights")
    parser.add_argument("--count", type=int, default=8, help="pictures in a row")
    parser.add_argument("--seed", type=int, default=SEED, help="of the latents")
    wanted = parser.parse_args(arguments)
    if wanted.count < 1:
        parser.error("--count: expected 1 or more")
    try:
        z = latents.sample(wanted.seed, wanted.count, LATENT_SIZE)
        rows = [draw(z.numpy()).pictures]
        rows += [draw(z.numpy(), ANSWERS[name]).pictures for name in wanted.answer]
        with torch.no_grad():
            rows += [sampler(model)(z).numpy() for model in wanted.model]
        write_bytes(wanted.file, sheet(rows))
    except RedraftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"written: {wanted.file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
