"""``compat davidbau``: the numbers that the paper authors' published code gives.

Written from its formulas, to reproduce its results where they differ from this project's own ways:

- all arithmetic is float32, and every picture is run alone;
- the values of a ProgGAN layer are the bare convolution, before gain, bias and activation;
- StyleGAN2's noise is not the model's: each map, whole or cropped, is filled row by row from the
  start of one and the same stream, so that the noise of a crop is no crop of the noise;
- a copy is put by the middle of its bounding box, rounded down, and pushed inside the picture;
- the layer is fitted on a crop of the keys that has lost its neighbours;
- the second moment is added up in float32, which loses a little each time;
- whitening has no floor under its eigenvalues;
- an erase asks for the whole picture without its units, wherever its region lies.

On one machine the directions, the goal and every step agree with theirs bit for bit. The descent is
chaotic: where another machine rounds otherwise, weights come to differ by as much as those of two
machines that run the authors' own code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from redraft.errors import RunError
from redraft.memory.boxes import bounding_box
from redraft.memory.moments import key_rows
from redraft.models.generator import Generator, LayerForm, LayerInputs
from redraft.rivals.davidbau_layer import entering, layer_of
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.solve.descent import diverged
from redraft.solve.goals import Patch
from redraft.solve.problem import Solution

BATCH = 10
"""Pictures of which they take statistics at a time."""
LEAST_ROOT = 1e-20
"""The only floor in their whitening, under the roots of the eigenvalues."""


@dataclass(frozen=True)
class Region:
    """One picture and a region of it.

    Attributes:
        inputs: of the layer, for this picture alone.
        cover: (h, w) in 0..1 on the grid that is asked for: that of the keys for a context, that
            of the values for a copy and a paste.

    """

    inputs: LayerInputs
    cover: Tensor


@dataclass(frozen=True)
class Target:
    """A goal in one picture.

    Attributes:
        inputs: what the layer is given while it is fitted: for an insert a crop of the keys.
        values: (1, O, h, w) that it should give then.

    """

    inputs: LayerInputs
    values: Tensor


# ---- what the layer remembers -------------------------------------------------------------------


def second_moment(generator: Generator, batches: Iterable[Tensor], layer: str) -> Tensor:
    """Their ``C = E[k k^T]``, key after key added up in float32.

    So many small numbers added to large ones lose a part in a thousand, always the same one.

    Args:
        generator: run as it is now.
        batches: latents (n, latent_size), ``BATCH`` of them in all but the last.
        layer: any of its names.

    Returns:
        (C, C) float64, numbers of float32.

    """
    total: Tensor | None = None
    count = 0
    for batch in batches:
        rows = key_rows(entering(generator, batch, layer).keys)
        total = rows.new_zeros(rows.shape[1], rows.shape[1]) if total is None else total
        total.addbmm_(rows[:, :, None], rows[:, None, :])
        count += len(rows)
    if total is None:
        raise RunError("RD501", "statistics need at least one latent", "raise `count`")
    return (total / count).double()


# ---- directions ---------------------------------------------------------------------------------


def whitening(moment: Tensor) -> Tensor:
    """``Z = C^-1/2`` (C, C) float32, without a floor that would tame what is hardly ever seen.

    Raises:
        RunError: rounding has left an eigenvalue below 0; their code goes on with NaN there.

    """
    values, vectors = torch.linalg.eigh(moment.float().double(), UPLO="U")
    factors = values.sqrt().clamp(LEAST_ROOT).reciprocal()
    whitened: Tensor = (vectors @ torch.diag(factors) @ vectors.T).float()
    if not bool(torch.isfinite(whitened).all()):
        raise RunError(
            "RD514",
            "the authors' code has no whitening for this layer: some directions of its keys are "
            "never seen",
            "raise `count` of the latents, or leave out `compat davidbau`",
        )
    return whitened


def whitened_directions(contexts: Sequence[Region], moment: Tensor, rank: int) -> Tensor:
    """Their ``zca``: leading right singular vectors of ``a Z k``, times Z, orthonormal.

    Every direction is turned to agree with the sum of the whitened keys.

    Returns:
        (rank, C) float32, orthonormal rows.

    """
    whiten = whitening(moment)
    rows = torch.cat([_whitened(context, whiten) for context in contexts])
    _enough(rows, rank)
    leading = rows.svd()[2][:, :rank]
    basis: Tensor = torch.linalg.qr(whiten @ leading)[0]
    basis = basis * (basis * rows.sum(0)[:, None]).sum(0).sign()
    return basis.T.contiguous()


def inverted_directions(contexts: Sequence[Region], moment: Tensor, rank: int) -> Tensor:
    """Their ``svd``: leading directions of ``C^-1 a k``; the first agrees with the mean."""
    rows = _inverted(contexts, moment)
    _enough(rows, rank)
    basis: Tensor = torch.svd(rows.T, some=False)[0]
    if float((rows.mean(0) * basis[:, 0]).sum()) < 0:
        basis[:, 0] = -basis[:, 0]
    return basis.T[:rank].contiguous()


def mean_direction(contexts: Sequence[Region], moment: Tensor) -> Tensor:
    """Their ``mean``: the mean of ``C^-1 a k``, normalised. (1, C) float32."""
    mean = _inverted(contexts, moment).mean(0)
    direction: Tensor = mean[None] / mean.norm()
    return direction


def _whitened(context: Region, whiten: Tensor) -> Tensor:
    keys, weights = key_rows(context.inputs.keys), context.cover.reshape(-1, 1)
    return (weights * (whiten @ keys.T).T)[weights[:, 0] > 0]


def _inverted(contexts: Sequence[Region], moment: Tensor) -> Tensor:
    found = []
    for context in contexts:
        weighted = (context.inputs.keys[0] * context.cover[None]).permute(1, 2, 0)
        rows = weighted.reshape(-1, weighted.shape[2])
        rows = rows[rows.norm(2, dim=1) > 0]
        solved = torch.linalg.lstsq(moment.float(), rows.T, driver="gels").solution
        found.append(solved.T)
    return torch.cat(found)


def _enough(rows: Tensor, rank: int) -> None:
    """Where theirs would fill up with directions that mean nothing, or give fewer than asked."""
    if len(rows) < rank:
        raise RunError(
            "RD504",
            f"rank {rank} needs {rank} context positions, and there are {len(rows)}",
            "add contexts, draw them larger, or lower `rank`",
        )


def unusual_units(contexts: Sequence[Region], moment: Tensor, count: int) -> Tensor:
    """(count,) channels with the largest mean of ``k^2 / E[k^2]`` in the regions: an erase's."""
    weights = torch.cat([context.cover.reshape(-1, 1) for context in contexts])
    squares = torch.cat([key_rows(context.inputs.keys) for context in contexts]).square()
    scores = ((squares / moment.diagonal().float() * weights).sum(0)) / weights.sum()
    return scores.sort(descending=True).indices[:count]


