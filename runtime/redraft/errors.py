"""Errors that a user can cause or meet. Each says what was expected, what came, what to do."""

from __future__ import annotations


class RedraftError(Exception):
    """Base of every error that the command line shows without a traceback.

    ``code`` is stable (``RD4xx`` plan, ``RD5xx`` run, ``RD6xx`` files and models); ``message``
    is lower case and one sentence; ``help`` names the remedy.
    """

    exit_status = 1

    def __init__(self, code: str, message: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help

    def __str__(self) -> str:
        return self.message if self.help is None else f"{self.message} ({self.help})"


class CancelledError(Exception):
    """Whoever asked for a result has said that it is not needed any more."""


class ModelError(RedraftError):
    """A model file, the model list or a download is at fault."""


class PlanError(RedraftError):
    """The recipe does not fit the model, found before any weights are loaded."""


class RunError(RedraftError):
    """Something went wrong while rules were solved."""


class ArtifactError(RedraftError):
    """An edit, a run folder or an output file is at fault."""


class VerifyMismatchError(RedraftError):
    """A run could not be reproduced within its promise."""

    exit_status = 4
