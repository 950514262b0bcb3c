"""The trainings: they go on where they rested, and what they write can be opened.

A few steps make no picture that anything could be measured on; docs/village.md says what the whole
course reaches.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from redraft.errors import ModelError
from redraft.world import measure, train
from redraft.world.code import code_size, encode, hinges
from redraft.world.course import Course, latents_of, loss, pixel_weights
from redraft.world.drawing import LABELS, draw
from redraft.world.networks import SHAPES
from redraft.world.segmenter import Segmenter, segmenter_of
from redraft.world.training import STATE, carry_out, spoilt, training_of

SHORT = Course(pictures=6, batch=2, code_steps=2, at_16=2, at_32=4, half=False)
MODELS = pytest.mark.parametrize("model", SHAPES)
EVERY = pytest.mark.parametrize("model", [*SHAPES, "segmenter"])


def silent(line: str) -> None:
    """Say nothing."""


@MODELS
def test_the_network_in_training_draws_as_its_file_does(model: str) -> None:
    network = SHAPES[model](torch.Generator().manual_seed(3))
    for tensor in network.tensors.values():
        tensor += 0.01
    stored = {name: tensor.clone() for name, tensor in network.file_tensors().items()}
    latents = torch.from_numpy(latents_of(0, 0, 3))
    sample = measure.built(stored).sample
    torch.testing.assert_close(
        sample(latents), network.pictures(latents, 64).clamp(-1, 1), atol=1e-3, rtol=0
    )
    again = SHAPES[model](torch.Generator().manual_seed(4))
    for name, tensor in again.from_file(stored).items():
        torch.testing.assert_close(tensor, network.tensors[name])


@EVERY
def test_a_run_that_was_cut_off_ends_like_one_that_was_not(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = carry_out(model, SHORT, tmp_path / "whole", silent)
    monkeypatch.setattr("redraft.world.training.SAVE_S", 0.0)
    monkeypatch.setattr("redraft.world.training.TELL_S", 0.0)

    def cut(line: str) -> None:
        if line.startswith("4 pictures"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(model, SHORT, tmp_path / "cut", cut)
    said: list[str] = []
    cut_off = carry_out(model, SHORT, tmp_path / "cut", said.append)
    assert said[0] == "going on after 2 pictures"
    assert whole.read_bytes() == cut_off.read_bytes()


@EVERY
def test_weights_are_small_and_the_seed_decides_them(model: str, tmp_path: Path) -> None:
    course = replace(SHORT, pictures=2)
    first = carry_out(model, course, tmp_path / "a", silent)
    assert first.stat().st_size < 12e6
    assert {tensor.dtype for tensor in load_file(first).values()} == {torch.float16}
    second = carry_out(model, course, tmp_path / "b", silent)
    other = carry_out(model, replace(course, seed=1), tmp_path / "c", silent)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()


@EVERY
def test_a_new_run_can_start_from_weights(model: str, tmp_path: Path) -> None:
    before = carry_out(model, SHORT, tmp_path / "before", silent)
    folder = str(tmp_path / "after")
    command = [model, "--folder", folder, "--from", str(before), "--pictures", "2", "--batch", "2"]
    # At a rate of 0 nothing is learned.
    assert train.main([*command, "--rate", "0", "--threads", "1"]) == 0
    after = load_file(tmp_path / "after" / f"{model}.safetensors")
    for name, tensor in load_file(before).items():
        torch.testing.assert_close(after[name], tensor, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_state_is_refused(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / STATE).write_bytes(content)
    command = ["village", "--folder", str(tmp_path), "--threads", "1"]
    assert train.main(command) == 1
    assert "is not a file from which this training can go on" in capsys.readouterr().err
    assert (tmp_path / STATE).read_bytes() == content
    assert train.main(["village", "--folder", str(tmp_path / "x"), "--from", str(tmp_path)]) == 1


def test_another_trainings_state_is_refused(tmp_path: Path) -> None:
    carry_out("segmenter", SHORT, tmp_path, silent)
    with pytest.raises(ModelError, match="is not a file from which this training can go on"):
        carry_out("village", SHORT, tmp_path, silent)


def test_a_step_learns(tmp_path: Path) -> None:
    course = replace(SHORT, batch=8, pictures=10_000, code_steps=30, at_16=10_000)
    training = training_of("village", course)
    training.begin(silent)
    errors = [training.learn(step, 8 * step) for step in range(25)]
    assert np.mean(errors[-3:]) < 0.75 * np.mean(errors[:3])


def test_the_course_slows_down_and_grows() -> None:
    course = Course(pictures=1000, rate=1.0, falling=0.5, exact=0.1, at_16=100, at_32=200)
    assert [course.side(done) for done in (0, 99, 100, 200, 999)] == [16, 16, 32, 64, 64]
    rates = [course.rate_at(done) / min(1, (done + 1) / 2000) for done in (100, 500, 750, 1000)]
    assert rates == pytest.approx([1, 1, 0.5, 0])
    assert [course.half_at(done) for done in (0, 899, 901)] == [True, True, False]


def test_the_loss_sees_small_things_more() -> None:
    labels = torch.zeros(1, 64, 64, dtype=torch.uint8)
    labels[0, 30:35, 30:35] = LABELS.index("dome")
    weights = pixel_weights(labels)
    wrong = torch.zeros(1, 3, 64, 64)
    wrong[:, :, 30:35, 30:35] = 0.1
    elsewhere = torch.zeros(1, 3, 64, 64)
    elsewhere[:, :, 10:15, 10:15] = 0.1
    assert loss(wrong, weights) > 4 * loss(elsewhere, weights) > 0
    assert loss(torch.zeros(1, 3, 64, 64), weights) == 0


def test_the_code_holds_the_scene() -> None:
    latents = latents_of(0, 0, 200)
    code = encode(latents)
    assert code.shape == (200, code_size())
    assert code.min() >= 0
    assert code.max() <= 1
    labels = draw(latents).labels
    marked = (labels == LABELS.index("watermark")).any((1, 2))
    np.testing.assert_array_equal(code[:, -1] == 1, marked)
    weights, biases = hinges()
    assert weights.shape == (len(biases), 28)


def test_latents_of_a_step_can_be_drawn_again() -> None:
    np.testing.assert_array_equal(latents_of(1, 7, 5), latents_of(1, 7, 5))
    assert not np.array_equal(latents_of(1, 7, 5), latents_of(1, 8, 5))


def test_the_segmenter_is_trained_on_drawings_that_are_somewhat_spoilt() -> None:
    pictures = torch.from_numpy(draw(latents_of(0, 0, 20)).pictures)
    changed = spoilt(pictures, torch.Generator().manual_seed(0))
    off = (changed - pictures).abs().mean((1, 2, 3))
    assert off.min() > 0
    assert off.max() < 0.15
    judge = segmenter_of(Segmenter().state_dict())
    assert judge.labels(changed).shape == (20, 64, 64)
    assert judge.features(changed)[-1].shape == (20, 64, 8, 8)


def test_the_program_says_what_it_wants() -> None:
    command = [sys.executable, "-m", "redraft.world.train", "castle", "--folder", "x"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2
    assert "village-proggan" in done.stderr
