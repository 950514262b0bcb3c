"""``redraft lock``: pin what a recipe is run with, or report whether that has changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redraft.cli.app import device_option, generator_option, make_command, set_option
from redraft.cli.arguments import words
from redraft.cli.recipes_in import expand
from redraft.cli.screen import Screen
from redraft.errors import PlanError, RedraftError
from redraft.plans.shipped import own_recipe
from redraft.share.pack import is_pack
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from redraft.cli.screen import Reporter
    from redraft.plans.lock import Lock
    from redraft.plans.lock_compare import Difference
    from redraft_dsl.check.parameters import Given


@dataclass(frozen=True)
class _Checked:
    """What came of checking one recipe's lock; ``error`` where it could not be compared."""

    recipe: str
    lock: Path
    differences: tuple[Difference, ...] = ()
    error: RedraftError | None = None
    given: Given = ()

    @property
    def holds(self) -> bool:
        return not self.differences and self.error is None


@make_command(name="lock", example="lock glasses.redraft")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=words.RECIPE)
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if a lock differs."
)
@set_option()
@device_option()
@generator_option()
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How --check prints its findings; text is the default.",
)
def command(files: tuple[str, ...], only_check: bool, given: Given, device: str, form: str) -> None:
    """Pin all that a recipe is run with in NAME.lock beside it.

    FILE is a recipe, or a folder (all recipes in it and below). A lock holds the hashes of the
    recipe, its model, masks and imports, every setting, and the places that `context like` lines
    find. `redraft run` obeys it: it searches nothing again, and stops if anything differs.

    With --set the lock is that of the recipe with these values, and holds for runs with the same.
    --check without --set takes the values that the lock was made with.
    """
    from redraft.cli.packs import leave_packs_alone

    screen = Screen.current()
    names = list(expand(files))
    if given and len(names) > 1:
        raise click.UsageError("--set goes with one recipe, since each has names of its own")
    if not only_check:
        leave_packs_alone(names, "lock")
    with screen.progress() as reporter:
        if not only_check:
            done = [_write(name, given, device, reporter) for name in names]
        else:
            checked = [_check(name, given, reporter) for name in names]
    if not only_check:
        for text in done:
            screen.say(text)
        return
    if form == "json":
        screen.json([_as_json(each) for each in checked])
    else:
        for each in checked:
            _print(screen, each)
    if not all(each.holds for each in checked):
        raise click.exceptions.Exit(1)


def _write(name: str, given: Given, device: str, reporter: Reporter) -> str:
    """Lock a recipe; returns what is said of it."""
    from redraft.cli.arguments.generators import named_generator
    from redraft.disk.files import write_text
    from redraft.plans import lock
    from redraft.plans.loading import load
    from redraft.runs.locking import make_lock

    recipe = own_recipe(name)
    path = lock.lock_path(recipe)
    made = make_lock(
        load(recipe, given),
        recipe.parent,
        device=device,
        download=reporter.download,
        progress=reporter.step,
        generator=named_generator(),
    )
    before = _earlier(path)
    if before == made and path.read_bytes() == made.text.encode():
        return f"unchanged: {visible(str(path))}"
    write_text(path, made.text)
    lines = [f"written: {visible(str(path))} ({len(made.records)} records)"]
    if before is not None:
        old = {record.line for record in before.records}
        new = {record.line for record in made.records}
        lines += [f"  - {visible(r.line)}" for r in before.records if r.line not in new]
        lines += [f"  + {visible(r.line)}" for r in made.records if r.line not in old]
    return "\n".join(lines)


def _earlier(path: Path) -> Lock | None:
    """The lock that is about to be replaced; one that cannot be read is as good as none."""
    from redraft.plans import lock

    try:
        return lock.read(path)
    except PlanError:
        return None


def _check(name: str, given: Given, reporter: Reporter) -> _Checked:
    from redraft.cli.arguments.generators import named_generator, typed
    from redraft.cli.packs import recipe_file
    from redraft.plans import lock
    from redraft.plans.loading import load, options
    from redraft.plans.lock_compare import LockDiffersError
    from redraft.plans.obeying import plan_obeying

    path = Path(name)
    try:
        code = named_generator()
        recipe = recipe_file(name)
        path = lock.lock_path(recipe)
        home = Path(name).parent if is_pack(name) else None
        held = lock.read(path)
        given = given or (held.given if held is not None else ())
        plan = plan_obeying(
            load(recipe, given),
            recipe.parent,
            progress=reporter.download,
            home=home,
            generator=code,
        )
        if is_pack(name):
            path = Path(f"{name}:{path.name}")
        if plan.lock is None:
            make = " ".join(filter(None, (f"redraft lock {name}{typed(code)}", options(given))))
            raise PlanError("RD416", f"there is no lock {path}", f"make it with `{make}`")
    except LockDiffersError as error:
        return _Checked(name, path, error.differences, error, given)
    except RedraftError as error:
        return _Checked(name, path, error=error, given=given)
    return _Checked(name, path, given=given)


def _print(screen: Screen, each: _Checked) -> None:
    from redraft.explain.failure import failure_of
    from redraft.explain.terminal import error_text
    from redraft.plans.loading import options
    from redraft_dsl.report.terminal import render

    path = visible(str(each.lock))
    if each.holds:
        with_ = f", with `{options(each.given)}`" if each.given else ""
        screen.say(f"{path}: {screen.paint('good', 'agrees')}{visible(with_)}")
        return
    for found in each.differences:
        screen.say(screen.paint("strong", visible(found.what)))
        screen.say(f"  the lock says  {visible(found.said or 'nothing')}")
        screen.say(f"  now it is      {visible(found.now or 'nothing')}")
        screen.say(f"  to go back     {visible(found.remedy)}")
        for place in found.places:
            screen.say(f"  see            {visible(place)}")
    assert each.error is not None, "whatever does not hold has its error"
    failure = failure_of(each.error)
    if failure.checked is not None:
        source = failure.checked.source
        shown = render(failure.checked.diagnostics, source, color=screen.color, width=screen.width)
        screen.show(shown)
    text = error_text(failure.code, failure.message, failure.help, screen.color, screen.width)
    screen.show(text.rstrip("\n"))


def _as_json(each: _Checked) -> dict[str, Any]:
    error = each.error
    return {
        "recipe": each.recipe,
        "lock": str(each.lock),
        "given": dict(each.given),
        "holds": each.holds,
        "differences": [found.as_json() for found in each.differences],
        "error": None if error is None else {"code": error.code, "message": error.message,
                                             "help": error.help},
    }  # fmt: skip
