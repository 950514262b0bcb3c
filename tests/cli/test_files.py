"""Files as their owners mean them, on the command line: read, said, run, applied and taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.cli.conftest import Invoke
from tests.docs.kind_files import KINDS

from redraft.disk.digest import tensors_digest
from redraft.models.checkpoint.weights import load_state

RECIPE = """edition 2026

recipe own 1.0.0 "A rule in a file of somebody's own"

model mine {{
  arch    {arch}
  weights "model.pth"
{settings}}}

latents z {{ seed 1  count 60 }}

rule spot at {layer} {{
  copy    z[3] box(x 20%..70%, y 20%..70%)
  context z[5] box(x 20%..70%, y 20%..70%)
  context z[8] box(x 20%..70%, y 20%..70%)
  rank     2
}}
"""
RUN = (
    "smoothed generator under `Gs`",
    "networks in one dict (`generator.`, `discriminator.`)",
    "training file with an object of the owner's class",
    "DCGAN that ends with sigmoid",
    "DCGAN with spectral norm",
    "DCGAN of up-sampling and convolutions",
    "weights in float16",
    "weights in bfloat16",
    "weights in float64",
    "ProgGAN of pytorch_GAN_zoo",
    "StyleGAN of style-based-gan-pytorch",
)


def written(name: str) -> tuple[str, str]:
    """A file of a kind, and a recipe for it; the layer that the recipe edits."""
    kind = next(each for each in KINDS if each.name == name)
    kind.write(Path())
    settings = "".join(f"  {key} {value}\n" for key, value in (kind.settings or {}).items())
    layers = {
        "proggan": "scaleLayers.0.0",
        "stylegan": "generator.progression.2.conv2.conv",
        "DCGAN of up-sampling and convolutions": "conv_blocks.2",
    }
    layer = layers.get(name) or layers.get(kind.arch) or "layer3"
    Path("own.redraft").write_text(
        RECIPE.format(arch=kind.arch, settings=settings, layer=layer), encoding="utf-8"
    )
    return kind.taken, layer


@pytest.mark.parametrize("name", RUN)
def test_it_is_run_applied_and_taken_back(invoke: Invoke, name: str) -> None:
    taken, _ = written(name)
    before = load_state(Path("model.pth"))
    assert invoke("run", "own.redraft", "--out", "out").exit_code == 0
    record = json.loads(Path("out/run.json").read_text())
    named = any(taken and f"`{taken}`" in each for each in record["model"]["assumed"])
    assert named == bool(before.header.others)
    assert invoke("apply", "model.pth", "out", "--out", "edited.pth").exit_code == 0
    after = load_state(Path("edited.pth"))
    changed = [n for n in before.tensors if not torch.equal(before.tensors[n], after.tensors[n])]
    assert len(changed) in (1, 2)
    assert {n: t.dtype for n, t in after.tensors.items()} == {
        n: t.dtype for n, t in before.tensors.items()
    }
    assert invoke("revert", "edited.pth", "--out", "restored.pth").exit_code == 0
    restored = load_state(Path("restored.pth"))
    assert tensors_digest(restored.tensors) == tensors_digest(before.tensors)


def test_the_edit_goes_to_the_weights_that_the_recipe_chose(invoke: Invoke) -> None:
    written("smoothed generator under `Gs`")
    text = Path("own.redraft").read_text()
    Path("own.redraft").write_text(
        text.replace('"model.pth"', '"model.pth" weights-set "generator"')
    )
    assert invoke("run", "own.redraft", "--out", "out").exit_code == 0
    assert invoke("apply", "model.pth", "out", "--out", "edited.pth").exit_code == 0
    for name, alike in (("Gs", True), ("generator", False)):
        states = [load_state(Path(path), name).tensors for path in ("model.pth", "edited.pth")]
        assert (tensors_digest(states[0]) == tensors_digest(states[1])) == alike
    assert invoke("revert", "edited.pth").exit_code == 0
    before, after = (load_state(Path(path), "generator") for path in ("model.pth", "edited.pth"))
    assert tensors_digest(before.tensors) == tensors_digest(after.tensors)


def test_layers_says_which_weights_and_what_is_assumed(invoke: Invoke) -> None:
    written("smoothed generator under `Gs`")
    shown = " ".join(invoke("layers", "model.pth").stdout.split())
    assert "the weights `Gs` of its file, which also holds `generator`" in shown
    assert "ReLU behind its layers; batch norm with eps 1e-05; tanh at its end" in shown
    other = json.loads(
        invoke("layers", "model.pth", "--weights-set", "generator", "--format", "json").stdout
    )
    assert "`Gs`" in other["assumed"][0]
    wrong = invoke("layers", "model.pth", "--weights-set", "nothing")
    assert wrong.exit_code == 1
    assert "RD686" in wrong.stderr


def test_a_setting_that_an_architecture_does_not_take(invoke: Invoke) -> None:
    written("ProgGAN of pytorch_GAN_zoo")
    text = Path("own.redraft").read_text()
    Path("own.redraft").write_text(text.replace('"model.pth"', '"model.pth"  slope 0.2'))
    result = invoke("check", "own.redraft")
    assert result.exit_code == 1
    assert "RD222" in result.stdout + result.stderr
    assert "slope is for `dcgan`" in result.stdout + result.stderr


def test_sample_draws_a_recipe_s_model_as_the_recipe_has_it(invoke: Invoke) -> None:
    written("StyleGAN of style-based-gan-pytorch")
    text = Path("own.redraft").read_text()
    Path("own.redraft").write_text(
        text.replace('"model.pth"', '"model.pth"  truncation 0').replace("seed 1 ", "seed 7 ")
    )
    images = ("--images", "0..1")
    assert invoke("sample", "own.redraft", "--out", "mean.png", *images).exit_code == 0
    truncated = ("--truncation", "0", "--seed", "7")
    assert invoke("sample", "model.pth", "--out", "same.png", *images, *truncated).exit_code == 0
    assert invoke("sample", "model.pth", "--out", "other.png", *images).exit_code == 0
    pictures = [Image.open(each).tobytes() for each in ("mean.png", "same.png", "other.png")]
    assert pictures[0] == pictures[1] != pictures[2]
    written("DCGAN with leaky ReLU")
    refused = invoke("sample", "model.pth", "--out", "no.png", "--truncation", "0.5")
    assert refused.exit_code == 2
    assert "--truncation is for" in refused.stderr


def test_pictures_that_do_not_fill_their_range_are_a_warning(invoke: Invoke) -> None:
    written("DCGAN with leaky ReLU")
    state = {
        n: 0.001 * t if n == "main.6.weight" else t for n, t in torch.load("model.pth").items()
    }
    torch.save(state, "model.pth")
    result = invoke("sample", "model.pth", "--out", "faint.png")
    assert "the pictures fill 0.1 % of their range" in result.stderr
    assert "ReLU behind its layers" in result.stderr
    state["main.6.weight"] *= 1e6
    torch.save(state, "model.pth")
    result = invoke("sample", "model.pth", "--out", "full.png")
    assert "of the pixels are as dark or as bright as they can be" in result.stderr
    result = invoke("run", "own.redraft", "--out", "full")
    assert result.exit_code == 0, result.stderr
    assert "of the pixels are as dark or as bright as they can be; if that is not" in result.stderr
    assert "as dark or as bright" in Path("full/report.html").read_text(encoding="utf-8")
    assert "as dark or as bright" in Path("full/run.json").read_text(encoding="utf-8")


def test_a_picture_of_a_run_gives_the_recipe_back(invoke: Invoke) -> None:
    written("DCGAN with leaky ReLU")
    assert invoke("run", "own.redraft", "--out", "out").exit_code == 0
    Path("out/before-after.png").rename("sheet.png")
    texts = [invoke("flatten", each).stdout.splitlines() for each in ("sheet.png", "own.redraft")]
    assert texts[0][1:] == texts[1][1:]
    Path("own.redraft").unlink()
    assert invoke("run", "sheet.png", "--out", "again").exit_code == 0
    edits = [Path(folder, "edit.safetensors").read_bytes() for folder in ("out", "again")]
    assert edits[0] == edits[1]
    with Image.open("sheet.png") as picture:
        said = json.loads(picture.text["redraft-run"])  # type: ignore[attr-defined]
    assert said["edit_sha256"] == json.loads(Path("out/run.json").read_text())["edit_sha256"]
    Image.new("L", (8, 8)).save("plain.png")
    refused = invoke("run", "plain.png")
    assert refused.exit_code == 1
    assert "RD813" in refused.stderr
