"""``redraft unpack``: the files of a pack in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.arguments import words
from redraft.cli.screen import Screen
from redraft_dsl.report.terminal import visible


@make_command(name="unpack", example="unpack glasses-1.0.0.redraftpack")
@click.argument("file", type=words.PACKED)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="The folder; the pack's name without its ending if not given.",
)
@click.option("--force", is_flag=True, help="Replace what was unpacked there before.")
@format_option()
def command(file: Path, out: Path | None, force: bool, form: str) -> None:
    """Write the files of a pack into a folder of their own.

    The whole pack is checked first, the hash of every file too, and nothing is written if
    anything in it is wrong. The folder can be pushed to a model hub as it is.
    """
    from redraft.cli.packs import to_go_on
    from redraft.share.pack.reading import read_pack, unpack

    screen = Screen.current()
    pack = read_pack(file)
    folder = out or Path(file.stem)
    unpack(pack, folder, force=force)
    manifest = pack.manifest
    if form == "json":
        screen.json({"unpacked": str(folder), "files": sorted(pack.files), "sha256": pack.sha256})
        return
    screen.file("unpacked", folder, f"{len(pack.files)} files")
    screen.say(visible(f"{manifest.recipe} {manifest.version}: {manifest.title}"))
    for line in to_go_on(folder, run=manifest.run):
        screen.say(line)
