"""The cell ``%%redraft``: a recipe in a notebook, checked and run where it stands."""

from __future__ import annotations

import argparse
import keyword
import shlex
from pathlib import Path
from typing import NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class

from redraft.errors import RedraftError
from redraft.explain.words import counted
from redraft.models.code.reference import code_at
from redraft.notebook.output import CellError, show_problems
from redraft.plans.loading import CELL, loads, unread
from redraft.plans.obeying import with_head, with_module
from redraft_dsl import Checked


class _Parser(argparse.ArgumentParser):
    """Options of the line; what it cannot read is reported as IPython reports wrong options."""

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
    parser.add_argument("--generator", metavar="NAME")
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


def _with_head(checked: Checked, folder: Path, generator: object) -> Checked:
    try:
        if isinstance(generator, str):
            return with_module(checked, folder, code_at(generator))
        if generator is not None:
            from redraft.notebook.running import made_of

            return with_module(checked, folder, made_of(generator))
        return with_head(checked, folder)
    except RedraftError as error:
        raise CellError(error.code, error.message, error.help) from error


@magics_class
class RedraftMagics(Magics):
    """``%%redraft``."""

    @cell_magic
    def redraft(self, line: str, cell: str) -> Checked | None:
        """Check the recipe in this cell and show it; or run it.

        Options::

            --run NAME       run the recipe, and give the run this name
            --check          only check, with the head of the model's file where there is one,
                             whatever else is said; the cell fails on an error
            --set NAME=VALUE a value for a parameter, or for RULE.SETTING; may be repeated
            --folder FOLDER  where masks and models are looked for; else the present folder
            --out FOLDER     the run folder; else one in runs/
            --device DEVICE  auto, cpu or cuda
            --fresh          do not go on from a run that was stopped
            --generator NAME for `arch module`: a name of this notebook that holds a
                             redraft.Generator or a module, or FILE.py:NAME

        """
        options = _options(line)
        pairs = (pair.partition("=") for pair in options.set)
        given = tuple((name.strip(), value.strip()) for name, _, value in pairs)
        generator = self._generator(options.generator)
        checked = loads(cell, options.folder, given, name=CELL)
        if options.run is None and not options.check:
            return checked
        if options.check:
            checked = _with_head(checked, options.folder, generator)
        if checked.diagnostics or options.check:
            show_problems(checked, unread(checked) if generator is None else None)
        if checked.recipe is None:
            raise CellError(
                "RD750",
                f"the recipe in this cell has {counted(len(checked.errors), 'error')}",
                "correct what is marked above, and run the cell again",
            )
        if not options.check:
            from redraft.notebook.running import run_cell

            where = (options.folder, options.out, options.device)
            run = run_cell(checked, *where, fresh=options.fresh, generator=generator)
            assert self.shell is not None, "a cell belongs to a shell"
            self.shell.user_ns[options.run] = run
        return None

    def _generator(self, name: str | None) -> object:
        """What a name of the notebook holds; other names are of code, as FILE.py:NAME."""
        if name is None or not name.isidentifier():
            return name
        assert self.shell is not None, "a cell belongs to a shell"
        if name not in self.shell.user_ns:
            raise UsageError(f"--generator: there is no `{name}` in this notebook")
        return self.shell.user_ns[name]
