"""Every failure as a few clear lines, and as JSON where that was asked for. Never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

from redraft.cli.screen import Screen
from redraft.explain.failure import Failure, failure_of
from redraft_dsl.report.machine import to_object
from redraft_dsl.report.terminal import visible


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return os.environ.get("REDRAFT_DEBUG", "") not in ("", "0")


def report(error: Exception, screen: Screen, *, as_json: bool) -> int:
    """Report an error on standard error, and on standard output as JSON; returns the status."""
    failure = failure_of(error)
    checked = failure.checked
    if debugging():
        traceback.print_exception(error, file=sys.stderr)
    if as_json:
        screen.json({"error": _as_json(failure)})
    if checked is not None:
        screen.diagnostics(checked.diagnostics, checked.source)
    for each in failure.details:
        screen.remark(f"  {visible(each)}")
    if checked is None or any(each.span is not None for each in checked.errors):
        screen.error(failure.code, failure.message, failure.help)
    return failure.status


def _as_json(failure: Failure) -> dict[str, Any]:
    found: dict[str, Any] = {
        "code": failure.code,
        "message": failure.message,
        "help": failure.help,
    }
    if failure.details:
        found["details"] = list(failure.details)
    if failure.checked is not None:
        checked = failure.checked
        found["diagnostics"] = [to_object(each, checked.source) for each in checked.diagnostics]
    return found
