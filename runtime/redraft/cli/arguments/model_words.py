"""The words that stand for a model: apart, since the list of models takes a while to load."""

from __future__ import annotations

from collections.abc import Iterator

from redraft.cli.arguments.words import Word, files
from redraft.models.listed.catalog import known_models

ENDINGS = (".pth", ".pt", ".pkl", ".safetensors", ".ckpt")


def models(incomplete: str) -> Iterator[str]:
    """Models by name, and model files."""
    yield from known_models().listed
    yield from files(incomplete, *ENDINGS)


MODEL = Word("model", models)
