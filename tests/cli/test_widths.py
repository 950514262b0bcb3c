"""Every command on terminals of 60, 80 and 120 columns: no line is longer, no word is broken."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from redraft.cli.app import app
from redraft.cli.layout import Column, Fit, table, tables
from redraft_dsl.report.terminal import columns_of, wrapped

WIDTHS = (60, 80, 120)
WIDE = 1000
AGAIN = {"left-out", "rank", "at", "rule", "layer"} | {
    *("unchanged", "cells", "were", "finished", "before")
}
"""Words of a block, and of what finds its work done."""
WRONG = """edition 2026

recipe wrong 1.0.0 "Wrong in several ways"

model tiny {
  arch    dcgan
  weights "tiny.pth"
}

latents z { seed 1  count 60 }

rule dot at layer7 {
  copy    z[3] box(x 8..40, y 8..40)
  context z[500] box(x 8..40, y 8..40)
  context z[5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19] box(x 8..40, y 8..40)
}
"""
SWEPT = """
sweep sizes {
  vary rank of dot over 1, 2
  vary preserve of dot over 0.1, 0.2
}
"""
NEW = "new-file"
"""What a command writes; each width has one of its own."""
COMMANDS = (
    "",
    "check demo.redraft",
    "check wrong.redraft",
    "fmt wrong.redraft",
    "diff demo.redraft two.redraft",
    "diff run two",
    "diff run demo.redraft",
    "explain RD215",
    "explain --all",
    "recipes",
    "import demo.redraft",
    "export run --lora -o NEW.safetensors",
    "migrate demo.redraft --check",
    "models",
    "layers tiny.pth",
    "layers stylegan2-faces",
    "sample tiny.pth --out NEW.png",
    "match demo.redraft dot",
    "show two.redraft --out NEW-marks.png",
    "new NEW --model tiny.pth",
    "plan two.redraft",
    "lock demo.redraft",
    "lock two.redraft --check",
    "run demo.redraft --no-lock",
    "run two.redraft --verbose",
    "run nothing",
    "run wrong.redraft",
    "eval two.redraft",
    "locate demo.redraft",
    "sweep swept.redraft",
    "verify run",
    "apply tiny.pth run --out NEW.pth",
    "revert NEW.pth",
    "combine run two/edit.safetensors -o NEW-both.safetensors --model tiny.pth --measure",
    "pack run -o NEW.redraftpack",
    "unpack NEW.redraftpack -o NEW",
    "bench solve --recipe demo.redraft --rank 1 --steps 2",
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Terminal = Callable[..., str]


@pytest.fixture(scope="session")
def desk(
    tmp_path_factory: pytest.TempPathFactory, finished: Path, cache: Path, forking: object
) -> Path:
    """Recipes, right and wrong, with their model and two finished runs."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("tiny.pth", "demo.redraft"):
        shutil.copy(finished / name, folder)
    text = (finished / "demo.redraft").read_text("utf-8")
    rule = text[text.index("rule dot") :]
    later = rule.replace("rule dot at layer6", "rule later at layer9")
    (folder / "two.redraft").write_text(f"{text}\n{later}".replace("recipe demo", "recipe two"))
    (folder / "swept.redraft").write_text(text.replace("recipe demo", "recipe swept") + SWEPT)
    (folder / "wrong.redraft").write_text(WRONG)
    shutil.copytree(finished / "run", folder / "run")
    return folder


@pytest.fixture
def shown(
    desk: Path, on_a_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, int], list[str]]:
    """The lines that a command shows on a terminal of some width, without colour."""
    monkeypatch.chdir(desk)
    if not (desk / "two").exists():
        on_a_terminal("run", "two.redraft", "--out", "two", width=80)

    def show(command: str, width: int) -> list[str]:
        words = [*command.replace("NEW", f"{NEW}{width}").split()]
        text = on_a_terminal(*words, width=width, NO_COLOR="1").replace("\r", "")
        return text.splitlines()

    return show


def words(lines: list[str]) -> set[str]:
    """Every word, without what stands around it."""
    every = (re.sub(rf"{NEW}\d+", NEW, word) for line in lines for word in line.split())
    found = {word.strip(" ,;:.()`'\"=>-^|─…") for word in every}
    return {word for word in found if not re.fullmatch(r"[-+.\d\[\]e]*", word)}


@pytest.mark.parametrize("command", COMMANDS)
def test_at_every_width(shown: Callable[[str, int], list[str]], command: str) -> None:
    whole = words(shown(command, WIDE)) | AGAIN
    assert len(whole) > 6
    for width in WIDTHS:
        lines = shown(command, width)
        fences = [line for line in lines if re.match(r"\s+(copy|context|rule|redraft)\b", line)]
        long = [line for line in lines if columns_of(line) > width and line not in fences]
        # A word has nowhere to go; a recipe's line is a line, and a command is to be copied.
        assert [line for line in long if len(line.split()) > 1] == []
        short = {word[:12] for word in whole if re.fullmatch("[0-9a-f]{64}", word)}
        broken = words(lines) - whole - short
        assert broken == set(), "\n".join(lines)


