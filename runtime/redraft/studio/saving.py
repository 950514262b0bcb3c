"""What goes with a recipe that is saved elsewhere, and the draft of one that was not saved."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from redraft.disk import files
from redraft.disk.cache import cache_root
from redraft.errors import ArtifactError
from redraft.memory.marked import masks_of
from redraft_dsl import Checked
from redraft_dsl.check.resolve import resolve_all
from redraft_dsl.files import path_fault
from redraft_dsl.source import Source
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.parse import parse

WAIT = 0.4
"""Seconds without another change after which a draft is written."""


def bring(checked: Checked, before: Path, after: Path) -> None:
    """Let a recipe find in another folder what it names: masks, other recipes, weights.

    Weights are linked, or copied where the disk has no links; nothing is written over.

    Raises:
        ArtifactError: another file lies there under such a name, or one cannot be written.

    """
    if before == after:
        return
    wanted = [name for name in dict.fromkeys(_named(checked, before)) if path_fault(name) is None]
    moves = [(before / name, after / name) for name in wanted if (before / name).is_file()]
    for source, target in moves:
        if target.exists() and not _same(source, target):
            raise ArtifactError(
                "RD808",
                f"another file {target.name} lies in {target.parent.name} already, "
                "and the recipe needs its own",
                "save in another folder",
            )
    for source, target in moves:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _linked(source, target)


def _named(checked: Checked, folder: Path) -> Iterator[str]:
    """Every file that a text names, as far as it can be read."""
    yield from resolve_all(s.walk(checked.tree.statements), folder).masks
    yield from (each.path for each in checked.imports)
    recipe = checked.recipe
    for rule in recipe.rules if recipe is not None else ():
        for place in rule.places():
            yield from (mask.path for mask in masks_of(place.region))
    for node in checked.tree.statements:
        if isinstance(node, s.UseLine):
            yield node.path.text
    yield from weights_of(checked.tree)


def weights_of(tree: s.Tree) -> Iterator[str]:
    """The model files that a text names."""
    for node in tree.statements:
        if isinstance(node, s.ModelStatement) and node.block is not None:
            for item in node.block.items:
                if isinstance(item, s.Setting) and item.key.text == "weights":
                    yield getattr(item.value, "text", "")


def lend_weights(recipe: Path, folder: Path) -> None:
    """Let a recipe that came without its model find the file of that name in the folder above."""
    tree = parse(Source(recipe.name, recipe.read_text("utf-8"))).tree
    for name in weights_of(tree):
        source, target = folder / name, recipe.parent / name
        if path_fault(name) is None and source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _linked(source, target)


def _same(one: Path, other: Path) -> bool:
    if one.samefile(other):
        return True
    if one.stat().st_size != other.stat().st_size:
        return False
    return files.sha256_file(one) == files.sha256_file(other)


def _linked(source: Path, target: Path) -> None:
    if source.stat().st_size > 1 << 20:  # small files may be changed by hand, on one side
        with suppress(OSError):
            os.link(source.resolve(), target)
            return
    with files.atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


# ---- drafts -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draft:
    """A text that was not saved when studio ended."""

    text: str
    when: str


class Drafts:
    """Writes what is not saved, a moment after each change, and finds it again.

    Drafts lie in redraft's own folder, one for each recipe file; no error of theirs disturbs.

    Args:
        folder: that studio was started in.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def _path(self, recipe: Path | None) -> Path:
        named = recipe or self._folder / "untitled"
        digest = hashlib.sha256(str(named.resolve()).encode()).hexdigest()
        return cache_root() / "drafts" / f"{digest[:32]}.json"

    def keep(self, recipe: Path | None, text: str) -> None:
        """Write a draft soon; the latest text wins."""
        now = datetime.now().astimezone().isoformat(timespec="minutes")
        data = json.dumps({"text": text, "when": now}).encode()
        path = self._path(recipe)

        def write() -> None:
            with self._lock, suppress(OSError, ArtifactError):
                if self._timer is timer:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    files.write_bytes(path, data)

        with self._lock:
            self._stop()
            timer = self._timer = threading.Timer(WAIT, write)
            timer.daemon = True
            timer.start()

    def drop(self, recipe: Path | None) -> None:
        """It was saved, or is not wanted."""
        with self._lock, suppress(OSError):
            self._stop()
            self._path(recipe).unlink(missing_ok=True)

    def close(self) -> None:
        """Write what waits, now."""
        with self._lock:
            timer = self._timer
        if timer is not None and timer.is_alive():
            timer.cancel()
            timer.function()

    def find(self, recipe: Path | None) -> Draft | None:
        """The draft of a recipe, or of one that has no file yet."""
        try:
            found = json.loads(self._path(recipe).read_bytes())
            return Draft(str(found["text"]), str(found["when"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
