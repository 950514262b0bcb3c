"""From a model's name or file to a generator: located first, opened only when it is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from redraft.errors import ModelError
from redraft.files import sha256_file
from redraft.models import catalog, dcgan, download
from redraft.models.adapter import Generator
from redraft.models.checkpoint import Header, State, load_state, read_header, tensors_digest
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe import FileModel, Model


@dataclass(frozen=True)
class Base:
    """A model that was found and recognised; no tensor of it has been read.

    Attributes:
        name: as the recipe calls it.
        path: its file.
        header: shapes and nesting.
        facts: picture, latent and layers.
        sha256: of the file.

    """

    name: str
    path: Path
    header: Header
    facts: ModelFacts
    sha256: str


@dataclass(frozen=True)
class OpenModel:
    """A model with its weights on a device.

    Attributes:
        base: what it was opened from.
        state: the file's tensors, on the CPU, as they were read.
        generator: holds copies of them; this is what is edited.
        digest: of the tensors, names without prefix.

    """

    base: Base
    state: State
    generator: Generator
    digest: str

    def file_names(self) -> Mapping[str, str]:
        """From the generator's own weight names to those of the file."""
        return {self.base.header.bare(name): name for name in self.state.tensors}


def locate(model: Model, folder: Path, progress: download.Progress | None = None) -> Base:
    """Find a recipe's model, fetching it when it is a listed one that is not in the cache.

    Args:
        model: as checked.
        folder: the recipe's folder, where a model's own path starts.
        progress: told how far a download is.

    Raises:
        ModelError: it cannot be found, fetched or recognised, or its hash is not the pinned one.

    """
    if isinstance(model, FileModel):
        base = locate_file(folder / model.path, model.name)
        if model.sha256 is not None and base.sha256 != model.sha256:
            raise ModelError(
                "RD627",
                f"{base.path} has sha256 {base.sha256}, and the recipe pins {model.sha256}",
                "restore the file that the recipe was written for, or change the pin",
            )
        return base
    return locate_listed(model.name, progress)


def locate_named(name: str, progress: download.Progress | None = None) -> Base:
    """What a user means by MODEL on the command line: a listed name, or else a file."""
    looks_like_path = any(mark in name for mark in "/\\.") or Path(name).exists()
    if looks_like_path and name not in catalog.known_models().listed:
        return locate_file(Path(name), Path(name).name)
    return locate_listed(name, progress)


def locate_listed(name: str, progress: download.Progress | None = None) -> Base:
    """A model of the list, fetched when it is not in the cache."""
    entry = catalog.find(name)
    path = download.fetch(entry, progress=progress)
    return Base(name, path, read_header(path), entry.facts, entry.source.member_sha256)


def locate_file(path: Path, name: str) -> Base:
    """A model given by its file; recognised by the shapes of its tensors."""
    header = read_header(path)
    shapes = {header.bare(tensor): info.shape for tensor, info in header.tensors.items()}
    for tensor, info in header.tensors.items():
        # An edit is bound to the bits of the weights that it was solved on, which are float32.
        if info.dtype in ("float16", "bfloat16", "float64"):
            raise ModelError(
                "RD629",
                f"{path} holds `{tensor}` as {info.dtype}, and float32 is read",
                "save the model's weights as float32, and name that file",
            )
    return Base(name, path, header, dcgan.facts(shapes), sha256_file(path))


def open_base(base: Base, device: torch.device) -> OpenModel:
    """Read a located model's weights.

    Raises:
        ModelError: a weight is damaged, or the file changed since it was located.

    """
    state = load_state(base.path)
    bare = state.bare()
    generator = dcgan.build(bare)
    generator.module.to(device)
    return OpenModel(base, state, generator, tensors_digest(bare))


def choose_device(name: str = "auto") -> torch.device:
    """The device to run on: CUDA when there is one, unless told otherwise.

    Raises:
        ModelError: the named device is not there.

    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelError("RD628", "there is no CUDA device here", "use `--device cpu`")
    if name not in ("cpu", "cuda"):
        raise ModelError("RD628", f"`{name}` is not a device", "use auto, cpu or cuda")
    return torch.device(name)


def upstream_digest(generator: Generator, layer: str) -> str:
    """sha256 (hex) of every weight that a layer's keys depend on."""
    state = generator.module.state_dict()
    tensors: dict[str, Tensor] = {name: state[name] for name in generator.upstream(layer)}
    return hashlib.sha256(tensors_digest(tensors).encode()).hexdigest()
