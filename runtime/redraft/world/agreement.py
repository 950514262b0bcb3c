"""How well two label maps agree, label by label. No torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from redraft.world.drawing import LABELS

Labels = NDArray[np.uint8]
GROUPS: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in LABELS},
    "window": ("lit window", "dark window"),
}
"""Names of what is measured, with the labels that count as it."""


def iou(found: Labels, exact: Labels) -> dict[str, float]:
    """Intersection over union of each group of labels, over all pictures together.

    For a group g: the pixels that both maps give to g, over those that either gives to it.

    Args:
        found: (N, H, W), places in ``LABELS``.
        exact: (N, H, W).

    Returns:
        0 to 1 by the names of :data:`GROUPS`; NaN where neither map has the group.

    """
    measured: dict[str, float] = {}
    for name, members in GROUPS.items():
        places = [LABELS.index(member) for member in members]
        ours, theirs = np.isin(found, places), np.isin(exact, places)
        either = int((ours | theirs).sum())
        measured[name] = int((ours & theirs).sum()) / either if either else float("nan")
    return measured
