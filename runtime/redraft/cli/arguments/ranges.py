"""Numbers as a user writes them: images as ``0..23``, ``3,7,10`` or both together, and ranks."""

from __future__ import annotations

import re

import click

MOST_IMAGES = 1000
LARGEST_IMAGE = 1_000_000
_RANGE = re.compile(r"([0-9]{1,7})(?:\.\.([0-9]{1,7}))?")


def parse_images(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[int, ...]:
    """A list of image numbers in the order given; both ends of ``A..B`` are in it.

    Raises:
        click.BadParameter: it is not such a list, or too long.

    """
    numbers: list[int] = []
    for part in (value or "").split(","):
        ends = _ends(part.strip())
        if ends is None:
            raise click.BadParameter(f"`{value}` is not a list of images; write 0..23, or 3,7,10")
        first, last = ends
        if last > LARGEST_IMAGE or len(numbers) + last - first >= MOST_IMAGES:
            raise click.BadParameter(
                f"`{value}` is too much: {MOST_IMAGES} images at most, up to number {LARGEST_IMAGE}"
            )
        numbers += range(first, last + 1)
    return tuple(numbers)


def parse_range(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """First and last number of ``A..B``, both in it; None when nothing was given.

    Raises:
        click.BadParameter: it is not a range.

    """
    if value is None:
        return None
    ends = _ends(value.strip())
    if ends is None:
        raise click.BadParameter(f"`{value}` is not a range of images; write 0..199")
    return ends


def parse_ranks(_context: click.Context, _option: click.Parameter, value: str) -> tuple[int, ...]:
    """Ranks as in ``1,4,8``.

    Raises:
        click.BadParameter: it is not such a list.

    """
    if not re.fullmatch(r"[0-9]{1,7}(,[0-9]{1,7})*", value):
        raise click.BadParameter(f"`{value}` is not a list of ranks such as 1,4,8")
    ranks = tuple(map(int, value.split(",")))
    if min(ranks) < 1:
        raise click.BadParameter("a rank is 1 or more")
    return ranks


def _ends(text: str) -> tuple[int, int] | None:
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    first = int(found[1])
    last = int(found[2]) if found[2] else first
    return (first, last) if first <= last else None
