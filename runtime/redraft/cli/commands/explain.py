"""``redraft explain``: what an error code means."""

from __future__ import annotations

import difflib
import re

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.arguments.words import Word
from redraft.cli.screen import Screen
from redraft.errors import PlanError
from redraft.explain.codes import explain, titles
from redraft_dsl.report.terminal import wrapped

PHASES = {
    "0": "Reading and syntax",
    "1": "Names",
    "2": "Settings",
    "3": "Regions",
    "4": "Planning",
    "5": "Running",
    "6": "Files and models",
    "7": "Sharing and exchange",
    "8": "Studio",
}

WIDEST = 100
"""Columns that text is filled to at most; longer lines are hard to read."""
ALONE = ("#", "|", "- ", "* ", "1. ")
"""What a line begins with that goes on no earlier one."""


@make_command(name="explain", example="explain RD101")
@click.argument("code", required=False, type=Word("code", lambda _: titles()))
@click.option("--all", "every", is_flag=True, help="List all codes.")
@format_option()
def command(code: str | None, every: bool, form: str) -> None:
    """Explain what an error code means and what to do about it."""
    screen = Screen.current()
    if form == "json":
        screen.json(_as_json(code, every=every))
        return
    if every:
        _list(screen)
        return
    if code is None:
        raise click.UsageError("a code such as RD101 is needed, or --all")
    screen.show(_laid_out(_page(code), screen))


def _as_json(code: str | None, *, every: bool) -> object:
    if every:
        return [{"code": each, "title": title} for each, title in titles().items()]
    if code is None:
        raise click.UsageError("a code such as RD101 is needed, or --all")
    head, _, text = _page(code).partition("\n")
    number, _, title = head.removeprefix("# ").partition(": ")
    return {"code": number, "title": title, "text": text.strip()}


def _page(code: str) -> str:
    """The page of a code as Markdown; ``101`` means ``RD101``."""
    given = code.strip().upper()
    given = f"RD{given}" if re.fullmatch(r"\d{3}", given) else given
    text = explain(given)
    if text is not None:
        return text
    raise PlanError(
        "RD643", f"there is no code `{code}`", f"{_hint(given)}`redraft explain --all` lists them"
    )


def _hint(given: str) -> str:
    """What may have been meant by a code that there is not; numbers that are alike say nothing."""
    codes = list(titles())
    if not re.fullmatch(r"RD\d{3}", given):
        begun = re.match(r"RD\d+", given)
        near = [code for code in codes if begun and code.startswith(begun[0])]
        near = near or difflib.get_close_matches(given, codes, n=1)
        return f"did you mean {near[0]}? " if near else ""
    group = [each for each in codes if each[2] == given[2]]
    if not group:
        return f"codes go from {codes[0]} to {codes[-1]}; "
    return f"those of `{PHASES[given[2]]}` go from {group[0]} to {group[-1]}; "


def _list(screen: Screen) -> None:
    phase = ""
    for code, title in titles().items():
        if PHASES[code[2]] != phase:
            if phase:
                screen.say("")
            phase = PHASES[code[2]]
            screen.say(screen.paint("strong", phase))
        screen.say(f"  {code}  {title}")


def _laid_out(markdown: str, screen: Screen) -> str:
    """Markdown for the terminal: headings stand out, recipes are indented, text fills its lines."""
    width = min(screen.table_width, WIDEST)
    lines: list[str] = []
    inside = False
    for line in _joined(markdown):
        if line.startswith("```"):
            inside = not inside
        elif inside:
            lines.append(f"    {line}".rstrip())
        elif line.startswith("#"):
            lines += [screen.paint("strong", each) for each in _filled(line.lstrip("# "), width)]
        else:
            lines += _filled(line, width)
    return "\n".join(lines)


def _joined(markdown: str) -> list[str]:
    """The lines of a page, those of a paragraph or an item as one; fenced lines stay apart."""
    joined: list[str] = []
    apart, inside = True, False
    for line in markdown.strip().splitlines():
        fence = line.startswith("```")
        alone = inside or fence or not line or line.startswith(ALONE)
        if alone or apart:
            joined.append(line)
        else:
            joined[-1] += f" {line.strip()}"
        inside ^= fence
        apart = inside or fence or not line or line.startswith("#")
    return joined


def _filled(line: str, width: int) -> list[str]:
    hang = len(item[0]) if (item := re.match(r"\s*(?:[-*]|\d+\.)\s+", line)) else 0
    return wrapped(line, width, hang).split("\n")
