"""A starting recipe: right as it is, and short enough to be changed line by line."""

from __future__ import annotations

from pathlib import Path

from redraft.disk import files
from redraft.disk.overwriting import refuse_overwriting
from redraft.errors import PlanError
from redraft.models.code.reference import Code, option
from redraft.plans.loading import loads, recipe_of, with_facts
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


def start(
    name: str,
    model: str,
    out: Path | None = None,
    *,
    force: bool = False,
    code: Code | None = None,
) -> Path:
    """Write a recipe to begin with.

    Args:
        name: of the recipe, and of its rule.
        model: a listed name, or a model file in the recipe's folder or below.
        out: the file; NAME.redraft in the current folder if not given.
        force: replace a file that is there.
        code: what makes the module whose weights the model file holds.

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
    found, facts = named_model(model, path.parent, None, code)
    block = f"model {found.name}\n"
    if isinstance(found, FileModel):
        block = f'model {found.name} {{ arch {found.arch}  weights "{found.path}" }}\n'
    words = "" if code is None else f" {option(code.written)}"
    text = format_text(_text(name, (path.name, model, words), block, facts)).text
    assert text is not None, "what is written here can be read"
    recipe_of(with_facts(loads(text, path.parent), facts, path.parent))
    refuse_overwriting([path], force=force)
    files.write_text(path, text)
    return path


def _text(name: str, commands: tuple[str, str, str], block: str, facts: ModelFacts) -> str:
    """A recipe; ``commands`` are its file, its model and an option as commands name them."""
    file, model, words = commands
    sampled = f"redraft sample {model}{words} --out sheet.png"
    height, width = facts.image_size
    box = f"box(x {width // 4}..{width * 3 // 4}, y {height // 4}..{height // 2})"
    layer = _layer(facts)
    here = box if max(layer.key_size) > 1 else "all"
    return f"""edition 2026

recipe {name} 1.0.0 "What it changes, in a few words"

{block}
latents z {{ seed 1  count 2000 }}

# z[3] is image 3 of `{sampled}`. Change the three numbers below to
# images of your choice, and the boxes to what you mean in them, in pixels of {width} x {height}.
# `redraft show {file}{words} --open` draws every box on its image.
rule {name} at {layer.name} {{
  copy {_place(3, here)}  # what is to be drawn
  context {_place(5, here)}  # where it belongs
  context like {_place(5, here)} top 24 among 0..199  # and wherever it looks like that
}}
"""


def _place(index: int, box: str) -> str:
    return f"z[{index}] {box}"


def _layer(facts: ModelFacts) -> LayerFacts:
    """The layer whose keys lie on the grid that suits most changes."""
    wanted = max(CELLS, max(facts.image_size) // FINE)
    if not facts.layers:
        raise PlanError("RD401", "the model has no layer that a rule can rewrite", None)
    # A key that covers the whole picture says of no part of it that it is meant.
    some = [each for each in facts.layers if max(each.key_size) > 1] or list(facts.layers)
    return min(some, key=lambda each: abs(each.key_size[0] - wanted))
