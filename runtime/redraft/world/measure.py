"""Measure how well a generator draws the village: agreement of its pictures with the label maps.

    python -m redraft.world.measure village-or-file.safetensors

Without a model the segmenter itself is measured, on drawings.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from redraft.errors import ModelError, RedraftError
from redraft.models import latents
from redraft.models.arch.families import family_named, recognise
from redraft.models.generator import Generator
from redraft.models.locate import locate_named
from redraft.models.open import choose_device, open_base
from redraft.world.course import not_taken_up
from redraft.world.drawing import draw, iou
from redraft.world.scene import LATENT_SIZE
from redraft.world.segmenter import Segmenter, shipped_segmenter

SEED = 900
"""Of the latents that are measured on. Trainings draw theirs from another stream."""
COUNT = 500
BARS = {
    **dict.fromkeys(("dome", "spire", "battlements", "tree", "window", "watermark"), 0.8),
    "reflection": 0.7,
}
"""What a generator must reach before it is listed."""
_BATCH = 50


@dataclass(frozen=True)
class Measured:
    """What came out.

    Attributes:
        iou: by the names of :data:`redraft.world.drawing.GROUPS`.
        error: mean absolute difference between picture and drawing, in -1..1.

    """

    iou: dict[str, float]
    error: float


def measure(
    pictures: Callable[[Tensor], Tensor] | None, judge: Segmenter, count: int, seed: int = SEED
) -> Measured:
    """Agreement of the segmenter on pictures with the exact label maps.

    Args:
        pictures: gives (N, 3, 64, 64) in -1..1 for latents (N, 28); None for the drawings.
        judge: the segmenter.
        count: how many latents.
        seed: of the latents.

    """
    found, exact, errors = [], [], []
    for part in latents.batches(seed, count, LATENT_SIZE, _BATCH):
        drawn = draw(part.numpy())
        target = torch.from_numpy(drawn.pictures)
        made = target if pictures is None else pictures(part)
        found.append(judge.labels(made).numpy())
        exact.append(drawn.labels)
        errors.append((made - target).abs().mean((1, 2, 3)))
    agreed = iou(np.concatenate(found), np.concatenate(exact))
    return Measured(agreed, float(torch.cat(errors).mean()))


def sampler(model: str) -> Callable[[Tensor], Tensor]:
    """What draws the pictures of a listed model, or of a file that a training wrote.

    Raises:
        ModelError: it cannot be opened, or its latents are not the village's.

    """
    path = Path(model)
    if path.suffix == ".safetensors" and path.is_file():
        generator = _opened(path)
    else:
        generator = open_base(locate_named(model), choose_device("cpu")).generator
    if generator.facts.latent_size != LATENT_SIZE:
        raise ModelError(
            "RD698",
            f"{model} takes latents of {generator.facts.latent_size} numbers, "
            f"and villages have {LATENT_SIZE}",
            "name a generator of the village",
        )
    sample: Callable[[Tensor], Tensor] = generator.sample
    return sample


def _opened(path: Path) -> Generator:
    try:
        return built(load(path.read_bytes()))
    except (OSError, SafetensorError) as error:
        raise not_taken_up(path, str(error)) from error


def built(weights: Mapping[str, Tensor]) -> Generator:
    """The generator that a file's tensors make up, in float32.

    Raises:
        ModelError: they make up none.

    """
    state = {name: tensor.float() for name, tensor in weights.items()}
    found = recognise({name: tuple(tensor.shape) for name, tensor in state.items()})
    return family_named(found.facts.arch).build(state, found.layout)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the agreement; exit status 3 where a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m redraft.world.measure",
        description="Agreement of a generator's pictures with the exact label maps.",
    )
    parser.add_argument("model", nargs="?", help="a listed model, or a file of weights")
    parser.add_argument("--segmenter", type=Path, help="a file that the training program wrote")
    parser.add_argument("--count", type=int, default=COUNT, help=f"by default {COUNT}")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the latents, {SEED}")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    wanted = parser.parse_args(arguments)
    try:
        judge = shipped_segmenter(wanted.segmenter)
        made = None if wanted.model is None else sampler(wanted.model)
        measured = measure(made, judge, wanted.count, wanted.seed)
    except RedraftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    bars = BARS if wanted.model else dict.fromkeys(BARS, 0.95)
    missed = [name for name, bar in bars.items() if not measured.iou[name] >= bar]
    if wanted.format == "json":
        whole = {"iou": measured.iou, "error": measured.error, "missed": missed}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
    else:
        sys.stdout.write(_table(measured, bars))
    return 3 if missed else 0


def _table(measured: Measured, bars: dict[str, float]) -> str:
    lines = [f"{'label':<14} {'IoU':>5}  bar"]
    for name, value in measured.iou.items():
        bar = f"{bars[name]:.2f}" if name in bars else ""
        mark = "" if name not in bars else " reached" if value >= bars[name] else " missed"
        lines.append(f"{name:<14} {value:.3f}  {bar}{mark}".rstrip())
    lines.append(f"mean absolute difference from the drawings: {measured.error:.4f}, in -1..1")
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
