"""How a weight lies in a file, and how it is computed with."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from redraft.models.checkpoint.weights import at_least_single
from redraft.models.generator import Axes
from redraft.solve.delta import Delta

DIMENSIONS: Mapping[Axes, int] = {"OI": 4, "IO": 4, "1OI": 5, "linear": 2, "grid": 2}
"""Axes of a weight in its file."""


def from_file(weight: Tensor, axes: Axes, size: tuple[int, int]) -> Tensor:
    """A weight in the file's layout as (O, C, kh, kw); ``size`` is (kh, kw) of a ``grid``."""
    match axes:
        case "grid":
            return weight.reshape(-1, *size, weight.shape[1]).permute(0, 3, 1, 2).contiguous()
        case "IO":
            return weight.transpose(0, 1).contiguous()
        case "1OI":
            return weight[0]
        case "linear":
            return weight[:, :, None, None]
        case _:
            return weight


def to_file(weight: Tensor, axes: Axes) -> Tensor:
    """A weight (O, C, kh, kw) in the file's layout."""
    match axes:
        case "grid":
            return weight.permute(0, 2, 3, 1).reshape(-1, weight.shape[1]).contiguous()
        case "IO":
            return weight.transpose(0, 1).contiguous()
        case "1OI":
            return weight[None]
        case "linear":
            return weight[:, :, 0, 0]
        case _:
            return weight


def changed(weight: Tensor, axes: Axes, delta: Delta) -> Tensor:
    """A weight with a rule's change added, both in the file's layout; at least single precision."""
    size = (int(delta.coefficients.shape[2]), int(delta.coefficients.shape[3]))
    return to_file(delta.added_to(from_file(at_least_single(weight), axes, size)), axes)
