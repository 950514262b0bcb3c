"""Recipes as they are given to a model in Python: whole, or rules alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

from redraft.models.listed.catalog import known_models
from redraft.models.locate import Base
from redraft_dsl.language.language import LATEST
from redraft_dsl.recipe.as_tree import number
from redraft_dsl.source import Source
from redraft_dsl.syntax import tree
from redraft_dsl.syntax.parse import parse


def is_text(recipe: object) -> bool:
    """Whether a string is a recipe's text, and not the path of a file."""
    return isinstance(recipe, str) and ("\n" in recipe or "{" in recipe)


def with_head(text: str, base: Base, folder: Path, seed: int, count: int) -> str:
    """A recipe's text; rules alone get the lines that make a recipe of them.

    Args:
        text: a recipe, or rules.
        base: the model that rules alone are for.
        folder: where the paths of the text start.
        seed: of the latents of rules alone, which they call ``z``.
        count: how many of them there are.

    """
    given = {type(each) for each in parse(Source("<text>", text)).tree.statements}
    if given & {tree.EditionLine, tree.RecipeLine, tree.ModelStatement}:
        return text
    lines = [f"edition {LATEST}", 'recipe rules 1.0.0 "Rules alone"', _model(base, folder)]
    if tree.LatentsStatement not in given:
        lines.append(f"latents z {{ seed {seed}  count {count} }}")
    return "\n".join([*lines, "", text])


def _model(base: Base, folder: Path) -> str:
    if base.name in known_models().listed:
        return f"model {base.name}"
    name = re.sub(r"\W", "_", base.path.stem, flags=re.ASCII)
    name = name if name[:1].isalpha() else f"model_{name}"
    weights = os.path.relpath(base.path, folder).replace(os.sep, "/")
    more = "" if base.truncation == 1 else f"  truncation {number(base.truncation)}"
    if base.header.asked is not None:
        more += f'  weights-set "{base.header.asked}"'
    return f'model {name} {{ arch {base.facts.arch}  weights "{weights}"{more} }}'
