"""Image numbers on the command line."""

from __future__ import annotations

import click
import pytest

from redraft.cli.arguments.ranges import parse_images, parse_range

CONTEXT = click.Context(click.Command("any"))
OPTION = click.Option(["--images"])


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0..3", (0, 1, 2, 3)),
        ("7", (7,)),
        ("3,7,10", (3, 7, 10)),
        ("0..2, 9, 5..6", (0, 1, 2, 9, 5, 6)),
        ("4,4", (4, 4)),
        ("1000000", (1000000,)),
    ],
)
def test_lists(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_images(CONTEXT, OPTION, text) == numbers


@pytest.mark.parametrize("text", ["", "5..1", "a", "-1", "1..", "1,,2", "1;2", "1.5", "٣", "1 2"])
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a list of images"):
        parse_images(CONTEXT, OPTION, text)


@pytest.mark.parametrize("text", ["0..1000", "0..999,1", "1000001", "0..9999999"])
def test_too_much(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is too much: 1000 images at most"):
        parse_images(CONTEXT, OPTION, text)


def test_ranges() -> None:
    assert parse_range(CONTEXT, OPTION, "0..199") == (0, 199)
    assert parse_range(CONTEXT, OPTION, "8") == (8, 8)
    assert parse_range(CONTEXT, OPTION, None) is None
    with pytest.raises(click.BadParameter, match=r"`9\.\.8` is not a range"):
        parse_range(CONTEXT, OPTION, "9..8")
