"""The right answers: villages under changed rules, and how far pictures are from them. No torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from redraft.world.drawing import draw
from redraft.world.scene import TOP_NUMBERS, TOPS, WATERMARK_NUMBERS, Floats, Rules, scene

ANSWERS: Mapping[str, Rules] = {
    "domes to spires": Rules(dome="spire"),
    "domes to battlements": Rules(dome="battlements"),
    "domes to trees": Rules(dome="tree"),
    "spires to domes": Rules(spire="dome"),
    "battlements to spires": Rules(battlements="spire"),
    "watermark removed": Rules(watermark=False),
    "reflections inverted": Rules(mirrored="dark"),
    "reflections removed": Rules(mirrored="none"),
    "trees removed": Rules(trees=False),
}
"""Rule edits with the rules of the world after them."""


def changed_pixels(latents: Floats, rules: Rules) -> NDArray[np.bool_]:
    """(N, 64, 64), where the label under other rules differs from the label as it is."""
    changed: NDArray[np.bool_] = draw(latents).labels != draw(latents, rules).labels
    return changed


def distance(pictures: Floats, latents: Floats, rules: Rules) -> float:
    """How far pictures are from the right answer.

    The mean absolute difference between picture and drawn answer, over the pixels of all pictures
    whose label changes between the drawing and the answer.

    Args:
        pictures: (N, 3, 64, 64) in -1..1.
        latents: (N, 28), theirs.
        rules: of the answer.

    Returns:
        0 to 2; NaN where no label changes.

    """
    answer = draw(latents, rules)
    where = answer.labels != draw(latents).labels
    if not where.any():
        return float("nan")
    off = np.abs(pictures - answer.pictures).mean(1)
    return float(off[where].mean())


def answering_latents(latents: Floats, rules: Rules) -> Floats | None:
    """Latents (N, 28) whose pictures under the usual rules are the answers.

    A category is the largest of several numbers, so two of them are exchanged. A generator's
    pictures of these latents are as near to the answers as it can draw.

    Returns:
        None where no latent asks for the answer, as for trees on towers.

    """
    if rules.mirrored != "lit" or not rules.trees:
        return None
    found = latents.copy()
    settings = scene(latents)
    for asked, drawn in enumerate((rules.dome, rules.spire, rules.battlements)):
        wanted = TOPS.index(drawn)
        if wanted >= len(TOP_NUMBERS[0]):
            return None
        for side, numbers in enumerate(TOP_NUMBERS):
            rows = np.flatnonzero(settings.tops[:, side] == asked)
            ours, theirs = numbers[asked], numbers[wanted]
            found[rows, ours] = latents[rows, theirs]
            found[rows, theirs] = latents[rows, ours]
    if not rules.watermark:
        mark, *others = WATERMARK_NUMBERS
        rows = np.flatnonzero(settings.watermark)
        largest = np.array(others)[latents[rows][:, others].argmax(1)]
        found[rows, mark] = latents[rows, largest]
        found[rows, largest] = latents[rows, mark]
    return found
