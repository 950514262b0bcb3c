"""Any exception as a code, a sentence and a remedy."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import Any

from redraft.errors import RedraftError
from redraft.explain.words import first_line, reason_of

_REPORT = (
    "this is a defect of redraft: please report it with the command and the recipe; "
    "REDRAFT_DEBUG=1 shows where it happened"
)

_PACKAGES = {
    "torch": "torch",
    "numpy": "numpy",
    "PIL": "pillow",
    "safetensors": "safetensors",
    "jinja2": "jinja2",
    "rich": "rich",
}
"""Packages that are loaded on first use, by the names that they are imported by."""


@dataclass(frozen=True)
class Failure:
    """What is reported of an exception.

    ``checked`` has the diagnostics of a recipe that is at fault; ``details`` are single findings,
    a line each.
    """

    code: str
    message: str
    help: str | None
    status: int = 1
    checked: Any = None
    details: tuple[str, ...] = ()


def failure_of(error: Exception) -> Failure:
    """What to report of any exception."""
    if isinstance(error, RedraftError):
        checked = getattr(error, "checked", None)
        details = getattr(error, "details", ())
        return Failure(error.code, error.message, error.help, error.exit_status, checked, details)
    known = _missing_package(error) or _full_memory(error)
    if known is not None:
        return known
    if isinstance(error, OSError):
        reason = reason_of(error)
        if error.filename is None:
            # Files are always opened by name; without one it is standard output or a pipe.
            return Failure("RD639", f"the output cannot be written: {reason}", "check the disk")
        remedy = "check the path, its permissions and the disk"
        return Failure("RD637", f"{error.filename}: {reason}", remedy)
    kind, first = type(error).__name__, first_line(error)
    detail = kind if first == kind else f"{kind}: {first}"
    return Failure("RD599", f"internal error: {detail}", _REPORT)


def _missing_package(error: Exception) -> Failure | None:
    """A package that redraft depends on and that this environment does not have."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    package = _PACKAGES.get(error.name.partition(".")[0])
    if package is None:
        return None
    line = f"{shlex.quote(sys.executable)} -m pip install {package}"
    return Failure(
        "RD533", f"{package} is not installed, and this needs it", f"install it with `{line}`"
    )


def out_of_memory(error: Exception) -> bool:
    """Whether an exception says that a memory is full."""
    return _full_memory(error) is not None


def _full_memory(error: Exception) -> Failure | None:
    # Torch's own errors are recognised by name and words, so that torch need not be loaded here.
    if type(error).__name__ == "OutOfMemoryError":
        return Failure("RD531", "the GPU's memory is full", "use `--device cpu`")
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    ):
        return Failure(
            "RD530",
            "the memory is full",
            "close other programs, or search and mark fewer images",
        )
    return None
