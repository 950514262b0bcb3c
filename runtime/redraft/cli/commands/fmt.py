"""``redraft fmt``: recipes in their one canonical layout."""

from __future__ import annotations

import contextlib
import difflib
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from redraft.cli.app import make_command
from redraft.cli.arguments import words
from redraft.cli.recipes_in import STANDARD_INPUT, expand
from redraft.cli.screen import Screen
from redraft.errors import ArtifactError
from redraft.explain.terminal import paint
from redraft.explain.words import counted
from redraft_dsl.report.terminal import visible


@dataclass(frozen=True)
class Layout:
    """One recipe before and after; ``new`` is None when it cannot be formatted.

    ``text`` is ``old`` decoded, with LF line ends.
    """

    name: str
    old: bytes
    text: str
    new: bytes | None

    @property
    def differs(self) -> bool:
        """Whether formatting changes the file."""
        return self.new is not None and self.new != self.old


@make_command(name="fmt", example="fmt glasses.redraft")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=words.RECIPE)
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if a file would change."
)
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
def command(files: tuple[str, ...], only_check: bool, diff: bool) -> None:
    """Rewrite recipes in their canonical layout.

    FILE is a recipe, a folder (all recipes in it and below, but for hidden folders and run
    folders), or - to go from standard input to standard output. A recipe with syntax errors is
    left as it is.
    """
    from redraft.cli.packs import leave_packs_alone

    screen = Screen.current()
    leave_packs_alone(files, "fmt")
    layouts = [_layout(name, screen) for name in expand(files)]
    for layout in layouts:
        if diff:
            _print_diff(layout, screen)
        elif only_check:
            if layout.differs:
                screen.say(visible(layout.name))
        elif layout.name == STANDARD_INPUT:
            sys.stdout.buffer.write(layout.new or b"")
        elif layout.differs and layout.new is not None:
            rewrite(Path(layout.name), layout.new)
            screen.say(f"rewritten: {visible(layout.name)}")
    broken = any(layout.new is None for layout in layouts)
    untidy = [layout.name for layout in layouts if layout.differs]
    if not untidy and not broken and layouts and layouts[0].name != STANDARD_INPUT:
        screen.remark(f"nothing to do: {counted(len(layouts), 'recipe')} laid out already")
    if only_check and untidy:
        screen.remark(f"to lay them out: redraft fmt {visible(shlex.join(untidy))}")
    if broken or (only_check and any(layout.differs for layout in layouts)):
        raise click.exceptions.Exit(1)


def _layout(name: str, screen: Screen) -> Layout:
    """Read and format; what stands in the way is shown on standard error."""
    from redraft_dsl.reading import decode, read
    from redraft_dsl.syntax.editions import format_text

    if name == STANDARD_INPUT:
        old = sys.stdin.buffer.read()
        source, problems = decode("<stdin>", old)
    else:
        source, problems = read(name)
        old = b"" if problems else Path(name).read_bytes()
    new = None
    if not problems:
        formatted = format_text(source.text, source.path)
        problems = formatted.diagnostics
        new = None if formatted.text is None else formatted.text.encode()
    if problems:
        screen.diagnostics(problems, source)
    return Layout(name, old, source.text, new)


def rewrite(path: Path, data: bytes) -> None:
    """Replace a file whole or not at all, keeping its permissions and, if possible, its owner.

    Raises:
        ArtifactError: the file or its folder may not be written to.

    """
    from redraft.disk.files import atomic_path

    target = Path(os.path.realpath(path))
    if not os.access(target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise ArtifactError(
            "RD642", f"{path} may not be written to", "change the file's permissions"
        )
    status = target.stat()
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)
        shutil.copymode(target, temporary)
        with contextlib.suppress(OSError):
            os.chown(temporary, status.st_uid, status.st_gid)


def _print_diff(layout: Layout, screen: Screen) -> None:
    if layout.new is None or not layout.differs:
        return
    name = "stdin" if layout.name == STANDARD_INPUT else layout.name
    before, after = layout.text.splitlines(), layout.new.decode().splitlines()
    lines = list(
        difflib.unified_diff(
            before, after, visible(name), f"{visible(name)} (formatted)", lineterm=""
        )
    )
    if not lines:
        screen.say(f"{visible(name)}: only line ends or the byte order mark would change")
    for line in lines:
        style = {"+": "good", "-": "error", "@": "gutter"}.get(line[:1])
        screen.show(paint(style, visible(line), screen.color) if style else visible(line))
