"""Apply an edit to a checkpoint file, in the format it came from, and take it back exactly.

Adding and subtracting a change does not restore a float's last bits, so the weights that an
edit replaces are kept beside the edited file, in ``NAME.undo.safetensors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from redraft.disk import files
from redraft.disk.digest import tensors_digest
from redraft.disk.overwriting import refuse_overwriting
from redraft.edit.artifact import Edit
from redraft.errors import ArtifactError, ModelError, RedraftError
from redraft.models.checkpoint.weights import State, load_state, write_state
from redraft.models.locate import Base

UNDO_FORMAT = "redraft-undo-1"


@dataclass(frozen=True)
class AppliedFile:
    """An edited checkpoint.

    Attributes:
        path: the edited file.
        undo: what :func:`revert_file` needs.
        changed: the names, as the file has them, of the weights that differ.
        digest: of all its tensors after the edit, as ``tensors_digest`` of ``run.json`` is taken:
            without the prefix that all names share.

    """

    path: Path
    undo: Path
    changed: tuple[str, ...]
    digest: str


def undo_path(path: Path) -> Path:
    """Where the replaced weights of an edited file are kept."""
    return path.with_name(path.name + ".undo.safetensors")


def apply_to_file(
    edit: Edit,
    base: Base,
    target: Path,
    rules: Sequence[str] | None = None,
    strength: float = 1.0,
    *,
    force: bool = False,
) -> AppliedFile:
    """Write an edited copy of a checkpoint.

    Args:
        edit: what to apply.
        base: the located checkpoint; it is only read.
        target: the file to write; must not be the base itself.
        rules: names of the rules to apply; None for all.
        strength: scales every rule.
        force: edit even weights that the edit was not made for, and replace any other file.

    Raises:
        ModelError: the weights are not the edit's base.
        ArtifactError: the target is the base, another file, or cannot be written.

    """
    if target.exists() and target.samefile(base.path):
        raise ArtifactError(
            "RD670",
            f"{target} is the unedited model itself",
            "write the edited copy to another file with `--out`",
        )
    if not force and not _edited_before(target):
        refuse_overwriting([target], force=False)
    state = load_state(base.path, base.header.asked)
    found = _edited(edit.choose(rules, strength), state, base, force=force)
    # In the precision of the file: what is written is what the digests are of.
    changed = {name: tensor.to(state.tensors[name].dtype) for name, tensor in found.items()}
    originals = {name: state.tensors[name] for name in changed}
    after = {**state.tensors, **changed}
    metadata = {
        "format": UNDO_FORMAT,
        "before": tensors_digest(state.bare()),
        "after": tensors_digest(State(after, state.header).bare()),
        **({} if base.header.asked is None else {"set": base.header.asked}),
    }
    files.write_bytes(undo_path(target), save(_contiguous(originals), metadata))
    write_state(target, after, state)
    differing = tuple(n for n in changed if not torch.equal(changed[n], originals[n]))
    return AppliedFile(target, undo_path(target), differing, metadata["after"])


def _edited(edit: Edit, state: State, base: Base, *, force: bool) -> dict[str, torch.Tensor]:
    """The changed weights; where they do not fit, both models are named."""
    try:
        return edit.edited(state.tensors, force=force)
    except ModelError as error:
        if base.name == edit.facts.model:
            raise
        raise ModelError(
            error.code,
            f"the edit was made for `{edit.facts.model}`, and this is `{base.name}`: "
            f"{error.message}",
            error.help,
        ) from error


def _edited_before(target: Path) -> bool:
    """Whether a file is just as this module wrote it: edited, or restored."""
    try:
        _, metadata = _read_undo(undo_path(target))
        digest = tensors_digest(load_state(target, metadata.get("set")).bare())
    except RedraftError:
        return False
    return digest in (metadata["after"], metadata["before"])


def revert_file(path: Path, target: Path, *, force: bool = False) -> str:
    """Write the checkpoint as it was before :func:`apply_to_file`, every tensor bit for bit.

    Args:
        path: the edited file; its undo file lies beside it.
        target: the file to write; may be ``path``.
        force: replace whatever other file is there.

    Returns:
        The digest of the restored tensors, names without the prefix that all share.

    Raises:
        ArtifactError: there is no undo file, it belongs to another state of the file, or another
            file is there.

    """
    if path.resolve() != target.resolve():
        refuse_overwriting([target], force=force)
    originals, metadata = _read_undo(undo_path(path))
    state: State = load_state(path, metadata.get("set"))
    found = tensors_digest(state.bare())
    if found == metadata["before"]:
        raise ArtifactError(
            "RD671",
            f"{path} is the unedited model already: it was reverted before",
            f"there is nothing to take back; {undo_path(path)} is needed no more",
        )
    if found != metadata["after"]:
        raise ArtifactError(
            "RD671",
            f"{path} has changed since the edit was applied",
            "revert works on the file exactly as `redraft apply` wrote it",
        )
    restored = {**state.tensors, **originals}
    digest = tensors_digest(State(restored, state.header).bare())
    if digest != metadata["before"]:
        raise ArtifactError(
            "RD672",
            f"{undo_path(path)} does not restore the model that was edited",
            "take the unedited model from where it came from",
        )
    write_state(target, restored, state)
    return digest


def _contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _read_undo(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if not path.exists():
        raise ArtifactError(
            "RD673",
            f"there is no undo file {path}",
            "`redraft apply` writes it beside the edited model; keep the two together",
        )
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError("RD674", f"{path} is damaged: {error}", "restore it") from error
    if metadata.get("format") != UNDO_FORMAT or not {"before", "after"} <= set(metadata):
        raise ArtifactError("RD674", f"{path} is not an undo file", "restore it")
    return tensors, metadata
