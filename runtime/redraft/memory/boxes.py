"""The bounding box of a region, on any grid. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from redraft.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor


def bounding_box(coverage: Tensor | NDArray[np.float64]) -> tuple[int, int, int, int]:
    """(top, bottom, left, right), half-open, of the positions of (H, W) with any coverage.

    Raises:
        RunError: there is none.

    """
    covered: Any = coverage > 0
    rows, columns = _ends(covered.any(1).tolist()), _ends(covered.any(0).tolist())
    if rows is None or columns is None:
        raise RunError(
            "RD506",
            "a region is empty at the layer's resolution",
            "draw it larger, or choose a layer with a finer grid",
        )
    return *rows, *columns


def _ends(covered: list[bool]) -> tuple[int, int] | None:
    """Where the covered part of a line begins, and one past where it ends."""
    if not any(covered):
        return None
    return covered.index(True), len(covered) - covered[::-1].index(True)
