"""What was meant by an option that a command does not have."""

from __future__ import annotations

from collections.abc import Container

from redraft_dsl.language.settings import SETTINGS

OUTPUTS = ("--out", "-o", "--output", "--sheet", "--html", "--save")
"""Options that name a file to write, by one of which each command that writes one calls it."""


def meant(typed: str, own: Container[str]) -> str:
    """A hint at the option that stands for ``typed`` among a command's ``own``; empty for none.

    A setting of the language is set by ``--set``, and every file that is written by the command's
    own word for it.
    """
    name = typed.lstrip("-")
    if "--set" in own and name in {row.name for row in SETTINGS} | {"layer"}:
        return f"set a rule's own with `--set RULE.{name}=VALUE`"
    if typed in OUTPUTS:
        there = next((each for each in OUTPUTS if each in own), None)
        return f"here it is `{there}`" if there else "this command writes no file that you name"
    return ""
