"""Files beside a recipe, for completion."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from redraft_dsl.files import path_fault

MOST = 500
"""Entries of a folder that are looked at."""


def files_below(folder: Path, typed: str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Paths that go on with what is typed, and whether each is a folder; by name.

    Only what a recipe may name: inside ``folder``, not hidden, with one of the suffixes.
    """
    start = typed[: typed.rfind("/") + 1]
    if path_fault(start or ".") is not None:
        return
    try:
        with os.scandir(folder / start) as entries:
            some = islice(entries, MOST)
            seen = sorted((entry.name, entry.is_dir()) for entry in some)
    except (OSError, ValueError):
        return
    for name, is_folder in seen:
        path = start + name
        if name.startswith(".") or '"' in name or path_fault(path) is not None:
            continue
        if is_folder:
            yield f"{path}/", True
        elif name.lower().endswith(suffixes):
            yield path, False
