"""``redraft layers``: what a model is made of, as far as recipes can name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.model_words import MODEL
from redraft.cli.screen import Column, Screen
from redraft_dsl.report.terminal import visible, wrapped

if TYPE_CHECKING:
    from redraft_dsl.facts import LayerFacts, ModelFacts

KINDS = {
    "conv-transpose": "transposed convolution",
    "conv": "convolution",
    "linear": "linear map",
    "modulated-conv": "styled convolution",
    "modulated-conv-up": "styled convolution, up-sampling",
}

REMARK = (
    "Each of them takes `rule`, `erase` and `zero`. Regions of `context` are read on the grid of "
    "the keys, those of `copy` and `paste` on the grid of the values. What is not listed cannot "
    "be rewritten."
)
WHOLE = ("keys in", "values out", "channels", "kernel")
PROSE = 90
"""Columns of text that are read with ease."""


@make_command(name="layers", example="layers faces")
@click.argument("model", type=MODEL)
@format_option()
def command(model: str, form: str) -> None:
    """List the layers of a model that rules can rewrite.

    MODEL is a name from `redraft models`, or a checkpoint file. Only the head of the file is
    read.
    """
    screen = Screen.current()
    facts = facts_of(model)
    if form == "json":
        screen.json({"model": model, **facts.model_dump(mode="json")})
        return
    height, width = facts.image_size
    screen.say(
        f"{visible(model)}: {facts.arch}, pictures {width} x {height}, "
        f"latents of {facts.latent_size} numbers"
    )
    titles = ("names", "keys in", "values out", "channels", "kernel", "kind", "one key covers")
    columns = [Column(title, whole=title in WHOLE) for title in titles]
    screen.table(columns, [_row(facts, each) for each in facts.layers])
    screen.say(wrapped(REMARK, min(screen.table_width, PROSE), hang=0))


def facts_of(model: str) -> ModelFacts:
    """Picture, latents and layers of a listed model or a checkpoint file."""
    from redraft.models.listed.catalog import known_models

    listed = known_models().listed.get(model)
    if listed is not None:
        return listed  # the list knows it all; nothing needs to be fetched
    from redraft.models.locate import locate_named

    return locate_named(model).facts


def _row(facts: ModelFacts, layer: LayerFacts) -> list[str]:
    cell = [size // cells for size, cells in zip(facts.image_size, layer.key_size, strict=True)]
    return [
        ", ".join(layer.names),
        f"{layer.key_size[1]} x {layer.key_size[0]}",
        f"{layer.value_size[1]} x {layer.value_size[0]}",
        f"{layer.in_channels} -> {layer.out_channels}",
        f"{layer.kernel[1]} x {layer.kernel[0]}",
        KINDS.get(layer.kind, layer.kind),
        f"{cell[1]} x {cell[0]} pixels",
    ]
