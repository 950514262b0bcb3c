"""What a newcomer types first, and what is said where it is not quite what was meant."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from redraft.explain.words import percent
from redraft.runs.locate import Candidate, Settings, _why
from redraft.show.pictures import ROLE_COLOURS

Invoke = Callable[..., Result]
OWN = Settings(8, 1.0, 0.3)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("run demo.redraft --rank 8", "`--rank`: set a rule's own with `--set RULE.rank=VALUE`"),
        ("sweep demo.redraft --layer x", "set a rule's own with `--set RULE.layer=VALUE`"),
        ("locate demo.redraft --out x.png", "no such option `--out`: here it is `--sheet`"),
        ("check demo.redraft -o x", "this command writes no file that you name"),
        ("diff a b --out x.html", "here it is `--html`"),
    ],
)
def test_an_option_of_another_command(invoke: Invoke, recipe: Path, typed: str, said: str) -> None:
    assert recipe.is_file()
    shown = invoke(*typed.split())
    assert shown.exit_code == 2
    assert said in shown.stderr


def test_a_recipe_that_is_named_without_its_ending(invoke: Invoke, recipe: Path) -> None:
    assert recipe.is_file()
    shown = invoke("run", "demo")
    assert "error[RD638]: there is no recipe `demo`" in shown.stderr
    assert "name the file: demo.redraft" in shown.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("RD999", "codes go from RD001 to RD8"),
        ("RD299", "those of `Settings` go from RD201 to RD2"),
        ("RD66x", "did you mean RD660?"),
        ("XD101", "did you mean RD101?"),
    ],
)
def test_a_code_that_there_is_not(invoke: Invoke, typed: str, said: str) -> None:
    assert said in invoke("explain", typed).stderr


@pytest.mark.parametrize(
    ("given", "at_fault"),
    [
        ("dot.rank=0", True),
        ("dot.layr=layer3", True),
        ("dot.strength=2", False),
    ],
)
def test_a_wrong_value_of_set_is_not_looked_for_in_the_text(
    invoke: Invoke, recipe: Path, given: str, at_fault: bool
) -> None:
    assert recipe.is_file()
    shown = invoke("check", "demo.redraft", "--set", given)
    name, _, value = given.partition("=")
    note = f"note: `{name} = {value}` does not stand in the text; it was given, as with `--set`"
    assert (note in shown.stderr + shown.stdout) == at_fault


def test_a_tidy_recipe_is_said_to_be_tidy(invoke: Invoke, recipe: Path) -> None:
    invoke("fmt", recipe.name)
    shown = invoke("fmt", recipe.name)
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert shown.stderr == "nothing to do: 1 recipe laid out already\n"


@pytest.mark.parametrize(
    "typed",
    [
        "sample tiny.pth --out nodir/x.png",
        "apply tiny.pth nothing --out nodir/x.pth",
        "locate demo.redraft --sheet nodir/x.png",
        "show demo.redraft --out nodir/x.png",
        "match demo.redraft dot --out nodir/x.png",
    ],
)
def test_a_folder_that_is_not_there_is_named_before_anything_else(
    invoke: Invoke, recipe: Path, typed: str
) -> None:
    (recipe.parent / "tiny.pth").unlink()
    shown = invoke(*typed.split())
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD631]: cannot write nodir/x.p")
    assert "mkdir -p nodir" in shown.stderr


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder that takes no files")
def test_a_folder_of_the_system(invoke: Invoke, recipe: Path) -> None:
    assert recipe.is_file()
    shown = invoke("sample", "tiny.pth", "--out", "/proc/x")
    assert "error[RD633]: cannot write /proc/x: the folder /proc may not be" in shown.stderr
    shown = invoke("run", "demo.redraft", "--out", "/proc/x")
    assert "/proc takes no new folders" in shown.stderr


def test_several_bare_images_are_as_many_files(invoke: Invoke, recipe: Path) -> None:
    assert recipe.is_file()
    words = ("sample", "tiny.pth", "--bare", "--scale", "2")
    shown = invoke(*words, "--images", "3,5", "--out", "face.png")
    assert shown.exit_code == 0, shown.stderr
    assert not Path("face.png").exists()
    invoke(*words, "--images", "5", "--out", "alone.png")
    with Image.open("face-5.png") as one, Image.open("alone.png") as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    Path("face-3.png").write_bytes(b"painted")
    Path("face-5.png").unlink()
    shown = invoke(*words, "--images", "3,5", "--out", "face.png")
    assert "error[RD681]" in shown.stderr
    assert not Path("face-5.png").exists()


def test_show_draws_where_the_copy_is_put(invoke: Invoke, recipe: Path) -> None:
    assert recipe.is_file()
    assert invoke("show", "demo.redraft", "--out", "marks.png").exit_code == 0
    wanted = tuple(int(ROLE_COLOURS["landing"][at : at + 2], 16) for at in (1, 3, 5))
    with Image.open("marks.png") as sheet:
        found = (np.asarray(sheet.convert("RGB")) == wanted).all(-1)
    # The copy is the first picture; contexts are beside and below it.
    assert found[:, sheet.width // 2 :].any()


def test_reverting_twice_is_said_to_be_that(
    invoke: Invoke, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    assert invoke("apply", "tiny.pth", "run", "--out", "new.pth").exit_code == 0
    assert invoke("revert", "new.pth").exit_code == 0
    shown = invoke("revert", "new.pth")
    assert "is the unedited model already: it was reverted before" in shown.stderr


def test_an_edit_of_another_model_names_both(invoke: Invoke, finished: Path) -> None:
    shown = invoke("apply", "village", str(finished / "run"), "--out", "new.pth")
    assert shown.exit_code == 1
    assert "the edit was made for `tiny`, and this is `village`" in shown.stderr


@pytest.mark.parametrize("command", ["pack", "verify"])
def test_the_folder_of_a_sweep_is_not_a_run(invoke: Invoke, finished: Path, command: str) -> None:
    shutil.copytree(finished / "run", "runs/tries/cells/001-one")
    shown = invoke(command, "runs/tries")
    assert "error[RD660]: runs/tries is the folder of a sweep, which holds 1 run" in shown.stderr
    assert "runs/tries/cells/001-one" in shown.stderr


FACES = """edition 2026
recipe hat 1.0.0 "A hat"
model faces
latents z { seed 1  count 100 }
rule hat at layer6 {
  copy z[1] %s
  context z[5] box(x 7..39, y 15..47)
  context like z[5] box(x 7..39, y 15..47) top 5 among 0..40
  context z[6] box(x 0..32, y 15..47)
}
"""


def test_the_copy_that_hangs_over_is_warned_of_once_for_a_place(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hat.redraft").write_text(FACES % "box(x 0..48, y 8..40)")
    shown = invoke("check", "hat.redraft").stdout
    assert shown.count("RD306") == 2
    assert "by 1 pixel; what hangs over is lost" in shown
    assert "by 8 pixels; what hangs over is lost" in shown


def test_a_mask_of_another_shape_is_all_that_is_said_of_it(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (100, 60), 255).save("odd.png")
    Path("hat.redraft").write_text(FACES % 'mask("odd.png")')
    shown = invoke("check", "hat.redraft").stdout
    assert "error[RD314]" in shown
    assert shown.endswith("hat.redraft: 1 error\n")


def test_words_and_tables_round_alike() -> None:
    for thousandths in range(100, 1000):
        share = thousandths / 1000
        assert percent(share) == f"{100 * float(f'{share:.2f}'):.0f} %"
    assert (percent(0.093), percent(0.0004)) == ("9.3 %", "0.0 %")


def test_what_scored_higher_than_what_is_recommended_has_its_reason() -> None:
    best = Candidate("layer6", OWN, 0.5, 0.8, 0.05, amplitude=0.5)
    wide = Candidate("layer6", Settings(32, 0.5, 0.03), 0.8, 0.9, 0.3, amplitude=0.8)
    near = Candidate("layer6", Settings(16, 1.0, 0.3), 0.52, 0.8, 0.05, amplitude=0.52)
    alone = _why(best, OWN, [best])
    assert alone.endswith("with the rule's own settings")
    said = _why(best, OWN, [best, wide, near])
    assert "1 scores higher but with more than 2 times the side effect" in said
    assert "1 scores higher but by less than 15 %" in said
