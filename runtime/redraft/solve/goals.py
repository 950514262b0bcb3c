"""What a rule should say: the values that a layer ought to give (Bau et al. 2020, section 3.1).

A goal is the layer's own output on some pictures, with something put into it: the values copied
from elsewhere (copy and paste), or the layer's output without some units (erase).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from redraft.errors import RunError
from redraft.memory.boxes import bounding_box
from redraft.models.batches import at_once
from redraft.models.generator import LayerForm, LayerInputs

KEEP_UNIT = 7.0
"""How much more than what was pasted the rest of the pictures weighs at ``keep 1``: a region of an
eighth of the picture then counts position for position like its surroundings."""


OwnGoal = Callable[[Tensor, LayerInputs, Tensor | None], Tensor]
"""Gives the values (N, O, H, W) wanted of pictures, from latents (N, width), from what enters, and
from their own places (N, height, width) where they have such."""


@dataclass(frozen=True)
class Goal:
    """What the layer gives now and what it ought to give, on N pictures.

    Attributes:
        inputs: what enters the layer.
        before: (N, O, H, W) values now.
        values: (N, O, H, W) values wanted.
        alpha: (N, H, W) in 0..1, how much of each position was put there.
        inside: (N, H, W), 1 in the bounding box of what was put there, 0 elsewhere.

    """

    inputs: LayerInputs
    before: Tensor
    values: Tensor
    alpha: Tensor
    inside: Tensor

    def select(self, rows: Sequence[int]) -> Goal:
        """The goal on some of its pictures."""
        index = torch.as_tensor(rows, device=self.values.device)
        return Goal(
            self.inputs.select(index),
            self.before[index],
            self.values[index],
            self.alpha[index],
            self.inside[index],
        )


@dataclass(frozen=True)
class Patch:
    """Values cut out by a copy region.

    Attributes:
        values: (O, ph, pw), the values in the region's bounding box.
        alpha: (ph, pw) in 0..1, the region's coverage there.
        center: (y, x) of the region in value positions, from the top left of the patch.

    """

    values: Tensor
    alpha: Tensor
    center: tuple[float, float]


def cut(values: Tensor, coverage: Tensor) -> Patch:
    """Copy the values inside a region.

    Args:
        values: (O, H, W).
        coverage: (H, W) in 0..1 at the values' resolution.

    """
    top, bottom, left, right = bounding_box(coverage)
    y, x = center_of(coverage)
    return Patch(
        values[:, top:bottom, left:right].clone(),
        coverage[top:bottom, left:right].to(values),
        (y - top, x - left),
    )


def paste(form: LayerForm, inputs: LayerInputs, weight: Tensor, patch: Patch,
          regions: Sequence[Tensor]) -> Goal:  # fmt: skip
    """The goal that puts ``patch`` into every picture, centred on that picture's region.

    Values are blended by the copy region's coverage; the rest keeps its own values. What would
    fall outside the picture is cut off.

    Args:
        form: the layer.
        inputs: for N pictures.
        weight: (O, C, kh, kw), the layer's present weight.
        patch: what to draw.
        regions: N coverages (H, W) that say where, by their centres.

    Raises:
        RunError: a patch would fall wholly outside its picture.

    """
    before = _values(form, inputs, weight)
    return Goal(inputs, before, *blended(before, patch, regions))


def blended(
    before: Tensor, patch: Patch, regions: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Maps (N, O, H, W), values or pictures, with a patch put into each, see :func:`paste`.

    Returns:
        the maps; and of each, (N, H, W), how much of a position was put there, and its box.

    Raises:
        RunError: a patch would fall wholly outside its map.

    """
    values = before.clone()
    alpha = torch.zeros(before.shape[0], *before.shape[2:], dtype=before.dtype)
    alpha = alpha.to(before.device)
    inside = torch.zeros_like(alpha)
    for row, region in enumerate(regions):
        target, source = _placement(patch, center_of(region), (before.shape[2], before.shape[3]))
        share = patch.alpha[source]
        values[row, :, target[0], target[1]] *= 1 - share
        values[row, :, target[0], target[1]] += patch.values[:, source[0], source[1]] * share
        alpha[row][target] = share
        inside[row][target] = 1.0
    return values, alpha, inside


def silence(form: LayerForm, inputs: LayerInputs, weight: Tensor, units: Tensor,
            regions: Tensor) -> Goal:  # fmt: skip
    """The goal of an erase: the layer's output with some input channels at 0, in the regions.

    Args:
        form: the layer.
        inputs: for N pictures.
        weight: (O, C, kh, kw), the layer's present weight.
        units: (S,) channel numbers to silence.
        regions: (N, H, W) coverage at the values' resolution; outside of it values stay.

    """
    before = _values(form, inputs, weight)
    keys = inputs.keys.clone()
    keys[:, units] = 0.0
    without = _values(form, replace(inputs, keys=keys), weight)
    return replaced(inputs, before, without, regions)


def replaced(inputs: LayerInputs, before: Tensor, other: Tensor, regions: Tensor) -> Goal:
    """The goal that is one set of values inside the regions and another outside.

    Args:
        inputs: for N pictures.
        before: (N, O, H, W), what the layer gives now.
        other: (N, O, H, W), what is wanted inside.
        regions: (N, H, W) coverage at the values' resolution.

    """
    alpha = regions.to(before)
    values = torch.lerp(before, other, alpha[:, None])
    inside = torch.stack([box_mask(region) for region in alpha])
    return Goal(inputs, before, values, alpha, inside)


