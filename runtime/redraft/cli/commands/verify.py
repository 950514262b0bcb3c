"""``redraft verify``: repeat a run, and say which promise held."""

from __future__ import annotations

from collections.abc import Iterator
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
from redraft.disk.beside import MANIFEST
from redraft.explain.words import counted

if TYPE_CHECKING:
    from redraft.runs.verify import RuleCheck, Verified

MISMATCH = 4
MOST = 5
"""Differing fields of a rule that are named."""


@make_command(name="verify", example="verify runs/glasses")
@click.argument("run", type=words.RUN)
@device_option()
@threads_option("as many as the run took")
@generator_option()
@click.option("--no-figures", is_flag=True, help="Solve only; do not measure the figures again.")
@format_option()
def command(run: Path, device: str, threads: int | None, no_figures: bool, form: str) -> None:
    """Repeat a run from its base, and compare with its edit and its figures.

    On the same machine and versions every bit and every figure must agree; elsewhere they must
    agree within stated tolerances. The edit itself must give the recorded weights everywhere. The
    exit status is 4 when a promise is broken. RUN is a run folder, or a pack that holds one; the
    files of a pack must also be those of its manifest.
    """
    screen = Screen.current()
    screen.begin(f"reading {run}")
    from redraft.cli.arguments.generators import named_generator
    from redraft.runs.verify import verify
    from redraft.share.pack.reading import check_unpacked
    from redraft.world.named import answers_for

    folder, home = _run_folder(run)
    listed = check_unpacked(folder)
    with screen.progress() as reporter:
        verified = verify(
            folder,
            device=device,
            threads=threads,
            progress=reporter.step,
            home=home,
            generator=named_generator(),
            figures=not no_figures,
            answers=answers_for,
        )
    if form == "json":
        screen.json(_as_json(verified, listed))
    else:
        _print(screen, verified, listed)
    if not verified.holds:
        raise click.exceptions.Exit(MISMATCH)


def _run_folder(run: Path) -> tuple[Path, Path | None]:
    """The run folder, and where a model given by its file is looked for first."""
    from redraft.share.pack import is_pack

    if not is_pack(run):
        return run, None
    from redraft.share.pack.reading import run_in

    return run_in(run), run.parent


def _print(screen: Screen, verified: Verified, listed: tuple[str, ...]) -> None:
    screen.say(f"promise: {verified.promise}; the shared edit: bit-identical weights")
    screen.table(
        [
            Column("rule"),
            Column("same bits"),
            Column("angle, rad", right=True),
            Column("difference", right=True),
            Column("recorded weights"),
            Column("recorded figures"),
            Column("promise"),
        ],
        [
            [
                check.name,
                "yes" if check.identical else "no",
                f"{check.angle:.2e}",
                f"{check.difference:.2e}",
                "yes" if check.weights_identical else "NO",
                _figures(check) if verified.measured else "not measured",
                "held" if verified.holds_for(check) else "BROKEN",
            ]
            for check in verified.rules
        ],
    )
    for line in _differing(verified):
        screen.say(screen.paint("error", line))
    if listed:
        screen.say(f"all {counted(len(listed), 'file')} are those of {MANIFEST}")
    screen.say(f"not looked at: {verified.unverified}")
    if verified.holds:
        screen.say(screen.paint("good", "verified: the promise holds for every rule"))
        return
    names = [check.name for check in verified.rules if not verified.holds_for(check)]
    broken = f"the promise is broken for {', '.join(names)}" if names else "run.json is not the run"
    screen.say(screen.paint("error", f"not verified: {broken}"))


def _figures(check: RuleCheck) -> str:
    """How many of the fields of a rule's record are confirmed."""
    agreed = check.compared - len(check.figures)
    return f"{agreed} of {check.compared}{' agree' if not check.figures else ''}"


def _differing(verified: Verified) -> Iterator[str]:
    """What run.json says otherwise than the repetition, a line each."""
    for each in verified.record:
        yield f"run.json: {each.field} is {each.recorded}, and should be {each.repeated}"
    for check in verified.rules:
        for each in check.figures[:MOST]:
            said = f"{_number(each.recorded)}, and measured again it is {_number(each.repeated)}"
            yield f"run.json: {each.field} of {check.name} is {said}"
        if len(check.figures) > MOST:
            yield f"run.json: {len(check.figures) - MOST} more fields of {check.name} differ"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _as_json(verified: Verified, listed: tuple[str, ...]) -> dict[str, object]:
    return {
        "holds": verified.holds,
        "same_machine": verified.same_machine,
        "differences": list(verified.differences),
        "promise": verified.promise,
        "measured": verified.measured,
        "not_looked_at": verified.unverified,
        "record": [asdict(each) for each in verified.record],
        "listed": list(listed),
        "rules": [
            {**asdict(check), "holds": verified.holds_for(check)} for check in verified.rules
        ],
    }
