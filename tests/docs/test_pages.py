"""The documentation works: every block of every page is followed, as a reader would.

- ``python`` is executed, block after block with the same names. ``python NAME.py`` is a module:
  it is written to that file, and later blocks may import it.
- ``toml`` is written to the file that is named; a project's entry points are made known as an
  installation makes them known. Any other ``toml``, and ``lua``, are an editor's settings.
- ``redraft`` is checked, and must be in canonical layout. ``redraft NAME.redraft`` is written to
  that file as well. ``redraft wrong RD102`` must give exactly these codes. A part of a recipe is
  completed first. ``loose`` lifts the demand for canonical layout.
- ``console`` holds commands (``$ ``) and what they print. In an output ``...`` stands for
  anything; numbers with a point may differ by a quarter, since machines differ.
- ``sh`` and ``yaml`` hold commands that are not run here, such as installing; they must exist.
- ``json`` must be JSON; ``json NAME.json`` is written to that file as well.
- ``text`` is a drawing.

A page that begins with ``<!-- faces -->`` needs the face model.

With RENEW_DOCS=1 in the environment, outputs that no longer agree are rewritten in the pages:
numbers where only numbers differ, else the whole output. Read the difference before you keep it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

import redraft
from redraft.cli import main
from redraft.cli.app import app
from redraft_dsl import format_text

ROOT = Path(__file__).resolve().parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
FACES = "<!-- faces -->"
HEADER = 'edition 2026\n\nrecipe page 1.0.0 "An example"\n\n'
RULE = """rule plain at layer6 {
  copy    z[116] box(x 12..52, y 24..38)
  context z[130] box(x 12..52, y 24..38)
}
"""
NUMBER = r"(\d+(?:\.\d+)?(?:e-?\d+)?)"
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\d.])")
RENEW = os.environ.get("RENEW_DOCS") == "1"
NOT_RUN = {"pip", "git", "cd", "python", "python3"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the other words of its first line, its text and its place."""

    language: str
    words: tuple[str, ...]
    text: str
    page: Path
    line: int

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\S*)([^\n]*)\n(.*?)^```$", text, re.M | re.S):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found[1], tuple(found[2].split()), found[3], page, line)


class Reader:
    """Follows a page from top to bottom in the present folder."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {}
        self.status = 0

    def follow(self, block: Block) -> None:
        kinds: dict[str, Callable[[Block], None]] = {
            "python": self.python,
            "toml": self.toml,
            "redraft": self.redraft,
            "console": self.console,
            "sh": self.shell,
            "yaml": self.workflow,
            "json": self.json,
            "lark": self.grammar,
            "lua": self.editor,
            "text": lambda _: None,
        }
        assert block.language in kinds, f"{block.place}: no test for `{block.language}` blocks"
        kinds[block.language](block)

    def python(self, block: Block) -> None:
        if block.words and block.words[0].endswith(".py"):
            Path(block.words[0]).write_text(block.text, encoding="utf-8")
            return
        # Empty lines in front make a traceback point at the page.
        source = "\n" * block.line + block.text
        exec(compile(source, str(block.page), "exec"), self.names)

    def toml(self, block: Block) -> None:
        project = tomllib.loads(block.text).get("project")
        if project is None:
            self.editor(block)
            return
        Path(block.words[0]).write_text(block.text, encoding="utf-8")
        name, version = project["name"].replace("-", "_"), project["version"]
        folder = Path(f"{name}-{version}.dist-info")
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {project['name']}\nVersion: {version}\n")
        lines = []
        for group, entries in project.get("entry-points", {}).items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
        (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")

    def redraft(self, block: Block) -> None:
        text = block.text
        if not re.match(r"(#[^\n]*\n|\s)*(edition|recipe)\b", text) and "whole" not in block.words:
            text = completed(text)
        named = [word for word in block.words if word.endswith(".redraft")]
        if named:
            Path(named[0]).write_text(text, encoding="utf-8")
        found = redraft.loads(text).diagnostics
        wanted = sorted(word for word in block.words if re.fullmatch(r"RD\d{3}", word))
        said = [f"{problem.code}: {problem.message}" for problem in found]
        assert sorted(problem.code for problem in found) == wanted, f"{block.place}: {said}"
        if not {"wrong", "loose"} & set(block.words):
            assert format_text(block.text).text == block.text, f"{block.place}: not canonical"

    def console(self, block: Block) -> None:
        for command, wanted in commands(block.text):
            printed, where = self.run(command), f"{block.place}: $ {command}"
            if RENEW:
                renew(block.page, command, wanted, printed)
            else:
                agree(printed, wanted, where)

    def run(self, command: str) -> str:
        words = shlex.split(command)
        if command == "echo $?":
            return f"{self.status}\n"
        if words[0] != "redraft" or {"|", ">", "<"} & set(words):
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                env={**os.environ, "PATH": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                check=False,
            )
            self.status = done.returncode
            return done.stdout
        terminal = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
            self.status = main(words[1:])
        terminal.flush()
        terminal.seek(0)
        return terminal.read()

    def shell(self, block: Block) -> None:
        for line in block.text.splitlines():
            if line.strip() and not line.startswith("#"):
                exists(line, block.place)

    def workflow(self, block: Block) -> None:
        lines = re.findall(r"run: (.+)", block.text)
        assert lines, f"{block.place}: a workflow that runs nothing"
        for line in lines:
            exists(line, block.place)

    def json(self, block: Block) -> None:
        json.loads(block.text)
        if block.words:
            Path(block.words[0]).write_text(block.text, encoding="utf-8")

    def editor(self, block: Block) -> None:
        """An editor's settings, which start the language server."""
        words = re.findall(r'"([^"]+)"', block.text)
        assert {"redraft", "lsp"} <= set(words), f"{block.place}: starts no language server"

    def grammar(self, block: Block) -> None:
        """Compared with the real one in test_language.py."""


def completed(text: str) -> str:
    """A part of a recipe as a whole one."""
    has = set(re.findall(r"^\w+", text, re.M))
    model = "" if "model" in has else "model faces\n"
    latents = "" if "latents" in has else "latents z { seed 1  count 2000 }\n"
    rule = "" if has & {"rule", "erase", "zero"} else RULE
    return HEADER + model + latents + text + rule


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block with the output that is shown under it."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command = f"{command[:-1]}{more.removeprefix('> ')}"
        yield command, output


def matched(printed: str, wanted: str) -> re.Match[str] | None:
    """An output against the one that a page shows; its groups are the numbers with a point."""
    pattern = "".join(map(line_pattern, plain(wanted).splitlines()))
    return re.fullmatch(pattern, plain(printed))


def renew(page: Path, command: str, wanted: str, printed: str) -> None:
    """Put a present output in the place of the one that a page shows."""
    found = matched(printed, wanted)
    numbers = iter(found.groups() if found else ())
    new = DECIMAL.sub(lambda _: next(numbers), wanted) if found else printed
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace(f"$ {command}\n{wanted}", f"$ {command}\n{new}", 1), "utf-8")


def agree(printed: str, wanted: str, where: str) -> None:
    """Compare an output with the one that a page shows."""
    shown, got = plain(wanted), plain(printed)
    found = matched(printed, wanted)
    assert found is not None, f"{where}\n--- the page shows\n{shown}\n--- it printed\n{got}"
    for number, text in zip(DECIMAL.findall(shown), found.groups(), strict=True):
        near = float(number)
        limit = max(0.25 * abs(near), 0.051)
        assert abs(float(text) - near) <= limit, f"{where}\n{number} is now {text}\n{got}"


def line_pattern(line: str) -> str:
    if line.strip() == "...":
        return r"(?:[^\n]*\n)*?"
    parts = []
    for text in line.split("..."):
        literal = map(re.escape, DECIMAL.split(text))
        parts.append(NUMBER.join(literal))
    return r"[^\n]*".join(parts) + r"\n"


def plain(text: str) -> str:
    """Without the widths of columns, which depend on what stands in them."""
    lines = (re.sub("─+", "─", re.sub(" +", " ", line)).strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def exists(line: str, place: str) -> None:
    """Prove that a command that is not run here would be understood."""
    words = shlex.split(line, comments=True)
    program = Path(words[0]).name
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        missing = [word for word in words[1:] if "=" not in word and word not in targets]
        assert not missing, f"{place}: the Makefile has no {missing}"
    elif program == "redraft":
        context = click.Context(app, info_name="redraft")
        command = app.get_command(context, words[1])
        assert command is not None, f"{place}: no command {words[1]}"
        command.make_context(words[1], words[2:], parent=context)
    else:
        assert program in NOT_RUN, f"{place}: `{program}` is not known here"


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            id=page.relative_to(ROOT).as_posix(),
            marks=[pytest.mark.faces] if page.read_text("utf-8").startswith(FACES) else [],
        )
        for page in PAGES
    ],
)
def test_page_works(
    page: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = page.read_text("utf-8").startswith(FACES)
    desk: Path = request.getfixturevalue("faces_at_hand" if faces else "desk")
    # Modules that the page has its reader write.
    monkeypatch.syspath_prepend(desk)
    before = set(sys.modules)
    request.addfinalizer(lambda: _forget(set(sys.modules) - before, desk))
    reader = Reader()
    for block in blocks(page):
        reader.follow(block)


def _forget(names: set[str], folder: Path) -> None:
    """Drop imported modules that lie in a folder."""
    for name in names:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).is_relative_to(folder):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("rank  8\n", "rank   8\n", True),
        ("rank 8\n", "rank 4\n", False),
        ("loss 0.80 -> 0.28\n", "loss 0.81 -> 0.3\n", True),
        ("loss 0.80 -> 0.28\n", "loss 0.80 -> 0.78\n", False),
        ("run runs/a-1.0.0-...\n", "run runs/a-1.0.0-fff539a7\n", True),
        ("...\nwritten: a.png\n", "one\ntwo\nwritten: a.png\n", True),
        ("...\nwritten: a.png\n", "one\ntwo\n", False),
        ("written: a.png\n", "written: a.png\nand more\n", False),
        ("", "surprise\n", False),
    ],
)
def test_outputs_are_compared(shown: str, printed: str, same: bool) -> None:
    if same:
        agree(printed, shown, "here")
    else:
        with pytest.raises(AssertionError, match="here"):
            agree(printed, shown, "here")


def test_fences_are_closed() -> None:
    for page in PAGES:
        fences = re.findall(r"^```", page.read_text("utf-8"), re.M)
        assert len(fences) == 2 * len(list(blocks(page))), page
