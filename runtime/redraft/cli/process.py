"""One run of the program: streams made safe, usage errors shown, pipes and Ctrl-C quiet."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import click

from redraft.cli.app import COMPLETE_VARIABLE, PROGRAM, app
from redraft.cli.failure import debugging, report
from redraft.cli.screen import Screen
from redraft.explain.failure import failure_of

USAGE = 2
BROKEN_PIPE = 141
"""What a shell sees of a program that was stopped because the reader of its output has ended."""


def run(arguments: Sequence[str] | None) -> int:
    """Run the command line; returns the exit status."""
    _settle_streams()
    if not sys.warnoptions and not debugging():
        warnings.simplefilter("ignore")
    given = list(sys.argv[1:] if arguments is None else arguments)
    status = 0
    try:
        status = _invoke(given)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
        return BROKEN_PIPE
    except OSError as error:
        # Only writing to the terminal or to a redirected file is left to fail here.
        _silence(sys.stdout)
        if status == 0:
            found = failure_of(error)
            _write(found.code, found.message, found.help)
        return status or 1
    return status


def _invoke(arguments: list[str]) -> int:
    instruction = os.environ.get(COMPLETE_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(app, {}, PROGRAM, COMPLETE_VARIABLE, instruction)
    try:
        with app.make_context(PROGRAM, arguments) as context:
            app.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return 128 + signal.SIGINT
    except click.ClickException as error:
        _write("", *_usage(error))
        return USAGE
    except OSError:
        raise
    except Exception as error:  # where the words of a command line are read
        return report(error, Screen("auto"), as_json=False)
    return 0


def _usage(error: click.ClickException) -> tuple[str, str]:
    message = error.format_message().strip().rstrip(".")
    message = message[:1].lower() + message[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else PROGRAM
    return message, f"see `{path} --help`"


def _settle_streams() -> None:
    """Make sure that there is somewhere to write, and that no character can stop the writing."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _silence(stream: object) -> None:
    """Point a stream that cannot be written to nowhere, so that the exit does not fail on it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]
        os.close(nowhere)


def _write(code: str, message: str, remedy: str | None) -> None:
    with contextlib.suppress(OSError):
        Screen("auto").error(code, message, remedy)
