"""The tensors of a StyleGAN2: in a module under the file's names, and those that a file lacks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from redraft.models.arch.stylegan2.layouts import Names

NOISE_SEED = 1
"""Draws noise maps that a file lacks: numpy's legacy stream, one layer after another."""


def missing_noises(names: Names, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The noise maps that a file lacks, drawn as the paper's authors draw theirs.

    The stream runs over all layers, so that a map does not depend on which others are there.
    """
    stream = np.random.RandomState(NOISE_SEED)
    drawn: dict[str, Tensor] = {}
    if all(name in shapes for name in names.noises):
        return drawn
    for layer in names.layers:
        shape = (1, 1, *names.map_of(layer.size))
        values = torch.from_numpy(stream.standard_normal(shape).astype(np.float32))
        if layer.noise not in shapes:
            drawn[layer.noise] = values
    return drawn


def planted(tensors: Mapping[str, Tensor], fixed: set[str]) -> nn.Module:
    """A module whose state dict has these names; ``fixed`` ones are buffers, others parameters."""
    root = nn.Module()
    for name, tensor in tensors.items():
        *path, leaf = name.split(".")
        holder = root
        for word in path:
            if word not in dict(holder.named_children()):
                holder.add_module(word, nn.Module())
            holder = holder.get_submodule(word)
        if name in fixed:
            holder.register_buffer(leaf, tensor)
        else:
            holder.register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
    return root
