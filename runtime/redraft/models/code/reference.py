"""A generator that a person names by its code, ``FILE.py:NAME``; nothing is run here. No torch.

Only the command line and Python can name one: no recipe, pack or model file ever does.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import hashlib
import json
import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from redraft.disk.cache import address, cache_roots, make_folder
from redraft.disk.files import write_bytes
from redraft.errors import ModelError
from redraft.explain.words import reason_of
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import FileModel, Model

MODULE = "module"
"""What recipes call the architecture of such a generator."""
TIMEOUT = 60.0
"""Seconds that the first look at a module may take."""
FORMAT = 3
PLACEHOLDER = "FILE.py:NAME"
"""What stands in a command for code that lies nobody knows where."""
WHOLE = ""
"""Stands for a whole picture among layers."""
_MOST_BYTES = 8 << 20
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Opening a pipe must not wait for its writer."""


@dataclass(frozen=True)
class Code:
    """Where a generator is made.

    Attributes:
        path: of the file.
        name: in the file, of what gives the generator.
        sha256: of the file, and of the files beside it that it imports.
        timeout: seconds that a first look at it may take; None where it may not be run for that.
        always: whether it was named for the present command; else it stands ready for the models
            that need it, and others do without.
        fault: why it cannot be used, where it was not named for the present command.

    """

    path: Path
    name: str
    sha256: str
    timeout: float | None = None
    always: bool = True
    fault: ModelError | None = None

    @property
    def written(self) -> str:
        """As it is typed."""
        return f"{self.path}:{self.name}"


class Known(BaseModel):
    """What was seen of a module with its weights.

    Attributes:
        facts: picture, latents and layers.
        refused: parts with a weight that are no layers, each with the reason.
        warnings: what its owner should know.
        seconds: that one picture takes on this machine's CPU up to a layer, by layer, and whole
            (``WHOLE``), as they were seen then.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: ModelFacts
    refused: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = {}


def is_module(model: Model) -> bool:
    """Whether a recipe's model is one that somebody's own code makes."""
    return isinstance(model, FileModel) and model.arch == MODULE


def option(written: str | None) -> str:
    """As it is typed in a command; with a placeholder where the code has no name."""
    return f"--generator {PLACEHOLDER if written is None else shlex.quote(written)}"


def code_at(written: str, timeout: float | None = None, *, always: bool = True) -> Code:
    """What ``FILE.py:NAME`` names; the file is read, and not run.

    Raises:
        ModelError: it is not written so, or there is no such file.

    """
    try:
        return _found(written, timeout, always=always)
    except ModelError as error:
        if always:
            raise
        # A model that needs no generator does without one that cannot be read, too.
        return Code(Path(written), "", "", timeout, always, error)


def _found(written: str, timeout: float | None, *, always: bool) -> Code:
    file, sign, name = written.rpartition(":")
    if not sign or not file or not name.isidentifier():
        raise ModelError(
            "RD649",
            f"`{written}` names no generator",
            "write FILE.py:NAME, where NAME is a function in the file that gives the generator",
        )
    path = Path(file)
    try:
        return Code(path, name, _digest(path), timeout, always)
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise ModelError("RD649", f"{path} cannot be read: {reason}", "check the path") from error


def key_of(sha256: str, weights_set: str | None) -> str:
    """What tells the weights that are taken from a file from others."""
    return sha256 if weights_set is None else f"{sha256} {weights_set}"


def known(code: Code, weights: str) -> Known | None:
    """What an earlier look at a generator saw; None where there was none.

    Args:
        code: where it is made.
        weights: of :func:`key_of`.

    """
    for path in _places(code, weights):
        with contextlib.suppress(OSError, ValidationError):
            if path.stat().st_size <= _MOST_BYTES:
                return Known.model_validate_json(path.read_bytes())
    return None


def remember(code: Code, weights: str, seen: Known) -> None:
    """Keep what was seen for those who may not run the code."""
    path = _places(code, weights)[0]
    make_folder(path.parent)
    write_bytes(path, seen.model_dump_json().encode())


def forget(code: Code, weights: str) -> None:
    """Forget what was seen, so that the next command looks anew."""
    for path in _places(code, weights):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def unknown(code: Code, weights: Path) -> ModelError:
    """The error where a generator has not been looked at, and may not be looked at now."""
    return ModelError(
        "RD648",
        f"{code.written} has not been looked at with {weights}",
        f"run `redraft layers {shlex.quote(str(weights))} {option(code.written)}` first",
    )


def _places(code: Code, weights: str) -> list[Path]:
    """Where what was seen is kept, and behind it where it may only be read."""
    fields: dict[str, Any] = {
        "code": code.sha256,
        "name": code.name,
        "weights": weights,
        "format": FORMAT,
        # Another version may see more in a module, or other reasons against a part of it.
        "redraft": version("redraft"),
    }
    name = f"{address('modules', fields)}.json"
    return [root / "modules" / name for root in cache_roots()]


def _digest(path: Path) -> str:
    """sha256 of a file and of the files in its folder that it imports, by their names there."""
    folder = path.resolve().parent
    found = {path.name: _read(path)}
    waiting = [(folder, found[path.name])]
    while waiting:
        here, text = waiting.pop()
        for level, name in _imported(text):
            # One dot is the folder of the file itself, and each more leads one up.
            up = (here, *here.parents)
            start = folder if level == 0 else up[min(level, len(up)) - 1]
            for file in _files_of(name, start):
                if not file.is_relative_to(folder):
                    continue
                key = file.relative_to(folder).as_posix()
                if key not in found:
                    found[key] = _read(file)
                    waiting.append((file.parent, found[key]))
    rows = {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | _AT_ONCE), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return file.read(_MOST_BYTES)


def _imported(text: bytes) -> Iterator[tuple[int, str]]:
    """Dotted names of what a file imports and of what it takes from there, and the dots before."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            whole = node.module or ""
            yield node.level, whole
            yield from (
                (node.level, f"{whole}.{alias.name}".lstrip(".")) for alias in node.names
            )  # fmt: skip


def _files_of(name: str, folder: Path) -> Iterator[Path]:
    parts = [part for part in name.split(".") if part]
    for length in range(1, len(parts) + 1):
        place = folder.joinpath(*parts[:length])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                yield file
