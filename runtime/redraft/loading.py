"""Reading recipes with the model list at hand. No torch."""

from __future__ import annotations

from pathlib import Path

import redraft_dsl
from redraft.models.catalog import known_models
from redraft_dsl import Checked


def load(path: str | Path) -> Checked:
    """Read and check a recipe file.

    Never raises for what is in the file: ``diagnostics`` of the result says what is wrong, and
    ``recipe`` is None when there is an error.
    """
    return redraft_dsl.load(path, known_models())


def loads(text: str, folder: str | Path = ".") -> Checked:
    """Check a recipe text; mask and model paths start in ``folder``."""
    # The name puts the text into its folder, so that a plan finds the folder again.
    path = str(Path(folder) / "<text>")
    return redraft_dsl.loads(text, known_models(), folder=folder, path=path)
