"""``redraft models``, ``layers``, ``sample``, ``apply`` and ``revert``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

Invoke = Callable[..., Result]


def cells(line: str) -> list[str]:
    """The cells of one line of a table."""
    return re.split(r"\s{2,}", line.strip())


def test_models(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache = tmp_path / "own-cache"
    monkeypatch.setenv("REDRAFT_CACHE", str(cache))
    listed = {model["name"]: model for model in told_models(invoke)}
    assert listed["faces"]["licence"] == "MIT"
    assert listed["faces"]["cached"] is False
    assert listed["faces"]["package"] == "gan-face-generate==1.1.1"
    village = listed["village"]
    assert village["cached"] is True
    assert (village["package"], village["url"], village["licence"]) == (None, None, "MIT")
    assert village["bytes"] < 12e6
    horse = listed["stylegan2-horse"]
    assert horse["url"].endswith("/stylegan2_horse-499b5380.pt")
    assert (horse["bytes"], horse["sha256"], horse["sha256_head"]) == (None, None, "499b5380")
    lines = {cells(line)[0]: cells(line) for line in invoke("models").stdout.splitlines() if line}
    assert lines["faces"] == ["faces", "Synthetic faces, 64 px", "14 MB", "MIT", "no"]
    assert lines["village-proggan"] == [
        *("village-proggan", "Drawn villages, 64 px", "5 MB", "MIT", "yes")
    ]
    assert lines["proggan-church"][1:] == ["Churches, 256 px", "unknown", "not stated", "no"]
    file = cache / "models" / "proggan_churchoutdoor-7e701dd5.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(3_000_000))
    lines = {cells(line)[0]: cells(line) for line in invoke("models").stdout.splitlines() if line}
    assert lines["proggan-church"][2:] == ["3 MB", "not stated", "yes"]


def told_models(invoke: Invoke) -> list[dict[str, Any]]:
    """What ``redraft models --format json`` says."""
    told: list[dict[str, Any]] = json.loads(invoke("models", "--format", "json").stdout)
    return told


def test_layers_of_a_published_model_need_no_download(invoke: Invoke) -> None:
    shown = invoke("layers", "proggan-church")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("proggan-church: proggan, pictures 256 x 256, latents of 512 ")
    row = next(line for line in shown.stdout.splitlines() if line.startswith("layer6"))
    assert cells(row) == [
        *("layer6, layer6.conv", "16 x 16", "16 x 16", "512 -> 512", "3 x 3"),
        *("convolution", "16 x 16 pixels"),
    ]


def test_layers_of_a_listed_model_need_no_download(invoke: Invoke) -> None:
    shown = invoke("layers", "faces")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0] == "faces: dcgan, pictures 64 x 64, latents of 100 numbers"
    row = next(line for line in lines if line.startswith("layer6"))
    assert cells(row) == [
        *("layer6, main.6", "8 x 8", "16 x 16", "256 -> 128", "4 x 4"),
        *("transposed convolution", "8 x 8 pixels"),
    ]


def test_layers_of_a_file(invoke: Invoke, recipe: Path) -> None:
    told = json.loads(invoke("layers", "tiny.pth", "--format", "json").stdout)
    assert told["model"] == "tiny.pth"
    assert told["image_size"] == [64, 64]
    assert [layer["names"][0] for layer in told["layers"]] == ["layer3", "layer6", "layer9"]
    assert [layer["in_channels"] for layer in told["layers"]] == [32, 16, 8]


@pytest.mark.parametrize(
    ("model", "code"),
    [("face", "RD620"), ("no/such.pth", "RD601"), ("demo.redraft", "RD608"), (".", "RD602")],
)
def test_what_is_no_model(invoke: Invoke, recipe: Path, model: str, code: str) -> None:
    shown = invoke("layers", model, "--format", "json")
    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["error"]["code"] == code
    assert shown.stderr.startswith(f"error[{code}]: ")


# ---- sample ---------------------------------------------------------------------------------


def test_a_sheet_of_pictures(invoke: Invoke, recipe: Path) -> None:
    arguments = ("sample", "tiny.pth", "--images", "0..4", "--columns", "3")
    shown = invoke(*arguments, "--out", "a.png")
    assert shown.exit_code == 0
    with Image.open("a.png") as sheet:
        assert shown.stdout == f"written: a.png ({sheet.width} x {sheet.height}, 5 images)\n"
    invoke(*arguments, "--out", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    invoke(*arguments, "--seed", "2", "--out", "c.png")
    assert Path("a.png").read_bytes() != Path("c.png").read_bytes()


def test_originals_above_the_edited(invoke: Invoke, finished: Path) -> None:
    model, edit = str(finished / "tiny.pth"), str(finished / "run")
    arguments = ("sample", model, "--images", "0..2", "--edit", edit)
    assert invoke(*arguments, "--out", "edited.png").exit_code == 0
    assert invoke(*arguments, "--strength", "0", "--out", "same.png").exit_code == 0
    edited, same = (np.asarray(Image.open(name)) for name in ("edited.png", "same.png"))
    rows = np.nonzero((edited != same).any(axis=(1, 2)))[0]
    assert len(rows) > 0
    # The originals lie in the upper half, and no edit changes them.
    assert rows.min() > edited.shape[0] / 3


def test_a_rule_that_the_edit_has_not(invoke: Invoke, finished: Path) -> None:
    arguments = ("--edit", str(finished / "run"), "--rule", "dott", "--out", "a.png")
    shown = invoke("sample", str(finished / "tiny.pth"), *arguments)
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD650]: the edit has no rule `dott`\n")
    assert not Path("a.png").exists()


def test_a_sheet_without_a_folder(invoke: Invoke, recipe: Path) -> None:
    shown = invoke("sample", "tiny.pth", "--images", "0", "--out", "no/such/a.png")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD631]: cannot write no/such/a.png")


# ---- apply and revert -----------------------------------------------------------------------


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint."""
    loaded: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return loaded


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> list[str]:
    """Names of the tensors that are equal bit for bit."""
    return [name for name in first if torch.equal(first[name], second[name])]


