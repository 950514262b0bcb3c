"""What each argument of the command line stands for, so that a shell can complete it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from redraft.plans.run_files import RECORD, RUNS
from redraft.plans.shipped import SUFFIX, all_shipped

PACK = ".redraftpack"
EDITS = (".safetensors", PACK)
MODELS = (".pth", ".pt", ".pkl", ".safetensors", ".ckpt")

NEW_FILE = click.Path(path_type=Path)
"""A file to be written; whether it can be is tried before anything is computed for it."""
Words = Callable[[str], Iterable[str]]
"""What a word that begins like this may become."""


class Word(click.ParamType):  # type: ignore[type-arg]
    """A text that a shell completes; what is typed is taken as it is."""

    def __init__(self, name: str, words: Words) -> None:
        self.name = name
        self._words = words

    def convert(self, value: Any, *_: object) -> Any:
        """The word as it was typed."""
        return value

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Every word that begins like ``incomplete``; where there is none, what files there are."""
        found = sorted({each for each in self._words(incomplete) if each.startswith(incomplete)})
        return [CompletionItem(each) for each in found] or [CompletionItem(incomplete, type="file")]


class PathWord(Word):
    """The same, taken as a path."""

    def convert(self, value: Any, *_: object) -> Any:
        """The word as a path."""
        return Path(value)


def files(incomplete: str, *endings: str) -> Iterator[str]:
    """Files with one of these endings, and folders that may hold some."""
    folder, _, _ = incomplete.rpartition("/")
    try:
        entries = sorted(Path(folder or ".").iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        name = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir():
            yield f"{name}/"
        elif entry.name.endswith(endings):
            yield name


def recipes(incomplete: str) -> Iterator[str]:
    """Recipes by name, recipe files and packs."""
    yield from (shipped.name for shipped in all_shipped())
    yield from files(incomplete, SUFFIX, PACK)


def runs(incomplete: str) -> Iterator[str]:
    """Finished runs in runs/, and packs."""
    if RUNS.is_dir():
        yield from (str(folder) for folder in RUNS.iterdir() if (folder / RECORD).is_file())
    yield from files(incomplete, PACK)


def edits(incomplete: str) -> Iterator[str]:
    """Finished runs, edits and packs."""
    yield from runs(incomplete)
    yield from files(incomplete, *EDITS)


def run_sources(incomplete: str) -> Iterator[str]:
    """Recipes, finished runs and packs."""
    yield from recipes(incomplete)
    yield from runs(incomplete)


def exportable(incomplete: str) -> Iterator[str]:
    """Recipes, and all that holds an edit."""
    yield from recipes(incomplete)
    yield from edits(incomplete)


RECIPE = Word("recipe", recipes)
RUN = PathWord("path", runs)
EDIT = PathWord("path", edits)
RECIPE_OR_RUN = Word("recipe", run_sources)
RECIPE_OR_EDIT = Word("recipe", exportable)
RECIPE_FILE = PathWord("path", lambda incomplete: files(incomplete, SUFFIX))
JSON_FILE = PathWord("path", lambda incomplete: files(incomplete, ".json"))
CODE = Word("text", lambda incomplete: files(incomplete, ".py"))
"""Code that makes a model: a file, and then `:NAME`."""
UNDONE = PathWord("path", lambda incomplete: files(incomplete, *MODELS))
"""What `apply` wrote: a model file."""
PACKED = PathWord("path", lambda incomplete: files(incomplete, PACK))
