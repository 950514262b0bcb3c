"""``redraft combine``: several edits of one model as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import device_option, format_option, generator_option, make_command
from redraft.cli.arguments import words
from redraft.cli.arguments.model_words import MODEL
from redraft.cli.screen import Column, Screen
from redraft.explain.words import percent
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from redraft.edit.combine import Combination
    from redraft.edit.interference import Meeting, Retention
    from redraft.edit.joined_recipe import Part
    from redraft.models.locate import Base

ALIKE = 0.1
"""Cosine of two changes from which they spoil each other; see the table in the documentation."""
CLOSE = 0.6
"""Interference from which half of the pairs that were measured spoil each other."""
LOST = 0.1
"""How far from 1 the share of an edit's own change may be before it is warned of."""


@make_command(name="combine", example="combine glasses/ mask/ -o both.safetensors")
@click.argument("edits", nargs=-1, required=True, type=words.EDIT, metavar="EDIT...")
@click.option("-o", "--out", required=True, type=words.NEW_FILE, help="The new edit.")
@click.option(
    "--model",
    type=MODEL,
    help="The unedited model, by name or file, where the edits share a layer.",
)
@click.option("--measure", is_flag=True, help="Draw images to see what is kept of each edit.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@generator_option()
@device_option()
@format_option()
def command(
    edits: tuple[Path, ...],
    out: Path,
    model: str | None,
    measure: bool,
    force: bool,
    device: str,
    form: str,
) -> None:
    """Join edits that were made for one model into one edit.

    EDIT is an edit.safetensors, or a run folder. The changes add, in the order given; nothing is
    solved anew. A rule whose name is taken gets `-2` at its end. For rules that meet at one layer
    it is shown how much they get in each other's way.
    """
    from redraft.cli.commands.apply import load_edit
    from redraft.disk.overwriting import refuse_overwriting
    from redraft.edit.combine import combine
    from redraft.edit.joined_recipe import Part

    if len(edits) < 2:
        raise click.UsageError("name at least two edits")
    screen = Screen.current()
    refuse_overwriting([out], force=force)
    parts = [Part(str(path), load_edit(path)) for path in edits]
    base = _base(parts, model, screen, needed=measure)
    combined = combine(parts, _weights(base), file_sha256=None if base is None else base.identity)
    kept, pictures = _measured(base, parts, combined, device) if measure else ((), 0)
    combined.edit.save(out)
    if form == "json":
        screen.json(_as_json(out, combined, kept, pictures))
    else:
        _print(screen, out, combined, kept, pictures)


def _base(parts: Sequence[Part], model: str | None, screen: Screen, *, needed: bool) -> Base | None:
    """The unedited model: the one that is named, or a listed one where it is needed."""
    from redraft.cli.arguments.generators import named_generator
    from redraft.edit.combine import shared_weights
    from redraft.models.listed.catalog import known_models
    from redraft.models.locate import locate_named

    if model is None:
        name = parts[0].edit.facts.model
        if not needed and not shared_weights(parts):
            return None
        if name not in known_models().listed:
            if needed:
                raise click.UsageError("--measure needs the unedited model: --model FILE")
            return None
        model = name
    with screen.progress() as reporter:
        return locate_named(model, reporter.download, named_generator())


def _weights(base: Base | None) -> Mapping[str, Tensor] | None:
    from redraft.models.checkpoint.weights import load_state

    return None if base is None else load_state(base.path, base.header.asked).bare()


def _measured(
    base: Base | None, parts: Sequence[Part], combined: Combination, device: str
) -> tuple[tuple[Retention, ...], int]:
    from redraft.edit.interference import measure
    from redraft.models.open import choose_device

    assert base is not None, "measuring has asked for the model"
    return measure(base, parts, combined.edit, choose_device(device))


def _print(
    screen: Screen, out: Path, combined: Combination, kept: Sequence[Retention], pictures: int
) -> None:
    for each in combined.renamed:
        screen.remark(visible(f"{each.source}: its rule `{each.before}` is `{each.after}` here"))
    if combined.meetings:
        _print_meetings(screen, combined.meetings)
    for warning in _warnings(combined, kept):
        screen.warn(visible(warning))
    close = [each for each in combined.meetings if each.keys >= CLOSE and not kept]
    if close:
        pairs = ", ".join(f"{each.first} and {each.second}" for each in close)
        screen.remark(visible(f"much the same keys are read by {pairs}: see with --measure"))
    if kept:
        columns = ["kept inside", "correlation", "change outside"]
        screen.table(
            [Column("edit"), *(Column(each, right=True) for each in columns)],
            [
                [e.source, f"{e.share:.2f}", f"{e.correlation:.2f}", f"{e.outside:.4f}"]
                for e in kept
            ],
        )
        screen.say(f"seen on {pictures} images; inside is where the edit alone changes most")
    screen.file("written", out)
    screen.say(f"rules: {visible(', '.join(rule.name for rule in combined.edit.facts.rules))}")
    if combined.apart:
        screen.say(f"recipes: as comments, {visible(combined.apart)}")
    else:
        screen.say("recipes: joined into one")


def _warnings(combined: Combination, kept: Sequence[Retention]) -> Iterator[str]:
    """What was measured to be lost or drawn twice; without a measurement, what is likely to be."""
    for each in kept:
        if abs(each.share - 1) > LOST:
            yield (
                f"beside the others {each.source} does {percent(each.share)} of what it does "
                "alone; solve the rules one after the other in one recipe, or apply them at other "
                "strengths"
            )
    for meeting in combined.meetings if not kept else ():
        if abs(meeting.changes) >= ALIKE:
            how = "work against each other" if meeting.changes < 0 else "draw much the same"
            yield (
                f"{meeting.first} and {meeting.second} {how} (cosine of changes "
                f"{meeting.changes:.2f}); see with --measure what is left of each"
            )


def _print_meetings(screen: Screen, meetings: Sequence[Meeting]) -> None:
    titles = ["interference", "angle, degrees", "cosine of changes"]
    screen.table(
        [
            *(Column(title) for title in ("rule", "meets", "layer")),
            *(Column(title, right=True) for title in titles),
            Column("under"),
        ],
        [
            [
                *(each.first, each.second, each.layer),
                *(f"{each.keys:.2f}", f"{each.degrees:.1f}", f"{each.changes:.2f}"),
                each.under,
            ]
            for each in meetings
        ],
    )


def _as_json(
    out: Path, combined: Combination, kept: Sequence[Retention], pictures: int
) -> dict[str, object]:
    return {
        "written": str(out),
        "rules": [rule.name for rule in combined.edit.facts.rules],
        "renamed": [asdict(each) for each in combined.renamed],
        "meetings": [{**asdict(each), "degrees": each.degrees} for each in combined.meetings],
        "recipes_apart": combined.apart,
        "kept": [asdict(each) for each in kept],
        "pictures": pictures,
    }
