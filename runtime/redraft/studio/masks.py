"""Painted masks: PNG files beside the recipe, of the model's own size."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from redraft.disk import files
from redraft.errors import ArtifactError
from redraft.plans.shipped import SUFFIX
from redraft_dsl.geometry.masks import MaskError, mask_of, png_of
from redraft_dsl.geometry.regions import Coverage, resample

FOLDER = "masks"
MOST_SIDE = 2048
"""Pixels; larger than any model's picture."""


def painted(data: str) -> Coverage:
    """(H, W) in 0..1 of a mask that a page has painted.

    Raises:
        ArtifactError: it is no PNG, or too large.

    """
    try:
        raw = base64.b64decode(data, validate=True)
        with Image.open(io.BytesIO(raw), formats=("PNG",)) as picture:
            if max(picture.size) > MOST_SIDE:
                raise _refused(f"it has {picture.width} x {picture.height} pixels")
            grey = picture.convert("L")
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise _refused("it is no PNG") from error
    return np.asarray(grey, dtype=np.float64) / 255.0


def _refused(
    why: str, remedy: str = f"a PNG of at most {MOST_SIDE} pixels a side"
) -> ArtifactError:
    return ArtifactError("RD809", f"the mask cannot be used: {why}", remedy)


def from_file(data: bytes, name: str, image: tuple[int, int]) -> bytes:
    """What a picture that was dropped on the page marks, as a grey PNG in which light is inside.

    It is read like a mask that a recipe names.

    Args:
        data: the file's bytes.
        name: what it is called.
        image: height and width of the model's pictures.

    Raises:
        ArtifactError: it is no mask for such a picture.

    """
    try:
        mask = mask_of(data, name)
        if not mask.has_shape_of(image):
            size, wanted = (f"{width}x{height}" for height, width in (mask.size, image))
            raise _refused(
                f"{name} has {size} pixels, and the picture {wanted}",
                "use the picture's own width and height, or a multiple of both",
            )
        if not (mask.coverage >= 0.5).any():
            raise _refused(f"nothing in {name} is inside", "paint what is inside in white")
        return png_of(mask.coverage)
    except MaskError as error:
        raise _refused(f"{name}: {error.message}", "drop another picture") from error


@dataclass
class OwnMasks:
    """The files of masks that one session of studio has made."""

    made: set[Path] = field(default_factory=set)

    def write(self, area: Coverage, folder: Path, name: str) -> str:
        """As :func:`written`; remembers the file where it was not there before."""
        there = set((folder / FOLDER).glob("*.png"))
        path = written(area, folder, name)
        self.made |= {folder / path} - there
        return path

    def clear(self, texts: Iterable[str]) -> None:
        """Remove those that no text names, of ``texts`` and of the recipes beside them."""
        named = "\n".join(texts)
        for path in sorted(self.made):
            name = f"{FOLDER}/{path.name}"
            if name in named or any(name in text for text in _recipes(path.parent.parent)):
                continue
            self.made.discard(path)
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _recipes(folder: Path) -> Iterator[str]:
    """The texts of the recipes in a folder, as far as they can be read."""
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError, UnicodeDecodeError):
            yield path.read_text("utf-8")


def written(area: Coverage, folder: Path, name: str) -> str:
    """Write a mask beside the recipe, and give the path that the recipe writes.

    A file that is there already is never written over, unless it is the same.

    Raises:
        ArtifactError: nothing is painted, or the file cannot be written.

    """
    if not (area >= 0.5).any():
        raise ArtifactError("RD810", "nothing is painted", "paint the place first")
    with io.BytesIO() as stream:
        levels = np.asarray(np.round(area * 255), dtype=np.uint8)
        Image.fromarray(levels).save(stream, "PNG")
        data = stream.getvalue()
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = folder / FOLDER / f"{name}{'' if number == 1 else f'-{number}'}.png"
        if not path.exists():
            files.write_bytes(path, data)
            break
        if path.read_bytes() == data:
            break
        number += 1
    return f"{FOLDER}/{path.name}"


def on_layer(area: Coverage, size: tuple[int, int]) -> Coverage:
    """(h, w): the share of each key of a layer that is covered."""
    return resample(area, size)
