"""Packs where a command takes a recipe: read what is in them, or say why they are left alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from redraft.errors import ArtifactError
from redraft.plans.run_files import RECIPE
from redraft.plans.shipped import locate_recipe
from redraft.share.pack import is_pack
from redraft.share.pack.reading import recipe_in


def recipe_file(name: str) -> Path:
    """The recipe file that a user means by a name; of a pack, the recipe in it.

    Raises:
        ArtifactError: there is no such recipe, or the pack is not whole.

    """
    path = locate_recipe(name)
    if not is_pack(name):
        return path
    return recipe_in(path)


def leave_packs_alone(names: Iterable[str], command: str) -> None:
    """Refuse packs where ``command`` would have to write into them.

    Raises:
        ArtifactError: one of the names is a pack.

    """
    for name in names:
        if is_pack(name):
            folder = Path(name).stem
            raise ArtifactError(
                "RD696",
                f"{name} is a pack, and what is in a pack is never changed",
                f"unpack it and work on the recipe: `redraft unpack {name}`, then "
                f"`redraft {command} {folder}/{RECIPE}`; `redraft pack` makes a new pack of it",
            )
