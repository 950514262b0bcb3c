"""Weights that come with redraft in half precision, made into the float32 that edits are bound to.

No torch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from redraft.disk.files import write_bytes
from redraft.errors import ModelError
from redraft.models.listed.entry import Shipped

WEIGHTS = Path(__file__).parents[2] / "weights"
"""The folder of the weights that come with redraft."""


def shipped_file(source: Shipped) -> Path:
    """The file in half precision."""
    return WEIGHTS / source.filename


def in_float32(data: bytes) -> bytes:
    """The same tensors in float32, as the bytes of a file; the same on every machine."""
    # To list models or to check a recipe neither is needed.
    import numpy as np
    from safetensors.numpy import load, save

    return save({name: tensor.astype(np.float32) for name, tensor in load(data).items()})


def unpack(source: Shipped, target: Path) -> None:
    """Write the weights in float32 to ``target``, whole or not at all.

    Raises:
        ModelError: redraft's own file is missing or was changed.

    """
    from safetensors import SafetensorError

    path = shipped_file(source)
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != source.half_sha256:
            raise _damaged(path, "it is not the file that was shipped")
        whole = in_float32(data)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, str(error)) from error
    if hashlib.sha256(whole).hexdigest() != source.sha256:
        raise _damaged(path, "its tensors in float32 are not the listed ones")
    write_bytes(target, whole)


def _damaged(path: Path, detail: str) -> ModelError:
    return ModelError(
        "RD616", f"{path} cannot be used: {detail}", "install redraft again; the file comes with it"
    )
