"""A starting recipe: right as it is, and short enough to be changed line by line."""

from __future__ import annotations

from pathlib import Path

from redraft.disk import files
from redraft.disk.overwriting import refuse_overwriting
from redraft.errors import PlanError
from redraft.plans.loading import loads, recipe_of
from redraft.plans.shipped import SUFFIX
from redraft.share.exchange.importing import named_model
from redraft_dsl import format_text
from redraft_dsl.facts import LayerFacts, ModelFacts
from redraft_dsl.language.spelling import LONGEST_NAME, NAME
from redraft_dsl.language.words import RESERVED_NAMES
from redraft_dsl.recipe.model import FileModel

CELLS = 8
"""Cells of a layer's keys along a picture's side, about: an eye or a mouth is one or two."""
FINE = 32
"""A larger picture has more of them: a cell for so many of its pixels."""


def start(name: str, model: str, out: Path | None = None, *, force: bool = False) -> Path:
    """Write a recipe to begin with.

    Args:
        name: of the recipe, and of its rule.
        model: a listed name, or a model file in the recipe's folder or below.
        out: the file; NAME.redraft in the current folder if not given.
        force: replace a file that is there.

    Returns:
        The file.

    Raises:
        PlanError: the name cannot be one, or the model has no layer to rewrite.
        ModelError: the model cannot be found or recognised.
        ArtifactError: a file is there already.

    """
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME or name in RESERVED_NAMES:
        raise PlanError(
            "RD423",
            f"`{name}` cannot be the name of a recipe",
            "take a-z, 0-9 and single `-` between words, as in `red-nose`",
        )
    path = out or Path(f"{name}{SUFFIX}")
    found, facts = named_model(model, path.parent, None)
    block = f"model {found.name}\n"
    if isinstance(found, FileModel):
        block = f'model {found.name} {{ arch {found.arch}  weights "{found.path}" }}\n'
    text = format_text(_text(name, path.name, model, block, facts)).text
    assert text is not None, "what is written here can be read"
    recipe_of(loads(text, path.parent))
    refuse_overwriting([path], force=force)
    files.write_text(path, text)
    return path


def _text(name: str, file: str, model: str, block: str, facts: ModelFacts) -> str:
    height, width = facts.image_size
    box = f"box(x {width // 4}..{width * 3 // 4}, y {height // 4}..{height // 2})"
    layer = _layer(facts)
    return f"""edition 2026

recipe {name} 1.0.0 "What it changes, in a few words"

{block}
latents z {{ seed 1  count 2000 }}

# z[3] is image 3 of `redraft sample {model} --out sheet.png`. Change the three numbers below to
# images of your choice, and the boxes to what you mean in them, in pixels of {width} x {height}.
# `redraft show {file} --open` draws every box on its image.
rule {name} at {layer.name} {{
  copy {_place(3, box)}  # what is to be drawn
  context {_place(5, box)}  # where it belongs
  context like {_place(5, box)} top 24 among 0..199  # and wherever it looks like that
}}
"""


def _place(index: int, box: str) -> str:
    return f"z[{index}] {box}"


def _layer(facts: ModelFacts) -> LayerFacts:
    """The layer whose keys lie on the grid that suits most changes."""
    wanted = max(CELLS, max(facts.image_size) // FINE)
    rank = [abs(layer.key_size[0] - wanted) for layer in facts.layers]
    if not rank:
        raise PlanError("RD401", "the model has no layer that a rule can rewrite", None)
    return facts.layers[rank.index(min(rank))]