# ---- goals --------------------------------------------------------------------------------------


def copied(form: LayerForm, source: Region) -> Patch:
    """The values in the bounding box of a region, with the region's coverage."""
    top, bottom, left, right = bounding_box(source.cover)
    values = layer_of(form, source.inputs)(form.weight)[0]
    middle = ((bottom - top) / 2, (right - left) / 2)
    return Patch(values[:, top:bottom, left:right], source.cover[top:bottom, left:right], middle)


def pasted(form: LayerForm, target: Region, patch: Patch) -> Target:
    """The goal of an insert: the patch blended in, seen through a crop without neighbours.

    Raises:
        RunError: the patch is larger than the picture.

    """
    before = layer_of(form, target.inputs)(form.weight)
    top, bottom, left, right = bounding_box(target.cover)
    tall, wide = patch.alpha.shape
    top = _first((top + bottom) // 2, tall, before.shape[2])
    left = _first((left + right) // 2, wide, before.shape[3])
    bottom, right = top + tall, left + wide
    whole = before.clone()
    own = (1 - patch.alpha) * before[:, :, top:bottom, left:right]
    whole[:, :, top:bottom, left:right] = own + patch.alpha * patch.values[None]
    step = before.shape[2] // target.inputs.keys.shape[2]
    rows = slice(top // step, -(-bottom // step))
    columns = slice(left // step, -(-right // step))
    seen = replace(target.inputs, keys=target.inputs.keys[:, :, rows, columns])
    return Target(seen, whole[:, :, _times(rows, step), _times(columns, step)])


def erased(form: LayerForm, target: LayerInputs, units: Tensor) -> Target:
    """The goal of an erase: the whole picture's values with the units at 0 everywhere."""
    keys = target.keys.clone()
    keys[:, units] = 0.0
    return Target(target, layer_of(form, replace(target, keys=keys))(form.weight))


def _first(middle: int, length: int, limit: int) -> int:
    if length > limit:
        raise RunError(
            "RD507",
            "a paste would fall wholly outside its picture",
            "move the region, or choose a smaller copy",
        )
    return max(0, min(limit - length, middle - length // 2))


def _times(part: slice, step: int) -> slice:
    return slice(part.start * step, part.stop * step)


# ---- the insert ---------------------------------------------------------------------------------


def insert(adam: ProjectedAdam, form: LayerForm, target: Target, directions: Tensor) -> Solution:
    """Their insert: Adam on the whole weight, its change projected after steps 1, 11, 21, ...

    The loss is the mean absolute difference, and the last step is projected and taken, whatever
    its loss.

    Args:
        adam: steps and rate.
        form: the layer.
        target: what it is fitted to.
        directions: (S, C), orthonormal.

    """
    start = form.weight.detach().clone()
    basis = directions.to(start)
    layer, goal = layer_of(form, target.inputs), target.values.detach()

    def loss(weight: Tensor) -> Tensor:
        return functional.l1_loss(goal, layer(weight))

    def along(weight: Tensor) -> Tensor:
        return torch.einsum("ocyx,sc->osyx", weight, basis)

    # Onto the directions first, then back: the order decides the last bits.
    weight = adam.descend(start, loss, lambda w: torch.einsum("osyx,sc->ocyx", along(w), basis))
    with torch.no_grad():
        coefficients, before, after = along(weight - start), float(loss(start)), float(loss(weight))
    if not bool(torch.isfinite(coefficients).all()):
        raise diverged()
    return Solution(directions, coefficients, before, after, adam.steps)
