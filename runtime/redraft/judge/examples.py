"""Pictures that stand for many: those that a rule takes effect on as on most, and least."""

from __future__ import annotations

from torch import Tensor

from redraft.judge.intervals import CORRELATION

EXAMPLES = 6
"""How many pictures of each kind are named."""


def typical(correlation: Tensor, amplitude: Tensor, counts: Tensor) -> tuple[int, ...]:
    """Rows of pictures that the rule takes effect on, those nearest to their median first.

    Args:
        correlation: (N,) of each picture's change with the wish.
        amplitude: (N,) of the change.
        counts: (N,) bool, whether there is anything to wish for.

    """
    rows = (counts & (correlation > CORRELATION)).nonzero().flatten()
    if not len(rows):
        return ()
    amplitudes = amplitude[rows]
    order = (amplitudes - amplitudes.median()).abs().argsort(stable=True)
    return tuple(rows[order][:EXAMPLES].tolist())


def least(correlation: Tensor, counts: Tensor) -> tuple[int, ...]:
    """Rows of the pictures whose change agrees least with the wish; (N,) as above."""
    rows = counts.nonzero().flatten()
    order = correlation[rows].argsort(stable=True)
    return tuple(rows[order][:EXAMPLES].tolist())
