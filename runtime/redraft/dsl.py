"""Recipes made in Python, for those who want loops.

::

    from redraft.dsl import box, recipe, z

    eyes = box(x=(12, 52), y=(24, 38))
    draft = recipe("glasses", "1.0.0", "Every face wears glasses", model="faces",
                   latents={"z": (1, 2000)})
    draft = draft.rule("glasses", layer="layer6", copy=z[116] @ eyes,
                       context=[z[image] @ eyes for image in (130, 147, 31)], rank=4)
    print(draft)

Nothing here loads torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from redraft.models.listed.catalog import known_models
from redraft_dsl import builder
from redraft_dsl.builder import Draft
from redraft_dsl.builder_values import (
    Block,
    BuildError,
    Image,
    Images,
    Like,
    Place,
    Region,
    Value,
    box,
    ellipse,
    everything,
    exact,
    gradient,
    like,
    mask,
    model_file,
    polygon,
    projected_adam,
    region,
    z,
)
from redraft_dsl.language.language import LATEST

__all__ = [
    "Block",
    "BuildError",
    "Draft",
    "Image",
    "Images",
    "Like",
    "Place",
    "Region",
    "box",
    "ellipse",
    "everything",
    "exact",
    "gradient",
    "like",
    "mask",
    "model_file",
    "polygon",
    "projected_adam",
    "recipe",
    "region",
    "z",
]


def recipe(
    name: str,
    version: str,
    title: str,
    *,
    model: str | Block,
    latents: Mapping[str, tuple[Value, Value]],
    folder: str | Path = ".",
    comment: str | None = None,
    edition: Value = LATEST,
) -> Draft:
    """Begin a recipe; rules are added to what it gives.

    Args:
        name: of the recipe.
        version: as ``1.0.0``.
        title: one line for readers.
        model: a name of the list, or ``model_file(...)``.
        latents: seed and count by name, as in ``{"z": (1, 2000)}``.
        folder: where the recipe will lie; its masks are looked for there.
        comment: lines that are written on top.
        edition: of the language; the newest by default.

    """
    return builder.recipe(
        name,
        version,
        title,
        model=model,
        latents=latents,
        models=known_models(),
        edition=edition,
        folder=folder,
        comment=comment,
    )
