"""The judge and what it measures: on drawings, on pictures that are wrong, and as a program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from redraft.errors import ModelError
from redraft.world import measure, sheet, train
from redraft.world.drawing import draw
from redraft.world.measure import BARS
from redraft.world.networks import SHAPES
from redraft.world.scene import Rules
from redraft.world.segmenter import shipped_segmenter

JUDGE = shipped_segmenter()


def test_the_judge_agrees_with_unseen_drawings() -> None:
    measured = measure.measure(None, JUDGE, 150)
    assert min(measured.iou.values()) > 0.95
    assert measured.error == 0


def test_the_judge_sees_what_a_changed_rule_changed() -> None:
    def edited(latents: Tensor) -> Tensor:
        return torch.from_numpy(draw(latents.numpy(), Rules(dome="spire")).pictures)

    measured = measure.measure(edited, JUDGE, 100)
    assert measured.iou["dome"] < 0.02
    assert 0.3 < measured.iou["spire"] < 0.7
    assert measured.iou["tree"] > 0.95
    assert measured.error > 0.01


def test_pictures_moved_by_two_pixels_miss_the_bars() -> None:
    def moved(latents: Tensor) -> Tensor:
        return torch.from_numpy(np.roll(draw(latents.numpy()).pictures, 2, 3))

    measured = measure.measure(moved, JUDGE, 60)
    assert all(measured.iou[name] < bar for name, bar in BARS.items())


def test_the_program_tells_what_was_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["village-proggan", "--folder", str(tmp_path), "--pictures", "2", "--batch", "2"]
    assert train.main([*command, "--code-steps", "1", "--threads", "1"]) == 0
    capsys.readouterr()
    file = str(tmp_path / "village-proggan.safetensors")
    assert measure.main([file, "--count", "5", "--format", "json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert set(told["missed"]) == set(BARS)
    assert measure.main(["--count", "20"]) == 0
    shown = capsys.readouterr().out
    assert "dome " in shown
    assert "reached" in shown
    assert "missed" not in shown


@pytest.mark.parametrize("option", ["model", "segmenter"])
def test_a_file_of_something_else_is_refused(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"nothing")
    command = [str(file)] if option == "model" else ["--segmenter", str(file)]
    assert measure.main(command) == 1
    assert str(file) in capsys.readouterr().err
    assert measure.main(["missing.safetensors"]) == 1


def test_a_generator_of_other_latents_is_refused(tmp_path: Path) -> None:
    tensors = SHAPES["village-proggan"](torch.Generator().manual_seed(0)).file_tensors()
    tensors["layer1.conv.weight"] = tensors["layer1.conv.weight"][:, :20].contiguous()
    file = tmp_path / "other.safetensors"
    save_file(tensors, file)
    with pytest.raises(ModelError) as caught:
        measure.sampler(str(file))
    assert caught.value.code == "RD698"
    assert caught.value.message == f"{file} takes latents of 20 numbers, and villages have 28"


def test_a_folder_is_no_segmenter(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        shipped_segmenter(tmp_path)
    assert caught.value.code == "RD699"
    assert caught.value.message.startswith(f"{tmp_path} is not a segmenter of the village: ")


def test_a_sheet_has_a_row_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sheet.png"
    command = [
        str(file),
        "--count",
        "3",
        "--answer",
        "domes to spires",
        "--answer",
        "trees removed",
    ]
    assert sheet.main(command) == 0
    assert capsys.readouterr().out == f"written: {file}\n"
    with Image.open(file) as image:
        assert image.size == (2 * (3 * 66 - 2), 2 * (3 * 66 - 2))
        pixels = np.asarray(image)
    assert (pixels[:128, :128] != pixels[2 * 132 : 2 * 132 + 128, :128]).any()
