"""Numbers of images as a person types them: ``0..31, 200..212``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from redraft.errors import PlanError

MOST = 400
"""Images on one sheet."""
_PART = re.compile(r"\s*(\d{1,9})\s*(?:(?:\.\.|-|\N{EN DASH})\s*(\d{1,9})\s*)?")


def numbers_in(text: str, count: int) -> tuple[int, ...]:
    """The images of a list of numbers and ranges, in its order, each once.

    Raises:
        PlanError: it is no such list, or an image is not there.

    """
    found: dict[int, None] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise PlanError(
                "RD811", f"{text!r} is not a list of images", "write it like `0..31, 200..212`"
            )
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first or last >= count:
            raise PlanError(
                "RD811",
                f"there are no images {part.strip()}",
                f"the recipe has images 0..{count - 1}",
            )
        found.update(dict.fromkeys(range(first, min(last, first + MOST) + 1)))
    return tuple(found)[:MOST]


def in_short(numbers: Sequence[int]) -> str:
    """The same list as a person would type it."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}..{b}" for a, b in parts)
