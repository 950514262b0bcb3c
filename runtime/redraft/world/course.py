"""The course of a training: how fast, how long, on which latents, with which loss; and its state.

From the state on disk it goes on as if it had never stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.torch import load, save
from torch import Tensor

from redraft.disk.files import write_bytes
from redraft.errors import ModelError
from redraft.world.drawing import LABELS
from redraft.world.scene import LATENT_SIZE, Floats

WEIGHTS: Mapping[str, float] = {
    **{"sky": 0.7, "pond": 0.7, "ground": 0.7, "wall": 1.2, "roof": 1.5, "cloud": 4.0, "sun": 1.5},
    **{"dome": 4.0, "spire": 4.5, "battlements": 9.0, "tree": 3.0, "watermark": 1.5},
    **{"lit window": 3.0, "dark window": 3.0, "reflection": 2.0},
}
"""How much an error of a generator counts by the label of its pixel: small things more."""
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam keeps of each tensor."""
_WARM = 2000
"""Pictures over which the rate rises."""


@dataclass(frozen=True)
class Course:
    """The course of a training.

    Attributes:
        pictures: how many are learned from in all; may be changed while a run rests.
        batch: pictures a step.
        rate: Adam's, until the last part of the course, in which it falls to 0.
        falling: the share of the course in which the rate falls.
        exact: the last share of the course, computed in float32.
        seed: of the first weights and of the latents.
        code_steps: steps in which a generator's first layers are fitted to the code.
        at_16: pictures after which a generator goes on from 16 px to 32.
        at_32: pictures after which it goes on from 32 px to 64.
        half: whether the rest is computed in bfloat16 where that loses little.
        compiled: whether a generator at 64 px is compiled first, which takes minutes and a C++
            compiler, and makes it nearly twice as fast.

    """

    pictures: int = 180_000
    batch: int = 32
    rate: float = 4e-3
    falling: float = 0.4
    exact: float = 0.03
    seed: int = 0
    code_steps: int = 3000
    at_16: int = 32_000
    at_32: int = 32_000
    half: bool = True
    compiled: bool = False

    def side(self, done: int) -> int:
        """Side of a generator's pictures after so many of them."""
        return 16 if done < self.at_16 else 32 if done < self.at_32 else 64

    def rate_at(self, done: int) -> float:
        """Adam's rate after so many pictures."""
        left = max(1 - done / self.pictures, 0.0)
        return self.rate * min(1.0, (done + 1) / _WARM) * min(1.0, left / self.falling)

    def half_at(self, done: int) -> bool:
        """Whether bfloat16 is used after so many pictures."""
        return self.half and done < (1 - self.exact) * self.pictures


def latents_of(seed: int, step: int, count: int) -> Floats:
    """(count, 28), the latents of one step; the same whenever it is repeated."""
    stream = np.random.Generator(np.random.PCG64([seed, step]))
    return stream.standard_normal((count, LATENT_SIZE), dtype=np.float32)


def pixel_weights(labels: Tensor) -> Tensor:
    """(N, 1, H, W) float32, how much each pixel of label maps (N, H, W) counts."""
    return torch.tensor([WEIGHTS[name] for name in LABELS])[labels.long()][:, None]


def loss(wrong: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean squared error of pixels, and of the differences between neighbours.

    Absolute error learns nothing small: where most pictures lack a thing, its median is nothing.

    Args:
        wrong: (N, 3, h, w), picture less drawing.
        weights: (N, 1, h, w).

    """
    across = wrong.diff(dim=3).square() * torch.maximum(weights[..., 1:], weights[..., :-1])
    down = wrong.diff(dim=2).square() * torch.maximum(weights[..., 1:, :], weights[..., :-1, :])
    return (wrong.square() * weights).mean() + across.mean() + down.mean()


# ---- the state on disk ------------------------------------------------------------------------


def write_state(
    path: Path,
    tensors: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    counts: Mapping[str, int],
) -> None:
    """Write tensors, Adam's moments of them, and counts; whole or not at all."""
    found = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        for key, moment in optimizer.state.get(tensor, {}).items():
            found[f"adam.{key}.{name}"] = moment.contiguous()
    write_bytes(path, save(found, {"counts": json.dumps(dict(counts))}))


def read_state(
    path: Path, tensors: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, int]:
    """Take up what :func:`write_state` wrote; returns the counts.

    Raises:
        ModelError: the file is not the state of this training.

    """
    try:
        with safetensors.safe_open(path, "pt") as opened:
            counts = json.loads((opened.metadata() or {})["counts"])
        found = load(path.read_bytes())
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(found[name])
                moments = {key: f"adam.{key}.{name}" for key in _MOMENTS}
                if all(stored in found for stored in moments.values()):
                    optimizer.state[tensor] = {k: found[at] for k, at in moments.items()}
        return {str(name): int(count) for name, count in counts.items()}
    except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        raise not_taken_up(path, str(error)) from error


def not_taken_up(path: Path, detail: str) -> ModelError:
    """The error for a file that a training cannot go on from."""
    return ModelError(
        "RD697",
        f"{path} is not a file from which this training can go on: {detail}",
        "give the folder of a run of the same model, or a new folder",
    )


def write_half(path: Path, tensors: Mapping[str, Tensor], counts: Mapping[str, int]) -> None:
    """Write weights in half precision; whole or not at all."""
    half = {name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}
    # One entry: the library writes several in any order.
    write_bytes(path, save(half, {"counts": json.dumps(dict(counts))}))
