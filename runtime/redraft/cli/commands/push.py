"""``redraft push``: a pack or a run on a model hub."""

from __future__ import annotations

from pathlib import Path

import click

from redraft.cli.app import format_option, make_command
from redraft.cli.arguments import words
from redraft.cli.screen import Screen
from redraft_dsl.report.terminal import visible


@make_command(name="push", example="push glasses.redraftpack alice/glasses")
@click.argument("file", metavar="PACK_OR_RUN", type=words.RUN)
@click.argument("repo", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--message", metavar="TEXT", help="Of the commit; recipe and version if not given.")
@format_option()
def command(file: Path, repo: str, private: bool, message: str | None, form: str) -> None:
    """Bring a pack or a run to a repository on a model hub.

    The files are those that `redraft unpack` writes, in one commit; the repository is made if it
    is not there. HF_TOKEN or `hf auth login` says who you are, HF_ENDPOINT which hub is meant. It
    needs huggingface_hub: pip install "huggingface_hub>=1".
    """
    from redraft.share.pack.hub import push

    screen = Screen.current()
    done = push(file, repo, private=private, message=message)
    if form == "json":
        found = {"commit": done.commit, "sha256": done.pack.sha256, "files": len(done.pack.files)}
        screen.json({"pushed": done.url, "there": not done.changed, **found})
        return
    word = "pushed:" if done.changed else "the same is there already:"
    screen.say(f"{word} {visible(done.url)} ({len(done.pack.files)} files)")
    screen.say(f"commit: {visible(done.commit)}")
    screen.say(f"sha256: {done.pack.sha256}")
    screen.say(f"to get it: redraft pull {repo} --revision {visible(done.commit)}")
