"""What leaves studio, and what is dropped on it: runs, packs, sheets with the recipe inside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
import torch

from redraft.disk import files
from redraft.errors import ArtifactError, CancelledError, PlanError
from redraft.plans.loading import load
from redraft.plans.planner import Plan, make_plan
from redraft.plans.run_files import RECIPE as RECIPE_FILE
from redraft.plans.run_files import RECORD
from redraft.runs.watch import Progress, Watch
from redraft.share.exchange.importing import import_edit
from redraft.share.pack.reading import pack_of, unpack
from redraft.share.pack.writing import pack
from redraft.show.metadata import RECIPE_KEY, recipe_in_picture
from redraft.show.pictures import Tile, png
from redraft.show.report.outputs import run_and_report
from redraft.show.sheets import Band, before_after
from redraft.studio.saving import lend_weights
from redraft.studio.text.document import Document
from redraft.studio.web.confine import RECIPE, inside
from redraft.studio.web.frames import Pixels
from redraft_dsl.source import normalise

PACK = ".redraftpack"
MOST_DROPPED = 64 << 20
"""Bytes of a file that is dropped on the page."""


@dataclass(frozen=True)
class Dropped:
    """What a dropped file holds: a text without a file, or the recipe file that was made of it."""

    text: str = ""
    path: Path | None = None


def sheet(
    text: str, numbers: Sequence[int], before: Sequence[Pixels], after: Sequence[Pixels]
) -> bytes:
    """The sheet before and after as PNG, with the recipe in its metadata."""
    tiles = tuple(
        Tile(str(number), _tensor(one), _tensor(other))
        for number, one, other in zip(numbers, before, after, strict=True)
    )
    picture = before_after([Band("", tiles)], 8)
    return png(picture, {RECIPE_KEY: text})


def _tensor(pixels: Pixels) -> torch.Tensor:
    values = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
    return values.float() / 127.5 - 1


def dropped(data: bytes, name: str, folder: Path, model: str | None, layer: str | None) -> Dropped:
    """What a file that was dropped on the page holds.

    Raises:
        ArtifactError: nothing that can be opened.

    """
    suffix = Path(name).suffix.lower()
    if suffix == ".png":
        return Dropped(recipe_in_picture(data))
    if suffix == ".json":
        return Dropped(path=_imported(data, name, folder, model, layer))
    if suffix == PACK:
        target = _free(folder / _stem(name))
        unpack(pack_of(Path(name), data), target)
        lend_weights(target / RECIPE_FILE, folder)
        return Dropped(path=target / RECIPE_FILE)
    if suffix == ".safetensors":
        return Dropped(_recipe_of_edit(data))
    try:
        return Dropped(normalise(data.decode("utf-8")))
    except UnicodeDecodeError:
        raise ArtifactError(
            "RD813",
            f"{Path(name).name} is nothing that studio opens",
            "drop a sheet that studio saved, a recipe, an edit file or a pack",
        ) from None


def _imported(data: bytes, name: str, folder: Path, model: str | None, layer: str | None) -> Path:
    if model is None or layer is None:
        raise ArtifactError(
            "RD814",
            "an edit file of the authors does not say which model it is for",
            "open that model first, then drop the file",
        )
    source = _free(folder / f"{_stem(name)}.json")
    target = _free(folder / f"{_stem(name)}{RECIPE}")
    files.write_bytes(source, data)
    try:
        return import_edit(source, target, model=model, layer=layer).path
    finally:
        source.unlink(missing_ok=True)


def _recipe_of_edit(data: bytes) -> str:
    """The text that an edit holds in its head; no tensor is read."""
    try:
        length = int.from_bytes(data[:8], "little")
        text = json.loads(data[8 : 8 + length])["__metadata__"]["recipe"]
    except (ValueError, KeyError, TypeError):
        raise ArtifactError(
            "RD813", "this file is no edit", "drop an edit that redraft made, or a recipe"
        ) from None
    return normalise(str(text))


def _stem(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(name).stem)
    return kept.strip("-")[:60] or "dropped"


def _free(path: Path) -> Path:
    """The path, or one with a number where that is taken."""
    number, found = 2, path
    while found.exists():
        found, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return found


def saved(document: Document) -> Path:
    """The file of a recipe.

    Raises:
        PlanError: it holds another text than the page.

    """
    if document.path is None or document.is_changed:
        raise PlanError("RD817", "the recipe has changes that are not saved", "save it first")
    return document.path


def progress_of(say: Callable[[Mapping[str, object], str], None], halt: Event) -> Progress:
    """Tells all tabs how far a run is; once ``halt`` is set it raises CancelledError."""

    def progress(what: str, done: int, total: int) -> None:
        say({"event": "running", "what": what, "done": done, "total": total}, "running")

    return Watch(progress, halt)


def run(path: Path, folder: Path, progress: Progress) -> Path:
    """Run a saved recipe, with its report; gives the run folder."""
    return _run(make_plan(load(path), path.parent), folder, progress)


def _run(plan: Plan, folder: Path, progress: Progress) -> Path:
    out = folder / "runs" / plan.run_name
    is_new = not out.exists()
    try:
        return run_and_report(plan, out=out, progress=progress).folder
    except CancelledError:
        if is_new:  # an earlier part of a run, which can be resumed, stays
            shutil.rmtree(out, ignore_errors=True)
        raise


def packed(path: Path, folder: Path, progress: Progress) -> Path:
    """A pack of a saved recipe with its run, which is made where there is none; beside it."""
    plan = make_plan(load(path), path.parent)
    if not (folder / "runs" / plan.run_name / RECORD).is_file():
        _run(plan, folder, progress)
    beside = path.with_suffix(PACK).relative_to(folder).as_posix()
    return pack(path, inside(folder, beside, (PACK,)), runs=folder / "runs").path
