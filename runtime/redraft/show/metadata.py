"""What pictures say of themselves in their metadata: recipe and run. No torch."""

from __future__ import annotations

import io

from redraft.errors import ArtifactError

RECIPE_KEY, RUN_KEY = "redraft-recipe", "redraft-run"
"""Of the texts in a picture: the recipe that it shows, and what its run was made from."""


def recipe_in_picture(data: bytes) -> str:
    """The recipe that a picture of redraft's holds in its metadata.

    Raises:
        ArtifactError: there is none.

    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            picture.load()
            found = getattr(picture, "text", {}).get(RECIPE_KEY)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        found = None
    if found is None:
        raise ArtifactError(
            "RD813",
            "this picture holds no recipe",
            "give a sheet that redraft wrote (a program that saves pictures anew may drop the "
            "recipe), a recipe, an edit file or a pack",
        )
    return str(found)
