"""What a person says of a model file on the command line. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def arch_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--arch NAME``."""
    return click.option(
        "--arch", metavar="NAME", help="How to read a file that several packages know."
    )


def weights_set_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--weights-set NAME``."""
    return click.option(
        "--weights-set",
        metavar="NAME",
        help="Which weights to take of a file that holds several, such as g_ema.",
    )
