"""Recipes in JSON on the command line: ``redraft export --json`` and ``redraft import``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image

from redraft.plans.loading import load

Invoke = Callable[..., Result]

MASKED = """edition 2026

recipe masked 1.0.0 "With a mask"

model faces
latents z { seed 1  count 60 }

rule dot at layer6 {
  copy    z[3] mask("masks/eyes.png")
  context z[5] mask("masks/eyes.png") plus box(x 0..4, y 0..4)
  rank     2
}
"""


@pytest.fixture
def masked() -> Path:
    """A recipe with a mask, in a folder of its own."""
    folder = Path("from")
    (folder / "masks").mkdir(parents=True)
    picture = Image.new("L", (64, 64))
    picture.paste(255, (12, 24, 52, 38))
    picture.save(folder / "masks" / "eyes.png")
    path = folder / "masked.redraft"
    path.write_text(MASKED, encoding="utf-8")
    return path


def exported(invoke: Invoke, path: str | Path) -> dict[str, Any]:
    shown = invoke("export", str(path), "--json")
    assert shown.exit_code == 0, shown.stderr
    data: dict[str, Any] = json.loads(shown.stdout)
    return data


def write(data: Any, name: str = "in.json") -> str:
    Path(name).write_text(json.dumps(data), encoding="utf-8")
    return name


def test_a_recipe_goes_there_and_back(invoke: Invoke, recipe: Path) -> None:
    shown = invoke("export", "demo.redraft", "--json", "-o", "demo.json")
    assert (shown.exit_code, shown.stdout) == (0, "written: demo.json\n")
    back = invoke("import", "demo.json", "-o", "again.redraft")
    assert (back.exit_code, back.stdout, back.stderr) == (0, "written: again.redraft\n", "")
    assert load("again.redraft").recipe == load("demo.redraft").recipe
    assert invoke("fmt", "--check", "again.redraft").exit_code == 0
    again = invoke("export", "again.redraft", "--json")
    assert again.stdout == Path("demo.json").read_text(encoding="utf-8")


def test_without_a_name_the_recipe_is_called_as_the_file(invoke: Invoke, recipe: Path) -> None:
    assert invoke("export", "demo.redraft", "--json", "-o", "copy.json").exit_code == 0
    assert invoke("import", "copy.json").stdout == "written: copy.redraft\n"
    kept = invoke("import", "copy.json")
    assert "error[RD681]: copy.redraft is there already" in kept.stderr
    assert invoke("import", "copy.json", "--force").exit_code == 0


def test_masks_must_lie_beside_the_recipe(invoke: Invoke, masked: Path) -> None:
    data = exported(invoke, masked)
    file = write(data)
    Path("to").mkdir()
    missing = invoke("import", file, "-o", "to/masked.redraft")
    assert missing.exit_code == 1
    assert "masks/eyes.png" in missing.stderr
    assert "error[RD738]" in missing.stderr
    assert not Path("to/masked.redraft").exists()

    shutil.copytree("from/masks", "to/masks")
    Image.new("L", (64, 64), 255).save("to/masks/eyes.png")
    other = invoke("import", file, "-o", "to/masked.redraft")
    assert other.exit_code == 1
    sha256 = data["recipe"]["rules"][0]["copy_from"]["region"]["sha256"]
    assert "error[RD736]: the mask to/masks/eyes.png is not the one" in other.stderr
    assert sha256[:12] in other.stderr
    assert not Path("to/masked.redraft").exists()

    shutil.copy("from/masks/eyes.png", "to/masks/eyes.png")
    good = invoke("import", file, "-o", "to/masked.redraft")
    assert good.exit_code == 0
    assert load("to/masked.redraft").recipe == load(masked).recipe


def damaged(data: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    change(data["recipe"]["rules"][0])
    return data


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda rule: rule.update(rank="2"), ["RD735"]),
        (lambda rule: rule.update(spell=1), ["RD735"]),
        (lambda rule: rule.pop("keep"), ["RD735"]),
        (lambda rule: rule.update(strength=1e300), ["RD735"]),
        (lambda rule: rule.update(layer="layer66"), ["RD738"]),
        (lambda rule: rule["copy_from"]["region"].update(path="../eyes.png"), ["RD213", "RD738"]),
        (lambda rule: rule["copy_from"]["region"].update(path="/etc/passwd"), ["RD213", "RD738"]),
        (lambda rule: rule["copy_from"]["region"].update(path='a".png'), ["RD737"]),
        (lambda rule: rule["copy_from"]["region"].update(sha256="0" * 64), ["RD736"]),
        (lambda rule: rule.update(layer="main.6"), ["RD737"]),
        (lambda rule: rule.update(name="dot at layer6 { } zero b"), ["RD738"]),
        (lambda rule: rule.update(name="dot at layer6 {} #"), ["RD738"]),
    ],
)
def test_what_is_wrong_in_a_file_is_told_and_nothing_is_written(
    invoke: Invoke, masked: Path, change: Callable[[dict[str, Any]], None], codes: list[str]
) -> None:
    file = write(damaged(exported(invoke, masked), change))
    shown = invoke("import", file, "-o", "from/again.redraft")
    assert shown.exit_code == 1
    assert all(f"error[{code}]" in shown.stderr for code in codes), shown.stderr
    assert "help" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert not Path("from/again.redraft").exists()


def test_a_layer_by_another_name_is_told(invoke: Invoke, masked: Path) -> None:
    file = write(damaged(exported(invoke, masked), lambda rule: rule.update(layer="main.6")))
    shown = invoke("import", file, "-o", "from/again.redraft")
    assert "layer of dot: main.6 -> layer6" in " ".join(shown.stderr.split())


def test_a_file_of_neither_kind_is_told_so_before_options_are_asked_for(invoke: Invoke) -> None:
    Path("in.json").write_text('{"a": 1}', encoding="utf-8")
    shown = invoke("import", "in.json")
    assert shown.exit_code == 1
    assert "error[RD680]: in.json is not an edit file: it has a field `a`" in shown.stderr
    assert "a recipe in JSON is what `redraft export --json` writes" in shown.stderr


@pytest.mark.parametrize(
    ("options", "missing"), [((), "--model"), (("--model", "faces"), "--layer")]
)
def test_an_edit_file_needs_a_model_and_a_layer(
    invoke: Invoke, masked: Path, options: tuple[str, ...], missing: str
) -> None:
    made = invoke("export", str(masked), "--davidbau", "-o", "edit.json")
    assert made.exit_code == 0, made.stderr
    shown = invoke("import", "edit.json", *options)
    assert shown.exit_code == 2
    assert f"missing option '{missing}'" in shown.stderr.lower()


def test_a_recipe_in_json_takes_no_options_of_an_edit_file(invoke: Invoke, recipe: Path) -> None:
    file = write(exported(invoke, "demo.redraft"))
    shown = invoke("import", file, "--model", "faces")
    assert shown.exit_code == 2
    assert "leave out --model" in shown.stderr


@pytest.mark.parametrize("forms", [(), ("--json", "--davidbau"), ("--json", "--lora")])
def test_one_form_is_asked_for(invoke: Invoke, recipe: Path, forms: tuple[str, ...]) -> None:
    shown = invoke("export", "demo.redraft", *forms)
    assert shown.exit_code == 2
    assert "say in which form: --davidbau, --json or --lora" in shown.stderr


def test_a_recipe_with_errors_is_not_exported(invoke: Invoke) -> None:
    Path("bad.redraft").write_text("edition 2026\n", encoding="utf-8")
    shown = invoke("export", "bad.redraft", "--json", "-o", "bad.json")
    assert shown.exit_code == 1
    assert "error[RD104]" in shown.stderr
    assert not Path("bad.json").exists()


def test_warnings_of_the_checker_are_shown(invoke: Invoke, recipe: Path) -> None:
    data = exported(invoke, "demo.redraft")
    more = {"name": "w", "seed": 2, "count": 9}
    data["recipe"]["latents"].append(more)
    shown = invoke("import", write(data), "-o", "again.redraft")
    assert shown.exit_code == 0
    assert "the latents `w` are never used" in shown.stderr


@pytest.mark.usefixtures("masked")
def test_a_recipe_on_a_listed_model_needs_no_torch() -> None:
    lines = [
        "import sys",
        "from redraft.cli import main",
        "assert main(['export', 'from/masked.redraft', '--json', '-o', 'a.json']) == 0",
        "assert main(['import', 'a.json', '-o', 'from/b.redraft']) == 0",
        "main(['schema'])",
        "main(['migrate', 'from/b.redraft'])",
        "sys.exit('torch' in sys.modules)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "is in the newest edition" in done.stdout
