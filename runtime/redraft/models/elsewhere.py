"""A recipe's model file that is not where the recipe says: found by name and hash. No torch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from redraft.disk.configuration import configuration
from redraft.disk.files import sha256_file

ENDINGS = (".pth", ".pt", ".pkl", ".tar", ".safetensors", ".ckpt", ".bin")
MOST_FILES = 2000
"""Files that are looked at in one search."""


def model_path(written: str, folder: Path, sha256: str | None) -> Path:
    """Where a recipe's model file is.

    It is where the recipe says, if a file is there, whatever its hash. Else it is looked for in the
    folders of REDRAFT_MODELS and of the configuration: by the path as it is written, then by its
    last word, and where the recipe pins a hash by that alone, so that a file may be moved and
    renamed. With a pinned hash no other file is taken.

    Args:
        written: the path in the recipe, with ``/``.
        folder: the recipe's.
        sha256: what the recipe pins; None for nothing.

    Returns:
        The place that the recipe says where nothing is found.

    """
    there = folder / written
    if there.exists():
        return there
    folders = configuration().models
    named = [each / name for each in folders for name in (written, PurePosixPath(written).name)]
    for path in named:
        if path.is_file() and (sha256 is None or _hash(path) == sha256):
            return path
    if sha256 is not None:
        for path in _files([folder, *folders]):
            if _hash(path) == sha256:
                return path
    return there


def _files(folders: list[Path]) -> Iterator[Path]:
    """Model files in folders and below; links to folders are not followed."""
    seen = 0
    for folder in folders:
        for here, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            for name in sorted(names):
                if name.endswith(ENDINGS):
                    seen += 1
                    if seen > MOST_FILES:
                        return
                    yield Path(here) / name


def _hash(path: Path) -> str | None:
    with contextlib.suppress(OSError):
        return sha256_file(path)
    return None
