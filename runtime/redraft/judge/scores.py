"""Pictures before and after a change, compared with what was wished: a few numbers for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from redraft.judge.spots import Spots
from redraft.judge.wish import Wish, centred, centred_rows

HOLDS = 1.0
"""A picture holds what is to go if its wish is at least this share of the contexts' mean."""


@dataclass(frozen=True)
class PictureScores:
    """Per picture (N,): correlation with the wish, amplitude, change outside, float64.

    ``counts`` (N,) bool says whether there is anything to wish for. ``elsewhere`` (N,) is the
    correlation in the moved region, ``random`` (N,) that of a random edit; None if there is none.
    ``pixels`` and ``pixel_amplitude`` (N,) are correlation and amplitude by the wish in pixels.
    """

    correlation: Tensor
    amplitude: Tensor
    outside: Tensor
    counts: Tensor
    elsewhere: Tensor | None = None
    random: Tensor | None = None
    pixels: Tensor | None = None
    pixel_amplitude: Tensor | None = None

    @classmethod
    def joined(cls, parts: Sequence[PictureScores]) -> PictureScores:
        """The scores of several batches, one after another."""
        return cls(
            torch.cat([part.correlation for part in parts]),
            torch.cat([part.amplitude for part in parts]),
            torch.cat([part.outside for part in parts]),
            torch.cat([part.counts for part in parts]),
            _joined([part.elsewhere for part in parts]),
            _joined([part.random for part in parts]),
            _joined([part.pixels for part in parts]),
            _joined([part.pixel_amplitude for part in parts]),
        )


def score_pictures(
    before: Tensor,
    after: Tensor,
    wish: Wish,
    wanted: Tensor | None = None,
    spots: Spots | None = None,
) -> PictureScores:
    """Compare pictures (N, 3, H, W) before and after with what was wished.

    Args:
        before: without the edit.
        after: with it.
        wish: of the rule.
        wanted: each picture's own goal, for a removal; else all have the rule's common wish.
        spots: the places in them; None where the region is fixed.

    """
    if spots is not None:
        return _score_spots(before, after, wish, wanted, spots)
    difference = (after - before).double()
    inside = centred(difference, wish.inside)
    if wanted is None:
        own = wish.change.expand_as(inside)
        counts = torch.ones(len(inside), dtype=torch.bool)
    else:
        own = centred((wanted - before).double(), wish.inside)
        counts = (torch.linalg.vector_norm(own, dim=1) >= HOLDS * wish.size).cpu()
    moved = None if wish.elsewhere is None else centred(difference, wish.elsewhere)
    correlation, amplitude = _compared(inside, own)
    pixels = (None, None) if wish.pixels is None else _compared(inside, wish.pixels[None])
    return PictureScores(
        correlation,
        amplitude,
        _mean_absolute(difference, wish.outside),
        counts,
        None if moved is None else _compared(moved, own)[0],
        None,
        *pixels,
    )


def _score_spots(
    before: Tensor, after: Tensor, wish: Wish, wanted: Tensor | None, spots: Spots
) -> PictureScores:
    """The same at the places of each picture, all of which count together.

    A picture without a place counts for ``outside`` alone: all of it lies outside.
    """
    count, difference = len(before), (after - before).double()
    changes, valid = spots.cut(difference, wish.inside)
    if wanted is None:
        own = _at(wish.change, valid)
    else:
        own = centred_rows(spots.cut((wanted - before).double(), wish.inside)[0], valid)
        holding = torch.linalg.vector_norm(own, dim=1) >= HOLDS * wish.size
        spots, changes = spots.part(holding), changes[holding]
        valid, own = valid[holding], own[holding]
    rows, inside = spots.rows, centred_rows(changes, valid)
    counts = torch.zeros(count, dtype=torch.bool)
    counts[rows.cpu()] = True
    union = spots.covered(count, wish.inside)
    away = spots.cut(_rolled_away(difference, union), wish.inside)
    correlation, amplitude = _compared(inside, own, rows, count)
    pixels: tuple[Tensor | None, Tensor | None] = (None, None)
    if wish.pixels is not None:
        pixels = _compared(inside, _at(wish.pixels, valid), rows, count)
    grown = spots.covered(count, ~wish.outside)
    mean = (difference.abs().mean(1) * ~grown).sum((1, 2)) / (~grown).sum((1, 2)).clamp_min(1)
    return PictureScores(
        correlation,
        amplitude,
        mean.cpu(),
        counts,
        _compared(centred_rows(*away), own, rows, count)[0],
        None,
        *pixels,
    )


def _at(change: Tensor, valid: Tensor) -> Tensor:
    """(P, 3 * K), a wish (3 * K,) at P places, centred over what of each is in the picture."""
    rows = change.reshape(1, -1, valid.shape[1]).expand(len(valid), -1, -1)
    return centred_rows(rows, valid)


def _rolled_away(difference: Tensor, union: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) moved by half their sides, so that their places (N, H, W) fall apart.

    Each is moved down, across or both, whichever covers least of its own places.
    """
    height, width = union.shape[1:]
    shifts = [(dy, dx) for dy, dx in product((0, height // 2), (0, width // 2)) if dy or dx]
    shared = torch.stack([(union & union.roll(each, (1, 2))).sum((1, 2)) for each in shifts])
    best = shared.argmin(0)
    found = difference.clone()
    for number, each in enumerate(shifts):
        some = best == number
        found[some] = difference[some].roll(each, (2, 3))
    return found


def _compared(
    changes: Tensor, own: Tensor, rows: Tensor | None = None, count: int = 0
) -> tuple[Tensor, Tensor]:
    """Correlation and amplitude (N,) of centred changes and wishes.

    Args:
        changes: (N, K), or (P, K) at the places of pictures.
        own: what is wished there, or (1, K) for the same everywhere.
        rows: (P,), the picture of each place; None where a picture has just one.
        count: how many pictures there are then.

    """
    along = (changes * own).sum(1)
    sizes = [torch.linalg.vector_norm(each, dim=1).expand_as(along) for each in (changes, own)]
    if rows is not None:
        along = along.new_zeros(count).index_add_(0, rows, along)
        sizes = [each.new_zeros(count).index_add_(0, rows, each.square()).sqrt() for each in sizes]
    correlation = along / (sizes[0] * sizes[1]).clamp_min(1e-12)
    return correlation.cpu(), (along / sizes[1].square().clamp_min(1e-12)).cpu()


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    known = [part for part in parts if part is not None]
    return torch.cat(known) if len(known) == len(parts) else None


def _mean_absolute(difference: Tensor, outside: Tensor) -> Tensor:
    if not bool(outside.any()):
        return torch.zeros(difference.shape[0], dtype=torch.float64)
    return difference[:, :, outside].abs().mean((1, 2)).cpu()
