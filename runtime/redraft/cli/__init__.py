"""The command line, which loads nothing heavy before a command needs it."""

from __future__ import annotations

import signal
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done. 1: an error. 2: the command was not understood. 3: an expectation of the recipe
    failed. 4: a run could not be reproduced. 130: interrupted.

    Args:
        arguments: without the program's name; by default those of the process.

    """
    try:
        from redraft.cli.process import run

        return run(arguments)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
