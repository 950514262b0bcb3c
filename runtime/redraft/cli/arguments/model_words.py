"""The words that stand for a model: apart, since the list of models takes a while to load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from redraft.cli.arguments.generators import named_generator
from redraft.cli.arguments.words import MODELS, Word, files
from redraft.models.listed.catalog import known_models

if TYPE_CHECKING:
    from redraft.models.code.reference import Code


def models(incomplete: str) -> Iterator[str]:
    """Models by name, and model files."""
    yield from known_models().listed
    yield from files(incomplete, *MODELS)


MODEL = Word("model", models)


def generator_for(model: str) -> Code | None:
    """What ``--generator`` names for a model; None for a listed one that does without.

    Raises:
        ModelError: it names nothing.

    """
    code = named_generator()
    listed = model in known_models().listed
    return None if code is None or (listed and not code.always) else code
