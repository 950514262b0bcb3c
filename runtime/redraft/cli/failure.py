"""Every failure as a few clear lines, and as JSON where that was asked for. Never a traceback."""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import dataclass
from typing import Any

from redraft.cli.screen import Screen, paint
from redraft.errors import RedraftError
from redraft_dsl.report.terminal import visible

REPORT = (
    "this is a defect of redraft: please report it with the command and the recipe; "
    "REDRAFT_DEBUG=1 shows where it happened"
)


@dataclass(frozen=True)
class Failure:
    """What is told of an error.

    ``checked`` has the diagnostics of a recipe that is at fault; ``details`` are single findings,
    a line each.
    """

    code: str
    message: str
    help: str | None
    status: int = 1
    checked: Any = None
    details: tuple[str, ...] = ()


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return os.environ.get("REDRAFT_DEBUG", "") not in ("", "0")


def shown(code: str, message: str, help: str | None, color: bool = False) -> str:  # noqa: A002
    """An error in the shape of the language's diagnostics, with a line end."""
    head = paint("error", f"error[{code}]" if code else "error", color)
    text = f"{head}{paint('strong', f': {visible(message)}', color)}\n"
    if help:
        text += f"  {paint('gutter', '=', color)} {paint('strong', 'help', color)}"
        text += f": {visible(help)}\n"
    return text


def report(error: Exception, screen: Screen, *, as_json: bool) -> int:
    """Tell of an error on standard error, and on standard output as JSON; returns the status."""
    failure = failure_of(error)
    if debugging():
        traceback.print_exception(error, file=sys.stderr)
    if as_json:
        screen.say(json.dumps({"error": _as_json(failure)}, indent=1, ensure_ascii=False))
    if failure.checked is not None:
        from redraft_dsl.report.terminal import render

        checked = failure.checked
        sys.stderr.write(
            render(checked.diagnostics, checked.source, color=screen.error_color) + "\n"
        )
    sys.stderr.write("".join(f"  {visible(each)}\n" for each in failure.details))
    sys.stderr.write(shown(failure.code, failure.message, failure.help, screen.error_color))
    return failure.status


def failure_of(error: Exception) -> Failure:
    """What to tell of any exception."""
    if isinstance(error, RedraftError):
        checked = getattr(error, "checked", None)
        details = getattr(error, "details", ())
        return Failure(error.code, error.message, error.help, error.exit_status, checked, details)
    memory = _out_of_memory(error)
    if memory is not None:
        return memory
    if isinstance(error, OSError):
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        if error.filename is None:
            # Files are always opened by name; without one it is standard output or a pipe.
            return Failure("RD639", f"the output cannot be written: {reason}", "check the disk")
        remedy = "check the path, its permissions and the disk"
        return Failure("RD637", f"{error.filename}: {reason}", remedy)
    first = str(error).strip().partition("\n")[0]
    detail = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return Failure("RD599", f"internal error: {detail}", REPORT)


def _out_of_memory(error: Exception) -> Failure | None:
    # Torch's own errors are told by name and words, so that torch need not be loaded here.
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


def _as_json(failure: Failure) -> dict[str, Any]:
    told: dict[str, Any] = {
        "code": failure.code,
        "message": failure.message,
        "help": failure.help,
    }
    if failure.details:
        told["details"] = list(failure.details)
    if failure.checked is not None:
        from redraft_dsl.report.machine import to_object

        checked = failure.checked
        told["diagnostics"] = [to_object(each, checked.source) for each in checked.diagnostics]
    return told
