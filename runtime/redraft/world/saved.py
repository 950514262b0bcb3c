"""The state of a training on disk, from which it goes on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load, save
from torch import Tensor

from redraft.disk.files import write_bytes
from redraft.errors import ModelError

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam keeps of each tensor."""


def write(
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


def read(
    path: Path, tensors: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, int]:
    """Take up what :func:`write` wrote; returns the counts.

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
