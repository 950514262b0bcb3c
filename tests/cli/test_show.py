"""``redraft new``, ``redraft show``, ``sample --bare`` and ``--open``: before and after a run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image, ImageDraw

import redraft
from redraft.show.pictures import ROLE_COLOURS
from redraft_dsl.geometry.regions import coverage

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the system's opener was asked to open."""
    said = tmp_path / "opened.txt"
    folder = tmp_path / "programs"
    folder.mkdir()
    program = folder / "xdg-open"
    program.write_text(f'#!/bin/sh\necho "$1" > {said}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return said


def has_colour(picture: Image.Image, colour: str) -> bool:
    wanted = tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return bool((np.asarray(picture.convert("RGB")) == wanted).all(-1).any())


def test_all_marks_on_one_sheet(program: Run, two_rules: Path, opened: Path) -> None:
    done = program("show", "demo.redraft", "--open")
    assert done.returncode == 0, done.stderr
    assert "dot at layer6: keys 8 x 8, values 16 x 16\n" in done.stdout
    assert "later at layer9: keys 16 x 16, values 32 x 32\n" in done.stdout
    assert "written: demo-marks.png (848 x 720, 6 marks)" in done.stdout
    assert "later will copy what the rules before it leave there" in " ".join(done.stdout.split())
    with Image.open("demo-marks.png") as sheet:
        assert has_colour(sheet, ROLE_COLOURS["copy"])
        assert has_colour(sheet, ROLE_COLOURS["context"])
        assert not has_colour(sheet, ROLE_COLOURS["paste"])
    assert opened.read_text() == "demo-marks.png\n"


def test_a_recipe_with_errors_is_not_drawn(invoke: Invoke, recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("z[3]", "z[300]"))
    shown = invoke("show", "demo.redraft")
    assert shown.exit_code == 1
    assert "RD210" in shown.stderr
    assert not Path("demo-marks.png").exists()


def test_a_starting_recipe_is_right_as_it_is(invoke: Invoke, recipe: Path) -> None:
    made = invoke("new", "red-nose", "--model", "tiny.pth")
    assert (made.exit_code, made.stdout) == (0, "written: red-nose.redraft\n")
    assert invoke("fmt", "--check", "red-nose.redraft").exit_code == 0
    assert "no problems" in invoke("check", "red-nose.redraft").stdout
    assert invoke("show", "red-nose.redraft").exit_code == 0
    again = invoke("new", "red-nose", "--model", "tiny.pth")
    assert "error[RD681]: red-nose.redraft is there already" in again.stderr
    assert invoke("new", "other", "--model", "faces").exit_code == 0
    assert "model faces\n" in Path("other.redraft").read_text()


def test_what_a_recipe_cannot_be_called(invoke: Invoke, recipe: Path) -> None:
    for name in ("Red Nose", "rule", "x" * 200, "-"):
        refused = invoke("new", "--model", "tiny.pth", "--", name)
        assert refused.exit_code == 1
        assert f"error[RD423]: `{name}` cannot be the name of a recipe" in refused.stderr


@pytest.mark.parametrize("scale", [1, 3, 8])
def test_a_mask_painted_on_a_bare_picture(invoke: Invoke, recipe: Path, scale: int) -> None:
    words = ("--bare", "--scale", str(scale), "--images", "5", "--out", "5.png")
    assert invoke("sample", "tiny.pth", *words).exit_code == 0
    with Image.open("5.png") as bare:
        assert bare.size == (64 * scale, 64 * scale)
        layer = Image.new("L", bare.size)
    box = (8 * scale, 16 * scale, 40 * scale - 1, 24 * scale - 1)
    ImageDraw.Draw(layer).rectangle(box, fill=255)
    layer.save("eyes.png")
    text = recipe.read_text().replace("box(x 8..40, y 8..40)", 'mask("eyes.png")')
    painted = redraft.loads(text, Path()).recipe
    boxed = redraft.loads(text.replace('mask("eyes.png")', "box(x 8..40, y 16..24)")).recipe
    assert painted is not None
    assert boxed is not None
    areas = [
        coverage(each.rules[0].copy_from.region, (64, 64), Path())  # type: ignore[union-attr]
        for each in (painted, boxed)
    ]
    np.testing.assert_array_equal(*areas)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scale", "2"), "--scale goes with --bare"),
        (("--bare", "--images", "5", "--scale", "65"), "65 is not in the range"),
    ],
)
def test_what_a_bare_picture_cannot_be(
    invoke: Invoke, recipe: Path, words: tuple[str, ...], said: str
) -> None:
    refused = invoke("sample", "tiny.pth", *words, "--out", "5.png")
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_the_report_is_opened(program: Run, recipe: Path, opened: Path) -> None:
    done = program("run", "demo.redraft", "--out", "run", "--open")
    assert done.returncode == 0, done.stderr
    assert opened.read_text() == "run/report.html\n"


def test_on_a_terminal_the_next_commands_are_named(
    on_a_terminal: Callable[..., str], recipe: Path
) -> None:
    shown = on_a_terminal("new", "nose", "--model", "tiny.pth", NO_COLOR="1").replace("\r", "")
    assert shown.endswith(
        "next:\n  redraft sample tiny.pth --out sheet.png\n  redraft show nose.redraft --open\n"
    )
    shown = on_a_terminal("run", "demo.redraft", "--out", "run", NO_COLOR="1").replace("\r", "")
    look, first, second, third = shown.rstrip().splitlines()[-4:]
    assert look == "  open run/report.html"
    assert first.startswith("  redraft sample ")
    assert second.startswith("  redraft apply ")
    assert third == "  redraft pack run"
    words = ("sample", "tiny.pth", "--edit", "run", "--rule", "dot", "--out", "after.png")
    shown = on_a_terminal(*words, NO_COLOR="1").replace("\r", "")
    assert shown.endswith(
        "next:\n  redraft apply tiny.pth run --rule dot --out edited.pth\n  redraft pack run\n"
    )


@pytest.mark.parametrize("terminal", [{"TERM_PROGRAM": "iTerm.app"}, {"KITTY_WINDOW_ID": "1"}])
def test_a_terminal_that_draws_gets_the_picture(
    on_a_terminal: Callable[..., str], recipe: Path, terminal: dict[str, str]
) -> None:
    shown = on_a_terminal("show", "demo.redraft", **terminal)
    assert ("\x1b]1337;File=" in shown) == ("TERM_PROGRAM" in terminal)
    assert ("\x1b_Ga=T,f=100," in shown) == ("KITTY_WINDOW_ID" in terminal)
    assert "\x1b_G" not in on_a_terminal("show", "demo.redraft")
