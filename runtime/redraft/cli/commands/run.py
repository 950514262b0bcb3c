"""``redraft run``: solve a recipe, and leave an edit, pictures and a report."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import (
    Command,
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
from redraft.cli.arguments.generators import typed
from redraft.cli.bench_rows import print_rows
from redraft.cli.layout import WIDE, listed
from redraft.cli.opening import open_file, open_option
from redraft.cli.screen import OBEYED, Column, Reporter, Screen
from redraft.plans.run_files import REPORT
from redraft.plans.shipped import locate_recipe
from redraft_dsl.report.terminal import visible, wrapped

UNMET = 3
"""The exit status of a run that is finished and not as its recipe expects."""

if TYPE_CHECKING:
    from redraft.plans.planner import Plan
    from redraft.plans.record import RuleRecord, RunRecord
    from redraft.runs.processes import Ranks
    from redraft.runs.runner import Run
    from redraft_dsl.check.parameters import Given


@make_command(name="run", example="run glasses.redraft")
@click.argument("file", type=words.RECIPE)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run folder; by default one in runs/ that is named after the recipe.",
)
@device_option()
@threads_option()
@generator_option()
@click.option(
    "--fresh", is_flag=True, help="Solve every rule anew; do not go on from a broken run."
)
@click.option("--force", is_flag=True, help="Write into the folder, whatever it holds.")
@set_option()
@lock_option()
@open_option("the report")
@verbose_option()
@format_option()
def command(
    file: str,
    out: Path | None,
    device: str,
    threads: int | None,
    fresh: bool,
    force: bool,
    given: Given,
    no_lock: bool,
    opened: bool,
    verbose: bool,
    form: str,
) -> None:
    """Run a recipe: write its edit, its pictures and a report.

    FILE is a recipe, a pack, the name of a recipe that comes with redraft, or a picture that a run
    made of one. A run that was stopped goes on where it was. A lock that lies beside the recipe is
    obeyed: see `redraft lock`. Under torchrun its processes draw the pictures for statistics and
    measures together. The exit status is 3 where an `expect` line of the recipe does not hold.
    """
    screen, run = Screen.current(), None
    screen.begin(f"reading {file}")
    from redraft.cli.planning import plan_file
    from redraft.models.arithmetic import on_threads
    from redraft.runs.processes import joined
    from redraft.runs.runner import assist_run
    from redraft.show.report.outputs import run_and_report

    with screen.going_on(), joined() as ranks, on_threads(threads):
        with screen.progress() as own:
            reporter = own if ranks.first else Reporter(None)
            plan = ranks.after_first(
                lambda: plan_file(file, device, reporter, lock=not no_lock, given=given)
            )
            if not ranks.first:
                assist_run(plan, ranks, device=device)
                return
            # Read now: the file may be changed, or gone, when the run is done.
            hint = _of_sweeps(file, plan)
            work = partial(run_and_report, plan, progress=reporter.step, ranks=ranks)
            run = work(out=out, device=device, fresh=fresh, force=force)
        _show(screen, run, ranks, hint, form, verbose=verbose, opened=opened)
    _end(run, screen, opened=opened)


def _end(run: Run | None, screen: Screen, *, opened: bool) -> None:
    """Open the report, and have an exit status of its own where the run is not as expected.

    There is no run where another process has said what went wrong.
    """
    if run is None:
        return
    if opened:
        open_file(run.folder / REPORT, screen)
    if not all(each.holds for each in run.record.expects):
        raise click.exceptions.Exit(UNMET)


def _show(
    screen: Screen,
    run: Run,
    ranks: Ranks,
    hint: str,
    form: str,
    *,
    verbose: bool,
    opened: bool,
) -> None:
    for warning in _warnings(run):
        screen.warn(warning)
    if form == "json":
        found = {"run_dir": str(run.folder), **run.record.model_dump(mode="json")}
        screen.json(found)
    else:
        _print(screen, run, ranks, verbose=verbose)
        if hint:
            screen.say(visible(hint))
        plan = run.session.plan
        listed = plan.recipe.model.kind == "listed"
        model = shlex.quote(plan.base.name if listed else str(plan.base.path))
        folder = shlex.quote(str(run.folder))
        screen.next(
            *([] if opened else [f"open {shlex.quote(str(run.folder / REPORT))}"]),
            f"redraft sample {model}{typed(plan.base.code)} --edit {folder} --out after.png",
            f"redraft apply {model} {folder} --out edited.pth",
            f"redraft pack {folder}",
        )


def _of_sweeps(file: str, plan: Plan) -> str:
    """That a recipe's sweeps are not run; nothing where it has none."""
    from redraft.cli.packs import loaded

    names = [sweep.name for sweep in loaded(file).sweeps]
    if not names:
        return ""
    several = len(names) > 1
    what = f"sweeps {', '.join(names)} are" if several else f"sweep {names[0]} is"
    command = f"redraft sweep {file}" + (" NAME" if several else "") + typed(plan.base.code)
    return f"its {what} not run by this; to run it: {command}"


