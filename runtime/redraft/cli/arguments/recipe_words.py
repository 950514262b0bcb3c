"""The words that a recipe or an edit on the same command line gives a name to.

They are read from the text as it stands, since it may well have errors while somebody works on it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from redraft.cli.arguments import words
from redraft.disk.safetensors_head import read_head
from redraft.errors import RedraftError
from redraft.plans.run_files import EDIT, RECORD
from redraft.plans.shipped import locate_recipe
from redraft_dsl.language.language import LANGUAGE

_OPERATIONS = "|".join(LANGUAGE.operation_words)
_RULE = re.compile(rf"^[ \t]*(?:{_OPERATIONS})[ \t]+([a-z][\w-]*)", re.M)
_INCLUDED = re.compile(r"^[ \t]*include[ \t]+[\w-]+\.([\w-]+)(?:[ \t]+as[ \t]+([\w-]+))?", re.M)
_SWEEP = re.compile(r"^[ \t]*sweep[ \t]+([a-z][\w-]*)", re.M)
_PARAMETER = re.compile(r"^[ \t]*param[ \t]+([a-z][\w-]*)", re.M)
MOST_BYTES = 1 << 20
"""Nobody waits for a larger text to be read at each press of a key."""

Named = Callable[[str], Iterator[str]]


class NamedWord(words.Word):
    """A word that names something in the file that another argument names.

    Args:
        name: in the help.
        argument: the argument, or the option, that names the file, or the first of several.
        words: gives the names from the file's own name.

    """

    def __init__(self, name: str, argument: str, words: Named) -> None:
        super().__init__(name, lambda _: ())
        self._argument = argument
        self._named = words

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Every name in the file that begins like ``incomplete``."""
        said = self._said(ctx)
        if not said:
            return []
        with contextlib.suppress(RedraftError, OSError, ValueError, KeyError, TypeError):
            found = dict.fromkeys(self._named(said))
            return [CompletionItem(each) for each in found if each.startswith(incomplete)]
        return []

    def _said(self, ctx: click.Context) -> str:
        names = (self._argument, f"{self._argument}s")
        arguments = [each for each in ctx.command.params if isinstance(each, click.Argument)]
        for name in names:
            said = ctx.params.get(name)
            if said:
                return str(said[0] if isinstance(said, tuple) else said)
        # Behind an option that still lacks its value the arguments are left as they were typed.
        for place, argument in enumerate(arguments):
            if argument.name in names and place < len(ctx.args):
                return ctx.args[place]
        return ""


def rules_of(recipe: str) -> Iterator[str]:
    """Names of the rules in a recipe."""
    text = _text(recipe)
    yield from _RULE.findall(text)
    yield from (own or theirs for theirs, own in _INCLUDED.findall(text))


def sweeps_of(recipe: str) -> Iterator[str]:
    """Names of the sweeps in a recipe."""
    yield from _SWEEP.findall(_text(recipe))


def settable(recipe: str) -> Iterator[str]:
    """What ``--set`` may begin with: each parameter of a recipe, and each setting of its rules."""
    yield from (f"{name}=" for name in _PARAMETER.findall(_text(recipe)))
    for rule in rules_of(recipe):
        yield from (f"{rule}.{setting}=" for setting in LANGUAGE.setting_words)


def rules_in(edit: str) -> Iterator[str]:
    """Names of the rules in a run folder, or in an edit file."""
    path = Path(edit)
    if (path / RECORD).is_file():
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        yield from (rule["name"] for rule in record["rules"])
        return
    path = path / EDIT if path.is_dir() else path
    with path.open("rb") as file:
        head = read_head(file, path.stat().st_size)
    yield from (rule["name"] for rule in json.loads(head.metadata["edit"])["rules"])


def _text(recipe: str) -> str:
    path = locate_recipe(recipe)
    if path.stat().st_size > MOST_BYTES:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def recipe_option(meaning: str, default: str = "glasses") -> Callable[..., Any]:
    """``--recipe`` of a bench, which names one recipe."""
    return click.option("--recipe", default=default, type=words.RECIPE, help=meaning)


def recipes_option(meaning: str, *default: str) -> Callable[..., Any]:
    """``--recipe`` of a bench, which may be repeated."""
    kind = words.RECIPE
    return click.option(
        "--recipe", "recipes", multiple=True, type=kind, default=default, help=meaning
    )


RULE = NamedWord("text", "file", rules_of)
SWEEP = NamedWord("text", "file", sweeps_of)
SETTING = NamedWord("text", "file", settable)
EDITED_RULE = NamedWord("text", "edit", rules_in)
