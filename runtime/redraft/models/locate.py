"""From a model's name or file to what is known of it. No torch: only heads of files are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from redraft.disk.files import sha256_file
from redraft.errors import ModelError
from redraft.explain.words import silent
from redraft.models.arch.families import recognise
from redraft.models.checkpoint.header import Header, read_header
from redraft.models.listed import catalog, download
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import FileModel, Model


@dataclass(frozen=True)
class Base:
    """A model that was found and recognised; no tensor of it has been read.

    Attributes:
        name: as the recipe calls it.
        path: its file.
        header: shapes and nesting.
        facts: picture, latent and layers.
        sha256: of the file.
        layout: the manner in which the file names its tensors.
        truncation: 1 for none; 0 gives the mean picture only.

    """

    name: str
    path: Path
    header: Header
    facts: ModelFacts
    sha256: str
    layout: str
    truncation: float = 1.0


def locate(model: Model, folder: Path, progress: download.Progress = silent) -> Base:
    """Find a recipe's model, fetching it when it is a listed one that is not in the cache.

    Args:
        model: as checked.
        folder: the recipe's folder, where a model's own path starts.
        progress: called with how far a download is.

    Raises:
        ModelError: it cannot be found, fetched or recognised, or its hash is not the pinned one.

    """
    if isinstance(model, FileModel):
        base = locate_file(folder / model.path, model.name, model.arch)
        if model.sha256 is not None and base.sha256 != model.sha256:
            raise ModelError(
                "RD627",
                f"{base.path} has sha256 {base.sha256}, and the recipe pins {model.sha256}",
                "restore the file that the recipe was written for, or change the pin",
            )
        return replace(base, truncation=model.truncation)
    return locate_listed(model.name, progress)


def locate_named(name: str, progress: download.Progress = silent) -> Base:
    """What a user means by MODEL on the command line: a listed name, or else a file."""
    looks_like_path = any(mark in name for mark in "/\\.") or Path(name).exists()
    if looks_like_path and name not in catalog.known_models().listed:
        return locate_file(Path(name), Path(name).name)
    return locate_listed(name, progress)


def locate_listed(name: str, progress: download.Progress = silent) -> Base:
    """A model of the list, fetched when it is not in the cache."""
    entry = catalog.find(name)
    fetched = download.obtain(entry, progress=progress)
    header = read_header(fetched.path)
    # The list may know widths by hearsay only; what the file holds counts.
    found = recognise(shapes_of(header))
    return Base(name, fetched.path, header, found.facts, fetched.sha256, found.layout)


def locate_file(path: Path, name: str, arch: str | None = None) -> Base:
    """A model given by its file; recognised by the shapes of its tensors.

    ``arch`` is what the recipe says it is, see :func:`redraft.models.arch.families.recognise`.
    """
    header = read_header(path)
    for tensor, info in header.tensors.items():
        # An edit is bound to the bits of the weights that it was solved on, which are float32.
        if info.dtype in ("float16", "bfloat16", "float64"):
            raise ModelError(
                "RD629",
                f"{path} holds `{tensor}` as {info.dtype}, and float32 is read",
                "save the model's weights as float32, and name that file",
            )
    found = recognise(shapes_of(header), arch)
    return Base(name, path, header, found.facts, sha256_file(path), found.layout)


def shapes_of(header: Header) -> dict[str, tuple[int, ...]]:
    """Shapes by name without the prefix that all names of the file share."""
    return {header.bare(tensor): info.shape for tensor, info in header.tensors.items()}
