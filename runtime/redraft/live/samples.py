"""Pictures that a model has drawn, with the numbers of their images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from redraft.disk import files
from redraft.show.pictures import Tile, enlarged, png, to_picture
from redraft.show.sheets import Band, before_after, contact_sheet

SIDE = 128
"""Pixels at which small pictures are shown."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of a model; in a notebook they show themselves as a sheet.

    Attributes:
        tensor: (N, 3, H, W) float32 on the CPU, in -1..1.
        numbers: of the images: picture i is the one that a recipe of the same seed calls
            ``z[numbers[i]]``.
        before: the same images unedited, where ``tensor`` are edited ones.

    """

    tensor: Tensor
    numbers: tuple[int, ...]
    before: Tensor | None = None

    def sheet(self, columns: int = 8) -> Image.Image:
        """All of them on one sheet, each with its number; edited ones below the originals."""
        if self.before is None:
            shown = [enlarged(to_picture(values), SIDE) for values in self.tensor]
            return contact_sheet(shown, [str(number) for number in self.numbers], columns)
        pairs = zip(self.numbers, self.before, self.tensor, strict=True)
        tiles = tuple(Tile(str(number), before, after) for number, before, after in pairs)
        return before_after([Band("", tiles)], columns)

    def save(self, path: str | Path, columns: int = 8) -> None:
        """Write the sheet as PNG, atomically.

        Raises:
            ArtifactError: the file cannot be written.

        """
        files.write_bytes(Path(path), png(self.sheet(columns)))

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tensor)

    def __repr__(self) -> str:
        height, width = self.tensor.shape[2:]
        edited = "" if self.before is None else ", edited"
        return f"<{len(self)} pictures of {width} x {height}{edited}>"
