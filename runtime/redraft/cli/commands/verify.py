"""``redraft verify``: repeat a run, and say which promise held."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import (
    device_option,
    format_option,
    generator_option,
    make_command,
    threads_option,
)
from redraft.cli.arguments import words
from redraft.cli.screen import Column, Screen

if TYPE_CHECKING:
    from redraft.runs.verify import Verified

MISMATCH = 4


@make_command(name="verify", example="verify runs/glasses")
@click.argument("run", type=words.RUN)
@device_option()
@threads_option("as many as the run took")
@generator_option()
@format_option()
def command(run: Path, device: str, threads: int | None, form: str) -> None:
    """Repeat a run from its base, and compare with its edit.

    On the same machine and versions every bit must agree; elsewhere the change must agree
    within stated tolerances. The edit itself must give the recorded weights everywhere. The
    exit status is 4 when a promise is broken. RUN is a run folder, or a pack that holds one.
    """
    screen = Screen.current()
    screen.begin(f"reading {run}")
    from redraft.cli.arguments.generators import named_generator
    from redraft.runs.verify import verify

    folder, home = _run_folder(run)
    with screen.progress() as reporter:
        verified = verify(
            folder,
            device=device,
            threads=threads,
            progress=reporter.step,
            home=home,
            generator=named_generator(),
        )
    if form == "json":
        screen.json(_as_json(verified))
    else:
        _print(screen, verified)
    if not verified.holds:
        raise click.exceptions.Exit(MISMATCH)


def _run_folder(run: Path) -> tuple[Path, Path | None]:
    """The run folder, and where a model given by its file is looked for first."""
    from redraft.share.pack import is_pack

    if not is_pack(run):
        return run, None
    from redraft.share.pack.reading import run_in

    return run_in(run), run.parent


def _print(screen: Screen, verified: Verified) -> None:
    screen.say(f"promise: {verified.promise}; the shared edit: bit-identical weights")
    screen.table(
        [
            Column("rule"),
            Column("same bits"),
            Column("angle, rad", right=True),
            Column("difference", right=True),
            Column("edit gives the recorded weights"),
            Column("promise"),
        ],
        [
            [
                check.name,
                "yes" if check.identical else "no",
                f"{check.angle:.2e}",
                f"{check.difference:.2e}",
                "yes" if check.weights_identical else "NO",
                "held" if verified.holds_for(check) else "BROKEN",
            ]
            for check in verified.rules
        ],
    )
    if verified.holds:
        screen.say(screen.paint("good", "verified: the promise holds for every rule"))
        return
    names = [check.name for check in verified.rules if not verified.holds_for(check)]
    screen.say(screen.paint("error", f"not verified: the promise is broken for {', '.join(names)}"))


def _as_json(verified: Verified) -> dict[str, object]:
    return {
        "holds": verified.holds,
        "same_machine": verified.same_machine,
        "differences": list(verified.differences),
        "promise": verified.promise,
        "rules": [
            {**asdict(check), "holds": verified.holds_for(check)} for check in verified.rules
        ],
    }
