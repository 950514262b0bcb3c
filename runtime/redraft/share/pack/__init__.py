"""Packs: a recipe, its edit and all that belongs to them in one file, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

from redraft.disk.beside import MANIFEST
from redraft.disk.beside import PACK_SUFFIX as SUFFIX

__all__ = (
    "CARD",
    "MANIFEST",
    "MAX_BYTES",
    "MAX_ENTRIES",
    "PACK_FORMAT",
    "SOURCE",
    "SUFFIX",
    "is_pack",
)

PACK_FORMAT = "redraft-pack-1"
CARD = "README.md"
SOURCE = "source"
"""Folder in a pack of a recipe that uses others, as it was written, with these."""
MAX_BYTES = 256 * 2**20
"""Largest pack. An edit has a few MiB; a mask has 32 MiB at most."""
MAX_ENTRIES = 1000


def is_pack(path: str | Path) -> bool:
    """Whether a user means a pack by this path."""
    return Path(path).suffix == SUFFIX