def crop(form: LayerForm, goal: Goal, weight: Tensor, coverage: Tensor) -> Goal:
    """The authors' goal: the layer run on a crop of the keys that has lost its neighbours.

    Values keep those of the whole picture as goal, but the layer sees only the keys of the crop,
    so its border is computed as if the picture ended there. One picture only.

    Args:
        form: the layer.
        goal: a goal on one picture.
        weight: (O, C, kh, kw).
        coverage: (h, w), any grid of the keys' size; tells the keys' resolution.

    Raises:
        RunError: more than one picture.

    """
    if len(goal.inputs) != 1:
        raise RunError(
            "RD505",
            f"`goal crop` works on one picture, and this rule pastes into {len(goal.inputs)}",
            "give one `paste` line, or use `goal halo`",
        )
    step_y = goal.values.shape[2] // coverage.shape[0]
    step_x = goal.values.shape[3] // coverage.shape[1]
    top, bottom, left, right = bounding_box(goal.inside[0])
    top, left = top // step_y, left // step_x
    bottom, right = math.ceil(bottom / step_y), math.ceil(right / step_x)
    window = (slice(top * step_y, bottom * step_y), slice(left * step_x, right * step_x))
    inputs = LayerInputs(
        goal.inputs.keys[:, :, top:bottom, left:right].contiguous(),
        {name: _seen(each, goal, window) for name, each in goal.inputs.carried.items()},
    )
    return Goal(
        inputs,
        form.activate(form.response(inputs, weight)),
        goal.values[:, :, window[0], window[1]].contiguous(),
        goal.alpha[:, window[0], window[1]].contiguous(),
        torch.ones_like(goal.inside[:, window[0], window[1]]),
    )


def _seen(carried: Tensor, goal: Goal, window: tuple[slice, slice]) -> Tensor:
    """What of a carried tensor a crop of the values sees: maps are cropped, styles stay."""
    if carried.ndim == 4 and carried.shape[2:] == goal.values.shape[2:]:
        return carried[:, :, window[0], window[1]]
    return carried


def importance(goal: Goal, keep: float) -> Tensor:
    """(N, H, W) weights of the positions in the loss.

    Those of what was pasted add up to 1, so that the loss with keep 0 is a mean over them. Those
    of all the rest add up to ``KEEP_UNIT * keep``, however small or large the region is: counted
    one by one, the rest would weigh the heavier the smaller the region.
    """
    pasted, rest = shares(goal, keep)
    return pasted * goal.inside + rest * (1 - goal.inside)


def shares(goal: Goal, keep: float) -> tuple[Tensor, Tensor]:
    """The weight of one position of what was pasted, and of one of the rest; see importance."""
    pasted, rest = goal.inside.sum(), (1 - goal.inside).sum()
    return 1 / pasted.clamp_min(1.0), KEEP_UNIT * keep / rest.clamp_min(1.0)


def box_mask(coverage: Tensor) -> Tensor:
    """(H, W), 1 inside the bounding box of a coverage and 0 elsewhere."""
    top, bottom, left, right = bounding_box(coverage)
    mask = torch.zeros_like(coverage)
    mask[top:bottom, left:right] = 1.0
    return mask


def center_of(coverage: Tensor) -> tuple[float, float]:
    """(y, x) of the coverage's centre of mass, in positions; 0.5 is the middle of the first."""
    total = coverage.sum()
    if float(total) <= 0:
        bounding_box(coverage)
    weights = coverage.double()
    ys = torch.arange(coverage.shape[0], dtype=torch.float64, device=coverage.device) + 0.5
    xs = torch.arange(coverage.shape[1], dtype=torch.float64, device=coverage.device) + 0.5
    total = weights.sum()
    return float((weights.sum(1) @ ys) / total), float((weights.sum(0) @ xs) / total)


def _values(form: LayerForm, inputs: LayerInputs, weight: Tensor) -> Tensor:
    """(N, O, H, W), what the layer gives; of large pictures as many at once as fit."""
    channels, positions = inputs.keys.shape[1], inputs.keys[0, 0].numel()
    # Layers double their keys at most.
    size = at_once(max(channels, 4 * len(weight)) * positions)
    if size >= len(inputs):
        return form.activate(form.response(inputs, weight))
    found: Tensor | None = None
    for rows in torch.split(torch.arange(len(inputs)), size):
        values = form.activate(form.response(inputs.select(rows), weight))
        if found is None:
            found = values.new_empty(len(inputs), *values.shape[1:])
        found[rows.to(found.device)] = values
    assert found is not None
    return found


def _placement(
    patch: Patch, center: tuple[float, float], size: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where the patch lands (slices of the picture) and which part of it (slices of the patch)."""
    rows = _along(center[0] - patch.center[0], patch.alpha.shape[0], size[0])
    columns = _along(center[1] - patch.center[1], patch.alpha.shape[1], size[1])
    return (rows[0], columns[0]), (rows[1], columns[1])


def _along(start: float, length: int, limit: int) -> tuple[slice, slice]:
    # Half-way cases round up, whichever side of 0 they lie on; Python's round() would alternate.
    first = math.floor(start + 0.5)
    low, high = max(first, 0), min(first + length, limit)
    if low >= high:
        raise RunError(
            "RD507",
            "a paste would fall wholly outside its picture",
            "move the region, or choose a smaller copy",
        )
    return slice(low, high), slice(low - first, high - first)
