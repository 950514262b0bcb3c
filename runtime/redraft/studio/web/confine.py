"""Paths that a page may name: inside of the folder that studio was started in, and no other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from redraft.errors import ArtifactError

RECIPE = ".redraft"
MODELS = (".pth", ".pt", ".pkl", ".tar", ".safetensors", ".ckpt", ".bin")
MOST_FILES, DEEPEST = 200, 3


def inside(folder: Path, name: str, suffixes: tuple[str, ...] = (RECIPE,)) -> Path:
    """The file of a name, relative to a folder.

    Raises:
        ArtifactError: it would lie outside, is hidden, or has another ending.

    """
    bare = name.strip()
    path = Path(os.path.normpath(bare)) if bare and "\0" not in bare else Path("..")
    hidden = any(part.startswith(".") for part in path.parts)
    target = folder / path
    if path.is_absolute() or "\\" in bare or hidden or not _below(target, folder):
        raise ArtifactError(
            "RD802",
            f"{name!r} is outside of the folder that studio was started in",
            "name a file in that folder or below it, or start studio in another folder",
        )
    if target.suffix.lower() not in suffixes:
        raise ArtifactError(
            "RD803", f"{name!r} does not end in {' or '.join(suffixes)}", "give it that ending"
        )
    return target


def _below(target: Path, folder: Path) -> bool:
    """Whether a file lies in a folder once every link on the way is followed."""
    try:
        return target.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def files_in(folder: Path, suffixes: tuple[str, ...] = (RECIPE,)) -> list[str]:
    """Names of the files of a folder, those that were changed last first."""
    found = sorted(_walk(folder, suffixes), key=lambda each: -each[0])[:MOST_FILES]
    return [path.relative_to(folder).as_posix() for _, path in found]


def _walk(folder: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[float, Path]]:
    for root, folders, names in os.walk(folder):
        here = Path(root)
        deep = len(here.relative_to(folder).parts)
        folders[:] = [
            each
            for each in folders
            if deep + 1 < DEEPEST and not each.startswith((".", "_")) and each != "runs"
        ]
        for name in names:
            path = here / name
            if path.suffix.lower() in suffixes and path.is_file() and _below(path, folder):
                yield path.stat().st_mtime, path
