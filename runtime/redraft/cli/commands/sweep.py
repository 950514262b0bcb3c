"""``redraft sweep``: a recipe run with every combination of some values."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import (
    device_option,
    format_option,
    generator_option,
    lock_option,
    make_command,
    set_option,
    threads_option,
    verbose_option,
)
from redraft.cli.arguments import words
from redraft.cli.arguments.generators import named_generator
from redraft.cli.arguments.recipe_words import SWEEP
from redraft.cli.layout import WIDE
from redraft.cli.opening import open_file, open_option
from redraft.cli.screen import OBEYED, Column, Reporter, Screen
from redraft.sweep.beside import MOST_JOBS, Others, Share
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from redraft.sweep.running import Task
    from redraft.sweep.summary import SweepRecord
    from redraft_dsl.check.parameters import Given

SOLVER = ("left-out gain / side", "agreement", "loss", "seconds")
"""Titles of the figures that a narrow screen has no room for."""


@make_command(name="sweep", example="sweep spectacles.redraft")
@click.argument("file", type=words.RECIPE)
@click.argument("name", required=False, type=SWEEP)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The folder; by default one in runs/ named after recipe and sweep.",
)
@device_option()
@threads_option()
@click.option(
    "--jobs",
    type=click.IntRange(1, MOST_JOBS),
    metavar="N",
    help="Cells that run side by side; one for every four cores if not given.",
)
@generator_option()
@click.option("--fresh", is_flag=True, help="Run every cell anew, finished or not.")
@click.option("--force", is_flag=True, help="Write into the folder, whatever it holds.")
@set_option()
@lock_option()
@open_option("the gallery")
@click.option(
    "--part",
    hidden=True,
    callback=lambda _context, _option, text: _share(text),
    help="Which share of the cells this process runs, as in 2/4.",
)
@verbose_option()
@format_option()
def command(
    file: str,
    name: str | None,
    out: Path | None,
    device: str,
    threads: int | None,
    jobs: int | None,
    fresh: bool,
    force: bool,
    given: Given,
    no_lock: bool,
    opened: bool,
    part: Share | None,
    verbose: bool,
    form: str,
) -> None:
    """Run a recipe with every combination of a sweep's values.

    FILE is a recipe, a pack, or the name of a recipe that comes with redraft; NAME is the sweep,
    and may be left out where there is one. Every cell is a whole run; a sweep that was stopped
    goes on where it was. Under torchrun the cells are divided among its processes. If a lock lies
    beside the recipe, the recipe must agree with it, and the cells take from it the places that
    `context like` lines found.
    """
    screen = Screen.current()
    screen.begin(f"reading {file}")
    from redraft.models.arithmetic import on_threads
    from redraft.runs.processes import joined
    from redraft.sweep.running import run_share, run_sweep

    asked = _Asked(file, name, out, device, fresh, force, given, lock=not no_lock)
    with screen.going_on(), joined() as ranks:
        count = 1 if part or not ranks.alone else asked.jobs(jobs)
        threads = threads or (None if count == 1 else max(1, (os.cpu_count() or 1) // count))
        with on_threads(threads), screen.progress() as own:
            reporter = own if ranks.first and not part else Reporter(None)
            if part:
                run_share(asked.task(reporter), part)
                return
            others = Others.of(asked.command(threads), count)
            done = run_sweep(lambda: asked.task(reporter), ranks, others=others)
        if done is not None:
            record, folder = done
            _show(screen, record, folder, form, verbose=verbose)
            if opened:
                open_file(folder / "sweep.html", screen)
            if record.failed:
                raise click.exceptions.Exit(1)


def _share(text: str | None) -> Share | None:
    try:
        return None if text is None else Share.read(text)
    except ValueError:
        raise click.BadParameter(f"`{text}` is no share, as in 2/4") from None


@dataclass(frozen=True)
class _Asked:
    """What to sweep, and how."""

    file: str
    name: str | None
    out: Path | None
    device: str
    fresh: bool
    force: bool
    given: Given
    lock: bool

    def task(self, reporter: Reporter) -> Task:
        """The task of it, its lock obeyed."""
        from redraft.cli.packs import recipe_file
        from redraft.cli.planning import plan_file
        from redraft.plans.loading import load, recipe_of
        from redraft.sweep.cells import choose
        from redraft.sweep.pinned import pins_of
        from redraft.sweep.running import make_task

        file, device, given = self.file, self.device, self.given
        checked = load(recipe_file(file), given)
        recipe_of(checked)
        sweep, pins = choose(checked, self.name, given), None
        if self.lock:
            pins = pins_of(
                checked,
                sweep,
                lambda all_: plan_file(file, device, reporter, lock=True, given=all_),
            )
        planner = None if pins is None else pins.plan
        return make_task(
            checked,
            lambda values: plan_file(
                file, device, reporter, given=(*given, *values), planner=planner
            ),
            sweep.name,
            out=self.out,
            lock=None if pins is None else pins.lock.sha256,
            device=device,
            fresh=self.fresh,
            force=self.force,
            progress=reporter.overall,
        )

    def jobs(self, wanted: int | None) -> int:
        """How many processes: as many as wanted, but no more than there is work for."""
        from redraft.cli.packs import recipe_file
        from redraft.models.open import choose_device
        from redraft.plans.loading import load
        from redraft.sweep.beside import jobs_on
        from redraft.sweep.cells import cells_of, choose

        most = jobs_on(choose_device(self.device).type) if wanted is None else wanted
        if most == 1:
            return 1
        checked = load(recipe_file(self.file), self.given)
        if checked.recipe is None:
            return 1
        cells = len(cells_of(choose(checked, self.name, self.given)))
        return max(1, min(most, cells - 1))

    def command(self, threads: int | None) -> list[str]:
        """The same as words of a command line."""
        generator = named_generator()
        return [
            "sweep",
            self.file,
            *([] if self.name is None else [self.name]),
            *([] if self.out is None else ["--out", str(self.out)]),
            *("--device", self.device),
            *([] if threads is None else ["--threads", str(threads)]),
            *([] if generator is None else ["--generator", generator.written]),
            *(["--fresh"] if self.fresh else []),
            *(["--force"] if self.force else []),
            *([] if self.lock else ["--no-lock"]),
            *(word for name, value in self.given for word in ("--set", f"{name}={value}")),
        ]


def _show(screen: Screen, record: SweepRecord, folder: Path, form: str, *, verbose: bool) -> None:
    for cell in record.failed:
        if cell.error is not None:
            values = ", ".join(f"{target} = {value}" for target, value in cell.values.items())
            screen.warn(
                f"cell {cell.number} ({values}) failed: {cell.error.code}: {cell.error.message}"
            )
    if form == "json":
        found = {"sweep_dir": str(folder), **record.model_dump(mode="json")}
        screen.json(found)
    else:
        _print(screen, record, folder, verbose=verbose)


def _print(screen: Screen, record: SweepRecord, folder: Path, *, verbose: bool) -> None:
    from redraft.show.numbers import plain
    from redraft.sweep.best import best_of
    from redraft.sweep.running import GALLERY, PICTURE, SUMMARY, TABLE
    from redraft.sweep.summary import RIGHT, table

    title = f"{record.recipe} {record.version}: {record.title}; sweep {record.sweep}"
    screen.say(screen.paint("strong", visible(title)))
    titles, rows = table(record)
    columns = [Column(title, right=title in (*RIGHT, "cell")) for title in titles]
    wide = verbose or (screen.table_width >= WIDE and screen.fits(columns, rows))
    if not wide:
        shown = [place for place, title in enumerate(titles) if title not in SOLVER]
        columns = [columns[place] for place in shown]
        rows = [[plain(row[place]) for place in shown] for row in rows]
    screen.table(columns, rows)
    if record.evaluated_count:
        brackets = "; 95 % intervals in brackets" if wide else ""
        screen.say(f"measured on {record.evaluated_count} {record.evaluated_on}{brackets}")
    if record.lock is not None:
        screen.say(OBEYED)
    if record.searched:
        screen.say(
            f"searched anew, since the sweep varies what is searched: {', '.join(record.searched)}"
        )
    before = sum(cell.before for cell in record.cells)
    if before:
        screen.say(f"{before} of {len(record.cells)} cells were finished before")
    shared = f" in {record.processes} processes" if record.processes > 1 else ""
    screen.say(f"{record.seconds:.1f} seconds{shared}")
    best = best_of(record.cells)
    if best is not None and len(record.cells) > 1:
        screen.say(f"begin with cell {best.number}: {best.reason}")
    outputs = (("gallery", GALLERY), ("picture", PICTURE), ("table", TABLE), ("summary", SUMMARY))
    for what, name in outputs:
        if (folder / name).exists():
            screen.say(f"{what:<8}{visible(str(folder / name))}")
