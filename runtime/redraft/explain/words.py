"""Words that messages have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def counted(count: int, noun: str) -> str:
    """``1 rule``, ``2 rules``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def percent(value: float, space: str = " ") -> str:
    """A share as per cent, with a digit more where it is small: ``93 %``, ``2.4 %``."""
    # Of the two decimals that tables show, so that both say the same: 0.785 is 0.79 and 79 %.
    scaled = 100 * (value if abs(value) < 0.0995 else float(f"{value:.2f}"))
    digits = 1 if 0 < abs(scaled) < 9.95 else 0
    return f"{scaled:.{digits}f}{space}%"


def reason_of(error: OSError) -> str:
    """Why the system refused something, in lower case."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def first_line(error: BaseException) -> str:
    """The first line of an exception's message; the name of its class where it has none."""
    try:
        said = str(error)
    except Exception:  # of a class of somebody's own
        said = ""
    return said.strip().partition("\n")[0] or type(error).__name__


def first_fault(error: ValidationError) -> str:
    """What is wrong with data, and where in it: ``rules.0.rank: field required``."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    message = first["msg"].lower()
    return f"{where}: {message}" if where else message


def silent(*_progress: object) -> None:
    """Take a report of progress, and show nothing."""
