"""Pictures that look as if a file of weights was read in another way than it was made."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from redraft.explain.words import percent

FULL, MUCH = 0.98, 0.5
"""How bright a pixel is that is at its end, and the share of pixels from which pictures are odd."""
NARROW = 0.25
"""Of -1..1, what all pictures together should fill at least."""


def doubt(pictures: Tensor, assumed: Sequence[str]) -> list[str]:
    """Why pictures (N, 3, H, W) look as if a model was read wrong; empty where they do not."""
    ends = float((pictures.abs() >= FULL).float().mean())
    filled = float(pictures.max() - pictures.min()) / 2
    found = []
    if ends > MUCH:
        found.append(f"{percent(ends)} of the pixels are as dark or as bright as they can be")
    if filled < NARROW:
        found.append(f"the pictures fill {percent(filled)} of their range")
    remedy = ""
    if assumed:
        remedy = f"; if that is not how they should look, say what is otherwise: {assumed[0]}, ..."
    return [each + remedy for each in found]
