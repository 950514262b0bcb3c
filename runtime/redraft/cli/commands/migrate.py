"""``redraft migrate``: recipes moved to a newer edition of the language."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redraft.cli.app import make_command
from redraft.cli.arguments import words
from redraft.cli.recipes_in import expand
from redraft.cli.screen import Screen
from redraft.errors import PlanError
from redraft.explain.terminal import paint
from redraft_dsl.report.terminal import visible

if TYPE_CHECKING:
    from redraft_dsl.check import Checked
    from redraft_dsl.migrate import Migrated
    from redraft_dsl.syntax.editions import Editions


@dataclass(frozen=True)
class Move:
    """A recipe that can be moved; ``moved.text`` is what it becomes."""

    name: str
    old: str
    moved: Migrated

    @property
    def differs(self) -> bool:
        """Whether there is anything to do."""
        return self.moved.after != self.moved.before


@make_command(name="migrate", example="migrate glasses.redraft --diff")
@click.argument("files", nargs=-1, required=True, metavar="RECIPE...", type=words.RECIPE)
@click.option("--to", type=int, help="The edition; the newest is the default.")
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Write nothing; exit with 1 if a recipe would change.",
)
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@click.pass_context
def command(
    context: click.Context, files: tuple[str, ...], to: int | None, only_check: bool, diff: bool
) -> None:
    """Move recipes to a newer edition of the language.

    RECIPE is a recipe, or a folder: all recipes in it and below, but for hidden folders and run
    folders. Whatever the newer edition would assume otherwise is written out. A recipe is
    rewritten only if the new text means the same in every field; otherwise it is left as it is,
    and the field is shown. Recipes of an older edition need not be moved: they are read as ever.
    """
    from redraft_dsl.syntax.editions import SHIPPED, Editions

    editions = context.find_object(Editions) or SHIPPED
    if to is not None and to not in editions.known:
        numbers = ", ".join(map(str, sorted(editions.known)))
        raise PlanError(
            "RD741",
            f"there is no edition {to}",
            f"editions: {numbers}; a newer one needs a newer redraft",
        )
    from redraft.cli.packs import leave_packs_alone

    screen = Screen.current()
    leave_packs_alone(files, "migrate")
    moves = [_move(name, to, editions, screen) for name in expand(files)]
    for move in moves:
        if move is not None:
            _finish(move, editions, screen, write=not (only_check or diff), diff=diff)
    if None in moves or (only_check and any(move and move.differs for move in moves)):
        raise click.exceptions.Exit(1)


def _move(name: str, to: int | None, editions: Editions, screen: Screen) -> Move | None:
    """Read and move; what stands in the way is shown on standard error."""
    from redraft.models.listed.catalog import known_models
    from redraft_dsl.migrate import MigrationError, NoSuchEditionError, migrate
    from redraft_dsl.reading import load

    models = known_models()
    checked = load(name, models, editions=editions)
    if checked.recipe is None:
        _show(checked, screen)
        return None
    try:
        moved = migrate(checked, models, Path(name).parent, to=to, editions=editions)
    except NoSuchEditionError as problem:
        _tell("RD741", f"{name} cannot be moved: {problem}", "leave `--to` out", screen)
        return None
    except MigrationError as problem:
        if problem.checked is not None:
            _show(problem.checked, screen)
        message = f"{name} cannot be moved to edition {problem.to}: {problem}"
        _tell("RD740", message, "the recipe is as it was, and is read as ever", screen)
        return None
    return Move(name, checked.source.text, moved)


def _show(checked: Checked, screen: Screen) -> None:
    screen.diagnostics(checked.diagnostics, checked.source)


def _tell(code: str, message: str, help_text: str, screen: Screen) -> None:
    screen.error(code, message, help_text)


def _finish(move: Move, editions: Editions, screen: Screen, *, write: bool, diff: bool) -> None:
    name = visible(move.name)
    if not move.differs:
        number = move.moved.before
        newest = "the newest edition," if number == editions.latest else "edition"
        screen.say(f"{name}: is in {newest} {number}")
        return
    if diff:
        _print_diff(move, screen)
        return
    steps = f"edition {move.moved.before} -> {move.moved.after}"
    if write:
        from redraft.cli.commands.fmt import rewrite

        rewrite(Path(move.name), move.moved.text.encode())
        screen.say(f"rewritten: {name} ({steps})")
    else:
        screen.say(f"{name}: would be rewritten ({steps})")
    if move.moved.written_out:
        screen.say(f"  written out: {visible(', '.join(move.moved.written_out))}")


def _print_diff(move: Move, screen: Screen) -> None:
    name = visible(move.name)
    lines = difflib.unified_diff(
        move.old.splitlines(),
        move.moved.text.splitlines(),
        name,
        f"{name} (edition {move.moved.after})",
        lineterm="",
    )
    for line in lines:
        style = {"+": "good", "-": "error", "@": "gutter"}.get(line[:1])
        screen.show(paint(style, visible(line), screen.color) if style else visible(line))
