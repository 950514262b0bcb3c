"""How an error reads in a terminal: in the shape of the language's diagnostics."""

from __future__ import annotations

from redraft_dsl.report.terminal import visible, wrapped

_RESET = "\x1b[0m"
_STYLES = {
    "strong": "\x1b[1m",
    "faint": "\x1b[2m",
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "good": "\x1b[1;32m",
    "gutter": "\x1b[1;34m",
}


def paint(style: str, text: str, color: bool) -> str:
    """``text`` in a style of the list above, or as it is."""
    return f"{_STYLES[style]}{text}{_RESET}" if color and text else text


def error_text(
    code: str, message: str, remedy: str | None, color: bool = False, width: int | None = None
) -> str:
    """An error in a line, and its remedy in another, with a line end.

    With a ``width`` both are broken between words where they are longer.
    """
    head = paint("error", f"error[{code}]" if code else "error", color)
    text = f"{head}{paint('strong', f': {visible(message)}', color)}\n"
    if remedy:
        help_ = f"{paint('gutter', '=', color)} {paint('strong', 'help', color)}"
        text += f"  {help_}: {visible(remedy)}\n"
    return wrapped(text, width, 4)
