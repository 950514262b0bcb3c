"""``redraft combine``, and ``redraft export --lora``."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from click.testing import Result
from safetensors.torch import load_file

Invoke = Callable[..., Result]
HAT = ("rule dot at layer6", "rule hat at layer6")
FURTHER = ("copy    z[3]", "copy    z[4]")
LATER = ("rule dot at layer6", "rule later at layer9")


@pytest.fixture
def make(invoke: Invoke, recipe: Path) -> Callable[..., str]:
    """Runs the small recipe with some texts replaced, into a folder of the given name."""

    def run(folder: str, *changes: tuple[str, str]) -> str:
        text = recipe.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        Path(f"{folder}.redraft").write_text(text, encoding="utf-8")
        done = invoke("run", f"{folder}.redraft", "--out", folder)
        assert done.exit_code == 0, done.stderr
        return folder

    return run


def weights(path: str) -> Mapping[str, torch.Tensor]:
    state: Mapping[str, torch.Tensor] = torch.load(path, weights_only=True)
    return state


def test_two_edits_become_one_that_applies_and_reverts(
    make: Callable[..., str], invoke: Invoke
) -> None:
    one, other = make("one"), make("two", HAT, FURTHER)
    done = invoke("combine", one, other, "-o", "both.safetensors", "--model", "tiny.pth")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"statistics of \d+ latents", done.stdout)
    assert "rules: dot, hat\n" in done.stdout
    assert "recipes: joined into one" in done.stdout
    for edit, out in ((one, "1.pth"), (other, "2.pth"), ("both.safetensors", "12.pth")):
        assert invoke("apply", "tiny.pth", edit, "--out", out).exit_code == 0
    base, first, second, both = map(weights, ("tiny.pth", "1.pth", "2.pth", "12.pth"))
    name = "main.6.weight"
    added = first[name] + second[name] - base[name]
    assert torch.allclose(both[name], added, rtol=0, atol=1e-6)
    assert not torch.allclose(both[name], first[name], rtol=0, atol=1e-3)
    assert invoke("revert", "12.pth").exit_code == 0
    packed = invoke("pack", "both.safetensors", "-o", "both.redraftpack")
    assert packed.exit_code == 0, packed.stderr
    applied = invoke("apply", "tiny.pth", "both.redraftpack", "--out", "again.pth")
    assert applied.exit_code == 0, applied.stderr
    assert torch.equal(weights("again.pth")[name], both[name])
    assert invoke("unpack", "both.redraftpack", "-o", "unpacked").exit_code == 0
    card = Path("unpacked/README.md").read_text("utf-8")
    assert "several edits in one" in card
    assert "redraft apply MODEL.pth edit.safetensors --out edited.pth" in card
    assert all(torch.equal(weights("12.pth")[n], tensor) for n, tensor in base.items())


def test_edits_at_two_layers_need_no_model(make: Callable[..., str], invoke: Invoke) -> None:
    one, other = make("one"), make("two", LATER)
    done = invoke("combine", one, f"{other}/edit.safetensors", "-o", "both.safetensors")
    assert done.exit_code == 0, done.stderr
    assert "interference" not in done.stdout
    assert "rules: dot, later\n" in done.stdout


def test_edits_at_one_layer_ask_for_the_model(make: Callable[..., str], invoke: Invoke) -> None:
    one, other = make("one"), make("two", HAT, FURTHER)
    done = invoke("combine", one, other, "-o", "both.safetensors")
    assert done.exit_code == 1
    assert done.stderr.startswith("error[RD693]")
    assert not Path("both.safetensors").exists()


def test_edits_whose_changes_are_alike_are_warned_of(
    make: Callable[..., str], invoke: Invoke
) -> None:
    one, other = make("one"), make("two", ("rank     2", "rank     1"))
    words = ("combine", one, other, "-o", "both.safetensors", "--model", "tiny.pth")
    assert "dot and dot-2 draw much the same (cosine of changes 0." in invoke(*words).stderr
    measured = invoke(*words, "--measure", "--force")
    assert "beside the others one does " in measured.stderr
    assert "see with --measure" not in measured.stderr


def test_rules_that_read_the_same_keys_are_pointed_out(
    make: Callable[..., str], invoke: Invoke
) -> None:
    one, other = make("one"), make("two", FURTHER)
    arguments = ("combine", one, other, "-o", "both.safetensors", "--model", "tiny.pth")
    done = invoke(*arguments)
    assert "two: its rule `dot` is `dot-2` here" in done.stderr
    assert "much the same keys are read by dot and dot-2: see with --measure" in done.stderr
    assert "warning" not in done.stderr
    again = invoke(*arguments)
    assert again.exit_code == 1
    assert "RD681" in again.stderr
    assert invoke(*arguments, "--force").exit_code == 0


def test_what_is_kept_is_measured(make: Callable[..., str], invoke: Invoke) -> None:
    one, other = make("one"), make("two", LATER)
    arguments = ("combine", one, other, "-o", "both.safetensors", "--measure")
    refused = invoke(*arguments)
    assert refused.exit_code == 2
    assert "--measure needs the unedited model" in refused.stderr
    done = invoke(*arguments, "--model", "tiny.pth")
    assert done.exit_code == 0, done.stderr
    assert "kept inside" in done.stdout
    assert "seen on 64 images" in done.stdout


def test_as_json(make: Callable[..., str], invoke: Invoke) -> None:
    one, other = make("one"), make("two", HAT, FURTHER)
    done = invoke(
        "combine", one, other, "-o", "b.safetensors", "--model", "tiny.pth", "--measure",
        "--format", "json",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["rules"] == ["dot", "hat"]
    assert told["written"] == "b.safetensors"
    assert [each["source"] for each in told["kept"]] == ["one", "two"]
    (meeting,) = told["meetings"]
    assert 0 <= meeting["keys"] <= 1
    assert 0 <= meeting["degrees"] <= 90
    assert told["pictures"] == 64
    failed = invoke("combine", one, one, "-o", "c.safetensors", "--format", "json")
    assert json.loads(failed.stdout)["error"]["code"] == "RD692"


def test_recipes_with_other_latents_are_kept_as_comments(
    make: Callable[..., str], invoke: Invoke
) -> None:
    one, other = make("one"), make("two", LATER, ("seed 1", "seed 2"))
    done = invoke("combine", one, other, "-o", "both.safetensors")
    assert "recipes: as comments, their first latents differ" in done.stdout


def test_one_edit_is_nothing_to_combine(make: Callable[..., str], invoke: Invoke) -> None:
    done = invoke("combine", make("one"), "-o", "both.safetensors")
    assert done.exit_code == 2
    assert "name at least two edits" in done.stderr


# ---- export --lora ----------------------------------------------------------------------------


def test_a_lora_of_a_run_merges_as_the_edit_applies(finished: Path, invoke: Invoke) -> None:
    shutil.copy(finished / "tiny.pth", "tiny.pth")
    done = invoke(
        "export", str(finished / "run"), "--lora", "--model", "tiny.pth", "-o", "l.safetensors"
    )
    assert done.exit_code == 0, done.stderr
    assert "main.6: rank 2, dot\n" in done.stdout
    assert done.stderr == ""
    assert invoke("apply", "tiny.pth", str(finished / "run"), "--out", "e.pth").exit_code == 0
    lora, weight = load_file("l.safetensors"), weights("tiny.pth")["main.6.weight"]
    up, down = lora["main.6.lora_up.weight"], lora["main.6.lora_down.weight"]
    merged = weight + (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
    assert torch.allclose(merged, weights("e.pth")["main.6.weight"], rtol=0, atol=1e-6)
    assert float(lora["main.6.alpha"]) == 2.0


def test_without_a_model_names_are_bare(finished: Path, invoke: Invoke) -> None:
    done = invoke("export", str(finished / "run"), "--lora", "-o", "l.safetensors")
    assert done.exit_code == 0, done.stderr
    assert set(load_file("l.safetensors")) == {
        "6.alpha", "6.lora_down.weight", "6.lora_up.weight"
    }  # fmt: skip
    again = invoke("export", str(finished / "run"), "--lora", "-o", "l.safetensors")
    assert again.exit_code == 1
    assert "RD681" in again.stderr


def test_other_weights_are_warned_of(finished: Path, invoke: Invoke) -> None:
    state = torch.load(finished / "tiny.pth", weights_only=True)
    torch.save({name: tensor * 2 for name, tensor in state.items()}, "other.pth")
    done = invoke(
        "export", str(finished / "run"), "--lora", "--model", "other.pth", "-o", "l.safetensors"
    )
    assert done.exit_code == 0, done.stderr
    assert "other.pth has other weights" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lora"], "-o FILE.safetensors"),
        (["--lora", "--davidbau", "-o", "x"], "say in which form"),
        (["--davidbau", "--model", "m.pth"], "--model goes with --lora"),
    ],
)
def test_wrong_combinations_of_options(
    finished: Path, invoke: Invoke, arguments: list[str], words: str
) -> None:
    done = invoke("export", str(finished / "run"), *arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_recipe_is_no_edit(recipe: Path, invoke: Invoke) -> None:
    done = invoke("export", "demo.redraft", "--lora", "-o", "l.safetensors")
    assert done.exit_code == 1
    assert done.stderr.startswith("error[RD656]")
