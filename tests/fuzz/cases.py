"""What is done with each damaged file; whatever is raised but redraft's own errors is a failure."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import damage, seeds

from redraft.edit.artifact import Edit
from redraft.errors import ArtifactError, RedraftError
from redraft.models.checkpoint.weights import load_state
from redraft.models.listed.catalog import known_models
from redraft.models.locate import locate_file
from redraft.share.pack.reading import pack_of, unpack
from redraft_dsl.geometry.masks import MaskError, mask_of
from redraft_dsl.reading import decode, loads
from redraft_dsl.recipe.as_tree import print_recipe
from redraft_dsl.report.machine import to_json
from redraft_dsl.report.terminal import render
from redraft_dsl.syntax.editions import format_text

Take = Callable[[bytes, Path], None]


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: of the kind.
        count: how many are asked for in all.
        seeds: makes the good files, in a folder.
        damage: makes a bad one.
        take: reads it as redraft would.

    """

    name: str
    count: int
    seeds: Callable[[Path], Sequence[bytes]]
    damage: damage.Damage
    take: Take

    def case(self, seed: int, number: int, good: Sequence[bytes]) -> bytes:
        """File ``number`` of a seed; the same each time."""
        return self.damage(random.Random(f"{self.name} {seed} {number}"), good)


def recipe(data: bytes, folder: Path) -> None:
    """Checked, shown, formatted and printed."""
    source, _ = decode("x.redraft", data)
    checked = loads(source.text, known_models(), folder=folder, path="x.redraft")
    assert (checked.recipe is None) == bool(checked.errors)
    render(checked.diagnostics, checked.source, color=True).encode()
    to_json([(checked.source, checked.diagnostics)])
    format_text(source.text)
    if checked.recipe is not None:
        again = loads(print_recipe(checked.recipe), known_models(), folder=folder)
        assert again.recipe == checked.recipe, "printed, it means something else"


def checkpoint(data: bytes, folder: Path) -> None:
    """Recognised, and its weights read."""
    path = folder / "model.bin"
    path.write_bytes(data)
    for read in (lambda: locate_file(path, "m"), lambda: load_state(path)):
        try:
            read()
        except RedraftError as error:
            str(error).encode()
            if error.code == "RD613":
                raise MemoryError("it asked for more memory than there is") from error


def mask(data: bytes, _folder: Path) -> None:
    """Decoded, and brought to another size."""
    try:
        found = mask_of(data, "mask.png")
        cover = found.coverage
        assert cover.shape == found.size
        assert 0 <= cover.min() <= cover.max() <= 1
        found.resized((16, 16))
    except MaskError as error:
        error.message.encode()


def edit(data: bytes, folder: Path) -> None:
    """Read, and its recipe with it."""
    path = folder / "edit.safetensors"
    path.write_bytes(data)
    try:
        Edit.load(path)
    except ArtifactError as error:
        str(error).encode()


def pack(data: bytes, folder: Path) -> None:
    """Read, and unpacked where it is whole."""
    try:
        found = pack_of(Path("x.redraftpack"), data)
        with tempfile.TemporaryDirectory(dir=folder) as inner:
            unpack(found, Path(inner) / "out")
    except RedraftError as error:
        str(error).encode()


def _edits(folder: Path) -> Sequence[bytes]:
    return [seeds.edit_and_pack(folder)[0]]


def _packs(folder: Path) -> Sequence[bytes]:
    return [seeds.edit_and_pack(folder)[1]]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("recipes", 700_000, lambda _: seeds.recipes(), damage.text_of, recipe),
        Kind("checkpoints", 75_000, seeds.checkpoints, damage.checkpoint_of, checkpoint),
        Kind("masks", 75_000, lambda _: seeds.masks(), damage.bytes_of, mask),
        Kind("packs", 75_000, _packs, damage.pack_of, pack),
        Kind("edits", 75_000, _edits, damage.edit_of, edit),
    )
}
