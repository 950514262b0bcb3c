"""Whether a file is still the one that a record or a manifest beside it describes. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from redraft.disk.files import sha256_file
from redraft.errors import ArtifactError

EDIT = "edit.safetensors"
RECORD = "run.json"
MANIFEST = "manifest.json"
"""Of a pack: size and sha256 of each of its files."""
PACK_SUFFIX = ".redraftpack"
"""What the name of a pack ends in."""
_SHOWN = 16
"""Digits of a hash that a message has."""


def check_edit(edit: Path) -> None:
    """Refuse the edit of a run folder or of an unpacked pack that is not the one it left there.

    A file of another name, and one with nothing beside it, is taken as it is.

    Raises:
        ArtifactError: a hash beside it is not the edit's, or cannot be read.

    """
    if edit.name != EDIT or not edit.is_file():
        return
    beside = list(_said(edit.parent))
    if not beside:
        return
    found = sha256_file(edit)
    for path, said in beside:
        if said != found:
            raise ArtifactError(
                "RD663",
                f"{edit} is not the edit that {path} describes: its sha256 is "
                f"{found[:_SHOWN]}..., and it was {said[:_SHOWN]}...",
                "restore the file, or run the recipe again",
            )


def _said(folder: Path) -> Iterator[tuple[Path, str]]:
    """The sha256 of a folder's edit, as each file beside it says, with that file."""
    for name, keys in ((RECORD, ("edit_sha256",)), (MANIFEST, ("files", EDIT, "sha256"))):
        path = folder / name
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError):
            found = None
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str):
            yield path, found
        elif name == RECORD:
            raise ArtifactError(
                "RD661",
                f"{path} cannot be read: it does not say which edit the run left",
                f"restore the file, or run the recipe again; to use the edit as it is, copy {EDIT} "
                "to another folder",
            )
