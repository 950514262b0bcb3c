"""The cell ``%%redraft``: a recipe in a notebook, checked and run where it stands."""

from __future__ import annotations

import argparse
import keyword
import os
import shlex
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.display import display

from redraft.errors import RedraftError
from redraft.explain.failure import failure_of
from redraft.explain.terminal import error_text
from redraft.notebook.html import bundle
from redraft.plans.loading import loads
from redraft_dsl import Checked, render
from redraft_dsl.report.html import escaped, problems_html, wrapped
from redraft_dsl.report.terminal import summary

if TYPE_CHECKING:
    from redraft.runs.runner import Run

PARTS = 10
"""How often a stage that takes long tells how far it is."""


class CellError(RedraftError):
    """Stops a cell, and with it "run all", without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in the place of a traceback."""
        return error_text(self.code, self.message, self.help, _colored()).rstrip("\n").split("\n")


class _Parser(argparse.ArgumentParser):
    """Options of the line; what it cannot read is told as IPython tells of wrong options."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `%%redraft?` lists the options")


def _options(line: str) -> argparse.Namespace:
    parser = _Parser(prog="%%redraft", add_help=False, allow_abbrev=False)
    parser.add_argument("--run", metavar="NAME")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[])
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--fresh", action="store_true")
    try:
        options = parser.parse_args(shlex.split(line))
    except ValueError as error:
        parser.error(str(error).lower())
    name = options.run
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        parser.error(f"--run: `{name}` cannot be a name in Python")
    for pair in options.set:
        if not all(part.strip() for part in pair.partition("=")):
            parser.error(f"--set: `{pair}` is not NAME=VALUE, as in `--set strength=3`")
    if not options.folder.is_dir():
        parser.error(f"--folder: there is no folder {options.folder}")
    return options


@magics_class
class RedraftMagics(Magics):
    """``%%redraft``."""

    @cell_magic
    def redraft(self, line: str, cell: str) -> Checked | None:
        """Check the recipe in this cell and show it; or run it.

        Options::

            --run NAME       run the recipe, and give the run this name
            --check          only check, whatever else is said; the cell fails on an error
            --set NAME=VALUE a value for a parameter, or for RULE.SETTING; may be repeated
            --folder FOLDER  where masks and models are looked for; else the present folder
            --out FOLDER     the run folder; else one in runs/
            --device DEVICE  auto, cpu or cuda
            --fresh          do not go on from a run that was stopped

        """
        options = _options(line)
        pairs = (pair.partition("=") for pair in options.set)
        given = tuple((name.strip(), value.strip()) for name, _, value in pairs)
        checked = loads(cell, options.folder, given)
        if options.run is None and not options.check:
            return checked
        if checked.diagnostics or options.check:
            _show_problems(checked)
        if checked.recipe is None:
            count = len(checked.errors)
            raise CellError(
                "RD750",
                f"the recipe in this cell has {count} error{'' if count == 1 else 's'}",
                "mend what is pointed at above, and run the cell again",
            )
        if not options.check:
            run = _run(checked, options)
            assert self.shell is not None, "a cell belongs to a shell"
            self.shell.user_ns[options.run] = run
        return None


def _run(checked: Checked, options: argparse.Namespace) -> Run:
    from redraft.models.open import choose_device
    from redraft.plans.planner import make_plan
    from redraft.show.report.outputs import run_and_report

    told = _Progress()
    device = options.device
    try:
        planned_for = choose_device(device).type
        plan = make_plan(checked, options.folder, device=planned_for, progress=told.download)
        run = run_and_report(
            plan, out=options.out, device=device, fresh=options.fresh, progress=told.step
        )
    except Exception as error:
        failure = failure_of(error)
        if failure.checked is not None:
            _show_problems(failure.checked)
        raise CellError(failure.code, failure.message, failure.help) from error
    told.done(run)
    return run


class _Progress:
    """One output that says how far a run is, until the run itself takes its place."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._last: tuple[str, int] | None = None

    def step(self, what: str, done: int, total: int) -> None:
        """As ``redraft.runs.session.Progress``."""
        part = PARTS * done // max(total, 1)
        if (what, part) == self._last:
            return
        text = f"{what}: {done} of {total}"
        data = bundle(wrapped(f'<p class="redraft-soft">{escaped(text)}</p>'), text)
        _display(data, raw=True, display_id=self._id, update=self._last is not None)
        self._last = (what, part)

    def download(self, stage: str, done: int | None, total: int | None) -> None:
        """As ``redraft.models.listed.download.Progress``."""
        if done is not None and total:
            self.step(f"{stage} of the model, bytes", done, total)

    def done(self, run: Run) -> None:
        """Show the run."""
        _display(run, display_id=self._id, update=self._last is not None)


def _show_problems(checked: Checked) -> None:
    said = checked.diagnostics
    text = render(said, checked.source, color=_colored()) + summary(said)
    _display(bundle(problems_html(said, checked.source), text), raw=True)


def _display(shown: object, **options: object) -> None:
    display(shown, **options)  # type: ignore[no-untyped-call]


def _colored() -> bool:
    from IPython import get_ipython

    shell = get_ipython()
    plain = os.environ.get("NO_COLOR") or shell is None or shell.colors.lower() == "nocolor"
    return not plain
