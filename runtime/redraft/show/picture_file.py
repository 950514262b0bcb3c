"""Pictures that a command writes where a user says, and that give way to none but their like."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from redraft.disk import files
from redraft.disk.overwriting import refuse_overwriting
from redraft.show.metadata import RECIPE_KEY
from redraft.show.pictures import Picture, png

MARK = "redraft"
"""The entry of a PNG that holds the hash of its pixels."""
_MOST_PIXELS = 2**28


def write_picture(
    path: Path, picture: Picture, *, force: bool = False, recipe: str | None = None
) -> None:
    """Write a PNG; it may take the place of a picture that redraft wrote and nobody has changed.

    Args:
        path: the file.
        picture: to be written.
        force: replace whatever file is there.
        recipe: the text of the recipe that it shows, for its metadata.

    Raises:
        ArtifactError: another file is there, a painted picture for one, and ``force`` is not
            given.

    """
    if not is_own(path):
        refuse_overwriting([path], force=force)
    about = {MARK: _hash(picture)} | ({} if recipe is None else {RECIPE_KEY: recipe})
    files.write_bytes(path, png(picture, about))


def write_pictures(pictures: Mapping[Path, Picture], *, force: bool = False) -> None:
    """Write several PNGs as :func:`write_picture` does; none where one of them must not be."""
    refuse_overwriting([path for path in pictures if not is_own(path)], force=force)
    for path, picture in pictures.items():
        write_picture(path, picture, force=force)


def is_own(path: Path) -> bool:
    """Whether a file is a picture just as :func:`write_picture` wrote it."""
    try:
        with Image.open(path) as picture:
            said = picture.info.get(MARK)
            small = picture.width * picture.height <= _MOST_PIXELS
            return said is not None and small and said == _hash(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _hash(picture: Image.Image) -> str:
    head = f"{picture.mode} {picture.width} {picture.height} ".encode()
    return hashlib.sha256(head + picture.tobytes()).hexdigest()
