"""``redraft export``: a recipe in another form, or in another program's."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import format_option, generator_option, make_command
from redraft.cli.arguments import words
from redraft.cli.arguments.model_words import MODEL
from redraft.cli.screen import Screen
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from torch import Tensor


@make_command(name="export", example="export glasses.redraft --davidbau -o edit.json")
@click.argument("recipe", type=words.RECIPE_OR_EDIT)
@click.option("--davidbau", is_flag=True, help="As an edit file of the paper's authors.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every default written out.")
@click.option("--lora", is_flag=True, help="An edit (not a recipe), as a LoRA.")
@click.option("--model", type=MODEL, help="With --lora: name the weights as this model file does.")
@click.option("-o", "--out", type=words.NEW_FILE, help="The file; standard output by default.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@generator_option(looks=False)
@format_option()
def command(
    recipe: str,
    davidbau: bool,
    as_json: bool,
    lora: bool,
    model: str | None,
    out: Path | None,
    force: bool,
    form: str,
) -> None:
    """Write a recipe, or an edit, in another form.

    With --davidbau, as the JSON that the program of the paper's authors loads. It holds the
    marked images only: model, layer, rank and every other setting stay behind. A recipe that
    was imported gives the same JSON back.

    With --json, the checked recipe as JSON, for programs: every default is written out, masks are
    named with their hashes. `redraft schema` describes it, `redraft import` reads it.

    With --lora, an edit.safetensors or a run folder as the matrices `lora_up` and `lora_down` of
    each weight. One line merges them, whatever the layer: the file's metadata says it.
    """
    from redraft.cli.packs import recipe_file

    if model is not None and not lora:
        raise click.UsageError("--model goes with --lora")
    if davidbau + as_json + lora != 1:
        raise click.UsageError("say in which form: --davidbau, --json or --lora (one of them)")
    if lora:
        _write_lora(Path(recipe), model, out, form, force=force)
    elif as_json:
        _write_json(recipe_file(recipe), out, form, force=force)
    else:
        _write_davidbau(recipe_file(recipe), out, form, force=force)


def _write_davidbau(path: Path, out: Path | None, form: str, *, force: bool) -> None:
    from redraft.cli.arguments.generators import named_generator
    from redraft.plans.loading import load
    from redraft.share.exchange.exporting import davidbau_text

    text, drawn = davidbau_text(load(path), path.parent, named_generator())
    if drawn:
        Screen.current().remark(f"drawn as masks: the regions of {visible(', '.join(drawn))}")
    # The authors' program ends its files without a line end.
    _write(text if out else f"{text}\n", out, form, force=force)


def _write_json(path: Path, out: Path | None, form: str, *, force: bool) -> None:
    from redraft.plans.loading import load
    from redraft.share.exchange.recipes import recipe_json

    _write(recipe_json(load(path)), out, form, force=force)


def _write(text: str, out: Path | None, form: str, *, force: bool) -> None:
    """To the file, or to standard output."""
    from redraft.disk import files
    from redraft.disk.overwriting import refuse_overwriting

    if out is None:
        sys.stdout.write(text)
        return
    refuse_overwriting([out], force=force)
    files.write_text(out, text)
    Screen.current().written(form, out)


def _write_lora(path: Path, model: str | None, out: Path | None, form: str, *, force: bool) -> None:
    if out is None:
        raise click.UsageError("--lora needs a file to write: -o FILE.safetensors")
    from redraft.cli.commands.apply import load_edit
    from redraft.disk.overwriting import refuse_overwriting
    from redraft.edit.lora import MERGE, made_for, write_lora

    screen = Screen.current()
    edit = load_edit(path)
    refuse_overwriting([out], force=force)
    tensors = None if model is None else _tensors(model, screen)
    layers = write_lora(edit, out, tensors)
    if tensors is not None and not made_for(edit, tensors):
        screen.warn(
            f"{model} has other weights than the model that the edit was made for; only names "
            "and shapes were taken from it"
        )
    if form == "json":
        found = [
            {"layer": each.name, "rank": each.rank, "rules": [rule.name for rule in each.rules]}
            for each in layers
        ]
        screen.json({"written": str(out), "layers": found, "merge": MERGE})
        return
    screen.file("written", out)
    for layer in layers:
        rules = ", ".join(rule.name for rule in layer.rules)
        origin = f" ({layer.origin})" if layer.origin else ""
        screen.say(f"{visible(layer.name)}: rank {layer.rank}{origin}, {visible(rules)}")
    screen.say(f"to merge: {MERGE}")


def _tensors(model: str, screen: Screen) -> Mapping[str, Tensor]:
    """The weights of a model under its file's own names."""
    from redraft.models.checkpoint.weights import load_state
    from redraft.models.locate import locate_named

    with screen.progress() as reporter:
        return load_state(locate_named(model, reporter.download).path).tensors