def test_an_edit_is_applied_and_taken_back(invoke: Invoke, finished: Path) -> None:
    model, edit = finished / "tiny.pth", finished / "run"
    shown = invoke("apply", str(model), str(edit), "--out", "new.pth")
    assert shown.exit_code == 0
    assert "changed weights: main.6.weight\n" in shown.stdout
    before, after = tensors(model), tensors(Path("new.pth"))
    assert set(before) - set(same(before, after)) == {"main.6.weight"}
    again = invoke("apply", "new.pth", str(edit), "--out", "twice.pth")
    assert again.exit_code == 1
    assert "already holds this edit" in again.stderr
    back = invoke("revert", "new.pth", "--out", "old.pth")
    assert back.exit_code == 0
    assert same(before, tensors(Path("old.pth"))) == list(before)
    assert invoke("revert", "new.pth").stdout.startswith("restored: new.pth\n")
    assert same(before, tensors(Path("new.pth"))) == list(before)
    assert invoke("revert", "new.pth").stderr.startswith("error[RD671]")


def test_half_an_edit(invoke: Invoke, finished: Path) -> None:
    model = str(finished / "tiny.pth")
    edit = str(finished / "run" / "edit.safetensors")
    for strength in ("1", "0.5", "0"):
        arguments = ("--rule", "dot", "--strength", strength, "--out", f"{strength}.pth")
        assert invoke("apply", model, edit, *arguments).exit_code == 0
    name = "main.6.weight"
    whole, half, none = (tensors(Path(f"{s}.pth"))[name] for s in ("1", "0.5", "0"))
    torch.testing.assert_close(half - none, (whole - none) / 2)
    assert not torch.equal(whole, none)
    assert (
        "changed weights: none"
        in invoke("apply", model, edit, "--strength", "0", "--out", "x.pth").stdout
    )


def test_an_edit_for_another_model(invoke: Invoke, finished: Path) -> None:
    state = tensors(finished / "tiny.pth")
    state["main.6.weight"] = state["main.6.weight"] + 1
    torch.save(state, "other.pth")
    edit = str(finished / "run")
    shown = invoke("apply", "other.pth", edit, "--out", "new.pth")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD651]")
    assert not Path("new.pth").exists()
    assert invoke("apply", "other.pth", edit, "--out", "new.pth", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("apply", "tiny.pth", "no/such", "--out", "a.pth"), "RD654"),
        (("apply", "tiny.pth", ".", "--out", "a.pth"), "RD654"),
        (("apply", "tiny.pth", "tiny.pth", "--out", "a.pth"), "RD656"),
        (("revert", "tiny.pth"), "RD673"),
        (("revert", "no-such.pth"), "RD673"),
    ],
)
def test_what_cannot_be_applied_or_reverted(
    invoke: Invoke, recipe: Path, arguments: tuple[str, ...], code: str
) -> None:
    shown = invoke(*arguments)
    assert shown.exit_code == 1
    assert shown.stderr.startswith(f"error[{code}]: ")


def test_an_edit_never_goes_over_its_base(invoke: Invoke, finished: Path) -> None:
    model = str(finished / "tiny.pth")
    before = Path(model).read_bytes()
    shown = invoke("apply", model, str(finished / "run"), "--out", model)
    assert shown.stderr.startswith("error[RD670]")
    assert Path(model).read_bytes() == before
