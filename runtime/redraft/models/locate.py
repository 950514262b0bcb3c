"""From a model's name or file to what is known of it. No torch: only heads of files are read.

A torch module that redraft does not know is known by the code that a person names, see
:mod:`redraft.models.code.reference`, or is in memory already. A recipe alone brings in neither.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from redraft.disk.files import sha256_file
from redraft.errors import ModelError
from redraft.explain.words import silent
from redraft.models.arch.families import recognise
from redraft.models.arch.said import Said, said_of
from redraft.models.checkpoint.header import Header, read_header
from redraft.models.code.probe import looked_at
from redraft.models.code.reference import MODULE, Code, is_module
from redraft.models.elsewhere import model_path
from redraft.models.listed import catalog, download
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import FileModel, Model

if TYPE_CHECKING:
    from redraft.models.hooked.memory import InMemory


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
        code: where the module is made; None for an architecture that redraft knows.
        given: the module, where it is in memory.
        said: what the recipe says of it that the file does not hold.
        clauses: what no file of weights holds and was taken for granted.

    """

    name: str
    path: Path
    header: Header
    facts: ModelFacts
    sha256: str
    layout: str
    truncation: float = 1.0
    code: Code | None = None
    given: InMemory | None = None
    said: Said | None = None
    clauses: tuple[str, ...] = ()

    @property
    def assumed(self) -> tuple[str, ...]:
        """What was taken for granted, as clauses: which weights, and what no file of them holds."""
        if not self.header.others:
            return self.clauses
        others = ", ".join(f"`{name}`" for name in self.header.others)
        taken = f"the weights `{self.header.taken}` of its file, which also holds {others}"
        return (taken, *self.clauses)

    @property
    def identity(self) -> str:
        """sha256 of all that its pictures depend on, but the latents and the truncation."""
        if self.code is None and self.said in (None, Said()) and self.header.asked is None:
            return self.sha256
        if self.code is None:
            parts = f"{self.sha256} {self.said} {self.header.taken}"
            return hashlib.sha256(parts.encode()).hexdigest()
        parts = f"{self.sha256} {self.code.sha256} {self.code.name}"
        return hashlib.sha256(parts.encode()).hexdigest()


def locate(
    model: Model,
    folder: Path,
    progress: download.Progress = silent,
    generator: Code | InMemory | None = None,
) -> Base:
    """Find a recipe's model, fetching it when it is a listed one that is not in the cache.

    Args:
        model: as checked.
        folder: the recipe's folder, where a model's own path starts.
        progress: called with how far a download is.
        generator: what a person names for a model of `arch module`.

    Raises:
        ModelError: it cannot be found, fetched or recognised, or its hash is not the pinned one.

    """
    own = is_module(model)
    if isinstance(generator, Code) and not generator.always and not own:
        generator = None
    if own != (generator is not None):
        raise _one_too_few(model, generator)
    if isinstance(model, FileModel):
        if generator is not None and not isinstance(generator, Code):
            base = locate_given(generator, model.name)
        else:
            path = model_path(model.path, folder, model.sha256)
            chosen = model.weights_set
            if generator is None:
                base = locate_file(path, model.name, model.arch, said_of(model), chosen)
            else:
                base = locate_module(path, model.name, generator, chosen)
        if model.sha256 is not None and base.sha256 != model.sha256:
            raise ModelError(
                "RD627",
                f"{base.path} has sha256 {base.sha256}, and the recipe pins {model.sha256}",
                "restore the file that the recipe was written for, or change the pin",
            )
        return replace(base, truncation=model.truncation)
    return locate_listed(model.name, progress)


def locate_module(path: Path, name: str, code: Code, weights_set: str | None = None) -> Base:
    """A module that a person's code makes, with the weights in a file."""
    header = read_header(path, weights_set)
    sha256 = sha256_file(path)
    facts = looked_at(code, path, sha256, weights_set).facts
    return Base(name, path, header, facts, sha256, MODULE, code=code)


def locate_given(given: InMemory, name: str) -> Base:
    """A module in memory."""
    header, facts = given.state.header, given.generator.facts
    return Base(name, header.path, header, facts, given.sha256, MODULE, given=given)


def _one_too_few(model: Model, generator: Code | InMemory | None) -> ModelError:
    if generator is None:
        return ModelError(
            "RD659",
            f"the model `{model.name}` is a torch module of somebody's own, and redraft runs code "
            "only where you name it",
            "add `--generator FILE.py:NAME`, where NAME is a function in the file that gives the "
            "module; read the file before you do, if it is not yours",
        )
    return ModelError(
        "RD659",
        f"`--generator` is given, and the model `{model.name}` is no torch module of your own",
        "leave it out, or write `arch module` in the recipe's model",
    )


def locate_named(
    name: str,
    progress: download.Progress = silent,
    generator: Code | None = None,
    arch: str | None = None,
    weights_set: str | None = None,
) -> Base:
    """What a user means by MODEL on the command line: a listed name, or else a file.

    Args:
        name: as it was typed.
        progress: called with how far a download is.
        generator: the code that makes a file's model, where it is named.
        arch: as of :func:`locate_file`.
        weights_set: as of :func:`locate_file`.

    """
    listed = name in catalog.known_models().listed
    if generator is not None and (generator.always or not listed):
        return locate_module(Path(name), Path(name).name, generator, weights_set)
    looks_like_path = any(mark in name for mark in "/\\.") or Path(name).exists()
    if looks_like_path and name not in catalog.known_models().listed:
        return locate_file(Path(name), Path(name).name, arch, Said(), weights_set)
    return locate_listed(name, progress)


def locate_listed(name: str, progress: download.Progress = silent) -> Base:
    """A model of the list, fetched when it is not in the cache."""
    entry = catalog.find(name)
    fetched = download.obtain(entry, progress=progress)
    header = read_header(fetched.path)
    # The list may know widths by hearsay only; what the file holds counts.
    found = recognise(shapes_of(header))
    return Base(name, fetched.path, header, found.facts, fetched.sha256, found.layout)


def locate_file(
    path: Path,
    name: str,
    arch: str | None = None,
    said: Said | None = None,
    weights_set: str | None = None,
) -> Base:
    """A model given by its file; recognised by the shapes of its tensors.

    Args:
        path: the file.
        name: as the recipe calls it.
        arch: what the recipe says it is, see :func:`redraft.models.arch.families.recognise`.
        said: what it says of it that the file does not hold.
        weights_set: the set of weights to take; None for the likeliest.

    """
    header = read_header(path, weights_set)
    found = recognise(shapes_of(header), arch, said)
    return Base(
        *(name, path, header, found.facts, sha256_file(path), found.layout),
        said=said,
        clauses=found.assumed,
    )


def locate_weights(path: Path, name: str, weights_set: str | None = None) -> Base:
    """A file whose tensors alone count: whatever it is, it has no layers and no pictures."""
    header = read_header(path, weights_set)
    facts = ModelFacts(arch=MODULE, image_size=(1, 1), latent_size=1, layers=())
    return Base(name, path, header, facts, sha256_file(path), MODULE)


def shapes_of(header: Header) -> dict[str, tuple[int, ...]]:
    """Shapes by name without the prefix that all names of the file share."""
    return {header.bare(tensor): info.shape for tensor, info in header.tensors.items()}
