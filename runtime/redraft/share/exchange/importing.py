"""From an edit file of the paper's authors to a recipe with its masks, on the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redraft.disk import files
from redraft.disk.overwriting import refuse_overwriting
from redraft.errors import ArtifactError, PlanError
from redraft.models.code.reference import Code
from redraft.models.listed import catalog
from redraft.models.locate import locate_named
from redraft_dsl.check import Checked
from redraft_dsl.davidbau.edits import MAX_BYTES, EditFile, NotAnEditError, read_edit
from redraft_dsl.davidbau.to_recipe import Draft, ImportOptions, Removal, draft
from redraft_dsl.facts import ModelFacts
from redraft_dsl.files import path_fault
from redraft_dsl.language.spelling import respelled
from redraft_dsl.reading import loads
from redraft_dsl.recipe.model import FileModel, ListedModel, Model
from redraft_dsl.report.diagnostics import did_you_mean


@dataclass(frozen=True)
class ImportResult:
    """What was written: the recipe, as checked, and the masks beside it."""

    path: Path
    masks: tuple[Path, ...]
    checked: Checked


class BadDraftError(PlanError):
    """The recipe that was made does not check; ``checked`` holds the diagnostics."""

    def __init__(self, checked: Checked) -> None:
        super().__init__(
            "RD683",
            "the recipe that this file makes has errors, so nothing was written",
            "choose another model, layer or rank",
        )
        self.checked = checked


def import_edit(
    source: Path,
    out: Path,
    *,
    model: str,
    layer: str,
    rank: int | None = None,
    truncation: float | None = None,
    removal: Removal | None = None,
    force: bool = False,
) -> ImportResult:
    """Make a recipe of an edit file, check it, and write it and its masks.

    Args:
        source: the edit file.
        out: the recipe to write; its masks go into ``masks/NAME`` beside it.
        model: a listed name or a model file, which must lie in the recipe's folder or below.
        layer: where the rule is written.
        rank: of the rule; None for the authors' own default, 1.
        truncation: for a model file.
        removal: what to make of a file that only marks something; None for what suits it.
        force: overwrite.

    Raises:
        ArtifactError: the file is not an edit file, or something would be overwritten.
        ModelError: the model cannot be found or recognised.
        PlanError: the recipe would have errors, or the model file is out of its reach.

    """
    edit = read_file(source)
    found, facts = model_with_layer(model, layer, out.parent, truncation)
    made = draft(edit, ImportOptions(source.stem, found, layer, rank, removal))
    return write_draft(made, facts, out, force=force)


def write_draft(made: Draft, facts: ModelFacts, out: Path, *, force: bool) -> ImportResult:
    """Check a recipe that was made, and write it and its masks.

    Raises:
        BadDraftError: it has errors.
        ArtifactError: something would be overwritten.

    """
    checked = _check(made, facts, out)
    masks = {out.parent / path: data for path, data in made.masks.items()}
    refuse_overwriting([out, *masks], force=force)
    _write(out, made.text, masks)
    return ImportResult(out, tuple(masks), checked)


def read_file(path: Path) -> EditFile:
    """Read an edit file.

    Raises:
        ArtifactError: it cannot be read, or is not an edit file.

    """
    try:
        return read_edit(read_bytes(path))
    except NotAnEditError as problem:
        help_text = problem.help
        if help_text == NotAnEditError.expected:
            help_text += "; a recipe in JSON is what `redraft export --json` writes"
        raise ArtifactError(
            "RD680", f"{path} is not an edit file: {problem.message}", help_text
        ) from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; of a file that is too long, a byte more than is allowed.

    Raises:
        ArtifactError: there is no such file.

    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ArtifactError("RD636", f"there is no file {path}", "check the path") from None


def named_model(
    name: str, folder: Path, truncation: float | None, code: Code | None = None
) -> tuple[Model, ModelFacts]:
    """What a recipe in ``folder`` says of a model, and what the checker must know of it.

    ``code`` makes the module whose weights a file holds.

    Raises:
        PlanError: the file cannot be named from there, or truncation is given for a listed model.
        ModelError: there is no such model.

    """
    listed = catalog.known_models().listed
    if name in listed and code is None:
        if truncation is not None:
            raise PlanError(
                "RD684",
                f"`{name}` is a listed model, and truncation is for a model file",
                "leave `--truncation` out, or give the model's file",
            )
        return ListedModel(name=name), listed[name]
    base = locate_named(name, generator=code)
    return (
        FileModel(
            name=respelled(base.path.stem),
            arch=base.facts.arch,
            path=_inside(base.path, folder),
            sha256=base.sha256,
            truncation=1.0 if truncation is None else truncation,
        ),
        base.facts,
    )


def model_with_layer(
    name: str, layer: str, folder: Path, truncation: float | None = None
) -> tuple[Model, ModelFacts]:
    """As :func:`named_model`, for a rule at a layer.

    Raises:
        PlanError: likewise, or the model has no such layer.
        ModelError: likewise.

    """
    found, facts = named_model(name, folder, truncation)
    if facts.layer(layer) is None:
        help_text = did_you_mean(layer, facts.layer_names(), "layers of this model")
        raise PlanError("RD401", f"{name} has no layer `{layer}`", help_text)
    return found, facts


def _inside(path: Path, folder: Path) -> str:
    """A file's path as a recipe in ``folder`` may write it."""
    try:
        relative = path.resolve().relative_to(folder.resolve())
    except ValueError:
        raise PlanError(
            "RD685",
            f"{path} is outside the recipe's folder {folder}",
            "a recipe names files beside it or below: write it to the model's folder with `-o`",
        ) from None
    written = relative.as_posix()
    fault = "it has a quote" if '"' in written else path_fault(written)
    if fault is not None:
        raise PlanError(
            "RD685", f"a recipe cannot name {path}: {fault}", "give the model's file another name"
        )
    return written


def _check(made: Draft, facts: ModelFacts, out: Path) -> Checked:
    """The recipe as `redraft check` will see it, before anything is where a user looks."""
    with TemporaryDirectory(prefix="redraft-import-") as name:
        folder = Path(name)
        for path, data in made.masks.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        models = catalog.known_models()
        checked = loads(made.text, models, folder=folder, path=str(out), facts=facts)
    if checked.recipe is None:
        raise BadDraftError(checked)
    return checked


def _write(out: Path, text: str, masks: Mapping[Path, bytes]) -> None:
    """Masks first, so that a recipe which is there has all of its masks."""
    new = [path for path in masks if not path.exists()]
    try:
        for path, data in masks.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_bytes(path, data)
        files.write_text(out, text)
    except BaseException:
        for path in new:
            with contextlib.suppress(OSError):
                path.unlink()
        raise
