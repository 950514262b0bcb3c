"""``redraft extract``: an edit from two checkpoints."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from redraft.cli.app import format_option, generator_option, make_command
from redraft.cli.arguments import words
from redraft.cli.arguments.files_of_models import arch_option, weights_set_option
from redraft.cli.arguments.model_words import MODEL
from redraft.cli.screen import Column, Screen
from redraft.explain.words import percent
from redraft_dsl.report.terminal import visible

MUCH = 0.05
"""Share of a layer's change from which its loss is warned of."""


@make_command(name="extract", example="extract faces edited.pth -o edit.safetensors")
@click.argument("base", type=MODEL)
@click.argument("edited", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=words.NEW_FILE, help="The new edit.")
@click.option(
    "--rank",
    type=click.IntRange(1, 65_536),
    default=8,
    help="Directions of each layer, at most; 8 is the default.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@arch_option()
@weights_set_option()
@generator_option()
@format_option()
def command(
    base: str,
    edited: Path,
    out: Path,
    rank: int,
    force: bool,
    arch: str | None,
    weights_set: str | None,
    form: str,
) -> None:
    """Make an edit of what was changed elsewhere: the layers that differ, as low-rank changes.

    BASE is the unedited model, by name or file, EDITED a file of its weights that were changed by
    whatever program; one that holds the edited layer alone will do. The edit can then be applied,
    scaled, combined, compared and shared. What a lower rank loses is said for each layer.
    """
    screen = Screen.current()
    screen.begin(f"reading {base}")
    from redraft.cli.arguments.generators import named_generator
    from redraft.disk.overwriting import refuse_overwriting
    from redraft.edit.extract import extract
    from redraft.models.checkpoint.weights import load_state
    from redraft.models.locate import locate_named
    from redraft.models.open import choose_device, open_base

    refuse_overwriting([out], force=force)
    with screen.progress() as reporter:
        located = locate_named(base, reporter.download, named_generator(), arch, weights_set)
        model = open_base(located, choose_device("cpu"))
        found = extract(model, load_state(edited, weights_set).bare(), rank)
    found.edit.save(out)
    if form == "json":
        layers = [asdict(each) for each in found.layers]
        screen.json({"written": str(out), "layers": layers, "left": list(found.left)})
        return
    columns = [Column("layer"), *(Column(each, right=True) for each in ("rank", "of", "lost"))]
    screen.table(
        columns,
        [
            [each.layer, str(each.rank), str(each.needed), percent(each.lost)]
            for each in found.layers
        ],
    )
    for each in found.layers:
        if each.lost > MUCH:
            screen.warn(f"{each.layer}: rank {each.rank} loses {percent(each.lost)} of its change")
    if found.left:
        screen.warn(visible(f"also changed, and no layer's weight: {', '.join(found.left[:5])}"))
    screen.file("written", out)
