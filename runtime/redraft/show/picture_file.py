"""Pictures that a command writes where a user says, and that give way to none but their like."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from redraft.disk import files
from redraft.disk.overwriting import refuse_overwriting
from redraft.show.pictures import Picture

MARK = "redraft"
"""The entry of a PNG that holds the hash of its pixels."""
_MOST_PIXELS = 2**28


def write_picture(path: Path, picture: Picture, *, force: bool = False) -> None:
    """Write a PNG; it may take the place of a picture that redraft wrote and nobody has changed.

    Raises:
        ArtifactError: another file is there, a painted picture for one, and ``force`` is not
            given.

    """
    if not is_own(path):
        refuse_overwriting([path], force=force)
    info = PngInfo()
    info.add_text(MARK, _hash(picture))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, pnginfo=info)
    files.write_bytes(path, file.getvalue())


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
