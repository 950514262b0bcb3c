"""Train a generator of the village, or the segmenter that judges it.

    python -m redraft.world.train village --folder RUN

This is regression, not a GAN: there is no discriminator, and the targets are known. A run goes on
from the last state in its folder when it is started again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from redraft.errors import RedraftError
from redraft.world.course import Course, not_taken_up
from redraft.world.networks import SHAPES
from redraft.world.training import SEGMENTER, carry_out

COURSES = {
    SEGMENTER: Course(pictures=40_000, rate=2e-3),
    **{model: Course() for model in SHAPES},
}
_WHOLE = {
    "pictures": "how many are learned from in all",
    "batch": "pictures a step",
    "seed": "of the first weights and of the latents",
    "code_steps": "steps in which the first layers are fitted to the code",
    "at_16": "pictures at 16 px",
    "at_32": "pictures after which 64 px follow",
}
_SHARES = {
    "rate": "Adam's",
    "falling": "share of the course in which the rate falls",
    "exact": "last share of the course, in float32",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, or go on; returns the exit status."""
    parser = _parser()
    wanted = vars(parser.parse_args(arguments))
    model, folder, start = wanted.pop("model"), wanted.pop("folder"), wanted.pop("start")
    torch.set_num_threads(wanted.pop("threads"))
    half = not wanted.pop("float32")
    given = {name: value for name, value in wanted.items() if value is not None}
    course = replace(COURSES[model], **given, half=half)
    if course.pictures < 1 or course.batch < 1:
        parser.error("--pictures and --batch: expected 1 or more")
    try:
        weights = None
        if start is not None:
            try:
                weights = load(start.read_bytes())
            except (OSError, SafetensorError) as error:
                raise not_taken_up(start, str(error)) from error
        path = carry_out(model, course, folder, _say, weights)
    except RedraftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _say(f"written: {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m redraft.world.train",
        description="Train a generator of the village, or the segmenter that judges it.",
    )
    parser.add_argument("model", choices=COURSES)
    parser.add_argument("--folder", type=Path, required=True, help="of the run; resumed if it is")
    parser.add_argument(
        "--from", dest="start", type=Path, help="weights that a new run starts from"
    )
    for name, meaning in _WHOLE.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=meaning)
    for name, meaning in _SHARES.items():
        parser.add_argument(f"--{name}", type=float, help=meaning)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--float32", action="store_true", help="compute all of it in float32")
    parser.add_argument(
        "--compiled", action="store_true", help="compile the generator first; needs a C++ compiler"
    )
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