@pytest.mark.parametrize("name", sorted(app.list_commands(None)))  # type: ignore[arg-type]
def test_help_at_every_width(program: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        lines = program(name, "--help").stdout.splitlines()
        assert lines[0].startswith("Usage: redraft")
        assert [line for line in lines if columns_of(line) > width] == []


def test_a_pipe_gets_whole_lines(desk: Path, program: Run) -> None:
    done = program("run", "nothing")
    assert len(done.stderr.splitlines()) == 2


def test_a_rule_is_two_lines_on_a_narrow_screen(shown: Callable[[str, int], list[str]]) -> None:
    narrow = "\n".join(shown("run demo.redraft", 80))
    two_lines = r"\ndot at layer6, rank 2: .+\n  share [\d.]+   amplitude [\d.]+   outside "
    assert re.search(two_lines, narrow)
    assert "[" not in narrow.partition("dot at layer6")[2]
    verbose = "\n".join(shown("run demo.redraft --verbose", 80))
    assert re.search(r"\n  share +[\d.]+ \[[\d.]+, [\d.]+\]\n", verbose)
    assert "\n  loss " in verbose
    wide = "\n".join(shown("run demo.redraft", 120))
    assert re.search(r"\nrule +layer +rank +share ", wide)


def test_a_sweep_on_a_narrow_screen(shown: Callable[[str, int], list[str]]) -> None:
    narrow = shown("sweep swept.redraft", 80)
    assert any(re.match(r" *1 +1 +0.1 ", line) for line in narrow)
    assert "[" not in "\n".join(narrow)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_help_is_never_cut(program: Run, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = program("--help").stdout
    assert "..." not in shown.replace("[ARGS]...", "")
    assert "…" not in shown
    assert max(map(columns_of, shown.splitlines())) <= width


def test_a_sweep_of_two_rules_has_a_table_at_every_width(
    shown: Callable[[str, int], list[str]], desk: Path
) -> None:
    text = (desk / "two.redraft").read_text("utf-8").replace("recipe two", "recipe both")
    (desk / "both.redraft").write_text(text + SWEPT, "utf-8")
    for width in (60, 80, 120, 140):
        lines = shown("sweep both.redraft", width)
        assert any(re.match(r" *1 +1 +0.1 +dot +[\d.]+ ", line) for line in lines), width


def test_hashes_are_whole_or_short(shown: Callable[[str, int], list[str]]) -> None:
    narrow = shown("plan two.redraft --quick", 60)
    assert any(re.fullmatch(r"recipe  sha256 [0-9a-f]{12}…", line) for line in narrow)
    wide = shown("plan two.redraft --quick", 120)
    assert any(re.fullmatch(r"recipe  sha256 [0-9a-f]{64}", line) for line in wide)


def test_a_comparison_of_runs(shown: Callable[[str, int], list[str]]) -> None:
    lines = shown("diff run two", 60)
    assert lines[0] == "The recipe"
    assert not any(re.search(r"\([^()]*$", line) for line in lines if "box" in line)


def test_lines_are_broken_between_words_and_indented() -> None:
    assert wrapped("one two three", 7) == "one two\n  three"
    assert wrapped("  one two three", 9) == "  one two\n    three"
    assert wrapped("\x1b[1mone\x1b[0m two three", 7) == "\x1b[1mone\x1b[0m two\n  three"
    assert wrapped("a-word-that-is-too-long for it", 7) == "a-word-that-is-too-long\n  for\n  it"
    assert wrapped("one two three", None) == "one two three"


def test_a_table_that_does_not_fit_is_blocks() -> None:
    columns = [Column("name"), Column("what it is"), Column("figure", right=True)]
    rows = [["first", "a thing", "1.0"], ["second", "another thing", "2.0"]]
    beside = table(columns, rows, 40, unicode=False, color=False)
    assert beside.splitlines()[2].split() == ["first", "|", "a", "thing", "|", "1.0"]
    below = table(columns, rows, 20, unicode=False, color=False)
    kept = Fit(shorter=[("name", "figure")])
    shorter = table(columns, rows, 20, unicode=False, color=False, fit=kept)
    assert shorter.splitlines()[2].split() == ["first", "|", "1.0"]
    both = tables(columns, [rows, [["x", "y", "1.0"]]], 20, unicode=False, color=False)
    assert both[1].splitlines() == ["x", "  what it is y", "  figure 1.0"]
    named = Fit(named=2)
    after = table(columns, rows, 20, unicode=False, color=False, fit=named)
    assert after.splitlines()[:2] == ["first what it is a", "  thing"]
    assert below.splitlines()[:3] == ["first", "  what it is a thing", "  figure 1.0"]


def test_scores_say_on_what_they_were_measured(shown: Callable[[str, int], list[str]]) -> None:
    lines = shown("eval two.redraft", 60)
    assert "measured on 60 held-out pictures of z, from 60 on" in lines
    # No right answer is known, so there is no distance from one.
    assert not any("distance" in line for line in lines)
