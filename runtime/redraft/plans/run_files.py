"""What the files of a run folder are called."""

from __future__ import annotations

from pathlib import Path

from redraft.disk.beside import EDIT, RECORD

__all__ = ("CELLS", "EDIT", "LOCK", "PICTURE", "RECIPE", "RECORD", "REPORT", "RUNS", "STEPS")

RECIPE = "recipe.redraft"
LOCK = "recipe.lock"
PICTURE = "before-after.png"
REPORT = "report.html"
STEPS = "steps"
CELLS = "cells"
"""Of a sweep: the folder with its runs."""
RUNS = Path("runs")
"""Where runs are written unless another folder is named."""
