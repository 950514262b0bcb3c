"""How a module's latents are drawn, as its owner says it."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from redraft.errors import ModelError
from redraft.explain.words import reason_of
from redraft.models.hooked.described import Generator
from redraft.models.samplers import Sampler, bank_kind

SEEDED = ("normal", "uniform")


def sampler_for(described: Generator, size: int) -> Sampler:
    """The sampler of a described module whose latents have ``size`` numbers.

    Raises:
        ModelError: the latents cannot be had, or are of another size.

    """
    classes, said = described.labels or 0, described.latents
    if isinstance(said, str) and said in SEEDED:
        return Sampler(said, size, classes)
    if callable(said):
        return Sampler(f"function-{_source_digest(said)}", size, classes, function=said)
    bank = said if isinstance(said, Tensor) else _read(Path(said))
    if bank.dim() < 2 or bank.numel() == 0 or bank.is_complex():
        raise ModelError(
            "RD646",
            f"the latents given are of shape {tuple(bank.shape)} and {_dtype(bank)}",
            "give real numbers of shape (n, ...), a latent a row",
        )
    rows = bank.detach().reshape(len(bank), -1).float().cpu()
    if not bool(torch.isfinite(rows).all()):
        raise ModelError(
            "RD646", "the latents given hold numbers that are not finite", "give other latents"
        )
    if rows.shape[1] != size:
        raise ModelError(
            "RD646",
            f"the latents given have {rows.shape[1]} numbers each, and the module takes {size}",
            "give latents of the shape that the module takes",
        )
    return Sampler(bank_kind(rows), size, classes, bank=rows)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def shape_in(described: Generator) -> tuple[int, ...] | None:
    """The shape of one latent, where a bank or a function says it."""
    said = described.latents
    if isinstance(said, str) and said in SEEDED:
        return None
    if callable(said):
        return tuple(torch.as_tensor(said(0)).shape)
    return tuple((said if isinstance(said, Tensor) else _read(Path(said))).shape[1:])


def _source_digest(function: object) -> str:
    try:
        text = inspect.getsource(function)  # type: ignore[arg-type]
    except (OSError, TypeError):
        text = repr(type(function))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> Tensor:
    """The one tensor in a file, read without running anything."""
    try:
        if path.suffix == ".npy":
            return torch.from_numpy(np.load(path, allow_pickle=False))
        if path.suffix == ".safetensors":
            from safetensors.torch import load

            found = list(load(path.read_bytes()).values())
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
            found = [loaded] if isinstance(loaded, Tensor) else []
    except OSError as error:
        raise ModelError(
            "RD646", f"the latents {path} cannot be read: {reason_of(error)}", "check the path"
        ) from error
    except Exception as error:
        raise ModelError(
            "RD646",
            f"{path} holds no latents: {type(error).__name__}",
            "give a .npy, .pt or .safetensors file with one tensor (n, ...)",
        ) from error
    if len(found) != 1:
        raise ModelError(
            "RD646",
            f"{path} holds {len(found)} tensors, and one of latents is needed",
            "give a .npy, .pt or .safetensors file with one tensor (n, ...)",
        )
    return found[0]
