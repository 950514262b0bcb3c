"""What a person has set for every command: where models lie, and their own generator."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from redraft.errors import ArtifactError
from redraft.explain.words import first_line, reason_of

MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Configuration:
    """A person's settings.

    Attributes:
        models: folders that are searched for a recipe's model, the first first.
        generator: ``FILE.py:NAME`` for models of `arch module`; None for none.

    """

    models: tuple[Path, ...] = ()
    generator: str | None = None


def configuration_path() -> Path:
    """The file: REDRAFT_CONFIG, or ``redraft/config.toml`` in the system's place for such."""
    chosen = os.environ.get("REDRAFT_CONFIG")
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_config_dir("redraft", appauthor=False)) / "config.toml"


def configuration() -> Configuration:
    """The settings in the file, with the folders of REDRAFT_MODELS before its own.

    Paths in the file start at its folder.

    Raises:
        ArtifactError: the file is there and cannot be read, or says something that is unknown.

    """
    path = configuration_path()
    said = _read(path)
    own = [
        Path(each).expanduser() for each in os.environ.get("REDRAFT_MODELS", "").split(os.pathsep)
    ]
    folders = [each for each in own if each != Path()]
    generator = said.get("generator")
    if generator is not None:
        file, sign, name = generator.rpartition(":")
        generator = f"{path.parent / Path(file).expanduser()}{sign}{name}"
    found = (path.parent / Path(each).expanduser() for each in said.get("models", ()))
    return Configuration((*folders, *found), generator)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_absolute() and not os.environ.get("REDRAFT_CONFIG"):
        # Without a home, the system's place would start in the present folder, whoever made that.
        return {}
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _broken(path, reason_of(error)) from error
    try:
        said = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _broken(path, first_line(error)) from error
    for name in said.keys() - {"models", "generator"}:
        raise _broken(path, f"there is no setting `{name}`")
    models, generator = said.get("models", []), said.get("generator", "")
    if not isinstance(models, list) or not all(isinstance(each, str) for each in models):
        raise _broken(path, "`models` is no list of folders")
    if not isinstance(generator, str):
        raise _broken(path, "`generator` is no text")
    return said


def _broken(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        "RD689",
        f"the configuration {path} cannot be used: {reason}",
        'it may hold `models = ["FOLDER", ...]` and `generator = "FILE.py:NAME"`',
    )
