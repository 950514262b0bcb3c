"""Which recipe files a user means by the words on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from redraft.errors import ArtifactError
from redraft.plans.run_files import EDIT, RECIPE, RECORD
from redraft.plans.shipped import SUFFIX

STANDARD_INPUT = "-"
RUN_MARKS = (RECORD, EDIT)
"""Files that mark a run folder; the recipe in it belongs to the run and is left alone."""


def expand(names: Sequence[str]) -> Iterator[str]:
    """The names with every folder replaced by the recipes in it.

    A folder is searched with everything below it, in order of name; hidden folders and run
    folders are skipped.

    Raises:
        ArtifactError: a folder has no recipe in it.

    """
    for name in names:
        if name == STANDARD_INPUT or not Path(name).is_dir():
            yield name
            continue
        found = [str(path) for path in _below(Path(name))]
        if not found:
            own = Path(name) / RECIPE
            remedy = f"recipes end in {SUFFIX}"
            if own.is_file():
                remedy = f"it is the folder of a run or a pack, which is passed over: name {own}"
            raise ArtifactError("RD641", f"there is no recipe in the folder {name}", remedy)
        yield from found


def _below(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        if any(mark in files for mark in RUN_MARKS):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(here) / name for name in sorted(files) if name.endswith(SUFFIX))
