"""``--generator FILE.py:NAME``: a person's own module, and what such code may do wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.cli.conftest import Invoke

SMALL = '''"""A generator of pictures of 16 x 16 pixels."""

from pathlib import Path

import torch
from torch import nn

{beside}


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 8 * 4 * 4)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.colours = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, z):
        {drawing}
        x = self.first(z).view(-1, 8, 4, 4)
        x = nn.functional.interpolate(x, scale_factor=4)
        return torch.tanh(self.colours(torch.relu(x + self.norm(self.conv(x)))))


def make():
    Path("ran.txt").write_text("the code ran")
    {making}
    return Small()
'''
RECIPE = """edition 2026

recipe own 1.0.0 "A rule in somebody's own generator"

model mine {
  arch    module
  weights "small.pth"
}

latents z { seed 1  count 60 }

rule spot at conv {
  copy    z[3] box(x 4..12, y 4..12)
  context z[5] box(x 4..12, y 4..12)
  context z[8] box(x 4..12, y 4..12)
  rank     2
}
"""
NAMED = ("--generator", "small.py:make")


def write(beside: str = "", drawing: str = "pass", making: str = "pass", text: str = "") -> None:
    """A generator, its weights and a recipe in the current folder; code that is not yet run."""
    source = text or SMALL.format(beside=beside, drawing=drawing, making=making)
    Path("small.py").write_text(source, encoding="utf-8")
    Path("own.redraft").write_text(RECIPE, encoding="utf-8")
    random = torch.Generator().manual_seed(0)
    shapes = {
        "first.weight": (128, 6),
        "first.bias": (128,),
        "conv.weight": (8, 8, 3, 3),
        "conv.bias": (8,),
        "norm.weight": (8,),
        "norm.bias": (8,),
        "norm.running_mean": (8,),
        "norm.running_var": (8,),
        "colours.weight": (3, 8, 3, 3),
        "colours.bias": (3,),
    }
    state = {name: torch.rand(shape, generator=random) - 0.3 for name, shape in shapes.items()}
    state["norm.running_var"] += 1
    state["norm.num_batches_tracked"] = torch.tensor(7)
    torch.save(state, "small.pth")


def test_only_the_person_makes_code_run(invoke: Invoke) -> None:
    write()
    for command in ("run", "plan", "lock", "match"):
        more = ("spot",) if command == "match" else ()
        done = invoke(command, "own.redraft", *more)
        assert done.exit_code == 1
        assert "error[RD659]" in done.stderr
        assert "redraft runs code only where you name it" in done.stderr
    assert invoke("check", "own.redraft").exit_code == 0
    assert "error[RD626]" in invoke("layers", "small.pth").stderr
    assert not Path("ran.txt").exists()
    assert not Path("runs").exists()


def test_check_and_plan_wait_for_a_look_and_then_read_what_it_saw(invoke: Invoke) -> None:
    write(beside="A = 1")
    for command in ("check", "plan"):
        done = invoke(command, "own.redraft", *NAMED)
        assert done.exit_code == 1
        assert "RD648" in done.output
        assert "run `redraft layers small.pth --generator small.py:make` first" in done.output
    assert not Path("ran.txt").exists()

    listed = invoke("layers", "small.pth", *NAMED)
    assert listed.exit_code == 0, listed.stderr
    assert "module, pictures 16 x 16, latents of 6 numbers" in listed.stdout
    assert "batch norm, sum, ReLU" in listed.stdout
    assert "no layer: colours: it makes the colours of the picture" in listed.stdout
    Path("ran.txt").unlink()

    assert invoke("check", "own.redraft", *NAMED).exit_code == 0
    Path("typo.redraft").write_text(RECIPE.replace("at conv", "at cnov"), encoding="utf-8")
    assert "did you mean `conv`?" in invoke("check", "typo.redraft", *NAMED).output
    assert "rule spot" in invoke("plan", "own.redraft", *NAMED).stdout
    found = json.loads(invoke("layers", "small.pth", *NAMED, "--format", "json").stdout)
    assert [layer["names"] for layer in found["layers"]] == [["first"], ["conv"]]
    assert not Path("ran.txt").exists()

    # Other code is another generator, also where it lies in a file beside.
    write(beside="import helper")
    Path("helper.py").write_text("B = 1", encoding="utf-8")
    assert "RD648" in invoke("plan", "own.redraft", *NAMED).output
    assert invoke("layers", "small.pth", *NAMED).exit_code == 0
    assert invoke("plan", "own.redraft", *NAMED).exit_code == 0
    Path("helper.py").write_text("B = 2", encoding="utf-8")
    assert "RD648" in invoke("plan", "own.redraft", *NAMED).output


def test_a_plan_knows_how_fast_the_first_look_was(invoke: Invoke) -> None:
    write(drawing="import time; time.sleep(0.02 * len(z))")
    assert invoke("layers", "small.pth", *NAMED).exit_code == 0
    plan = invoke("plan", "own.redraft", *NAMED, "--device", "cpu")
    assert "seconds with loading and the report (measured on this machine)" in plan.stdout
    planned = json.loads(
        invoke("plan", "own.redraft", *NAMED, "--device", "cpu", "--format", "json").stdout
    )
    (rule,) = (step for step in planned["steps"] if step["kind"] == "rule")
    # As many pictures are judged as there are latents, at 20 ms each.
    assert rule["seconds"] > 60 * 0.02


def test_a_run_its_lock_its_edit_and_its_proof(invoke: Invoke) -> None:
    write(beside="C = 1")
    assert "18 records" in invoke("lock", "own.redraft", *NAMED).stdout
    ran = invoke("run", "own.redraft", *NAMED, "--out", "out")
    assert ran.exit_code == 0, ran.stderr
    record = json.loads(Path("out/run.json").read_text(encoding="utf-8"))
    assert record["model"]["arch"] == "module"
    assert record["model"]["generator"] == "small.py:make"
    code = record["model"]["code_sha256"]
    assert f"model mine code sha256 {code}\n" in Path("own.lock").read_text(encoding="utf-8")

    # An edit goes to the file without any code, and back.
    Path("ran.txt").unlink()
    before = torch.load("small.pth", weights_only=True)
    assert "changed weights: conv.weight" in invoke(
        "apply", "small.pth", "out", "--out", "edited.pth"
    ).stdout  # fmt: skip
    edited = torch.load("edited.pth", weights_only=True)
    changed = [name for name, tensor in before.items() if not torch.equal(edited[name], tensor)]
    assert changed == ["conv.weight"]
    assert invoke("revert", "edited.pth").exit_code == 0
    assert torch.equal(torch.load("edited.pth", weights_only=True)["conv.weight"],
                       before["conv.weight"])  # fmt: skip
    assert not Path("ran.txt").exists()

    drawn = invoke("sample", "small.pth", *NAMED, "--edit", "out", "--out", "sheet.png")
    assert drawn.exit_code == 0, drawn.stderr
    assert "verified" in invoke("verify", "out", *NAMED).stdout
    assert "error[RD659]" in invoke("verify", "out").stderr
    write(beside="C = 2")
    done = invoke("run", "own.redraft", *NAMED)
    assert "model mine code: the lock says sha256" in done.output
    assert "error[RD665]" in invoke("verify", "out", *NAMED).stderr


def test_edits_of_ones_own_generator_are_combined_and_measured(invoke: Invoke) -> None:
    write()
    other = RECIPE.replace("rule spot at conv", "rule dot at first").replace(
        "box(x 4..12, y 4..12)", "all"
    )
    Path("other.redraft").write_text(other, encoding="utf-8")
    for name in ("own", "other"):
        done = invoke("run", f"{name}.redraft", *NAMED, "--out", name)
        assert done.exit_code == 0, done.stderr
    words = ("combine", "own", "other", "--model", "small.pth", "--measure")
    refused = invoke(*words, "-o", "both.safetensors")
    assert refused.exit_code == 1
    assert "RD626" in refused.stderr
    done = invoke(*words, "-o", "both.safetensors", *NAMED)
    assert done.exit_code == 0, done.stderr
    assert "kept inside" in done.stdout
    assert "rules: spot, dot" in done.stdout


def test_masks_of_ones_own_generator_are_drawn_for_the_authors_program(invoke: Invoke) -> None:
    write(beside="NEVER = 'looked at before'")
    pasted = RECIPE.replace("  rank", "  paste   z[5] box(x 4..12, y 4..12)\n  rank")
    Path("own.redraft").write_text(pasted, encoding="utf-8")
    done = invoke("export", "own.redraft", "--davidbau", "-o", "own.json")
    assert done.exit_code == 1
    assert "RD659" in done.stderr
    unseen = invoke("export", "own.redraft", "--davidbau", "-o", "own.json", *NAMED)
    assert unseen.exit_code == 1
    assert "RD648" in unseen.stderr
    assert not Path("ran.txt").exists()
    assert invoke("layers", "small.pth", *NAMED).exit_code == 0
    done = invoke("export", "own.redraft", "--davidbau", "-o", "own.json", *NAMED)
    assert done.exit_code == 0, done.stderr
    held = json.loads(Path("own.json").read_text(encoding="utf-8"))
    assert [picture for picture, _ in held["key"]] == [5, 8]


def test_the_environment_names_a_generator_for_those_that_need_one(
    recipe: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(beside="H = 1")
    monkeypatch.setenv("REDRAFT_GENERATOR", "small.py:make")
    assert "pictures 16 x 16" in invoke("layers", "small.pth").stdout
    Path("ran.txt").unlink()
    assert invoke("plan", "own.redraft").exit_code == 0
    assert invoke("plan", str(recipe), "--quick").exit_code == 0
    assert "pictures 64 x 64" in invoke("layers", "faces").stdout
    assert not Path("ran.txt").exists()


def test_a_class_that_the_model_does_not_have(invoke: Invoke) -> None:
    write(beside="I = 1")
    Path("own.redraft").write_text(RECIPE.replace("60 }", "60  class 2 }"), encoding="utf-8")
    done = invoke("run", "own.redraft", *NAMED)
    assert "error[RD679]: the latents `z` are of class 2, and the model has no classes" in (
        done.stderr
    )


def test_a_pack_runs_no_code(invoke: Invoke) -> None:
    write(beside="D = 1")
    assert invoke("run", "own.redraft", *NAMED, "--out", "out").exit_code == 0
    Path("ran.txt").unlink()
    assert invoke("pack", "out", "--out", "own.redraftpack").exit_code == 0
    for command in ("run", "verify"):
        assert "error[RD659]" in invoke(command, "own.redraftpack").stderr
    assert not Path("ran.txt").exists()
    assert invoke("verify", "own.redraftpack", *NAMED).exit_code == 0


HOSTILE = {
    "raises": ("", "pass", "raise KeyError('lost')", "RD657", "KeyError: 'lost'"),
    "raises when it draws": ("", "raise OSError('no')", "pass", "RD645", "OSError: no"),
    "exits": ("raise SystemExit(3)", "pass", "pass", "RD657", "it ends the program"),
    "dies": ("", "pass", "import os; os._exit(9)", "RD677", "(status 9)"),
    "is no module": ("", "pass", "return 7", "RD657", "gives a int, not a module"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_code_that_fails_is_reported_and_leaves_nothing(case: str, invoke: Invoke) -> None:
    beside, drawing, making, code, said = HOSTILE[case]
    write(beside, drawing, making)
    done = invoke("run", "own.redraft", *NAMED)
    assert done.exit_code == 1
    assert f"error[{code}]" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert not Path("runs").exists()
    assert "RD648" in invoke("plan", "own.redraft", *NAMED).output


def test_code_that_hangs_is_ended(invoke: Invoke) -> None:
    write(making="import time; time.sleep(600)")
    done = invoke("run", "own.redraft", *NAMED, "--timeout", "2")
    assert "error[RD677]: small.py:make did not draw a picture in 2 seconds" in done.stderr
    assert not Path("runs").exists()


def test_what_code_does_besides_is_reported_and_set_back(invoke: Invoke) -> None:
    write(
        beside="print('hello from the module')",
        making="torch.set_default_dtype(torch.float64); torch.manual_seed(5); torch.rand(3); "
        "torch.set_default_dtype(torch.float32); torch.set_num_threads(3)",
    )
    seed, threads = torch.get_rng_state(), torch.get_num_threads()
    listed = invoke("layers", "small.pth", *NAMED)
    assert listed.exit_code == 0, listed.stderr
    assert "warning: it prints: hello from the module" in listed.stderr
    assert "warning: it changes the number of threads to 3, which is set back" in listed.stderr
    ran = invoke("run", "own.redraft", *NAMED)
    assert ran.exit_code == 0, ran.stderr
    assert "hello" not in ran.stdout
    assert torch.equal(torch.get_rng_state(), seed)
    assert torch.get_num_threads() == threads


NAMES = {
    "small.py": "names no generator",
    "lost.py:make": "cannot be read",
    "small.py:lost": "has no `lost`",
}


@pytest.mark.parametrize("written", NAMES)
def test_a_name_that_leads_nowhere(written: str, invoke: Invoke) -> None:
    write(beside="E = 1")
    done = invoke("layers", "small.pth", "--generator", written)
    assert "error[RD649]" in done.stderr
    assert NAMES[written] in done.stderr


def test_weights_of_another_module(invoke: Invoke) -> None:
    write(beside="F = 1")
    state = torch.load("small.pth", weights_only=True)
    state["conv.weight"] = torch.zeros(8, 9, 3, 3)
    torch.save(state, "small.pth")
    done = invoke("layers", "small.pth", *NAMED)
    assert "error[RD658]" in done.stderr
    assert "`conv.weight` is of shape (8, 9, 3, 3) in the file and of shape (8, 8, 3, 3)" in (
        done.stderr
    )


def test_a_generator_named_for_a_model_that_needs_none(recipe: Path, invoke: Invoke) -> None:
    write(beside="G = 1")
    done = invoke("run", str(recipe), *NAMED)
    assert "error[RD659]" in done.stderr
    assert "is no torch module of your own" in done.stderr
    assert not Path("ran.txt").exists()
