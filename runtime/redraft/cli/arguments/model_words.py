"""The words that stand for a model: apart, since the list of models takes a while to load."""

from __future__ import annotations

from collections.abc import Iterator

from redraft.cli.arguments.words import MODELS, Word, files
from redraft.models.listed.catalog import known_models


def models(incomplete: str) -> Iterator[str]:
    """Models by name, and model files."""
    yield from known_models().listed
    yield from files(incomplete, *MODELS)


MODEL = Word("model", models)
