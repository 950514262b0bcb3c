"""Pictures and pages brought before a person: in the terminal, or in what opens such files."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from redraft.cli.screen import Screen

INLINE = ("iTerm.app", "WezTerm", "vscode")
"""Terminals, by TERM_PROGRAM, that draw pictures in the protocol of iTerm2."""
KITTY = ("xterm-kitty", "xterm-ghostty")
"""Terminals, by TERM, that draw pictures in the protocol of kitty."""
CHUNK = 4096
"""Characters of one part of a picture in kitty's protocol."""


def open_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--open``."""
    return click.option("--open", "opened", is_flag=True, help=f"Open {what} when it is there.")


def open_file(path: Path, screen: Screen) -> None:
    """Open a file with the program that the system has for it; where there is none, say so."""
    if click.launch(str(path)) != 0:
        screen.warn(f"nothing here opens {path}; open it yourself")


def draw_inline(path: Path) -> None:
    """Draw a PNG in a terminal that can; nothing in any other."""
    if not sys.stdout.isatty():
        return
    data = base64.standard_b64encode(path.read_bytes()).decode()
    if os.environ.get("KITTY_WINDOW_ID") or os.environ.get("TERM") in KITTY:
        sys.stdout.write("".join(_kitty(data)) + "\n")
    elif os.environ.get("TERM_PROGRAM") in INLINE:
        sys.stdout.write(f"\x1b]1337;File=inline=1;width=100%:{data}\a\n")


def _kitty(data: str) -> Iterator[str]:
    parts = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    for number, part in enumerate(parts):
        head = "a=T,f=100," if number == 0 else ""
        yield f"\x1b_G{head}m={int(number + 1 < len(parts))};{part}\x1b\\"
