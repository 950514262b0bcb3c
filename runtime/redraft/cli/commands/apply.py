"""``redraft apply``: an edited copy of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.arguments import words
from redraft.cli.arguments.files_of_models import arch_option, weights_set_option
from redraft.cli.arguments.model_words import MODEL
from redraft.cli.arguments.recipe_words import EDITED_RULE
from redraft.cli.screen import Screen
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from redraft.edit.artifact import Edit


@make_command(name="apply", example="apply faces runs/glasses --out new.pth")
@click.argument("model", type=MODEL)
@click.argument("edit", type=words.EDIT)
@click.option("--out", required=True, type=words.NEW_FILE, help="The file to write.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    type=EDITED_RULE,
    help="Apply this rule only; may be repeated.",
)
@click.option("--strength", type=float, default=1.0, help="Scale every rule; 1 is the default.")
@click.option(
    "--force", is_flag=True, help="Edit other weights than it was made for, and replace any file."
)
@arch_option()
@weights_set_option()
@format_option()
def command(
    model: str,
    edit: Path,
    out: Path,
    rules: tuple[str, ...],
    strength: float,
    force: bool,
    arch: str | None,
    weights_set: str | None,
    form: str,
) -> None:
    """Write an edited copy of a model, in its own format.

    MODEL is a name from `redraft models`, or a checkpoint file; it is only read. EDIT is an
    edit.safetensors, a run folder, or a pack. Beside the copy lies a file from which `redraft
    revert` restores the original, bit for bit.
    """
    from redraft.edit.apply import apply_to_file
    from redraft.models.code.reference import MODULE
    from redraft.models.locate import locate_named, locate_weights

    screen = Screen.current()
    check_strength(strength)
    loaded = load_edit(edit)
    chosen = weights_set or loaded.facts.weights_set
    with screen.progress() as reporter:
        if loaded.facts.arch == MODULE:
            # The names and shapes of its weights are enough: no code is needed.
            base = locate_weights(Path(model), Path(model).name, chosen)
        else:
            base = locate_named(model, reporter.download, arch=arch, weights_set=chosen)
    done = apply_to_file(loaded, base, out, list(rules) or None, strength, force=force)
    if form == "json":
        found = {"undo": str(done.undo), "changed": list(done.changed), "digest": done.digest}
        screen.json({"written": str(done.path), **found})
        return
    changed = ", ".join(done.changed) or "none (strength 0 changes nothing)"
    screen.file("written", done.path)
    screen.say(f"changed weights: {visible(changed)}")
    screen.say(f"tensors digest: {done.digest}")
    screen.say(f"to take it back: redraft revert {visible(str(done.path))}")


def load_edit(path: Path) -> Edit:
    """The edit in a file, in a run folder or in a pack."""
    from redraft.edit.artifact import Edit
    from redraft.plans.run_files import EDIT
    from redraft.share.pack import is_pack

    if is_pack(path) and not path.is_dir():
        from redraft.share.pack.reading import edit_in

        return Edit.load(edit_in(path))
    return Edit.load(path / EDIT if (path / EDIT).is_file() else path)


def check_strength(strength: float) -> None:
    """Refuse what is not a number; everything else has a meaning, negative ones too."""
    import math

    if not math.isfinite(strength):
        raise click.UsageError(f"--strength needs a finite number, and got {strength}")
