"""``redraft pull``: a pack from a model hub, in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.screen import Screen
from redraft_dsl.report.terminal import visible


@make_command(name="pull", example="pull alice/glasses")
@click.argument("repo", metavar="OWNER/NAME")
@click.option(
    "--revision", metavar="REV", help="A branch, a tag or a commit; the newest if not given."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="The folder; the repository's name if not given.",
)
@click.option("--force", is_flag=True, help="Replace what was unpacked there before.")
@format_option()
def command(repo: str, revision: str | None, out: Path | None, force: bool, form: str) -> None:
    """Bring a pack from a repository on a model hub into a folder of its own.

    Only the files that its manifest names are fetched. All of them are checked first, and nothing
    is written if anything is wrong. HF_TOKEN and HF_ENDPOINT are obeyed. It needs huggingface_hub:
    pip install "huggingface_hub>=1".
    """
    from redraft.cli.packs import to_go_on
    from redraft.share.pack.hub import pull

    screen = Screen.current()
    done = pull(repo, out or Path(repo.rpartition("/")[2]), revision, force=force)
    manifest = done.pack.manifest
    if form == "json":
        found = {"recipe": manifest.recipe, "version": manifest.version, "title": manifest.title}
        found |= {"from": done.url, "commit": done.commit, "sha256": done.pack.sha256}
        screen.json({"pulled": str(done.folder), "files": len(done.pack.files), **found})
        return
    folder = visible(str(done.folder))
    screen.say(f"pulled: {folder} ({len(done.pack.files)} files)")
    screen.say(visible(f"{manifest.recipe} {manifest.version}: {manifest.title}"))
    screen.say(f"from:   {visible(done.url)}")
    screen.say(f"commit: {done.commit}")
    screen.say(f"sha256: {done.pack.sha256}")
    for line in to_go_on(done.folder, run=manifest.run):
        screen.say(line)
