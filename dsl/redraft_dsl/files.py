"""Files that a recipe names: which paths may stand in it, and how they are read."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal

Trouble = Literal["missing", "a folder", "not regular", "too large", "unreadable"]


class FileFaultError(Exception):
    """A file cannot be read. ``trouble`` says what kind of fault it is, the message says more."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


def path_fault(path: str) -> str | None:
    """Why a path cannot stand in a recipe, judged by its text alone; None when it can."""
    if not path.strip():
        return "the path is empty"
    if "\\" in path:
        return "it has a backslash"
    if path.startswith("/") or (len(path) > 1 and path[1] == ":" and path[0].isalpha()):
        return "it is absolute"
    if not all(character.isprintable() for character in path):
        return "it has a character that cannot be seen"
    depth = 0
    for part in path.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return "it leaves the recipe's folder"
    return None


def inside(folder: Path, path: str) -> Path | None:
    """The file at a recipe's path; None where a link leads out of the recipe's folder."""
    try:
        file = (folder / path).resolve()
        return file if file.is_relative_to(folder.resolve()) else None
    except (OSError, RuntimeError, ValueError):
        return folder / path  # such as links in a circle; reading it says more


def read_regular(file: Path, most: int) -> bytes:
    """The bytes of a regular file that has at most ``most`` of them. Raises ``FileFaultError``."""
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise FileFaultError("a folder", "it is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise FileFaultError("not regular", "it is not a regular file")
        if status.st_size > most:
            size = f"{status.st_size} bytes, at most {most} are read"
            raise FileFaultError("too large", size)
        return file.read_bytes()
    except FileNotFoundError:
        raise FileFaultError("missing", "there is no such file") from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or "it cannot be opened"
        raise FileFaultError("unreadable", reason.lower()) from None
