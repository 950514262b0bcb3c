"""``redraft layers``: what a model is made of, as far as recipes can name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from redraft.cli.app import format_option, generator_option, make_command
from redraft.cli.arguments.files_of_models import arch_option, weights_set_option
from redraft.cli.arguments.model_words import MODEL, generator_for
from redraft.cli.layout import LINES, WIDE, Fit
from redraft.cli.screen import Column, Reporter, Screen
from redraft_dsl.report.terminal import visible, wrapped

if TYPE_CHECKING:
    from redraft.models.code.reference import Known
    from redraft_dsl.facts import LayerFacts, ModelFacts

KINDS = {
    "conv-transpose": "transposed convolution",
    "conv": "convolution",
    "linear": "linear map",
    "linear-grid": "linear map to a grid",
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
@arch_option()
@weights_set_option()
@generator_option()
@format_option()
def command(model: str, arch: str | None, weights_set: str | None, form: str) -> None:
    """List the layers of a model that rules can rewrite.

    MODEL is a name from `redraft models`, or a checkpoint file. Only the head of the file is
    read, unless --generator names your own code that makes the model: this is run once, and what
    was seen is kept for `redraft check` and `redraft plan`.
    """
    screen = Screen.current()
    with screen.progress() as reporter:
        seen = _looked_at(model, weights_set, reporter)
    facts, assumed = facts_of(model, arch, weights_set) if seen is None else (seen.facts, ())
    if form == "json":
        more = {} if seen is None else seen.model_dump(mode="json", exclude={"facts"})
        more |= {"assumed": list(assumed)} if assumed else {}
        screen.json({"model": model, **facts.model_dump(mode="json"), **more})
        return
    height, width = facts.image_size
    screen.say(
        f"{visible(model)}: {facts.arch}, pictures {width} x {height}, "
        f"latents of {facts.latent_size} numbers"
    )
    titles = ["names", "keys in", "values out", "channels", "kernel", "kind", "one key covers"]
    if seen is not None:
        titles.append("values behind")
    columns = [Column(title, whole=title in WHOLE) for title in titles]
    # A table in which every cell is broken is harder to read than blocks.
    fit = Fit(lines=1 if screen.table_width < WIDE else LINES)
    screen.table(columns, [_row(facts, each) for each in facts.layers], fit)
    screen.say(wrapped(REMARK, min(screen.table_width, PROSE), hang=0))
    if assumed:
        screen.say(
            wrapped(f"assumed: {visible('; '.join(assumed))}", min(screen.table_width, PROSE))
        )
    if seen is not None:
        _print_seen(screen, seen)


def _looked_at(model: str, weights_set: str | None, reporter: Reporter) -> Known | None:
    """What the code that was named makes of a file of weights; None where none was named."""
    from pathlib import Path

    from redraft.cli.planning import warn_of_cache
    from redraft.disk.files import sha256_file
    from redraft.models.code.probe import looked_at
    from redraft.models.locate import locate_weights

    code = generator_for(model)
    if code is None:
        return None
    warn_of_cache()
    reporter.step("looking at the generator", 0, 1)
    base = locate_weights(Path(model), Path(model).name, weights_set)
    return looked_at(code, base.path, sha256_file(base.path), weights_set)


def _print_seen(screen: Screen, seen: Known) -> None:
    """What else was seen of somebody's own generator."""
    for part, reason in seen.refused:
        screen.say(visible(f"no layer: {part}: {reason}"))
    if seen.facts.classes:
        screen.say(f"pictures of {seen.facts.classes} classes: image i is of class i mod "
                   f"{seen.facts.classes}")  # fmt: skip
    if seen.facts.latents != "normal":
        screen.say(f"latents are drawn from {visible(seen.facts.latents)}")
    for warning in seen.warnings:
        screen.warn(warning)


def facts_of(
    model: str, arch: str | None, weights_set: str | None
) -> tuple[ModelFacts, tuple[str, ...]]:
    """Picture, latent and layers of a listed model or a checkpoint file, and what was assumed."""
    from redraft.models.listed.catalog import known_models

    listed = known_models().listed.get(model)
    if listed is not None:
        return listed, ()  # the list knows it all; nothing needs to be fetched
    from redraft.models.locate import locate_named

    base = locate_named(model, arch=arch, weights_set=weights_set)
    return base.facts, base.assumed


def _row(facts: ModelFacts, layer: LayerFacts) -> list[str]:
    cell = [size // cells for size, cells in zip(facts.image_size, layer.key_size, strict=True)]
    behind = [] if layer.behind is None else [layer.behind or "nothing"]
    return [
        ", ".join(layer.names),
        f"{layer.key_size[1]} x {layer.key_size[0]}",
        f"{layer.value_size[1]} x {layer.value_size[0]}",
        f"{layer.in_channels} -> {layer.out_channels}",
        f"{layer.kernel[1]} x {layer.kernel[0]}",
        KINDS.get(layer.kind, layer.kind),
        f"{cell[1]} x {cell[0]} pixels",
        *behind,
    ]
