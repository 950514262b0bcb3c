"""The sentences that explain why a file cannot be used as a checkpoint, with their remedies."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from redraft.errors import ModelError
from redraft.explain.words import reason_of
from redraft_dsl.facts import LayerFacts, ModelFacts

_CHECK_PATH = "check the path of the model file"
_GET_AGAIN = "copy or download the file again"
_SAVE_WEIGHTS = "save only the weights: torch.save(generator.state_dict(), 'generator.pth')"
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body")
_LFS_START = b"version https://git-lfs.github.com/spec/"


def unreadable(path: Path, error: OSError) -> ModelError:
    """Missing, a folder, not permitted, or the disk failed."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        maker = path.parent / "train.py"
        remedy = f"`python {maker}` makes it" if maker.is_file() else _CHECK_PATH
        return ModelError("RD601", f"there is no file {path}", remedy)
    if isinstance(error, IsADirectoryError):
        return ModelError(
            "RD602", f"{path} is a folder, not a checkpoint", "name the file inside it"
        )
    if isinstance(error, PermissionError):
        return ModelError(
            "RD603", f"{path} may not be read by you", "change the file's permissions"
        )
    if error.errno == errno.ENAMETOOLONG:
        return ModelError("RD601", f"there is no file {path}", "the name is too long")
    if error.errno == errno.EINVAL:
        # What a reader gets that follows a broken table to a place before the file's first byte.
        return damaged(path, "its table of contents points outside the file")
    return ModelError("RD603", f"{path} cannot be read: {reason_of(error)}", "check the disk")


def empty(path: Path) -> ModelError:
    """No bytes at all."""
    return ModelError("RD604", f"{path} is empty (0 bytes)", _GET_AGAIN)


def damaged(path: Path, detail: str) -> ModelError:
    """It was a checkpoint once, but it is cut short or its bytes were changed."""
    return ModelError("RD605", f"{path} is damaged or cut short: {detail}", _GET_AGAIN)


def not_a_checkpoint(path: Path, start: bytes) -> ModelError:
    """Something else under a checkpoint's name; ``start`` is its first bytes."""
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE_STARTS):
        return ModelError(
            "RD606",
            f"{path} is a web page, not a checkpoint",
            "the download gave a page instead of the file: download it again in a browser",
        )
    if start.startswith(_LFS_START):
        return ModelError(
            "RD607",
            f"{path} is a git-lfs pointer, not the checkpoint itself",
            "run `git lfs pull` in the folder it came from",
        )
    return ModelError(
        "RD608",
        f"{path} is not a checkpoint",
        "expected a file written by torch.save, a .safetensors file or a StyleGAN2-ADA .pkl; see "
        "docs/formats.md, and docs/how-to/edit-any-generator.md for what is not listed there",
    )


def plain_zip(path: Path) -> ModelError:
    """A zip archive that torch did not write."""
    return ModelError(
        "RD608",
        f"{path} is a zip archive, but not one that torch.save wrote",
        "if the checkpoint is packed inside it, unpack the archive first",
    )


def plain_pickle(path: Path) -> ModelError:
    """A pickle without torch's marks."""
    return ModelError(
        "RD608", f"{path} is a pickle, but not one that torch.save wrote", _SAVE_WEIGHTS
    )


def tensorflow_network(path: Path) -> ModelError:
    """NVIDIA's networks of the years before they used PyTorch."""
    return ModelError(
        "RD608",
        f"{path} is a network of NVIDIA's TensorFlow code, and redraft reads those of PyTorch",
        "convert it with NVIDIA's stylegan2-ada-pytorch: "
        "python legacy.py --source OLD.pkl --dest NEW.pkl",
    )


def torchscript(path: Path) -> ModelError:
    """A compiled program."""
    return ModelError(
        "RD608", f"{path} is a TorchScript program, which redraft does not run", _SAVE_WEIGHTS
    )


def unreadable_dtype(path: Path, dtype: str) -> ModelError:
    """A young dtype in the older form, which torch writes but cannot read back."""
    return ModelError(
        "RD608",
        f"{path} has {dtype} tensors in torch's older file form, which cannot be read back",
        "convert the weights to float32 before saving them",
    )


def compressed(path: Path) -> ModelError:
    """A torch archive whose records were compressed afterwards."""
    return ModelError(
        "RD610",
        f"{path} has compressed records, which torch.save never writes",
        "use the original file, or load it where you trust it and save it again",
    )


def hostile_sizes(path: Path, detail: str) -> ModelError:
    """Sizes that no honest file has."""
    return ModelError(
        "RD610",
        f"{path} is refused for its sizes: {detail}",
        "such a file can fill the memory; get it from a source that you trust",
    )


def forbidden(path: Path, name: str) -> ModelError:
    """The pickle names code."""
    return ModelError(
        "RD609",
        f"{path} is refused: the file asks to run `{name}` while it is read; it was not run",
        f"a checkpoint needs to hold weights only; {_SAVE_WEIGHTS}",
    )


def no_tensors(path: Path) -> ModelError:
    """Readable, but without weights."""
    return ModelError("RD611", f"{path} holds no named tensors", _SAVE_WEIGHTS)


def ambiguous(path: Path, names: Sequence[str]) -> ModelError:
    """Several sets of tensors, and nothing that says which one is the generator."""
    return ModelError(
        "RD611",
        f"{path} holds several sets of tensors ({', '.join(names)}), none named as a generator",
        _SAVE_WEIGHTS,
    )


def no_such_set(path: Path, asked: str, names: Sequence[str]) -> ModelError:
    """A person asked for a set of weights that the file does not have, or has twice."""
    return ModelError(
        "RD686",
        f"{path} has no set of weights `{asked}`",
        f"it has {', '.join(f'`{name}`' if name else 'one without a name' for name in names)}",
    )


def changed(path: Path) -> ModelError:
    """Another program wrote to it in the meantime."""
    return ModelError("RD615", f"{path} has changed since it was read", "run the command again")


def not_finite(path: Path, name: str, count: int, total: int) -> ModelError:
    """Weights that are not numbers."""
    return ModelError(
        "RD612",
        f"{path} has {count} of {total} values that are NaN or infinite in tensor {name!r}",
        "the training diverged or the file is damaged: use an earlier checkpoint",
    )


def known_layer(facts: ModelFacts, layer: str) -> LayerFacts:
    """The layer of a generator that goes by a name.

    Raises:
        ModelError: it has none of that name.

    """
    found = facts.layer(layer)
    if found is None:
        raise ModelError(
            "RD625",
            f"this generator has no layer `{layer}`",
            f"its layers are {', '.join(facts.layer_names())}",
        )
    return found