def _warnings(run: Run) -> list[str]:
    rules = [f"rule {rule.name}: {text}" for rule in run.record.rules for text in rule.warnings]
    return [*run.record.warnings, *rules]


def _print(screen: Screen, run: Run, ranks: Ranks, *, verbose: bool) -> None:
    record = run.record
    screen.say(screen.paint("strong", f"{record.recipe} {record.version}: {record.title}"))
    if run.resumed:
        screen.say(f"taken from the run that was stopped: {', '.join(run.resumed)}")
    _print_rules(screen, record, verbose=verbose)
    for each in record.expects:
        screen.say(screen.paint("faint" if each.holds else "strong", each.said))
    if record.given:
        pairs = ", ".join(f"{name} = {value}" for name, value in record.given.items())
        screen.say(f"with {visible(pairs)}")
    if record.lock is not None:
        screen.say(OBEYED)
    together = "" if ranks.alone else f", {ranks.world} processes"
    screen.say(f"{record.seconds:.1f} seconds on {record.machine.device}{together}")
    for what, path in _outputs(run):
        screen.say(f"{what:<8}{visible(str(path))}")


def _print_rules(screen: Screen, record: RunRecord, *, verbose: bool) -> None:
    from redraft.show.numbers import judged_on, judgement, protected

    rows = [_row(rule) for rule in record.rules]
    wide = screen.table_width >= WIDE and screen.fits(_columns(), rows)
    if wide:
        screen.table(_columns(), rows)
    else:
        for rule in record.rules:
            screen.show(_block(screen, rule, verbose=verbose))
    if record.evaluated_count:
        if wide or verbose:
            for rule in record.rules:
                screen.say(f"{rule.name}: {judgement(rule)}")
        brackets = "; 95 % intervals in brackets, over pictures" if wide or verbose else ""
        screen.say(f"measured on {record.evaluated_count} {record.evaluated_on}{brackets}")
        for rule in record.rules:
            if some := judged_on(rule):
                screen.say(f"{rule.name}: {some}")
    for rule in record.rules:
        if moved := protected(rule):
            screen.say(f"{rule.name}: {moved}")


def _columns() -> list[Column]:
    numbers = ("share", "amplitude", "outside", "left-out gain / side", "loss", "seconds")
    first = [Column("rule"), Column("layer"), Column("rank", right=True)]
    return [*first, *(Column(title, right=True) for title in numbers)]


def _block(screen: Screen, rule: RuleRecord, *, verbose: bool) -> str:
    """A rule in two lines, and with ``verbose`` in a line for each of its figures."""
    from redraft.show.numbers import plain_measures

    head = f"{screen.paint('strong', rule.name)} at {rule.layer}, rank {rule.rank}"
    if verbose:
        titles = [column.title for column in _columns()[3:]]
        figures = zip(titles, _row(rule)[3:], strict=True)
        return "\n".join([head, *(f"  {title:<20}  {text}" for title, text in figures)])
    found = rule.judgement
    word = found.word + (f": {found.reason}" if found.reason else "")
    head = wrapped(f"{head}: {word}", screen.table_width)
    return "\n".join([head, *listed(plain_measures(rule), screen.table_width)])


def _row(rule: RuleRecord) -> list[str]:
    from redraft.show.numbers import NONE, left_out, losses, measures

    return [
        rule.name,
        rule.layer,
        str(rule.rank),
        *measures(rule),
        left_out(rule.left_out),
        NONE if rule.kind == "zero" else losses(rule.loss_before, rule.loss_after),
        f"{rule.solve_seconds:.1f}",
    ]


def _outputs(run: Run) -> list[tuple[str, Path]]:
    from redraft.plans.run_files import EDIT, PICTURE, REPORT

    names = (("picture", PICTURE), ("report", REPORT), ("edit", EDIT))
    return [(what, run.folder / name) for what, name in names]


@click.command(name="run", cls=Command, example="redraft bench run")
@click.option("--recipe", default="glasses", help="A recipe.")
@click.option(
    "--arch",
    type=click.Choice(("dcgan", "proggan", "stylegan2")),
    help="A default rule on a network of seeded random weights in its place.",
)
@click.option("--layer", help="With --arch, the layer; if not given, the one that solve rewrites.")
@click.option("--size", default=256, help="With --arch stylegan2, the pictures' size in pixels.")
@device_option()
@format_option()
def bench(
    recipe: str, arch: str | None, layer: str | None, size: int, device: str, form: str
) -> None:
    """Count the forward passes of a run, and time it against what it needs of them bare."""
    from tempfile import TemporaryDirectory

    from redraft.bench.passes import bench_run, save_seeded
    from redraft.disk.cache import Cache

    screen = Screen.current()
    with screen.progress() as reporter, TemporaryDirectory() as name:
        folder, cache = Path(name), None
        if arch is None:
            path = locate_recipe(recipe)
        else:
            path, cache = save_seeded(folder, arch, layer, size), Cache(folder / "cache")
        found = bench_run(path, device=device, cache=cache, progress=reporter.step)
    titles = {"rows": "Pictures by pass; seconds in the run, and bare", "run": "The whole run"}
    print_rows(screen, form, found, titles)
